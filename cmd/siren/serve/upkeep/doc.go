// Package upkeep is what a scaler keeps in order beside sizing the pools: the policy that is followed, the queues that
// the broker has and had, and the tunings, also through the loss of a Redis.
package upkeep
