// Package work is the doing of a job: the message that brings it, the claim to run it, what a handler gets and makes,
// what its errors mean, and what becomes of the message.
//
// It does no I/O and reads no clock. The job itself, and what is kept of it, is lanes/job.
package work
