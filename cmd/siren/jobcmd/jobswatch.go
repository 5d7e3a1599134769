package jobcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
)

func newJobsWatch(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "watch ID …",
		Short: "Follow jobs until they end",
		Long: `Print a line for each change of the jobs' state, until all have ended. The exit code is
4 when one of them is dead, cancelled or missing, or when a worker vanished
and no scaler rescues its job.`,
		Example:           "  siren jobs watch 06ezy…",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.CompleteJobs(job.Queued, job.Running, job.Retrying),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.WithLedger(func(ledger *jobledger.Ledger) error { return follow(cmd.Context(), a, ledger, ids) })
		},
	}
}

// follow prints the jobs' changes of state until all have ended.
func follow(ctx context.Context, a *app.App, ledger *jobledger.Ledger, ids []string) error {
	said := map[string]job.State{}
	var failed, missing int
	trouble := show.NewTrouble(a.Err)
	for r, err := range ledger.Watch(ctx, ids...) {
		switch {
		case app.RedisNotFound(err):
			fmt.Fprintf(a.Err, "no job %q\n", r.ID)
			missing++
			continue
		case errors.Is(err, job.ErrVanished):
			fmt.Fprintln(a.Err, show.Harmless(err.Error()))
			failed++
			continue
		case errors.Is(err, lanes.ErrAway):
			trouble.Say(err)
			continue
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		trouble.Say(nil)
		if said[r.ID] == r.State {
			continue
		}
		said[r.ID] = r.State
		line := fmt.Sprintf("%s  %-9s  %s\n", r.ID, r.State, show.Harmless(Detail(r, a.Now())))
		if _, err := a.Out.Write([]byte(line)); err != nil {
			return err
		}
		if r.State.Final() && r.State != job.Completed {
			failed++
		}
	}
	switch {
	case failed > 0:
		return exit.With(exit.JobFailed, fmt.Errorf("%d of %s failed", failed, say.Plural(len(ids), "job")))
	case missing > 0:
		return exit.With(exit.NotFound, fmt.Errorf("%d of %s %s not known", missing,
			say.Plural(len(ids), "job"), say.Verb(missing, "is", "are")))
	default:
		return nil
	}
}
