package fleet

import "time"

// Waiting is what the ledger knows of the jobs that wait in a lane. What is in its queue only the broker knows: a job
// that was sent by plain AMQP has no record, and a record may have lost its message.
type Waiting struct {
	Queued int       // records that say queued
	Oldest time.Time // when the first of them became ready, of those that can be in the queue still; zero for none
	// messages in its queue that will be skipped: their jobs are cancelled, or carried by another message
	Skipped int
}
