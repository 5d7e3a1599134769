// Package law decides how many workers each pool has, and which of them stop taking jobs.
//
// Decide is one tick of it, a pure function: from the policy, what was seen (facts.Observation) and what is remembered
// (facts.History) to a Decision. It finds each lane's need (need.go), Arbitrate divides the budget among the pools
// (arbitrate.go), shrink.go picks who parks, retires and is removed, and why.go says why.
//
// It does no I/O and reads no clock: who gives it the same twice, gets the same twice.
package law
