package lanecmd

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/tunecmd"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/explain"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func NewLanes(a *app.App) *cobra.Command {
	short := "Show what waits and runs in each lane, and whether the objectives are met"
	return app.Parent("lanes", short, newSnapshotList(a, "lane", short, "  siren lanes --watch\n  siren lanes -o json",
		func(snap fleet.Snapshot) any { return snap.Lanes },
		LaneTable),
		tunecmd.NewLanesTune(a), tunecmd.NewLanesPause(a), tunecmd.NewLanesResume(a), newLanesMove(a),
		newLanesMigrate(a), newLanesPurge(a))
}

// newSnapshotList makes a list command that shows a part of the leader's snapshot.
func newSnapshotList(
	a *app.App, kind, short, example string, part func(fleet.Snapshot) any, rows func(fleet.Snapshot) *show.Table,
) *cobra.Command {
	o := show.Listing{Kind: kind}
	c := &cobra.Command{
		Use: "list", Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.WithBoard(func(board *redis.Board) error {
				return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
					snap, err := operate.LastSeen(cmd.Context(), board)
					if err != nil {
						return nil, nil, err
					}
					t := rows(snap)
					warnOf(t, snap, a.Now())
					return part(snap), t, nil
				})
			})
		},
	}
	app.ListFlags(c, &o)
	return c
}

// warnOf warns of a snapshot that isn't what a person takes it for.
func warnOf(t *show.Table, snap fleet.Snapshot, now time.Time) {
	if old := now.Sub(snap.At); old > explain.OldReport {
		t.Warn("no scaler has reported for %s: what follows is old", say.Short(old))
	}
	if snap.Refused != "" {
		t.Warn("the policy as it is written now is refused, and revision %d stays in force: %s", snap.Revision,
			snap.Refused)
	}
}

// LaneTable makes the table of `siren lanes`.
func LaneTable(snap fleet.Snapshot) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("LANE"), num("READY"), num("RETRYING"), num("BUSY"), num("SLOTS"), num("IN/MIN"),
		num("OUT/MIN"), num("OLDEST"), num("P95 WAIT"), num("OBJECTIVE"), num("SKIPPED").Wide(), num("STARTED").Wide(),
		num("IN TIME").Wide(), num("SERVICE").Wide(), col("STATUS"))
	t.Spare("SKIPPED", "STARTED", "IN TIME", "SERVICE", "OUT/MIN", "IN/MIN", "SLOTS", "RETRYING", "OBJECTIVE", "OLDEST")
	for _, l := range snap.Lanes {
		retrying := strconv.Itoa(l.Retrying)
		if l.Retrying > 0 && !l.NextRetry.IsZero() {
			retrying += " (next in " + say.Short(max(0, l.NextRetry.Sub(snap.At))) + ")"
		}
		note, style := laneNote(l)
		t.Add(l.Name, readyOf(l), retrying, strconv.Itoa(l.Busy), strconv.Itoa(l.Slots),
			fmt.Sprintf("%.0f", l.InPerMin), fmt.Sprintf("%.0f", l.OutPerMin),
			say.Short(l.OldestWait.D()), say.Short(l.P95Wait.D()), l.StartWithin.String(),
			strconv.Itoa(l.Skipped), strconv.Itoa(l.Started), strconv.Itoa(l.InTime), say.Short(l.Service.D()), note)
		t.Paint("STATUS", style)
	}
	return t
}

// readyOf returns how many jobs wait, as far as that is known.
func readyOf(l fleet.LaneStatus) string {
	n := strconv.Itoa(l.Ready)
	switch {
	case l.Stale:
		n += "?"
	case l.Partial:
		n += "+"
	}
	return n
}

// laneNote returns the last column: met or missed, and whatever is unusual.
func laneNote(l fleet.LaneStatus) (note string, style show.Style) {
	switch {
	case l.Former:
		return "left the policy; served until empty", show.Dim
	case l.Stale:
		return "stale: the broker's answer isn't believed", show.Yellow
	case l.Partial:
		return "at least: its former queue doesn't answer", show.Yellow
	case l.Paused:
		return "paused", show.Yellow
	}
	note, style = "met", show.Green
	if l.Started == 0 && l.Ready == 0 {
		note, style = "idle", show.Dim
	} else if !l.Objective() {
		note, style = fmt.Sprintf("missed (%d of %d in time)", l.InTime, l.Started), show.Red
	}
	if l.Promoted {
		note += ", promoted"
	}
	return note, style
}
