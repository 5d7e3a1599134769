// Package fleet is the workers and what they do, as values: their heartbeats, what the leading scaler sees and plans,
// and when a job will start, as far as that can be foreseen.
//
// It does no I/O and reads no clock. Who grows and who goes is decided in scaler.
package fleet
