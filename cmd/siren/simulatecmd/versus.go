package simulatecmd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/simulatecmd/page"
	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/internal/sim/rival"
	"github.com/polyglot-media/siren/lanes"
)

// versus is what one scaler made of the load.
type versus struct {
	Scaler  string `json:"scaler"`
	Setting string `json:"setting,omitempty"`
	*sim.Result
}

// sideBySide plays the load with Siren, and with the others.
func (s *command) sideBySide(cmd *cobra.Command, p *lanes.Policy, jobs jobs) error {
	var runs []versus
	for _, n := range append([]rival.Contender{rival.Siren()}, rival.Few(p.Budget)...) {
		r, err := s.play(cmd.Context(), p, jobs, n)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		runs = append(runs, versus{n.Name, n.Setting, r})
	}
	slices.SortStableFunc(runs[1:], func(a, b versus) int {
		return cmp.Compare(a.Total.WorkerSeconds(), b.Total.WorkerSeconds())
	})
	pictured := page.Page{Load: jobs.says, Policy: p, Cold: s.cold.Median}
	for _, r := range runs {
		pictured.Runs = append(pictured.Runs, page.Run{Name: r.Scaler, Setting: r.Setting, Result: r.Result})
	}
	if err := s.write(pictured); err != nil {
		return err
	}
	if s.show.Format == "json" || s.show.Format == "yaml" {
		return s.show.Print(s.app.Out, runs)
	}
	fmt.Fprintf(s.app.Out, "%s, with seed %d and workers that start in %s. Per lane: jobs that started in time.\n\n",
		jobs.says, s.seed, s.cold.Median)
	if err := s.table(cmd, versusTable(runs)); err != nil {
		return err
	}
	s.left(jobs, runs...)
	return nil
}
