package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

func newLanes(a *app) *cobra.Command {
	short := "Show what waits and runs in each lane, and whether the objectives are met"
	return parent("lanes", short, newSnapshotList(a, short, "  siren lanes --watch\n  siren lanes -o json",
		func(snap lanes.Snapshot) any { return snap.Lanes },
		func(snap lanes.Snapshot) *table { return laneTable(a.out, snap) }))
}

// newSnapshotList is a list command that shows a part of the leader's snapshot.
func newSnapshotList(a *app, short, example string, part func(lanes.Snapshot) any, rows func(lanes.Snapshot) *table) *cobra.Command {
	var s snapshotView
	c := &cobra.Command{
		Use: "list", Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.show(a, cmd.Context(), func(w io.Writer, snap lanes.Snapshot) error {
				return s.print(w, part(snap), func() *table { return rows(snap) })
			})
		},
	}
	s.flag(c)
	c.Flags().BoolVarP(&s.watching, "watch", "w", false, "show again every second until Ctrl-C")
	return c
}

// snapshotView is how a part of the snapshot is shown: in which form, and once or again and again.
type snapshotView struct {
	output
	watching bool
}

func (s *snapshotView) show(a *app, ctx context.Context, print func(io.Writer, lanes.Snapshot) error) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	defer store.Close()
	board := redis.NewBoard(store, slog.New(slog.DiscardHandler))
	once := func(w io.Writer) error {
		snap, err := latest(ctx, board)
		if err != nil {
			return err
		}
		if old := time.Since(snap.At); old > 10*time.Second {
			fmt.Fprintf(a.err, "%s no scaler has reported for %s: what follows is old\n", colour(a.err, yellow, "warning:"), short(old))
		}
		if snap.Refused != "" {
			fmt.Fprintf(a.err, "%s the policy as it is written now is refused, and revision %d stays in force: %s\n", colour(a.err, yellow, "warning:"), snap.Revision, snap.Refused)
		}
		return print(w, snap)
	}
	if !s.watching {
		return once(a.out)
	}
	return watch(ctx, a.out, time.Second, once)
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

// laneTable is the table of `siren lanes`. colours says which writer's terminal decides on colours.
func laneTable(colours io.Writer, snap lanes.Snapshot) *table {
	t := newTable("LANE", "READY", "RETRYING", "BUSY", "SLOTS", "IN/MIN", "OUT/MIN", "OLDEST", "P95 WAIT", "OBJECTIVE", "")
	for i := 1; i <= 9; i++ {
		t.right[i] = true
	}
	for _, l := range snap.Lanes {
		retrying := strconv.Itoa(l.Retrying)
		if l.Retrying > 0 && !l.NextRetry.IsZero() {
			retrying += " (next in " + short(max(0, l.NextRetry.Sub(snap.At))) + ")"
		}
		t.add(l.Name, strconv.Itoa(l.Ready), retrying, strconv.Itoa(l.Busy), strconv.Itoa(l.Slots),
			fmt.Sprintf("%.0f", l.InPerMin), fmt.Sprintf("%.0f", l.OutPerMin),
			short(l.OldestWait.D()), short(l.P95Wait.D()), l.StartWithin.String(), laneNote(colours, l))
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
