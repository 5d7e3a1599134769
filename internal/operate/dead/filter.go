package dead

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/internal/rabbit/wire"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// TenantLabel is the label that says whose job it is.
const TenantLabel = "tenant"

// brokerWord stands for everything that the safety net caught, whatever the broker's word for it.
const brokerWord = "broker"

// Reasons is all that jobs die of: this is the whole set.
var Reasons = []string{
	string(work.BadInput), string(work.NotAllowed), string(work.OutputExists), string(work.OverLimit),
	string(work.Transient), string(work.TimedOut),
	"poison", "expired", "no id", "not a job", "dead already", brokerWord,
}

// Reason reads a reason that somebody wrote: with hyphens for the blanks, if they like.
func Reason(s string) (string, error) {
	if why, ok := strings.CutPrefix(s, brokerWord+":"); ok {
		return wire.BrokerReason + strings.TrimSpace(why), nil
	}
	reason := strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(strings.TrimSpace(s)))
	if !slices.Contains(Reasons, reason) {
		return "", fmt.Errorf("nothing dies of %q%s", s, plain.ThereAre(reason, Reasons))
	}
	return reason, nil
}

// diesOf reports whether a job's reason is one of those.
func diesOf(reason string, reasons []string) bool {
	return slices.ContainsFunc(reasons, func(r string) bool {
		return r == reason || r == brokerWord && strings.HasPrefix(reason, wire.BrokerReason)
	})
}

// Filter chooses dead jobs. Its times are those of the death. The zero value chooses all of them.
type Filter struct {
	Lane, Kind, Tenant string
	Selector           string        // of labels
	DiedOf             []string      // one of these reasons
	Since, OlderThan   time.Duration // so long ago at most, and at least
}

// CheckSelector refuses a selector that is malformed, and one that says nothing: it would choose every job, and whoever
// wrote it meant some. Without one, "" is right.
func CheckSelector(text string) error {
	selector, err := labels.Parse(text)
	if err == nil && text != "" && selector.Empty() {
		err = errors.New("it names no label, so it would choose every job: leave it out, or say one")
	}
	return err
}

// Chooser returns what says whether the filter chooses a dead job, by times that count from now. Its selector has to be
// a valid one.
func (f Filter) Chooser(now time.Time) func(job.Record) bool {
	selector, _ := labels.Parse(f.Selector)
	return func(r job.Record) bool {
		return (f.Lane == "" || r.Lane == f.Lane) && (f.Kind == "" || r.Kind == f.Kind) &&
			selector.Matches(labels.Set(r.Labels)) &&
			(f.Tenant == "" || r.Labels[TenantLabel] == f.Tenant) &&
			(len(f.DiedOf) == 0 || diesOf(r.Reason, f.DiedOf)) &&
			(f.Since == 0 || !r.EndedAt.IsZero() && !r.EndedAt.Before(now.Add(-f.Since))) &&
			(f.OlderThan == 0 || !r.EndedAt.IsZero() && r.EndedAt.Before(now.Add(-f.OlderThan)))
	}
}

// Records returns the filter of the records of jobs in that state, "" for any: the times are those since when they were
// enqueued.
func (f Filter) Records(state job.State, now time.Time) jobrecord.Filter {
	q := jobrecord.Filter{State: state, Lane: f.Lane, Kind: f.Kind}
	q.Match = Filter{Selector: f.Selector, Tenant: f.Tenant, DiedOf: f.DiedOf}.Chooser(now)
	if f.Since > 0 {
		q.Since = now.Add(-f.Since)
	}
	if f.OlderThan > 0 {
		q.Until = now.Add(-f.OlderThan)
	}
	return q
}

// choice is which letters are meant: those of the jobs with these ids, or those that a filter chooses.
type choice struct {
	filter func(job.Record) bool
	ids    map[string]bool // nil: the filter
	on     string          // what was chosen, for the audit log
}

func choiceOf(f Filter, ids []string, now time.Time) choice {
	c := choice{filter: f.Chooser(now), on: "dead letters"}
	switch filter := f.String(); {
	case len(ids) == 1:
		c.on = "job " + ids[0]
	case len(ids) == 0 && filter != "":
		c.on += ": " + filter
	}
	for _, id := range ids {
		if c.ids == nil {
			c.ids = map[string]bool{}
		}
		c.ids[id] = true
	}
	return c
}

func (c *choice) has(l Letter) bool {
	if c.ids != nil {
		return c.ids[l.ID]
	}
	return c.filter(l.Facts)
}

// Phrase says which jobs the filter chooses, behind the word jobs: of kind transcode in lane express that died of bad
// input. What its times are of is said by happened: died, or were enqueued. It is "" for a filter that chooses all.
func (f Filter) Phrase(happened string) string {
	var words, of, that, when []string
	if f.Kind != "" {
		of = append(of, "kind "+f.Kind)
	}
	if f.Tenant != "" {
		of = append(of, "tenant "+f.Tenant)
	}
	if len(of) > 0 {
		words = append(words, "of "+strings.Join(of, " and "))
	}
	if f.Lane != "" {
		words = append(words, "in lane "+f.Lane)
	}
	if f.Since > 0 {
		when = append(when, "in the last "+say.Span(f.Since))
	}
	if f.OlderThan > 0 {
		when = append(when, "over "+say.Span(f.OlderThan)+" ago")
	}
	if len(f.DiedOf) > 0 {
		happened += " of " + say.Listed(f.DiedOf)
	}
	if len(f.DiedOf)+len(when) > 0 {
		that = append(that, strings.TrimSpace("that "+happened+" "+strings.Join(when, " and ")))
	}
	if f.Selector != "" {
		that = append(that, "whose labels match "+f.Selector)
	}
	if len(that) > 0 {
		words = append(words, strings.Join(that, " and "))
	}
	return strings.Join(words, " ")
}

// String returns the filter as the audit log has it; "" for one that chooses all.
func (f Filter) String() string {
	var words []string
	add := func(name, value string) {
		if value != "" {
			words = append(words, name+" "+value)
		}
	}
	add("lane", f.Lane)
	add("kind", f.Kind)
	add("tenant", f.Tenant)
	add("labels", f.Selector)
	add("died of", strings.Join(f.DiedOf, " or "))
	if f.Since > 0 {
		add("since", say.Span(f.Since))
	}
	if f.OlderThan > 0 {
		add("older than", say.Span(f.OlderThan))
	}
	return strings.Join(words, ", ")
}
