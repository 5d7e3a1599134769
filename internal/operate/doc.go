// Package operate is what people do to jobs, lanes and the fleet of a running system, whatever they do it with: a
// command line, a gateway.
//
// It takes plain values and gives plain values back, and errors of a Kind. What is asked, said and shown lives with
// the caller.
package operate
