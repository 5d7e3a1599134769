// Package doctorcmd is the commands that help to install siren: siren doctor, contexts and redis-acl. What doctor looks
// at, and how it judges, is in internal/doctor.
package doctorcmd
