// Package effort says how much a job is before it runs: how long its programs will compute, and how long that takes.
//
// How long a job runs depends on what else runs beside it; how long its programs compute hardly does. So that is what
// is learnt, for each class of jobs (Class), as a line over the units of what a job is about (Units); a run time
// follows from it with the cores that the job gets. All workers learn together: a Book is what is known.
//
// It does no I/O and reads no clock. Who keeps the book is internal/redis, who measures is worker.
package effort
