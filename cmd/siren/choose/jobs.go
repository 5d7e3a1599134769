package choose

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/lanes/job"
)

// Jobs is the flags that choose jobs.
type Jobs struct {
	dead.Filter // its times are since the job was enqueued, unless State is Dead
	State       string
	Limit       int
	After       string
}

// Choosing adds the flags that choose by what a job is.
func (f *Jobs) Choosing(a *app.App, c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.Lane, "lane", "", "only jobs of this lane")
	app.CompleteFlag(c, "lane", a.CompleteLanes)
	fs.StringVar(&f.Kind, "kind", "", "only jobs of this kind")
	app.CompleteFlag(c, "kind", a.CompleteKinds)
	fs.StringVarP(&f.Selector, "selector", "l", "", "only jobs whose labels match, as in tier=premium,batch!=true")
	fs.DurationVar(&f.Since, "since", 0, "only jobs at most this old")
	fs.DurationVar(&f.OlderThan, "older-than", 0, "only jobs at least this old")
	c.PreRunE = choosesBySomething
}

// choosesBySomething refuses a filter without a value, which would choose everything: --tenant "$TENANT" isn't meant so
// where TENANT isn't set.
func choosesBySomething(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "lane", "kind", "selector", "tenant", "died-of", "state":
			if v := f.Value.String(); v == "" || v == "[]" {
				err = exit.With(exit.Usage, fmt.Errorf("--%s has no value: say which, or leave it out for all", f.Name))
			}
		}
	})
	return err
}

// Paging adds the flags that say how much of a list is shown.
func (f *Jobs) Paging(c *cobra.Command) {
	c.Flags().IntVar(&f.Limit, "limit", 50, "at most this many, the newest first; 0: all")
	c.Flags().StringVar(&f.After, "after", "", "go on where a list ended that had more: it says what to write here")
}

// ByState adds the flag that chooses one of the states.
func (f *Jobs) ByState(c *cobra.Command, states ...job.State) {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	app.OneOf(c, &f.State, "state", "", "only jobs in this `STATE`", names...)
}

// Query returns what the flags ask the ledger for.
func (f *Jobs) Query(now time.Time) (jobrecord.Filter, error) {
	var none jobrecord.Filter
	switch err := dead.CheckSelector(f.Selector); {
	case err != nil:
		return none, exit.With(exit.Usage, fmt.Errorf("--selector %q: %w", f.Selector, err))
	case f.Limit < 0 || f.Since < 0 || f.OlderThan < 0:
		return none, exit.With(exit.Usage, errors.New("--limit, --since and --older-than can't be negative"))
	case f.After != "" && !jobrecord.IsCursor(f.After):
		return none, exit.With(exit.Usage, fmt.Errorf("--after %q: write what an earlier list said", f.After))
	}
	q := f.Records(job.State(f.State), now)
	q.Limit, q.After = f.Limit, f.After
	return q, nil
}

// List reads the chosen records. next is where a list goes on that has more than the limit.
func (f *Jobs) List(
	ctx context.Context, ledger *jobledger.Ledger, now time.Time,
) (all []job.Record, next string, err error) {
	q, err := f.Query(now)
	if err != nil {
		return nil, "", err
	}
	if f.Limit > 0 {
		page, err := ledger.List(ctx, q)
		return page.Records, page.Next, err
	}
	for r, err := range ledger.Each(ctx, q) {
		if err != nil {
			return nil, "", err
		}
		all = append(all, r)
	}
	return all, "", nil
}

// String says in words what the flags choose by; "" for all.
func (f *Jobs) String() string {
	words := []string{f.Filter.String()}
	if f.State != "" {
		words = append(words, "state "+f.State)
	}
	return strings.TrimPrefix(strings.Join(words, ", "), ", ")
}

// GoesOn says where a list goes on that was cut; next is "" at its end.
func GoesOn(t *show.Table, next string) {
	if next != "" {
		t.Warn("there may be more; go on with --after %s", next)
	}
}
