// Package worker runs jobs: it owns the slots and the shoulder of one worker process, claims what they take, runs it
// through a Handler, and settles it.
//
// A job's walk through here: slot.go takes it from a Source, job.go claims it, runs it, closes its record and settles
// it by what settle.go decides; meanwhile renew.go keeps the claim, and runlog what the job's programs say. beat.go
// tells the roster what runs, by the counts of tally, and follows its orders (park, retire, a new policy).
//
// The package knows no broker, no store and no media: those stand behind Source, Ledger, Logs, Roster and Handler.
package worker
