package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, as `siren --help` lists them.
const (
	exitOK          = 0
	exitFailed      = 1 // what was asked for failed
	exitUsage       = 2 // wrong flags or arguments
	exitNotFound    = 3 // no such job, lane or pool
	exitJobFailed   = 4 // a job that was waited for is dead or cancelled
	exitUnreachable = 5 // RabbitMQ or Redis can't be reached
)

// exitError is an error with the exit code it means.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exit gives err the exit code; nil stays nil.
func exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// app is what every subcommand shares: the streams, the global flags, and whether cobra got as far as running one.
type app struct {
	streams
	amqpURL  string
	redisURL string
	logLevel string
	logJSON  bool
	started  bool
}

// run is the whole program but for the process's globals. It returns the exit code.
func run(args []string, s streams) int {
	a := &app{streams: s}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	switch {
	case errors.As(err, &e):
		if e.err.Error() != "" {
			fmt.Fprintln(s.err, "siren:", e.err)
		}
		return e.code
	case !a.started: // cobra refused the command line
		fmt.Fprintf(s.err, "siren: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintln(s.err, "siren:", err)
		return exitFailed
	}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "siren",
		Short: "Run media jobs from lanes on a fleet that grows with what waits",
		Long: `Siren runs media jobs from RabbitMQ lanes on a fleet of workers. Urgent jobs get
through at once, the lower lanes pull over, and the fleet grows with what waits.

Try it:   siren demo
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 a job that was
waited for is dead or cancelled, 5 RabbitMQ or Redis can't be reached.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := root.PersistentFlags()
	f.StringVar(&a.amqpURL, "amqp-url", "", "`URL` of RabbitMQ (default the content of $SIREN_AMQP_URL_FILE, $SIREN_AMQP_URL, else that of siren up)")
	f.StringVar(&a.redisURL, "redis-url", "", "`URL` of Redis (default the content of $SIREN_REDIS_URL_FILE, $SIREN_REDIS_URL, else that of siren up)")
	f.StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the log on stderr: debug, info, warn or error")
	f.BoolVar(&a.logJSON, "log-json", false, "log as JSON lines")

	root.AddGroup(
		&cobra.Group{ID: "jobs", Title: "Jobs:"},
		&cobra.Group{ID: "fleet", Title: "Lanes and fleet:"},
		&cobra.Group{ID: "run", Title: "Run:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("jobs", newEnqueue(a), newJobs(a), newDead(a))
	add("fleet", newLanes(a), newPools(a), newPolicy(a))
	add("run", newUp(a), newDemo(a), newWorker(a), newScaler(a))
	root.AddCommand(newVersion(a), newRunLimited())
	a.noteStart(root)
	return root
}

// noteStart has every command note that it runs: what fails before that is wrong use.
func (a *app) noteStart(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		a.noteStart(sub)
	}
}

// logger logs to stderr, at the level that was asked for, else at the given one: a process that stays says what it does, a
// command that answers and ends only what went wrong.
func (a *app) logger(level slog.Level) (*slog.Logger, error) {
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return nil, exit(exitUsage, fmt.Errorf("--log-level %q: say debug, info, warn or error", a.logLevel))
		}
	}
	o := &slog.HandlerOptions{Level: level}
	if a.logJSON {
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(a.err, o)), nil
}

// parent is a noun: bare, it does what its list verb does.
func parent(use, short string, bare *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: bare.RunE, Example: bare.Example}
	c.Flags().AddFlagSet(bare.Flags())
	c.AddCommand(bare)
	c.AddCommand(verbs...)
	return c
}
