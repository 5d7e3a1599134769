package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/deadcmd"
	"github.com/polyglot-media/siren/cmd/siren/democmd"
	"github.com/polyglot-media/siren/cmd/siren/doctorcmd"
	"github.com/polyglot-media/siren/cmd/siren/enqueuecmd"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/jobcmd"
	"github.com/polyglot-media/siren/cmd/siren/lanecmd"
	"github.com/polyglot-media/siren/cmd/siren/recordcmd"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/simulatecmd"
	"github.com/polyglot-media/siren/cmd/siren/tokencmd"
	"github.com/polyglot-media/siren/cmd/siren/tunecmd"
	"github.com/polyglot-media/siren/internal/redis/redislink"
)

// run runs the whole program, as which it was called, but for the process's globals. It returns the exit code.
func run(called string, args []string, s app.Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s.In = app.Interruptible(ctx, s.In)
	a := &app.App{Streams: app.Streams{In: s.In, Out: show.NewTerminal(s.Out), Err: show.NewTerminal(s.Err)}}
	root := newRoot(a)
	if strings.HasPrefix(filepath.Base(called), "kubectl-") { // as a plugin of kubectl
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl siren"}
	}
	args = asCompleter(called, args)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	addCompletion(root)
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		withoutMarks(root)
	}
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
			fmt.Fprintln(a.Err, "siren:", err)
		}
		if origin := a.Used.Origin(); (code == exit.Unreachable || code == exit.Refused) && origin != "" {
			fmt.Fprintln(a.Err, origin)
		}
		if errors.Is(err, redislink.ErrRefused) {
			fmt.Fprintf(a.Err, "%s takes the Redis login of %s: see siren redis-acl\n", cmd.CommandPath(),
				doctorcmd.Takes(cmd))
		}
		return code
	case !a.Started: // cobra refused the command line
		fmt.Fprintf(a.Err, "siren: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exit.Usage
	default:
		fmt.Fprintln(a.Err, "siren:", err)
		return exit.Failed
	}
}

func newRoot(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "siren",
		Short: "Run media jobs from lanes on a fleet that grows with what waits",
		Long: `Siren runs media jobs from RabbitMQ lanes on a fleet of workers that grows with what
waits. Urgent jobs get through at once, the lower lanes pull over. Try it: siren demo`,
		Example:       "  siren up\n  siren lanes --watch",
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpFunc(help)
	root.SetUsageFunc(func(c *cobra.Command) error {
		usage(c.OutOrStderr(), c)
		return nil
	})
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	a.Flags(root)

	root.AddGroup(
		&cobra.Group{ID: "jobs", Title: "Jobs:"},
		&cobra.Group{ID: "fleet", Title: "Lanes and fleet:"},
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("jobs", enqueuecmd.New(a), jobcmd.NewJobs(a), deadcmd.NewDead(a), lanecmd.NewPresets(a))
	add("fleet", lanecmd.NewLanes(a), lanecmd.NewPools(a), lanecmd.NewWorkers(a), lanecmd.NewExplain(a),
		lanecmd.NewDecisions(a), lanecmd.NewPolicy(a), tunecmd.NewTunings(a), tunecmd.NewBudget(a),
		lanecmd.NewAudit(a), recordcmd.New(a), simulatecmd.New(a), simulatecmd.NewAdvise(a))
	add("run", runcmd.NewUp(a), democmd.New(a), runcmd.NewWorker(a), runcmd.NewScaler(a), runcmd.NewGateway(a),
		tokencmd.NewTokens(a))
	add("other", doctorcmd.NewDoctor(a), doctorcmd.NewContexts(a), doctorcmd.NewRedisACL(a), newOptions(a),
		newVersion(a))
	root.SetCompletionCommandGroupID("other")
	root.AddCommand(runcmd.NewRunLimited(), newDocs())
	a.NoteStart(root)
	shortTimes(root)
	return root
}
