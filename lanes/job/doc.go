// Package job is one unit of media work and all that is said of it: its wire form, the message that brings it, its
// record, what a handler makes of it, and what its errors mean.
//
// It does no I/O and reads no clock. Which lane a job belongs to is the policy's to say (lanes).
package job
