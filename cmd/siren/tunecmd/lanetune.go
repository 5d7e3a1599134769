package tunecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/lanes"
)

func NewLanesTune(a *app.App) *cobra.Command {
	var reserve, priorities int
	var startWithin, maxRuntime time.Duration
	var promote, retry string
	c := &cobra.Command{
		Use:   "tune LANE",
		Short: "Change a lane while it runs, for a while",
		Long: `Override fields of a lane for a while. The policy file stays the truth: a tuning ends by itself, and
siren tunings lists what differs from the file. Scaler and workers follow within two seconds,
without a restart. A tuning that would break a rule of the policy is refused.

With --at it starts then rather than now, with --every it repeats: a schedule, which siren tunings
lists with its next start. Times are on the wall clock of --timezone, summer and winter. An
immediate tuning of the same field counts more.`,
		Example: `  siren lanes tune express --reserve 4 --for 2h --reason "launch day"
  siren lanes tune bulk --promote after=5m,to=standard --dry-run
  siren lanes tune bulk --retry attempts=2,first=1m --for 30m
  siren lanes tune bulk --promote none`,
	}
	fs := c.Flags()
	fs.IntVar(&reserve, "reserve", 0, "free shoulder slots that the scaler keeps at all times")
	fs.IntVar(&priorities, "priorities", 0, "highest priority that a job may have inside the lane, 0 (none) to "+
		strconv.Itoa(lanes.MaxPriority))
	fs.DurationVar(&startWithin, "start-within", 0, "objective: 95 % of the jobs start within this time")
	fs.DurationVar(&maxRuntime, "max-runtime", 0, "a job that runs longer is stopped and retried")
	fs.StringVar(&promote, "promote", "", "take turns with a more urgent lane: `after=20m,to=LANE`, some of it, or "+
		"none")
	fs.StringVar(&retry, "retry", "", "how failed jobs are retried: `attempts=5,first=5s,factor=3,max=15m`, or "+
		"some of it")
	tunes := func(ctx context.Context, o *app.Operator, f Flags, lane string) error {
		field := func(of string) string { return lanes.LaneField(lane, of) }
		var wishes []tune.Wish
		if fs.Changed("reserve") {
			wishes = append(wishes, tune.To(field("reserve"), reserve))
		}
		if fs.Changed("priorities") {
			wishes = append(wishes, tune.To(field("priorities"), priorities))
		}
		if fs.Changed("start-within") {
			wishes = append(wishes, tune.To(field("startWithin"), lanes.Duration(startWithin)))
		}
		if fs.Changed("max-runtime") {
			wishes = append(wishes, tune.To(field("maxRuntime"), lanes.Duration(maxRuntime)))
		}
		if fs.Changed("promote") {
			wishes = append(wishes, tune.Wish{
				Field: field("promote"),
				Value: parts[*lanes.Promote]("--promote", promote, "after", "to"),
			})
		}
		if fs.Changed("retry") {
			wishes = append(wishes, tune.Wish{
				Field: field("retry"),
				Value: parts[lanes.Retries]("--retry", retry, "attempts", "first", "factor", "max"),
			})
		}
		return Set(ctx, o, f, wishes...)
	}
	return plannedOn(a, c, a.CompleteLanes, tuneFor, tunes)
}

// counted is the parts that are numbers. The others are texts, whatever they look like: a lane may be called 5.
var counted = []string{"attempts", "factor"}

// parts reads NAME=VALUE,… into the parts of a field T: what isn't named stays as it is. none takes the field away.
func parts[T any](flag, text string, names ...string) func(json.RawMessage) (json.RawMessage, error) {
	return func(now json.RawMessage) (json.RawMessage, error) {
		if text == "none" && flag == "--promote" {
			return json.RawMessage("null"), nil
		}
		value := map[string]any{}
		if err := json.Unmarshal(now, &value); err != nil {
			return nil, err
		}
		if value == nil { // nothing yet
			value = map[string]any{}
		}
		for _, part := range strings.Split(text, ",") {
			name, given, ok := strings.Cut(part, "=")
			if !ok || !slices.Contains(names, name) {
				return nil, fmt.Errorf("%s %q: write %s=…, separated by commas", flag, text,
					strings.Join(names, "=…, "))
			}
			value[name] = given
			if slices.Contains(counted, name) {
				n, err := strconv.ParseFloat(given, 64)
				if err != nil {
					return nil, fmt.Errorf("%s %q: %s is a number, not %q", flag, text, name, given)
				}
				value[name] = n
			}
		}
		set, err := json.Marshal(value)
		var whole T
		if err == nil {
			err = json.Unmarshal(set, &whole)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", flag, text, err)
		}
		return set, nil
	}
}

func NewLanesPause(a *app.App) *cobra.Command {
	return plannedOn(a, &cobra.Command{
		Use:   "pause LANE",
		Short: "Take no more jobs from a lane",
		Long: `Stop the workers from taking jobs from a lane, and the scaler from sizing for it. Jobs may still be
put into it, and wait; what runs goes on. Without --for it lasts until siren lanes resume.`,
		Example: `  siren lanes pause bulk --reason "the archive is down"
  siren lanes pause bulk --for 30m
  siren lanes pause bulk --at 08:00 --every day --for 10h --timezone Europe/Berlin`,
	}, a.CompleteLanes, untilGone, func(ctx context.Context, o *app.Operator, f Flags, lane string) error {
		return Set(ctx, o, f, tune.To(lanes.LaneField(lane, "paused"), true))
	})
}

func NewLanesResume(a *app.App) *cobra.Command {
	return onOne(a, &cobra.Command{
		Use:     "resume LANE",
		Short:   "Take jobs from a paused lane again",
		Example: "  siren lanes resume bulk",
	}, a.CompleteLanes, untilGone, func(ctx context.Context, o *app.Operator, f Flags, lane string) error {
		return end(ctx, o, f, lanes.LaneField(lane, "paused"), "lane "+lane+" isn't paused")
	})
}
