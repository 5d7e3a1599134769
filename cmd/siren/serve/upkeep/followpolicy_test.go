package upkeep

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

	"github.com/polyglot-media/siren/lanes"
)

const small = `
lanes: [{name: standard, startWithin: 30s}]
pools: [{name: general, lanes: [standard], max: 3}]
budget: 3
`

// A changed policy file is followed within a few seconds; one that can't be is refused, and says so until it is fixed.
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
		log, refused := &bytes.Buffer{}, ""
		ctx, cancel := context.WithCancel(t.Context())
		var budgets []int
		var refuse error
		done := make(chan error)
		go func() {
			done <- FollowPolicy(ctx, FileSource(file), []byte(small), slog.New(slog.NewTextHandler(log, nil)),
				func(why string) { refused = why }, func(p *lanes.Policy) error {
					if refuse == nil {
						budgets = append(budgets, p.Budget)
					}
					return refuse
				})
		}()
		look := func(refusal string, inForce int, said string) {
			t.Helper()
			time.Sleep(lookAgain + time.Millisecond)
			synctest.Wait()
			if inForce == 0 && len(budgets) > 0 || inForce > 0 &&
				(len(budgets) == 0 || budgets[len(budgets)-1] != inForce) {
				t.Errorf("budgets in force one after the other %v, want %d last", budgets, inForce)
			}
			if !strings.Contains(log.String(), said) {
				t.Errorf("the log doesn't say %q:\n%s", said, log)
			}
			if (refusal == "") != (refused == "") || !strings.Contains(refused, refusal) {
				t.Errorf("refused because of %q, want %q", refused, refusal)
			}
		}
		synctest.Wait() // it has read what there is
		look("", 0, "")
		write(strings.Replace(small, "budget: 3", "budget: 4", 1))
		look("", 4, "the changed policy is in force")
		write("lanes: nonsense")
		look("lanes", 4, "refused")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		look("lanes", 4, "")
		write(strings.Replace(small, "budget: 3", "budget: 4", 1)) // taken back
		look("", 4, "")
		refuse = errors.New("queue siren.lane.standard exists with other arguments")
		write(strings.Replace(small, "budget: 3", "budget: 5", 1))
		look("other arguments", 4, "other arguments")
		look("other arguments", 4, "")
		if n := strings.Count(log.String(), "other arguments"); n != 1 {
			t.Errorf("said %d times", n)
		}
		refuse = nil // fixed at the broker: the file is as it was
		look("", 5, "")
		look("", 5, "")
		if len(budgets) != 2 {
			t.Errorf("applied %v, want each change once", budgets)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
