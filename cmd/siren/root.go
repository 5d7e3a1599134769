package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/plain"
)

type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// app is what every subcommand shares: the streams, the global flags, and what has come of them.
type app struct {
	streams
	asked    reach.Flags
	user     string
	logLevel string
	logJSON  bool
	started  bool             // cobra got as far as running a command
	used     reach.Endpoints  // where the servers are, once something has asked
	clock    func() time.Time // of the Redis in use, once one is; see now
}

// run is the whole program but for the process's globals. It returns the exit code.
func run(args []string, s streams) int {
	a := &app{streams: streams{in: s.in, out: show.NewTerminal(s.out), err: show.NewTerminal(s.err)}}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exit.OK
	}
	if e := (*exit.Error)(nil); !errors.As(err, &e) { // else the command has put it into its own words
		err = show.Gist(err)
	}
	switch code, says := exit.Of(err); {
	case says:
		if err.Error() != "" {
			fmt.Fprintln(a.err, "siren:", err)
		}
		if origin := a.used.Origin(); (code == exit.Unreachable || code == exit.Refused) && origin != "" {
			fmt.Fprintln(a.err, origin)
		}
		if errors.Is(err, redislink.ErrRefused) {
			fmt.Fprintf(a.err, "%s takes the Redis login of %s: see siren redis-acl\n", cmd.CommandPath(), takes(cmd))
		}
		return code
	case !a.started: // cobra refused the command line
		fmt.Fprintf(a.err, "siren: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exit.Usage
	default:
		fmt.Fprintln(a.err, "siren:", err)
		return exit.Failed
	}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "siren",
		Short: "Run media jobs from lanes on a fleet that grows with what waits",
		Long: `Siren runs media jobs from RabbitMQ lanes on a fleet of workers. Urgent jobs get
through at once, the lower lanes pull over, and the fleet grows with what waits.
Try it: siren demo`,
		Example:       "  siren up\n  siren lanes --watch",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetHelpFunc(help)
	root.SetUsageFunc(func(c *cobra.Command) error {
		usage(c.OutOrStderr(), c)
		return nil
	})
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	a.flags(root)

	root.AddGroup(
		&cobra.Group{ID: "jobs", Title: "Jobs:"},
		&cobra.Group{ID: "fleet", Title: "Lanes and fleet:"},
		&cobra.Group{ID: "change", Title: "Change what runs:"},
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("jobs", newEnqueue(a), newJobs(a), newDead(a))
	add("fleet", newLanes(a), newPools(a), newWorkers(a), newExplain(a), newDecisions(a), newPolicy(a))
	add("change", newTunings(a), newBudget(a), newAudit(a))
	add("run", newUp(a), newDemo(a), newWorker(a), newScaler(a))
	add("other", newDoctor(a), newContexts(a), newRedisACL(a), newOptions(a), newVersion(a))
	root.SetCompletionCommandGroupID("other")
	root.AddCommand(newRunLimited(), newDocs())
	a.noteStart(root)
	return root
}

// flags adds the flags of every command.
func (a *app) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.asked.AMQPURL, "amqp-url", "", "`URL` of RabbitMQ (default: see siren contexts --help)")
	f.StringVar(&a.asked.RedisURL, "redis-url", "", "`URL` of Redis (default: see siren contexts --help)")
	f.StringVar(&a.asked.Context, "context", "", "context to use, by its `NAME`")
	f.StringVar(&a.user, "user", "", "your `NAME` in tunings and in the audit log (default: SIREN_USER, else user@host)")
	levels := []string{"debug", "info", "warn", "error"}
	f.Var(&word{&a.logLevel, levels}, "log-level", "`LEVEL` of the log on stderr: "+say.Listed(levels))
	f.BoolVar(&a.logJSON, "log-json", false, "log as JSON lines")
	f.BoolP("help", "h", false, "say what a command is for, with examples")
	completeFlag(root, "context", a.completeContexts)
	completeFlag(root, "log-level", fixed(levels...))
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
			return nil, fmt.Errorf("--log-level: %w", err)
		}
	}
	o := &slog.HandlerOptions{Level: level}
	if a.logJSON {
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(a.err, o)), nil
}

// warn says something that isn't an error, on stderr.
func (a *app) warn(format string, args ...any) {
	show.Warn(a.err, fmt.Sprintf(format, args...))
}

// parent is a noun: bare, it does what its list verb does. It may be said in the singular, and its verbs take names as -o name prints
// them: job/ID is ID.
func parent(use, short string, bare *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noSuchVerb, RunE: bare.RunE, Example: bare.Example,
		Annotations: map[string]string{bareVerb: bare.Name()},
	}
	c.Flags().AddFlagSet(bare.Flags())
	c.AddCommand(bare)
	c.AddCommand(verbs...)
	if kind, ok := strings.CutSuffix(use, "s"); ok {
		c.Aliases = []string{kind}
		takePrefixed(kind+"/", verbs)
	}
	return c
}

// bareVerb is the annotation of a noun that says which of its verbs may be left out.
const bareVerb = "bare"

// takePrefixed has the commands drop that prefix from their arguments.
func takePrefixed(prefix string, cmds []*cobra.Command) {
	for _, c := range cmds {
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(args))
			for i, arg := range args {
				names[i] = strings.TrimPrefix(arg, prefix)
			}
			return run(cmd, names)
		}
	}
}

// noSuchVerb refuses arguments of a noun: they are verbs that it doesn't have.
func noSuchVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	verbs := make([]string, 0, len(c.Commands()))
	for _, sub := range visibleCommands(c) {
		verbs = append(verbs, sub.Name())
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), plain.Suggest(args[0], verbs))
}
