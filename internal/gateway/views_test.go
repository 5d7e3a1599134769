package gateway_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/gateway"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// Whoever asks how far the workers' jobs are is told of those that the workers of the answer run, and of no others.
func TestWorkersWithJobs(t *testing.T) {
	_, store := redistest.StartStore(t)
	l, roster := redistest.LedgerOn(store), redis.NewRoster(store, slog.New(slog.DiscardHandler))
	for _, worker := range []string{"w1", "w2"} {
		d := redistest.Delivery("job-of-"+worker, "standard")
		c := redistest.Claim(t, l, d, worker, work.Granted)
		redistest.Must(t, l.Renew(t.Context(), c, job.Progress{Fraction: 0.5, Note: "half"}))
		_, err := roster.Beat(t.Context(), fleet.Heartbeat{
			Worker: worker, Pool: "general", Slots: 2,
			Running: []fleet.Run{{Job: d.Job.ID}, {Job: "without-record"}},
		})
		redistest.Must(t, err)
	}
	g := gateway.New(gateway.Options{
		House: gateway.House{Ledger: l, Roster: roster, Now: time.Now}, Guard: auth.Anybody{Name: "me"},
	})
	ask := func(query string) (said struct {
		Workers []fleet.Heartbeat
		Jobs    map[string]gateway.Ran
	},
	) {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/v1/workers?"+query, nil))
		redistest.Must(t, json.Unmarshal(w.Body.Bytes(), &said))
		return said
	}
	if said := ask(""); len(said.Workers) != 2 || said.Jobs != nil {
		t.Errorf("nobody asked for jobs: %+v", said)
	}
	said := ask("jobs=true&limit=1")
	got := said.Jobs["job-of-w1"].Progress
	if len(said.Jobs) != 1 || got.Fraction != 0.5 || got.Note != "half" {
		t.Errorf("with one worker: %+v", said)
	}
	if said := ask("jobs=true"); len(said.Jobs) != 2 {
		t.Errorf("with both: %+v", said)
	}
}
