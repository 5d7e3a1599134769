package operate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/operate/backlog"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/operate/jobs"
	"github.com/polyglot-media/siren/internal/operate/operatetest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestMain(m *testing.M) { os.Exit(operatetest.Main(m)) }

type house struct{ *operatetest.House }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{operatetest.NewHouse(t, `
lanes:
  - {name: standard, startWithin: 30s, priorities: 2}
  - {name: bulk, match: ["batch=true"], startWithin: 30m, priorities: 4}
pools:
  - {name: general, lanes: [standard, bulk], max: 3}
budget: 5
`)}
	h.Must(h.Channel.Confirm(false))
	return h
}

// put publishes a message and waits for its confirm.
func (h *house) put(exchange, key string, m amqp.Publishing) {
	h.Helper()
	m.DeliveryMode = amqp.Persistent
	sent, err := h.Channel.PublishWithDeferredConfirm(exchange, key, true, false, m)
	h.Must(err)
	if !sent.Wait() {
		h.Fatal("it wasn't confirmed")
	}
}

// get takes the next message of a queue; false for none within a moment.
func (h *house) get(queue string) (amqp.Delivery, bool) {
	h.Helper()
	for end := time.Now().Add(300 * time.Millisecond); ; time.Sleep(10 * time.Millisecond) {
		d, ok, err := h.Channel.Get(queue, true)
		h.Must(err)
		if ok || time.Now().After(end) {
			return d, ok
		}
	}
}

// The same jobs are put from one lane into another by each verb that does so. What a copy carries follows from the verb
// and the job, and from nothing else.
func TestWhatACopyCarries(t *testing.T) {
	h := newHouse(t)
	enqueued := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	over := enqueued.Add(time.Minute).UTC().Format(time.RFC3339)
	type about struct {
		name     string
		body     string // %q: the id
		priority uint8
		recorded bool
	}
	all := []about{
		{
			"with a record",
			`{"version":1,"id":%q,"kind":"probe","input":"file:///in?a=1&b=2","labels":{"batch":"true"},` +
				`"params":{"crf":23}}`, 0, true,
		},
		{"without a record", `{"version":1,"id":%q,"kind":"probe","input":"file:///in"}`, 0, false},
		{
			"with unknown fields",
			`{"version":1,"id":%q,"kind":"probe","shape":"round","more":{"a":[1,2]},"overwrite":true,"dedupKey":"k"}`,
			0, true,
		},
		{"expired", `{"version":1,"id":%q,"kind":"probe","expiresAt":"` + over + `"}`, 0, true},
		{"with a priority", `{"version":1,"id":%q,"kind":"probe","priority":3}`, 3, true},
		{"malformed", `{"version":1,"id":%q,"kind":17}`, 0, false},
	}
	verbs := []struct {
		name   string
		anew   bool // the attempts so far don't count
		wanted bool // a deadline that is over is dropped
		blind  bool // it goes by records alone
		end    work.Outcome
		put    func(id string) error
	}{
		{
			name: "jobs-move", wanted: true, blind: true, end: work.Outcome{State: job.Queued},
			put: func(id string) error { return h.work(jobs.Move(h.Desk, h.Policy, "standard"), id) },
		},
		{
			name: "retry", anew: true, wanted: true, blind: true,
			end: work.Outcome{State: job.Retrying, Error: "so it was", NextAt: time.Now().Add(time.Hour)},
			put: func(id string) error { return h.work(jobs.Retry(h.Desk, h.Policy, "standard"), id) },
		},
		{
			name: "lanes-move", end: work.Outcome{State: job.Queued},
			put: func(string) error {
				_, err := backlog.Move(t.Context(), h.Desk, "bulk", "standard", 0, "")
				return err
			},
		},
		{
			name: "replay", anew: true, wanted: true,
			end: work.Outcome{State: job.Dead, Reason: "failed", Error: "so it was"},
			put: func(string) error {
				r := dead.NewReplay(h.Desk, h.Policy, dead.Filter{}, nil)
				r.To = "standard"
				return r.Run(t.Context())
			},
		},
	}
	for _, verb := range verbs {
		for i, j := range all {
			t.Run(verb.name+" "+j.name, func(t *testing.T) {
				h := &house{&operatetest.House{T: t, Desk: h.Desk, Policy: h.Policy, Channel: h.Channel}}
				id := fmt.Sprintf("%s-%d", verb.name, i)
				body := fmt.Sprintf(j.body, id)
				origin := "siren.lane.bulk"
				m := amqp.Publishing{MessageId: id, Body: []byte(body), Priority: j.priority, Headers: amqp.Table{
					"enqueuedAt": enqueued.UnixMilli(), "readyAt": enqueued.UnixMilli(), "attempt": int64(3),
					"error": "so it was", "replay": int64(4),
				}}
				if verb.name == "replay" {
					origin = "siren.dead"
					m.Headers = amqp.Table{
						"enqueuedAt": enqueued.UnixMilli(), "lane": "bulk", "reason": "failed", "error": "so it was",
						"attempts": int64(3), "replay": int64(4),
						"priority": int64(j.priority),
					}
				}
				h.put("", origin, m)
				if j.recorded {
					h.live(id, body, int(j.priority), enqueued, verb.end)
				}
				h.Must(verb.put(id))

				c, copied := h.get("siren.lane.standard")
				_, left := h.get(origin)
				blind := j.name == "malformed" || verb.blind && !j.recorded
				if copied == blind || left != (verb.blind || blind) {
					t.Fatalf("copied: %v, and its original left: %v", copied, left)
				}
				if blind {
					return
				}
				wantBody := decoded(t, body)
				if verb.wanted && j.name == "expired" {
					delete(wantBody, "expiresAt")
				}
				want := amqp.Table{
					"enqueuedAt": enqueued.UnixMilli(), "attempt": int64(3), "error": "so it was",
					"replay": int64(5),
				}
				if verb.anew {
					delete(want, "attempt")
					delete(want, "error")
				}
				if c.Headers["readyAt"].(int64) < time.Now().Add(-time.Minute).UnixMilli() {
					t.Errorf("it is ready since %v", c.Headers["readyAt"])
				}
				delete(c.Headers, "readyAt")
				if !reflect.DeepEqual(c.Headers, want) {
					t.Errorf("its headers are %v, want %v", c.Headers, want)
				}
				if got := decoded(t, string(c.Body)); !reflect.DeepEqual(got, wantBody) || c.MessageId != id {
					t.Errorf("it is %s: %v, want %v", c.MessageId, got, wantBody)
				}
				if want := min(j.priority, 2); c.Priority != want {
					t.Errorf("it has priority %d, want %d", c.Priority, want)
				}
				r, err := h.Desk.Ledger.Get(t.Context(), id)
				if err != nil || r.State != job.Queued || r.Lane != "standard" || r.Copy != 5 ||
					r.Priority != int(c.Priority) || !r.EnqueuedAt.Equal(enqueued) {
					t.Errorf("its record is %+v, %v", r, err)
				}
				again, err := r.Message()
				if got := decoded(t, string(again)); err != nil || !sameBut(got, wantBody, "priority", "expiresAt") {
					t.Errorf("by its record it is %v, %v; want %v", got, err, wantBody)
				}
			})
		}
	}
	if len(h.Warned) > 0 {
		t.Errorf("it warned: %v", h.Warned)
	}
}

// live brings a job to that end of its third attempt.
func (h *house) live(id, body string, priority int, enqueued time.Time, end work.Outcome) {
	h.Helper()
	j, unknown, err := job.Decode([]byte(body), id)
	h.Must(err)
	j.Priority = priority
	c, err := h.Desk.Ledger.Claim(h.Context(), work.Delivery{
		Job: j, Lane: "bulk", EnqueuedAt: enqueued, ReadyAt: enqueued, Attempt: 3, Error: "so it was", Copy: 4,
		Body: []byte(body), Unknown: unknown,
	}, "w", 3)
	h.Must(err)
	h.Must(h.Desk.Ledger.Close(h.Context(), c, end))
}

// work does it to a job.
func (h *house) work(w *jobs.Work, id string) error {
	w.Heard = func([]jobs.Result) {}
	return w.Run(h.Context(), jobs.Named(h.Context(), h.Desk, []string{id}))
}

func decoded(t *testing.T, body string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// sameBut reports whether two jobs are the same but for those fields.
func sameBut(a, b map[string]any, but ...string) bool {
	for _, m := range []map[string]any{a, b} {
		for name := range m {
			if slices.Contains(but, name) {
				delete(m, name)
			}
		}
	}
	return reflect.DeepEqual(a, b)
}
