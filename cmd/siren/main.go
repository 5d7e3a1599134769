// Command siren runs media jobs from RabbitMQ lanes on a fleet of workers that grows with what waits.
//
// main only hands the process's arguments, streams and signals to run; each subcommand has a file of its own.
// What isn't a subcommand lives in the rooms below: jobs, dead, fleet, yamledit, reach, show and exit.
package main

import (
	"os"
)

func main() {
	hideFromOthers()
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
