package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func newLanes(a *app) *cobra.Command {
	short := "Show what waits and runs in each lane, and whether the objectives are met"
	return parent("lanes", short, newSnapshotList(a, "lane", short, "  siren lanes --watch\n  siren lanes -o json",
		func(snap lanes.Snapshot) any { return snap.Lanes },
		func(snap lanes.Snapshot) *table { return laneTable(a.out, snap) }),
		newLanesTune(a), newLanesPause(a), newLanesResume(a), newLanesMove(a), newLanesMigrate(a), newLanesPurge(a))
}

// newSnapshotList is a list command that shows a part of the leader's snapshot.
func newSnapshotList(a *app, kind, short, example string, part func(lanes.Snapshot) any, rows func(lanes.Snapshot) *table) *cobra.Command {
	o := listing{kind: kind}
	c := &cobra.Command{
		Use: "list", Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withBoard(func(board *redis.Board) error {
				return o.show(cmd.Context(), a.streams, func() (any, *table, error) {
					snap, err := latest(cmd.Context(), board)
					if err != nil {
						return nil, nil, err
					}
					t := rows(snap)
					warnOf(t, snap)
					return part(snap), t, nil
				})
			})
		},
	}
	o.flags(c)
	return c
}

// warnOf warns of a snapshot that isn't what a person takes it for.
func warnOf(t *table, snap lanes.Snapshot) {
	if old := time.Since(snap.At); old > oldReport {
		t.warn("no scaler has reported for %s: what follows is old", short(old))
	}
	if snap.Refused != "" {
		t.warn("the policy as it is written now is refused, and revision %d stays in force: %s", snap.Revision, snap.Refused)
	}
}

func latest(ctx context.Context, board *redis.Board) (lanes.Snapshot, error) {
	snap, err := board.Snapshot(ctx)
	if err != nil {
		if redisNotFound(err) {
			return snap, exit(exitNotFound, fmt.Errorf("no scaler has reported yet: is `siren scaler` (or `siren up`) running?"))
		}
		return snap, unreachable(err)
	}
	return snap, nil
}

// laneTable is the table of `siren lanes`. Whether it has colours is decided by the writer.
func laneTable(colours io.Writer, snap lanes.Snapshot) *table {
	t := newTable(col("LANE"), num("READY"), num("RETRYING"), num("BUSY"), num("SLOTS"), num("IN/MIN"), num("OUT/MIN"), num("OLDEST"), num("P95 WAIT"),
		num("OBJECTIVE"), num("STARTED").wide(), num("IN TIME").wide(), num("SERVICE").wide(), col("STATUS"))
	for _, l := range snap.Lanes {
		retrying := strconv.Itoa(l.Retrying)
		if l.Retrying > 0 && !l.NextRetry.IsZero() {
			retrying += " (next in " + short(max(0, l.NextRetry.Sub(snap.At))) + ")"
		}
		t.add(l.Name, strconv.Itoa(l.Ready), retrying, strconv.Itoa(l.Busy), strconv.Itoa(l.Slots),
			fmt.Sprintf("%.0f", l.InPerMin), fmt.Sprintf("%.0f", l.OutPerMin),
			short(l.OldestWait.D()), short(l.P95Wait.D()), l.StartWithin.String(),
			strconv.Itoa(l.Started), strconv.Itoa(l.InTime), short(l.Service.D()), laneNote(colours, l))
	}
	return t
}

// laneNote is the last column: met or missed, and whatever is unusual.
func laneNote(colours io.Writer, l lanes.LaneStatus) string {
	switch {
	case l.Former:
		return colour(colours, dim, "left the policy; served until empty")
	case l.Stale:
		return colour(colours, yellow, "stale: the broker's answer isn't believed")
	case l.Paused:
		return colour(colours, yellow, "paused")
	}
	note := colour(colours, green, "met")
	if l.Started == 0 && l.Ready == 0 {
		note = colour(colours, dim, "idle")
	} else if !l.Objective() {
		note = colour(colours, red, fmt.Sprintf("missed (%d of %d in time)", l.InTime, l.Started))
	}
	if l.Promoted {
		note += ", promoted"
	}
	return note
}
