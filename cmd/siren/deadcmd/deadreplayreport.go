package deadcmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/say"
)

// replayReport tells a person of a replay.
type replayReport struct {
	*dead.Replay
	out, err io.Writer
	expect   int // jobs, about
}

// report says what was done, and what wasn't. err is what ended it.
func (r *replayReport) report(ctx context.Context, err error) error {
	if r.DryRun && err == nil {
		if len(r.By) > 0 {
			_ = app.Count(r.By).Table("REASON").Print(r.out)
		}
		fmt.Fprintf(r.out, "%s would be replayed; nothing was changed (--dry-run)\n",
			say.Plural(r.Done.Jobs, "dead job"))
	} else if r.Done.Jobs > 0 || err == nil {
		fmt.Fprintf(r.out, "%s replayed%s\n", say.Plural(r.Done.Jobs, "dead job"), r.into())
	}
	say := func(n int, noun, what string) {
		if n > 0 {
			fmt.Fprintf(r.err, "%s %s\n", say.Plural(n, noun), what)
		}
	}
	would := ""
	if r.DryRun {
		would = "would be "
	}
	say(r.Removed, "letter", would+"removed: a newer copy has carried the job on")
	say(r.Left.NoJob, "letter", "left: no job can be made of it (no id, or not a job); `siren dead export --died-of "+
		"no-id,not-a-job` has what came")
	say(r.Left.Elsewhere, "letter", "left: under the same id a job was enqueued again; `siren dead list "+
		"--from-queue` says what became of it")
	say(r.Left.OtherKind, "letter", "left: jobs of its kind don't take "+r.Set.String())
	say(r.Left.Stale, "letter", "left: the newest letter of its job isn't there; it is still on its way, or "+
		"somebody else has it in hand")
	if err != nil || ctx.Err() != nil {
		return app.BrokenOff(ctx, err)
	}
	var refused app.Refusals
	for _, id := range slices.Sorted(maps.Keys(r.Refused)) {
		refused.Add(r.Refused[id])
	}
	return refused.Err()
}

// into names the lanes that jobs were put into, the one with the most first.
func (r *replayReport) into() string {
	names, jobs := app.Count(r.By).By(0)
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " into " + names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d into %s", jobs[name], name)
	}
	return ": " + strings.Join(names, ", ")
}

// showProgress says on a terminal how far it is.
func (r *replayReport) showProgress() {
	left := ""
	if r.Rate > 0 && r.expect > r.Done.Jobs {
		left = ", " + say.Span(time.Duration(float64(r.expect-r.Done.Jobs)/r.Rate*float64(time.Second))) + " left"
	}
	fraction := 1.0
	if r.expect > 0 {
		fraction = float64(r.Done.Jobs) / float64(r.expect)
	}
	show.Progress(r.err, fmt.Sprintf("%s %d of %d replayed%s", show.Bar(fraction, 30), r.Done.Jobs,
		max(r.expect, r.Done.Jobs), left))
}
