package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
)

const small = `
lanes: [{name: standard, startWithin: 30s}]
pools: [{name: general, lanes: [standard], max: 3}]
budget: 3
`

// A changed policy file is followed within a few seconds; one that can't be is refused, and says so until it is mended.
func TestFollowPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "siren.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(small)
	synctest.Test(t, func(t *testing.T) {
		registry, log := prometheus.NewRegistry(), &bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		var budgets []int
		var refuse error
		done := make(chan error)
		go func() {
			done <- followPolicy(ctx, file, slog.New(slog.NewTextHandler(log, nil)), scaler.NewMetrics(registry), func(p *lanes.Policy) error {
				if refuse == nil {
					budgets = append(budgets, p.Budget)
				}
				return refuse
			})
		}()
		look := func(refused int, inForce int, said string) {
			t.Helper()
			time.Sleep(lookAgain + time.Millisecond)
			synctest.Wait()
			if inForce == 0 && len(budgets) > 0 || inForce > 0 && (len(budgets) == 0 || budgets[len(budgets)-1] != inForce) {
				t.Errorf("budgets in force one after the other %v, want %d last", budgets, inForce)
			}
			if !strings.Contains(log.String(), said) {
				t.Errorf("the log doesn't say %q:\n%s", said, log)
			}
			want := "# HELP siren_scaler_policy_refused 1 while the policy file says something that can't be followed; an earlier policy stays in force.\n" +
				"# TYPE siren_scaler_policy_refused gauge\nsiren_scaler_policy_refused " + string(rune('0'+refused)) + "\n"
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "siren_scaler_policy_refused"); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait() // it has read what there is
		look(0, 0, "")
		write(strings.Replace(small, "budget: 3", "budget: 4", 1))
		look(0, 4, "the changed policy is in force")
		write("lanes: nonsense")
		look(1, 4, "refused")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		look(1, 4, "")
		refuse = errors.New("queue siren.lane.standard exists with other arguments")
		write(strings.Replace(small, "budget: 3", "budget: 5", 1))
		look(1, 4, "other arguments")
		refuse = nil
		write(strings.Replace(small, "budget: 3", "budget: 6", 1))
		look(0, 6, "")
		if len(budgets) != 2 {
			t.Errorf("applied %v, want each change once", budgets)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
