package redis_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func freshRoster(t *testing.T) (*redis.Roster, *redis.Board, *goredis.Client) {
	t.Helper()
	s, raw := redistest.Fresh(t)
	return redis.NewRoster(s, redistest.Discard), redis.NewBoard(s, redistest.Discard), raw
}

func beat(t *testing.T, r *redis.Roster, hb fleet.Heartbeat) fleet.Orders {
	t.Helper()
	o, err := r.Beat(t.Context(), hb)
	redistest.Must(t, err)
	return o
}

func TestHeartbeatsComeBackWhole(t *testing.T) {
	r, _, raw := freshRoster(t)
	since := time.Now().Add(-time.Minute).UTC()
	hb := fleet.Heartbeat{
		Worker: "general-1", Pool: "general", Version: "v1", Revision: 7, Slots: 2, Shoulder: 1, Subscribed: true,
		Running: []fleet.Run{{Job: "a", Lane: "express", Shoulder: true, Since: since}},
		Lanes: map[string]fleet.LaneWork{
			"express": {
				Started: 5, Finished: 4, Failed: 1, Service: lanes.Duration(90 * time.Second), LastReady: since,
				First: 5, Waits: []int64{1, 20},
			},
		},
	}
	beat(t, r, hb)
	beat(t, r, fleet.Heartbeat{Worker: "batch-1", Pool: "batch"})
	now := time.Now().UnixMilli()
	redistest.Must(t, raw.HSet(t.Context(), "siren:workers", "broken", fmt.Sprint(now, " {"), "cut off",
		fmt.Sprint(now)).Err())
	workers, at, err := r.Workers(t.Context())
	redistest.Must(t, err)
	if len(workers) != 2 || workers[0].Worker != "batch-1" {
		t.Fatalf("workers %+v", workers)
	}
	got := workers[1]
	if age := at.Sub(got.At); age < 0 || age > time.Minute {
		t.Errorf("age %s", age)
	}
	if got.At = hb.At; !reflect.DeepEqual(got, hb) {
		t.Errorf("heartbeat\n%+v, want\n%+v", got, hb)
	}
}

// A heartbeat that says what the last one said is not decoded again, but its time is its own; any other is.
func TestUnchangedHeartbeatsAreDecodedOnce(t *testing.T) {
	r, _, raw := freshRoster(t)
	read := func() (a, b fleet.Heartbeat) {
		t.Helper()
		workers, _, err := r.Workers(t.Context())
		redistest.Must(t, err)
		if len(workers) != 2 {
			t.Fatalf("workers %+v", workers)
		}
		return workers[0], workers[1]
	}
	a := fleet.Heartbeat{Worker: "a", Running: []fleet.Run{{Job: "1", Lane: "bulk"}}}
	b := fleet.Heartbeat{Worker: "b", Running: []fleet.Run{{Job: "2", Lane: "bulk"}}}
	beat(t, r, a)
	beat(t, r, b)
	a1, b1 := read()
	redistest.Must(t, raw.HSet(t.Context(), "siren:workers", "a",
		fmt.Sprintf("%d %s", a1.At.UnixMilli()+1, body(t, raw, "a"))).Err())
	b.Running, b.Parked = []fleet.Run{{Job: "3", Lane: "bulk"}}, true
	beat(t, r, b)
	a2, b2 := read()
	if &a1.Running[0] != &a2.Running[0] {
		t.Error("the same words were decoded again")
	}
	if got := a2.At.Sub(a1.At); got != time.Millisecond {
		t.Errorf("the second heartbeat is %s younger, want 1ms", got)
	}
	if b1.Running[0].Job != "2" || b2.Running[0].Job != "3" || b1.Parked || !b2.Parked {
		t.Errorf("said %+v, then %+v", b1, b2)
	}
	redistest.Must(t, r.Leave(t.Context(), "a"))
	beat(t, r, fleet.Heartbeat{Worker: "c"})
	if _, c := read(); c.Worker != "c" {
		t.Errorf("worker %+v", c)
	}
}

// body returns what a worker's heartbeat says, without its time.
func body(t *testing.T, raw *goredis.Client, worker string) string {
	t.Helper()
	_, body, _ := strings.Cut(raw.HGet(t.Context(), "siren:workers", worker).Val(), " ")
	return body
}

// Pages go by name; each says how many there are in all, of the pool that is asked for.
func TestRosterPages(t *testing.T) {
	r, _, raw := freshRoster(t)
	for i := range 5 {
		hb := fleet.Heartbeat{Worker: fmt.Sprint("w", i), Pool: []string{"a", "b"}[i%2], Slots: i}
		hb.Host = `"pool":"b"` // which isn't its pool
		beat(t, r, hb)
	}
	beat(t, r, fleet.Heartbeat{Worker: "gone", Pool: "a"})
	text := raw.HGet(t.Context(), "siren:workers", "gone").Val()
	at := time.Now().Add(-11 * time.Minute).UnixMilli()
	redistest.Must(t, raw.HSet(t.Context(), "siren:workers", "gone", strconv.FormatInt(at, 10)+text[13:]).Err())
	for _, c := range []struct {
		pool, after string
		most        int
		want        string
	}{
		{"", "", 2, "w0 w1 of 5, more"},
		{"", "w1", 2, "w2 w3 of 5, more"},
		{"", "w3", 2, "w4 of 5"},
		{"", "", 5, "w0 w1 w2 w3 w4 of 5"},
		{"a", "", 2, "w0 w2 of 3, more"},
		{"a", "w2", 2, "w4 of 3"},
		{"b", "", 9, "w1 w3 of 2"},
		{"c", "", 9, "of 0"},
	} {
		p, err := r.Page(t.Context(), c.pool, c.after, c.most)
		redistest.Must(t, err)
		got := ""
		for _, w := range p.Workers {
			got += w.Worker + " "
			if p.Now.Sub(w.At).Abs() > time.Minute || fmt.Sprint("w", w.Slots) != w.Worker {
				t.Errorf("worker %+v", w)
			}
		}
		got += fmt.Sprintf("of %d", p.Count)
		if p.More {
			got += ", more"
		}
		if got != c.want {
			t.Errorf("pool %q after %q: %s, want %s", c.pool, c.after, got, c.want)
		}
	}
}

func TestSilentWorkersAreForgotten(t *testing.T) {
	r, _, raw := freshRoster(t)
	for worker, silent := range map[string]time.Duration{"gone": 11 * time.Minute, "silent": 9 * time.Minute} {
		beat(t, r, fleet.Heartbeat{Worker: worker})
		text := raw.HGet(t.Context(), "siren:workers", worker).Val()
		at := time.Now().Add(-silent).UnixMilli()
		redistest.Must(t, raw.HSet(t.Context(), "siren:workers", worker, strconv.FormatInt(at, 10)+text[13:]).Err())
	}
	redistest.Must(t, r.Retire(t.Context(), []string{"gone"}, time.Minute))
	workers, now, err := r.Workers(t.Context())
	redistest.Must(t, err)
	if len(workers) != 1 || workers[0].Worker != "silent" ||
		now.Sub(workers[0].At).Round(time.Minute) != 9*time.Minute {
		t.Errorf("workers %+v", workers)
	}
	if n := raw.HLen(t.Context(), "siren:workers").Val() + raw.HLen(t.Context(), "siren:retired").Val(); n != 1 {
		t.Errorf("%d fields left", n)
	}
}

func TestOrders(t *testing.T) {
	r, _, raw := freshRoster(t)
	a, b := fleet.Heartbeat{Worker: "a"}, fleet.Heartbeat{Worker: "b"}
	want := func(step string, hb fleet.Heartbeat, orders fleet.Orders) {
		t.Helper()
		if got := beat(t, r, hb); got != orders {
			t.Errorf("%s: %s gets %+v, want %+v", step, hb.Worker, got, orders)
		}
	}
	want("at first", a, fleet.Orders{})
	redistest.Must(t, r.Park(t.Context(), []string{"a", "b"}, time.Minute))
	want("parked", a, fleet.Orders{Park: true})
	want("parked", b, fleet.Orders{Park: true})
	redistest.Must(t, r.Unpark(t.Context(), []string{"b"}))
	want("unparked", b, fleet.Orders{})
	const short = 50 * time.Millisecond
	redistest.Must(t, r.Park(t.Context(), []string{"a"}, short))
	redistest.Must(t, r.Park(t.Context(), []string{"a"}, time.Minute))
	time.Sleep(2 * short)
	want("prolonged", a, fleet.Orders{Park: true})
	redistest.Must(t, r.Park(t.Context(), []string{"a"}, short))
	time.Sleep(2 * short)
	want("run out", a, fleet.Orders{})
	redistest.Must(t, r.Park(t.Context(), []string{"b"}, time.Minute))
	if left := raw.HKeys(t.Context(), "siren:parked").Val(); !reflect.DeepEqual(left, []string{"b"}) {
		t.Errorf("parked: %v", left)
	}
	redistest.Must(t, r.Retire(t.Context(), []string{"b"}, 3*time.Minute))
	want("retired", b, fleet.Orders{Park: true, Retire: true, RetireFor: 3 * time.Minute})
	redistest.Must(t, r.Unpark(t.Context(), []string{"b"}))
	want("retired for good", b, fleet.Orders{Retire: true, RetireFor: 3 * time.Minute})
	redistest.Must(t, r.Leave(t.Context(), "b"))
	want("a namesake", b, fleet.Orders{})
	for _, none := range []error{
		r.Park(t.Context(), nil, time.Second), r.Unpark(t.Context(), nil),
		r.Retire(t.Context(), nil, 0),
	} {
		redistest.Must(t, none)
	}
}

func TestOrder(t *testing.T) {
	r, _, _ := freshRoster(t)
	redistest.Must(t, r.Order(t.Context(), fleet.Plan{Park: []string{"a", "b"}}))
	redistest.Must(t, r.Order(t.Context(), fleet.Plan{
		Park: []string{"b"}, Unpark: []string{"a"}, Retire: []string{"b"},
		RetireFor: lanes.Duration(2 * time.Minute),
	}))
	for worker, want := range map[string]fleet.Orders{
		"a": {},
		"b": {Park: true, Retire: true, RetireFor: 2 * time.Minute},
	} {
		if got := beat(t, r, fleet.Heartbeat{Worker: worker}); got != want {
			t.Errorf("%s gets %+v, want %+v", worker, got, want)
		}
	}
}

// In a rolling upgrade scalers and workers of the version before are beside others: the one wrote 1, the other takes
// anything for an order.
func TestRetireOrderOfTheVersionBefore(t *testing.T) {
	r, _, raw := freshRoster(t)
	redistest.Must(t, raw.HSet(t.Context(), "siren:retired", "a", 1).Err())
	if got, want := beat(t, r, fleet.Heartbeat{Worker: "a"}), (fleet.Orders{Retire: true}); got != want {
		t.Errorf("a scaler of the version before: the worker gets %+v, want %+v", got, want)
	}
	for _, wait := range []time.Duration{0, 90 * time.Second} {
		redistest.Must(t, r.Retire(t.Context(), []string{"b"}, wait))
		if got := raw.HGet(t.Context(), "siren:retired", "b").Val(); got == "" {
			t.Errorf("told to retire for %s, a worker of the version before reads nothing", wait)
		}
		if got, want := beat(t, r, fleet.Heartbeat{Worker: "b"}), (fleet.Orders{
			Retire:    true,
			RetireFor: wait,
		}); got != want {
			t.Errorf("told to retire for %s, the worker gets %+v", wait, got)
		}
	}
}

func TestBeatBringsThePolicy(t *testing.T) {
	r, b, raw := freshRoster(t)
	hb := fleet.Heartbeat{Worker: "a"}
	if o := beat(t, r, hb); o.Effective != nil {
		t.Error("a policy before there is one")
	}
	e := lanes.Effective{Policy: *redistest.Policy(), NoGuests: []string{"general"}}
	revision, err := b.PublishPolicy(t.Context(), e)
	redistest.Must(t, err)
	redistest.Must(t, raw.ScriptFlush(t.Context()).Err()) // a Redis that was restarted
	o := beat(t, r, hb)
	if e.Revision = revision; o.Effective == nil || !reflect.DeepEqual(*o.Effective, e) {
		t.Fatalf("got %+v", o.Effective)
	}
	hb.Revision = revision
	if o := beat(t, r, hb); o.Effective != nil {
		t.Error("the policy that it follows already")
	}
	hb.Revision = revision + 5 // of a Redis that has lost its data
	if o := beat(t, r, hb); o.Effective == nil {
		t.Error("no policy")
	}
}
