// Package facts is what the scaler's law decides on: what one tick saw (Observation), what is remembered of those
// before (History), and both summed up for one pool (PoolView).
//
// History.Learn takes a tick in: how long jobs run and wait, how fast workers start, which of the broker's answers
// can't be believed, and what the records say beside them. It does no I/O, reads no clock, and decides nothing: that is
// scaler/law.
package facts
