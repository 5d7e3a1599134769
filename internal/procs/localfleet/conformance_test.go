package localfleet

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"

	"github.com/polyglot-media/siren/internal/procs/procstest"
)

// scaled is what the scaler asks of a fleet, local processes or a cluster.
type scaled interface {
	Pools(ctx context.Context) (map[string]fleet.PoolState, error)
	Scale(ctx context.Context, pool string, seen fleet.PoolState, to int, remove []string) error
}

// conformance is what holds for every fleet. Each check gets one with the empty pools general and batch, whose workers
// start well and end at SIGTERM. Nothing here but this package's name keeps it from being run on another fleet.
var conformance = map[string]func(*testing.T, scaled){
	"begins empty": func(t *testing.T, f scaled) {
		for _, pool := range []string{"general", "batch"} {
			if s := look(t, f, pool); s.Replicas != 0 || len(s.Members) != 0 || s.Version == "" {
				t.Errorf("%s: %+v", pool, s)
			}
		}
	},
	"grows at once, the named pool alone": func(t *testing.T, f scaled) {
		before := time.Now()
		scale(t, f, "general", 3)
		s := look(t, f, "general")
		if s.Replicas != 3 || len(s.Members) != 3 {
			t.Fatalf("state %+v", s)
		}
		form := regexp.MustCompile(`^general-[a-z]{5}$`)
		for i, m := range s.Members {
			if !form.MatchString(m.Name) || m.Leaving || m.Stuck != "" || m.CreatedAt.Before(before.Add(-time.Second)) {
				t.Errorf("member %+v", m)
			}
			if slices.ContainsFunc(s.Members[:i], func(n fleet.Member) bool { return n.Name == m.Name }) {
				t.Errorf("two workers are called %s", m.Name)
			}
		}
		if b := look(t, f, "batch"); b.Replicas != 0 || len(b.Members) != 0 {
			t.Errorf("batch: %+v", b)
		}
	},
	"shrinks by exactly the named workers": func(t *testing.T, f scaled) {
		scale(t, f, "general", 4)
		all := workers(look(t, f, "general"))
		scale(t, f, "general", 2, all[1], all[3])
		procstest.Eventually(t, "two are gone", func() bool { return len(look(t, f, "general").Members) == 2 })
		if got := workers(look(t, f, "general")); !slices.Equal(got, []string{all[0], all[2]}) {
			t.Errorf("%v stayed of %v", got, all)
		}
	},
	"refuses what was decided on an older state": func(t *testing.T, f scaled) {
		old := look(t, f, "general")
		scale(t, f, "general", 2)
		wantConflict(t, f.Scale(t.Context(), "general", old, 3, nil))
		if s := look(t, f, "general"); s.Replicas != 2 || len(s.Members) != 2 {
			t.Errorf("it was carried out all the same: %+v", s)
		}
	},
	"refuses to remove a worker that is gone": func(t *testing.T, f scaled) {
		scale(t, f, "general", 2)
		wantConflict(t, f.Scale(t.Context(), "general", look(t, f, "general"), 1, []string{"general-zzzzz"}))
	},
	"refuses to shrink without as many names": func(t *testing.T, f scaled) {
		scale(t, f, "general", 3)
		s := look(t, f, "general")
		w := workers(s)
		for name, c := range map[string]struct {
			to     int
			remove []string
		}{
			"none": {2, nil}, "too few": {1, w[:1]}, "too many": {2, w[:2]},
			"twice the same": {1, []string{w[0], w[0]}}, "while growing": {4, w[:1]}, "below zero": {-1, w},
		} {
			if err := f.Scale(t.Context(), "general", s, c.to, c.remove); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if got := workers(look(t, f, "general")); !slices.Equal(got, w) {
			t.Errorf("%v are left of %v", got, w)
		}
	},
	"refuses an unknown pool": func(t *testing.T, f scaled) {
		if err := f.Scale(t.Context(), "nowhere", fleet.PoolState{}, 1, nil); err == nil {
			t.Error("no error")
		}
	},
	"does nothing when nothing changes": func(t *testing.T, f scaled) {
		scale(t, f, "general", 1)
		before := look(t, f, "general")
		scale(t, f, "general", 1)
		if after := look(t, f, "general"); after.Version != before.Version ||
			!slices.Equal(workers(after), workers(before)) {
			t.Errorf("from %+v to %+v", before, after)
		}
	},
	"goes to zero and back": func(t *testing.T, f scaled) {
		scale(t, f, "general", 1)
		first := workers(look(t, f, "general"))
		scale(t, f, "general", 0, first...)
		scale(t, f, "general", 1)
		procstest.Eventually(t, "one fresh worker", func() bool {
			w := workers(look(t, f, "general"))
			return len(w) == 1 && w[0] != first[0]
		})
	},
}

func look(t *testing.T, f scaled, pool string) fleet.PoolState {
	t.Helper()
	pools, err := f.Pools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, ok := pools[pool]
	if !ok {
		t.Fatalf("no pool %q in %v", pool, pools)
	}
	return s
}

// scale changes the pool as it is now.
func scale(t *testing.T, f scaled, pool string, to int, remove ...string) {
	t.Helper()
	if err := f.Scale(t.Context(), pool, look(t, f, pool), to, remove); err != nil {
		t.Fatal(err)
	}
}

func workers(s fleet.PoolState) []string {
	var names []string
	for _, m := range s.Members {
		names = append(names, m.Name)
	}
	return names
}

func wantConflict(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, lanes.ErrConflict) {
		t.Errorf("not a conflict: %v", err)
	}
}
