package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
)

const (
	completeWithin = time.Second // how long a shell waits for what it completes with
	mostCompleted  = 100         // jobs
)

// CompleteLanes completes lanes, with what waits and runs in each.
func (a *App) CompleteLanes(
	c *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, args, begun, func(ctx context.Context, s *redislink.Store) []cobra.Completion {
		snap, _ := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Snapshot(ctx)
		found := make([]cobra.Completion, len(snap.Lanes))
		for i, l := range snap.Lanes {
			found[i] = cobra.CompletionWithDesc(l.Name,
				say.Plural(l.Ready, "job")+" ready, "+say.Plural(l.Busy, "job")+" running")
		}
		return found
	})
}

// CompletePools completes pools, with their workers.
func (a *App) CompletePools(
	c *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, args, begun, func(ctx context.Context, s *redislink.Store) []cobra.Completion {
		snap, _ := redis.NewBoard(s, slog.New(slog.DiscardHandler)).Snapshot(ctx)
		found := make([]cobra.Completion, len(snap.Pools))
		for i, p := range snap.Pools {
			found[i] = cobra.CompletionWithDesc(p.Name,
				say.Plural(p.Replicas, "worker")+", home of "+strings.Join(p.Lanes, ", "))
		}
		return found
	})
}

// CompleteJobs completes the ids of the newest jobs that begin so, or of those in one of the states: what is found of
// them within the time there is.
func (a *App) CompleteJobs(states ...job.State) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.complete(c, args, begun, func(ctx context.Context, s *redislink.Store) (found []cobra.Completion) {
			page, _ := jobledger.New(s, slog.New(slog.DiscardHandler)).List(ctx,
				jobrecord.Filter{Limit: mostCompleted, Prefix: begun, Match: func(r job.Record) bool {
					return len(states) == 0 || slices.Contains(states, r.State)
				}})
			for _, r := range page.Records {
				found = append(found, cobra.CompletionWithDesc(r.ID,
					show.Harmless(string(r.State)+", "+r.Kind+" in "+r.Lane+", "+say.Age(r.EnqueuedAt, s.Now())+
						" ago")))
			}
			return found
		})
	}
}

// complete looks for what completes an argument or a flag. Within a second it has to be there: the shell waits. What
// goes wrong is not said.
func (a *App) complete(
	c *cobra.Command, args []string, begun string, look func(context.Context, *redislink.Store) []cobra.Completion,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completeWithin)
	defer cancel()
	early, enough := context.WithTimeout(ctx, completeWithin*3/4) // what is found by then is offered
	defer enough()
	found := make(chan []cobra.Completion, 1)
	go func() {
		_ = a.withStore(func(s *redislink.Store) error {
			found <- look(early, s)
			return nil
		})
		close(found)
	}()
	select {
	case f := <-found:
		return choices(f, args, begun)
	case <-ctx.Done():
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteKinds completes kinds of jobs.
func (a *App) CompleteKinds(
	_ *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	for _, k := range kinds.All() {
		found = append(found, k.Name)
	}
	return choices(found, args, begun)
}

// CompleteParams completes NAME= of the params of the kind, or of the preset's, and the words that one may be.
func (a *App) CompleteParams(
	c *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	kind, err := kinds.Find(strings.Join(args, ""))
	if preset, _ := c.Flags().GetString("preset"); err != nil && preset != "" {
		kind, _ = kinds.Find(a.kindOf(c, preset))
	}
	var found []cobra.Completion
	name, _, valued := strings.Cut(begun, "=")
	for _, p := range kind.Params {
		if !valued {
			found = append(found, cobra.CompletionWithDesc(p.Name+"=", p.About+": "+p.Range()))
		} else if p.Name == name {
			for _, word := range p.Words {
				found = append(found, name+"="+word)
			}
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// kindOf returns the kind of a preset; "" when that can't be known within a shell's patience.
func (a *App) kindOf(c *cobra.Command, preset string) string {
	found, _ := a.complete(c, nil, "", func(ctx context.Context, s *redislink.Store) []cobra.Completion {
		e, _ := a.Effective(ctx, s)
		n, _ := e.Policy.Preset(preset)
		return []cobra.Completion{n.Kind}
	})
	return strings.Join(found, "")
}

// CompletePresets completes presets that a new job may name.
func (a *App) CompletePresets(
	c *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, args, begun, func(ctx context.Context, s *redislink.Store) (found []cobra.Completion) {
		e, _ := a.Effective(ctx, s)
		for _, n := range e.Policy.AllPresets() {
			if !n.Retired {
				found = append(found, cobra.CompletionWithDesc(n.Name, show.Harmless(n.Kind+": "+n.About)))
			}
		}
		return found
	})
}

// CompleteContexts completes the contexts of the user's configuration.
func (a *App) CompleteContexts(
	_ *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	f, _ := reach.LoadContexts()
	var found []cobra.Completion
	for _, c := range f.All() {
		found = append(found, cobra.CompletionWithDesc(c.Name, c.Redis.URL))
	}
	return choices(found, args, begun)
}

// choices returns the found ones that fit what is begun and haven't been given yet, in their order.
func choices(found []cobra.Completion, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	fit := slices.DeleteFunc(found, func(c cobra.Completion) bool {
		name, _, _ := strings.Cut(c, "\t")
		return !strings.HasPrefix(name, begun) || slices.Contains(args, name)
	})
	return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// UpTo completes the first n arguments alone.
func UpTo(n int, with cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return with(c, args, begun)
	}
}
