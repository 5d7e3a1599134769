// Package advise looks for a policy that serves a load in time, or for less, by playing the load through policies that
// differ from the one before in one step: a pool's min, max, slots or shoulder, a lane's reserve. It says what each
// step gains and costs, and what it would cost to promise more.
//
// A step is taken only when no lane that met its objective misses it for it, and no lane that missed it has more jobs
// late. The same load and seed give the same advice. It knows no files and no clock: Play plays, and the command that
// is asked reads and shows.
package advise
