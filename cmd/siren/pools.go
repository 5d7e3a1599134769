package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/lanes"
)

func newPools(a *app) *cobra.Command {
	short := "Show the workers of each pool, and why there are so many"
	return parent("pools", short, newSnapshotList(a, short, "  siren pools\n  siren pools --watch",
		func(snap lanes.Snapshot) any { return snap.Pools }, poolTable))
}

func poolTable(snap lanes.Snapshot) *table {
	t := newTable("POOL", "LANES", "WORKERS", "TAKING", "STARTING", "PARKED", "RETIRED", "BUSY", "MIN", "MAX", "COLD START", "REASON", "WHY")
	for i := 2; i <= 10; i++ {
		t.right[i] = true
	}
	for _, p := range snap.Pools {
		served := strings.Join(p.Lanes, ",")
		if len(p.Guests) > 0 {
			served += " (" + strings.Join(p.Guests, ",") + ")"
		}
		t.add(p.Name, served, strconv.Itoa(p.Replicas), strconv.Itoa(p.Ready), strconv.Itoa(p.Starting), strconv.Itoa(p.Parked), strconv.Itoa(p.Retired),
			fmt.Sprintf("%d/%d", p.Busy, p.Slots), strconv.Itoa(p.Min), strconv.Itoa(p.Max), short(p.ColdStart.D()), string(p.Reason), p.Why)
	}
	return t
}
