package lanecmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/tunecmd"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func NewPools(a *app.App) *cobra.Command {
	short := "Show the workers of each pool, and why there are so many"
	return app.Parent("pools", short, newSnapshotList(a, "pool", short, "  siren pools\n  siren pools --watch",
		func(snap fleet.Snapshot) any { return snap.Pools }, poolTable),
		tunecmd.NewPoolsTune(a), tunecmd.NewPoolsFreeze(a), tunecmd.NewPoolsUnfreeze(a))
}

// poolTable says of the workers how many the scaler has and, after a +, how many take part that aren't its own.
func poolTable(snap fleet.Snapshot) *show.Table {
	col, num := show.Col, show.Num
	t := show.NewTable(col("POOL"), col("LANES"), num("WORKERS"), num("TAKING"), num("STARTING"), num("PARKED"),
		num("RETIRED"), num("STUCK").Wide(), num("BUSY"), num("MIN"), num("MAX"), num("WANTED").Wide(),
		num("TARGET").Wide(), num("HOLD").Wide(), num("COLD START"), col("REASON"), col("WHY"))
	t.Spare("HOLD", "TARGET", "COLD START", "RETIRED", "PARKED", "LANES", "TAKING", "STARTING", "WANTED", "STUCK",
		"MIN", "REASON")
	for _, p := range snap.Pools {
		served := strings.Join(p.Lanes, ",")
		if len(p.Guests) > 0 {
			served += " (" + strings.Join(p.Guests, ",") + ")"
		}
		t.Add(p.Name, served, workers(p), strconv.Itoa(p.Ready), strconv.Itoa(p.Starting),
			strconv.Itoa(p.Parked), strconv.Itoa(p.Retired),
			strconv.Itoa(p.Stuck), fmt.Sprintf("%d/%d", p.Busy, p.Slots), strconv.Itoa(p.Min), strconv.Itoa(p.Max),
			strconv.Itoa(p.Wanted), strconv.Itoa(p.Target), say.Short(p.Hold.D()), say.Short(p.ColdStart.D()),
			string(p.Reason), p.Why)
	}
	return t
}

// workers says how many workers a pool has: the scaler's own, and those of others that take part.
func workers(p fleet.PoolStatus) string {
	if p.Others == 0 {
		return strconv.Itoa(p.Replicas)
	}
	return fmt.Sprintf("%d+%d", p.Replicas, p.Others)
}
