package jobcmd

import (
	"context"
	"fmt"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/job"
)

// hear takes in what has become of a job, and says it of one that was named.
func (v *JobVerb) hear(o *app.Operator, r jobs.Result) {
	v.Fates[r.Fate]++
	id := r.Job.ID
	switch r.Fate {
	case jobs.Done:
		if v.Verb == "cancel" && r.Job.State == job.Running {
			v.running = append(v.running, id)
		} else if v.refused.Named {
			fmt.Fprintln(o.Out, v.told(r))
		}
	case jobs.Already:
		if v.refused.Named {
			fmt.Fprintf(o.Out, "job/%s is %s already\n", id, v.place(r))
		}
	case jobs.Unknown:
		if v.refused.Named {
			v.refused.Add(r.Err)
		}
	default:
		if v.refused.Named || r.Fate == jobs.Refused {
			v.refused.Add(r.Err)
		}
	}
}

// told says what was done to a job.
func (v *JobVerb) told(r jobs.Result) string {
	switch v.Verb {
	case "move":
		return fmt.Sprintf("job/%s moved from %s to %s", r.Job.ID, r.Job.Lane, r.Lane)
	case "retry":
		return fmt.Sprintf("job/%s is in lane %s again", r.Job.ID, r.Lane)
	default:
		return fmt.Sprintf("job/%s %s", r.Job.ID, v.Past)
	}
}

// place says where or what a job is.
func (v *JobVerb) place(r jobs.Result) string {
	if r.Lane != "" {
		return "in lane " + r.Lane
	}
	return string(r.Job.State)
}

// progress says how far it has come, of so many jobs; 0: nobody has counted them.
func (v *JobVerb) progress(done, expect int) string {
	if expect == 0 {
		return fmt.Sprintf("%d %s", done, v.Past)
	}
	seen := 0
	for _, n := range v.Fates {
		seen += n
	}
	return fmt.Sprintf("%s %d of %d %s", show.Bar(float64(seen)/float64(expect), 30), done, max(expect, seen), v.Past)
}

// report says what has become of the jobs that a filter chose. err is what ended it.
func (v *JobVerb) report(ctx context.Context, o *app.Operator, done int, err error) error {
	into := ""
	if v.to != "" {
		into = " into " + v.to
	}
	if err == nil && len(v.Fates) == 0 {
		err = o.NothingOf(ctx, v.Lane)
	}
	if done > 0 || err == nil {
		fmt.Fprintf(o.Out, "%s %s%s\n", say.Plural(done, "job"), v.Past, into)
	}
	for _, left := range []struct {
		fate jobs.Fate
		why  string
	}{
		{jobs.Over, "had come to an end meanwhile"},
		{jobs.Already, "were as they are to be"},
		{jobs.Changed, "were changed by somebody else meanwhile, and what they did counts"},
		{jobs.Unknown, "have no record any more"},
	} {
		if n := v.Fates[left.fate]; n > 0 {
			fmt.Fprintf(o.Err, "%s left: they %s\n", say.Plural(n, "job"), left.why)
		}
	}
	if err != nil {
		return app.BrokenOff(ctx, err)
	}
	if v.end != nil {
		if err := v.end(ctx, o); err != nil {
			return err
		}
	}
	return v.refused.Err()
}
