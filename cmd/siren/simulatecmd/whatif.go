package simulatecmd

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/simulatecmd/page"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
)

// changed is what another policy makes of the same load.
type changed struct {
	Says    []string    `json:"says"`
	With    *sim.Result `json:"with"`
	Against *sim.Result `json:"against"`
}

// whatIf plays the load with both policies, and says what changes from the one to compare with.
func (s *command) whatIf(cmd *cobra.Command, p *lanes.Policy, jobs jobs) error {
	was, err := lanes.Load(s.against)
	if err != nil {
		return err
	}
	with, err := s.play(cmd.Context(), p, jobs, rival.Siren())
	if err != nil {
		return err
	}
	against, err := s.play(cmd.Context(), was, jobs, rival.Siren())
	if err != nil {
		return fmt.Errorf("with %s: %w", s.against, err)
	}
	c := changed{differences(compared{p, with}, compared{was, against}), with, against}
	if err := s.write(page.Page{Load: jobs.says, Policy: p, Cold: s.cold.Median, Runs: []page.Run{
		{Name: "With " + s.named(), Result: with}, {Name: "With " + s.against, Result: against},
	}}); err != nil {
		return err
	}
	if s.show.Format == "json" || s.show.Format == "yaml" {
		return s.show.Print(s.app.Out, c)
	}
	fmt.Fprintf(s.app.Out, "%s, with seed %d, from %s to %s:\n", jobs.says, s.seed, s.against, s.named())
	for _, line := range c.Says {
		show.Sentence(s.app.Out, "  - ", line)
	}
	fmt.Fprintln(s.app.Out)
	if err := s.table(cmd, changeTable(with, against)); err != nil {
		return err
	}
	fmt.Fprintln(s.app.Out)
	if err := s.table(cmd, poolChangeTable(with, against)); err != nil {
		return err
	}
	s.left(jobs, versus{s.named(), "", with}, versus{s.against, "", against})
	return nil
}

func (s *command) named() string {
	if s.policy == "" {
		return "the policy in force"
	}
	return s.policy
}

// compared is a policy, and what it made of the load.
type compared struct {
	policy *lanes.Policy
	*sim.Result
}

// differences says what changes from one result to another. What is within a per cent, or half a point, isn't a change.
func differences(with, against compared) (says []string) {
	for _, l := range with.Lanes {
		was, known := laneOf(against.Result, l.Name)
		if !known {
			says = append(says, fmt.Sprintf("%s is new: %s of its jobs start within %s", l.Name, percent(l),
				l.StartWithin))
			continue
		}
		if text := laneChange(l, was); text != "" {
			says = append(says, text)
		}
	}
	for _, l := range against.Lanes {
		if _, known := laneOf(with.Result, l.Name); !known {
			says = append(says, fmt.Sprintf("%s is gone, which had %s", l.Name, say.Plural(l.Arrived, "job")))
		}
	}
	says = append(says, costChange(with, against)...)
	if starts, was := with.Total.Starts, against.Total.Starts; differ(float64(starts), float64(was), 0.1, 3) {
		says = append(says, fmt.Sprintf("workers start %d times, not %d", starts, was))
	}
	if len(says) == 0 {
		return []string{"nothing that matters changes"}
	}
	return says
}

// differ reports whether a figure is another one than it was: by more than a part of it, and by more than so much.
func differ(is, was, part, much float64) bool { return math.Abs(is-was) > max(part*was, much) }

// laneChange says what changes for a lane; "" when nothing does.
func laneChange(l, was sim.LaneResult) string {
	within := l.StartWithin.String()
	if l.StartWithin != was.StartWithin {
		within += " (before: " + was.StartWithin.String() + ")"
	}
	shares := fmt.Sprintf("%s of its jobs start within %s, not %s", percent(l), within, percent(was))
	waits := fmt.Sprintf("95 %% of its jobs wait for at most %s, not %s", wait(l, l.P95), wait(was, was.P95))
	later := differ(l.P95.D().Seconds(), was.P95.D().Seconds(), 0.1, 0.2) && l.Arrived > 0 && was.Arrived > 0
	switch {
	case l.Met() && !was.Met():
		return fmt.Sprintf("%s meets its objective now: %s; %s", l.Name, shares, waits)
	case !l.Met() && was.Met():
		return fmt.Sprintf("%s misses its objective now: %s; %s", l.Name, shares, waits)
	case l.Share() > was.Share()+0.005:
		return fmt.Sprintf("more of %s start in time: %s; %s", l.Name, shares, waits)
	case l.Share() < was.Share()-0.005:
		return fmt.Sprintf("fewer of %s start in time: %s; %s", l.Name, shares, waits)
	case later && l.P95 > was.P95:
		return fmt.Sprintf("%s waits longer: %s", l.Name, waits)
	case later:
		return fmt.Sprintf("%s waits shorter: %s", l.Name, waits)
	}
	return ""
}

// costChange says what the fleet costs, in worker-hours, or in core-hours where the workers are of several sizes.
func costChange(with, against compared) []string {
	cost, was, unit := with.Total.WorkerSeconds()/3600, against.Total.WorkerSeconds()/3600, "worker-hours"
	if !oneSize(with.policy, against.policy) {
		cost, was, unit = with.coreHours(), against.coreHours(), "core-hours"
	}
	word := "more"
	if cost < was {
		word = "less"
	}
	if !differ(cost, was, 0.01, 0) {
		return nil
	}
	return []string{fmt.Sprintf("the fleet costs %.0f %% %s: %.2f %s, not %.2f", 100*math.Abs(cost-was)/max(was, 1e-3),
		word, cost, unit, was)}
}

func (c compared) coreHours() float64 { return advise.CoreHours(c.policy, c.Result) }

// oneSize reports whether the workers of all pools have as many cores.
func oneSize(policies ...*lanes.Policy) bool {
	sizes := map[float64]bool{}
	for _, p := range policies {
		for _, q := range p.Pools {
			sizes[advise.Cores(q)] = true
		}
	}
	return len(sizes) == 1
}

func laneOf(r *sim.Result, name string) (sim.LaneResult, bool) {
	for _, l := range r.Lanes {
		if l.Name == name {
			return l, true
		}
	}
	return sim.LaneResult{}, false
}

// changeTable shows both results, each figure with what it was.
func changeTable(with, against *sim.Result) *show.Table {
	t := show.NewTable(show.Col("LANE"), show.Num("IN TIME"), show.Num("WAS"), show.Num("P50"), show.Num("WAS"),
		show.Num("P95"), show.Num("WAS"), show.Num("MAX"), show.Num("WAS"))
	for _, l := range with.Lanes {
		was, _ := laneOf(against, l.Name) // a new lane had no jobs
		t.Add(l.Name, percent(l), percent(was), wait(l, l.P50), wait(was, was.P50), wait(l, l.P95),
			wait(was, was.P95), wait(l, l.Max), wait(was, was.Max))
		t.Paint("IN TIME", styleOf(l))
	}
	return t
}

// poolChangeTable shows what the pools cost with both.
func poolChangeTable(with, against *sim.Result) *show.Table {
	t := show.NewTable(show.Col("POOL"), show.Num("WORKER-HOURS"), show.Num("WAS"), show.Num("STARTS"), show.Num("WAS"),
		show.Num("PEAK"), show.Num("WAS"))
	add := func(name string, p, was sim.PoolResult) {
		t.Add(name, hours(p), hours(was), strconv.Itoa(p.Starts), strconv.Itoa(was.Starts), strconv.Itoa(p.Peak),
			strconv.Itoa(was.Peak))
	}
	for _, p := range with.Pools {
		i := slices.IndexFunc(against.Pools, func(o sim.PoolResult) bool { return o.Name == p.Name })
		if i < 0 {
			add(p.Name, p, sim.PoolResult{})
			continue
		}
		add(p.Name, p, against.Pools[i])
	}
	for _, was := range against.Pools {
		if !slices.ContainsFunc(with.Pools, func(p sim.PoolResult) bool { return p.Name == was.Name }) {
			add(was.Name, sim.PoolResult{}, was)
		}
	}
	if len(with.Pools)+len(against.Pools) > 2 {
		add("in all", with.Total, against.Total)
	}
	return t
}
