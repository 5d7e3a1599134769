// Package advise looks for a policy that serves a load in time, or for less, by playing the load through policies that
// differ from the one before in one step: a pool's min, max, slots or shoulder, a lane's reserve. It says what each
// step gains and costs, and what it would cost to promise more.
//
// A step may have more of a lane's jobs late only where 96 % of them are in time all the same, one more in a hundred
// than the objective asks for. The same load and seed give the same advice. It knows no files and no clock: Play plays,
// and the command that is asked reads and shows.
package advise
