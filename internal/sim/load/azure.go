package load

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
)

// Azure reads azure-llm-code-2023.csv of the Azure Public Dataset (P. Patel et al., "Splitwise", ISCA 2024; CC BY 4.0)
// as media jobs: real arrivals, and sizes by 2 s + 0.1 s for each generated token. The lanes are invented: shares says
// how many of the jobs each has, drawn from the seed.
func Azure(r io.Reader, shares []float64, seed uint64) (Listed, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, fmt.Errorf("read the Azure trace: %w", err)
	}
	draw := Made{Shares: shares, Seed: seed}.Jobs().(*stream)
	var jobs Listed
	var began time.Time
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return jobs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the Azure trace: %w", err)
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999999", strings.TrimSpace(row[0]))
		if err != nil {
			return nil, fmt.Errorf("read the Azure trace: %w", err)
		}
		tokens, err := strconv.Atoi(strings.TrimSpace(row[2]))
		if err != nil {
			return nil, fmt.Errorf("read the Azure trace: %w", err)
		}
		if began.IsZero() {
			began = at
		}
		jobs = append(jobs, sim.Job{
			At: at.Sub(began), Lane: draw.lane(), Service: 2*time.Second + time.Duration(tokens)*100*time.Millisecond,
		})
	}
}

// Listed is a load that is held in memory: for short ones that are played often.
type Listed []sim.Job

// Jobs returns its jobs. Each call begins anew.
func (l Listed) Jobs() sim.Source { return &reader{l} }

// List reads a load to its end.
func List(s sim.Source) (l Listed) {
	for {
		j, ok := s.Next()
		if !ok {
			return l
		}
		l = append(l, j)
	}
}

type reader struct{ left Listed }

// Next implements sim.Source.
func (r *reader) Next() (sim.Job, bool) {
	if len(r.left) == 0 {
		return sim.Job{}, false
	}
	j := r.left[0]
	r.left = r.left[1:]
	return j, true
}
