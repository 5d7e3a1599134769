package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/lanes"
)

// tenantLabel is the label that says whose job it is.
const tenantLabel = "tenant"

// brokerWord stands for everything that the safety net caught, whatever the broker's word for it.
const brokerWord = "broker"

// deathReasons is all that jobs die of: this is the whole set.
var deathReasons = []string{
	string(lanes.BadInput), string(lanes.NotAllowed), string(lanes.OutputExists), string(lanes.OverLimit), string(lanes.Transient), string(lanes.TimedOut),
	"poison", "expired", "no id", "not a job", "dead already", brokerWord,
}

// deathReason is the reason that somebody wrote: with hyphens for the blanks, if they like.
func deathReason(s string) (string, error) {
	if why, ok := strings.CutPrefix(s, brokerWord+":"); ok {
		return rabbit.BrokerReason + strings.TrimSpace(why), nil
	}
	reason := strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(strings.TrimSpace(s)))
	if !slices.Contains(deathReasons, reason) {
		return "", fmt.Errorf("nothing dies of %q%s", s, thereAre(reason, deathReasons))
	}
	return reason, nil
}

// diesOf is whether a job's reason is one of those.
func diesOf(reason string, reasons []string) bool {
	return slices.ContainsFunc(reasons, func(r string) bool {
		return r == reason || r == brokerWord && strings.HasPrefix(reason, rabbit.BrokerReason)
	})
}

// deadFilter is the flags that choose dead jobs. Times are those of the death.
type deadFilter struct {
	jobFilter
	tenant string
	diedOf []string
}

func (f *deadFilter) flags(a *app, c *cobra.Command) {
	f.choosing(a, c)
	c.Flags().Lookup("since").Usage = "only jobs that died so long ago at most"
	c.Flags().Lookup("older-than").Usage = "only jobs that died so long ago at least"
	c.Flags().StringVar(&f.tenant, "tenant", "", "only jobs of this tenant: of the label "+tenantLabel)
	c.Flags().StringSliceVar(&f.diedOf, "died-of", nil, "only jobs that died of this `REASON`, or of one of several: "+show.Listed(deathReasons))
	completeFlag(c, "died-of", fixed(deathReasons...))
}

// check makes the filter ready for use.
func (f *deadFilter) check() error {
	f.state = string(lanes.Dead)
	if f.since < 0 || f.olderThan < 0 {
		return exit.With(exit.Usage, errors.New("--since and --older-than can't be negative"))
	}
	if _, err := labels.Parse(f.selector); err != nil {
		return exit.With(exit.Usage, fmt.Errorf("--selector %q: %w", f.selector, err))
	}
	for i, s := range f.diedOf {
		reason, err := deathReason(s)
		if err != nil {
			return exit.With(exit.Usage, fmt.Errorf("--died-of: %w", err))
		}
		f.diedOf[i] = reason
	}
	f.also = func(r lanes.Record) bool {
		return (f.tenant == "" || r.Labels[tenantLabel] == f.tenant) && (len(f.diedOf) == 0 || diesOf(r.Reason, f.diedOf))
	}
	return nil
}

// chooser is whether the filter chooses a dead job, by times that count from now. It is for a filter that was checked.
func (f *deadFilter) chooser(now time.Time) func(lanes.Record) bool {
	selector, _ := labels.Parse(f.selector)
	return func(r lanes.Record) bool {
		return (f.lane == "" || r.Lane == f.lane) && (f.kind == "" || r.Kind == f.kind) && selector.Matches(labels.Set(r.Labels)) && f.also(r) &&
			(f.since == 0 || !r.EndedAt.IsZero() && !r.EndedAt.Before(now.Add(-f.since))) &&
			(f.olderThan == 0 || !r.EndedAt.IsZero() && r.EndedAt.Before(now.Add(-f.olderThan)))
	}
}

// String is the filter as the audit log has it; "" for one that chooses all.
func (f *deadFilter) String() string {
	var words []string
	say := func(name, value string) {
		if value != "" {
			words = append(words, name+" "+value)
		}
	}
	say("lane", f.lane)
	say("kind", f.kind)
	say("tenant", f.tenant)
	say("labels", f.selector)
	say("died of", strings.Join(f.diedOf, " or "))
	if f.since > 0 {
		say("since", show.Span(f.since))
	}
	if f.olderThan > 0 {
		say("older than", show.Span(f.olderThan))
	}
	return strings.Join(words, ", ")
}

// deadChoice is which dead letters a command is about: those of some jobs, by their ids, or those that a filter chooses.
type deadChoice struct {
	deadFilter
	all    bool
	reason string // why, for the audit log
	yes    bool
}

func (d *deadChoice) flags(a *app, c *cobra.Command) {
	d.deadFilter.flags(a, c)
	c.Flags().BoolVar(&d.all, "all", false, "all there are")
	c.Flags().StringVar(&d.reason, "reason", "", "why, for the audit log")
	c.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
}

// check sees to it that somebody who chooses all says so.
func (d *deadChoice) check(ids []string) error {
	if reason, err := deathReason(d.reason); err == nil && len(d.diedOf) == 0 {
		return exit.With(exit.Usage, fmt.Errorf("--reason is why you do it, for the audit log; jobs that died of it are chosen by --died-of %q", reason))
	}
	if err := d.deadFilter.check(); err != nil {
		return err
	}
	filter := d.String()
	switch {
	case len(ids) > 0 && (filter != "" || d.all):
		return exit.With(exit.Usage, errors.New("say ids, or a filter, or --all: not several of them"))
	case filter != "" && d.all:
		return exit.With(exit.Usage, fmt.Errorf("--all is every dead letter, and %s only some of them: say one of the two", filter))
	case len(ids) == 0 && filter == "" && !d.all:
		return exit.With(exit.Usage, errors.New("say which: ids, a filter such as --lane or --died-of, or --all"))
	}
	return nil
}

// which is the choice as a question has it, of so many jobs by their records, and so many letters in all.
func (d *deadChoice) which(jobs, letters int) string {
	what := "all dead jobs"
	if filter := d.String(); filter != "" {
		what = "the dead jobs of " + filter
	}
	return fmt.Sprintf("%s, %d by their records (siren.dead has %s)", what, jobs, show.Plural(letters, "letter"))
}

// on is what the choice is, for the audit log.
func (d *deadChoice) on(ids []string) string {
	switch filter := d.String(); {
	case len(ids) == 1:
		return "job " + ids[0]
	case len(ids) > 0:
		return "dead letters: " + show.Clip(strings.Join(ids, " "), 200)
	case filter != "":
		return "dead letters: " + filter
	default:
		return "dead letters"
	}
}
