// Package load makes the jobs of a simulation: from a trace, or by a seeded pattern. All of it is streamed, and the
// same seed makes the same jobs, whoever scales the fleet that they meet.
package load
