// Package deadcmd is siren dead with its verbs. What is done to dead letters is in internal/operate/dead.
package deadcmd
