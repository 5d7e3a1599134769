// Command siren runs media jobs from RabbitMQ lanes on a fleet of workers that grows with what waits.
//
// main only hands the process's arguments, streams and signals to run; each subcommand has a file of its own.
// The commands live in packages of their own, by the nouns they are about; root.go registers them.
package main

import (
	"os"
	_ "time/tzdata" // of schedules: the images have no time zones. 450 kB

	"github.com/polyglot-media/siren/cmd/siren/app"
)

func main() {
	hideFromOthers()
	os.Exit(run(os.Args[0], os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
