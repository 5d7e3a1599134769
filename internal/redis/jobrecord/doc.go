// Package jobrecord is the record of a job as it stands in Redis, and all that reads records: one or many, a list of
// them, what changes while somebody watches, and how many wait, wait again, are dead or missing. What moves a record
// from one state to the next is in jobledger; here only entries of indexes are removed that are found wrong.
package jobrecord
