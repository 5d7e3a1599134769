// Package enqueuecmd is siren enqueue: one job by flags or a file of them, what is refused before it is sent, and the
// wait for the end. How a job gets into its lane is in lanes/client.
package enqueuecmd
