package simulatecmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/simulatecmd/page"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/internal/sim"
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
	c := changed{differences(with, against), with, against}
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
	return s.table(cmd, changeTable(with, against))
}

func (s *command) named() string {
	if s.policy == "" {
		return "the policy in force"
	}
	return s.policy
}

// differences says what changes from one result to another. What is within a per cent, or half a point, isn't a change.
func differences(with, against *sim.Result) (says []string) {
	for _, l := range with.Lanes {
		was, known := laneOf(against, l.Name)
		if !known {
			says = append(says, fmt.Sprintf("%s is new: %s of its jobs start within %s", l.Name, percent(l),
				l.StartWithin))
			continue
		}
		switch {
		case l.Met() && !was.Met():
			says = append(says, fmt.Sprintf("%s meets its objective now: %s of its jobs start within %s, not %s",
				l.Name, percent(l), l.StartWithin, percent(was)))
		case !l.Met() && was.Met():
			says = append(says, fmt.Sprintf("%s misses its objective now: %s of its jobs start within %s, not %s",
				l.Name, percent(l), l.StartWithin, percent(was)))
		case l.Share() > was.Share()+0.005:
			says = append(says, fmt.Sprintf("more of %s start in time: %s, not %s", l.Name, percent(l), percent(was)))
		case l.Share() < was.Share()-0.005:
			says = append(says, fmt.Sprintf("fewer of %s start in time: %s, not %s", l.Name, percent(l), percent(was)))
		}
	}
	for _, l := range against.Lanes {
		if _, known := laneOf(with, l.Name); !known {
			says = append(says, fmt.Sprintf("%s is gone, which had %s", l.Name, say.Plural(l.Arrived, "job")))
		}
	}
	cost, was := with.Total.WorkerSeconds(), against.Total.WorkerSeconds()
	switch change := cost/max(was, 1) - 1; {
	case change > 0.01:
		says = append(says, fmt.Sprintf("the fleet costs %.0f %% more: %s worker-hours, not %s", 100*change,
			hours(with.Total), hours(against.Total)))
	case change < -0.01:
		says = append(says, fmt.Sprintf("the fleet costs %.0f %% less: %s worker-hours, not %s", -100*change,
			hours(with.Total), hours(against.Total)))
	}
	if len(says) == 0 {
		return []string{"nothing that matters changes"}
	}
	return says
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
	t := show.NewTable(show.Col("LANE"), show.Num("IN TIME"), show.Num("WAS"), show.Num("P95"), show.Num("WAS"),
		show.Num("MAX"), show.Num("WAS"))
	for _, l := range with.Lanes {
		was, _ := laneOf(against, l.Name) // a new lane had no jobs
		t.Add(l.Name, percent(l), percent(was), wait(l, l.P95), wait(was, was.P95), wait(l, l.Max), wait(was, was.Max))
		t.Paint("IN TIME", styleOf(l))
	}
	return t
}
