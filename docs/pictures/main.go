// Command pictures makes the pictures of the docs: `make pictures`, or with ONLY=media those of docs/media.md, with
// ONLY=demo, ONLY=lanes and ONLY=page those of README.md and docs/gateway.md. They are committed: programs of other
// versions would draw them a little differently, and other machines measure other figures.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// into is where the pictures are.
const into = "docs/media"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	only := ""
	if len(os.Args) > 1 {
		only = os.Args[1]
	}
	if err := run(ctx, only); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// run makes all pictures, or those that are named.
func run(ctx context.Context, only string) error {
	all := []struct {
		name string
		make func(context.Context, string) error
	}{{"media", makeMedia}, {"demo", makeDemo}, {"lanes", makeLanes}, {"page", makePage}}
	made := false
	for _, p := range all {
		if only == "" || only == p.name {
			if err := p.make(ctx, into); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			made = true
		}
	}
	if !made {
		return fmt.Errorf("no pictures are called %q: media, demo, lanes, page", only)
	}
	return nil
}

// makeDemo makes the picture of the report of `siren demo`.
func makeDemo(ctx context.Context, into string) error {
	dir, err := os.MkdirTemp("", "siren-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := exec.CommandContext(ctx, "bin/siren", "demo", "--report", dir+"/report.html", "--picture", into+"/demo.svg")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}
