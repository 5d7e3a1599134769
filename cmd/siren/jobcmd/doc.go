// Package jobcmd is siren jobs with its verbs. They have flags, questions and tables; what is done to a job is in
// internal/operate/jobs.
package jobcmd
