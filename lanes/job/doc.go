// Package job is one unit of media work as a producer asks for it, and what is known of it: its wire form and its
// record.
//
// It does no I/O and reads no clock. Which lane a job belongs to is the policy's to say (lanes).
package job
