package jobrecord_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobledger"
	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

func zEntry(id string, at time.Time) goredis.Z {
	return goredis.Z{Score: float64(at.UnixMilli()), Member: id}
}

// listAll turns the pages; between two of them it calls meanwhile.
func listAll(t *testing.T, l *jobledger.Ledger, f jobrecord.Filter, meanwhile func()) []string {
	t.Helper()
	var ids []string
	for {
		page, err := l.List(t.Context(), f)
		redistest.Must(t, err)
		if f.Limit > 0 && len(page.Records) > f.Limit {
			t.Fatalf("%d records on a page of %d", len(page.Records), f.Limit)
		}
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		if f.After = page.Next; page.Next == "" {
			return ids
		}
		if meanwhile != nil {
			meanwhile()
		}
	}
}

// A page ends when enough was looked through; going on finds all that are chosen, each once.
func TestListLooksThroughSoMany(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	redistest.Fill(t, l, 57)
	want := []string{"job-040", "job-020", "job-000"}
	f := jobrecord.Filter{Limit: 5, Look: 8, Match: func(r job.Record) bool { return slices.Contains(want, r.ID) }}
	page, err := l.List(t.Context(), f)
	redistest.Must(t, err)
	if len(page.Records) > 0 || page.Next == "" {
		t.Errorf("the first page: %+v", page)
	}
	for _, look := range []int{1, 8, 56, 57, 1000} {
		f.Look = look
		if got := listAll(t, l, f, nil); !slices.Equal(got, want) {
			t.Errorf("looking through %d: %v", look, got)
		}
	}
}

func TestListIsNewestFirst(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	redistest.Fill(t, l, 57)
	want := make([]string, 57)
	for i := range want {
		want[i] = fmt.Sprintf("job-%03d", 56-i)
	}
	for _, limit := range []int{0, 1, 7, 57, 1000} {
		if got := listAll(t, l, jobrecord.Filter{Limit: limit}, nil); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

func TestListFilters(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	first := redistest.Fill(t, l, 60)
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, redistest.Delivery("job-007", "standard"), "w",
		work.Granted), work.Outcome{State: job.Dead, Reason: "bad input"}))
	redistest.Claim(t, l, redistest.Delivery("job-008", "bulk"), "w", work.Granted)
	tests := []struct {
		name string
		f    jobrecord.Filter
		want int
	}{
		{"all", jobrecord.Filter{}, 60},
		{"lane", jobrecord.Filter{Lane: "express"}, 20},
		{"kind", jobrecord.Filter{Kind: "transcode"}, 30},
		{"lane and kind", jobrecord.Filter{Lane: "express", Kind: "transcode"}, 10},
		{"state", jobrecord.Filter{State: job.Queued}, 58},
		{"running", jobrecord.Filter{State: job.Running}, 1},
		{"dead", jobrecord.Filter{State: job.Dead}, 1},
		{"dead in another lane", jobrecord.Filter{State: job.Dead, Lane: "bulk"}, 0},
		{"labels", jobrecord.Filter{Match: func(r job.Record) bool { return r.Labels["n"] == "3" }}, 12},
		{"since", jobrecord.Filter{Since: first.Add(10 * time.Second)}, 20},
		{"until", jobrecord.Filter{Until: first.Add(10 * time.Second)}, 40},
		{
			"since and until",
			jobrecord.Filter{Since: first.Add(5 * time.Second), Until: first.Add(10 * time.Second)},
			20,
		},
		{"until before all", jobrecord.Filter{Until: first}, 0},
		{"until, in a lane", jobrecord.Filter{Until: first.Add(10 * time.Second), Lane: "express"}, 14},
		{"dead until", jobrecord.Filter{State: job.Dead, Until: time.Now().Add(time.Minute)}, 1},
		{"dead until before", jobrecord.Filter{State: job.Dead, Until: time.Now().Add(-time.Minute)}, 0},
		{"nothing", jobrecord.Filter{Lane: "no-such-lane"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, limit := range []int{0, 3} {
				f := tt.f
				f.Limit = limit
				if got := listAll(t, l, f, nil); len(got) != tt.want {
					t.Errorf("pages of %d: %d jobs, want %d: %v", limit, len(got), tt.want, got)
				}
			}
		})
	}
	if _, err := l.List(t.Context(), jobrecord.Filter{After: "nonsense"}); err == nil {
		t.Error("a cursor of nobody's was taken")
	}
}

// New jobs at the head and expired ones anywhere neither double nor hide others.
func TestListWhileJobsComeAndGo(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Fill(t, l, 40)
	turn := 0
	got := listAll(t, l, jobrecord.Filter{Limit: 5}, func() {
		turn++
		d := redistest.Delivery(fmt.Sprintf("new-%d", turn), "bulk")
		_, err := redistest.Create(t.Context(), l, d.Job, d.Lane, time.Now())
		redistest.Must(t, err)
		redistest.Must(t, raw.Del(t.Context(), fmt.Sprintf("siren:job:job-%03d", 40-turn)).Err()) // behind the reader
	})
	want := make([]string, 40)
	for i := range want {
		want[i] = fmt.Sprintf("job-%03d", 39-i)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v", got)
	}
}

func TestListRepairsTheIndex(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Fill(t, l, 20)
	for i := range 10 {
		redistest.Must(t, raw.Del(t.Context(), fmt.Sprintf("siren:job:job-%03d", 2*i)).Err())
	}
	if got := listAll(t, l, jobrecord.Filter{Limit: 3}, nil); len(got) != 10 {
		t.Errorf("listed %v", got)
	}
	if n := raw.ZCard(t.Context(), "siren:jobs").Val(); n != 10 {
		t.Errorf("%d entries left, want 10", n)
	}
	redistest.Must(t, raw.ZAdd(t.Context(), "siren:dead", zEntry("job-001", time.Now())).Err()) // it isn't dead
	if got := listAll(t, l, jobrecord.Filter{State: job.Dead}, nil); len(got) != 0 {
		t.Errorf("listed as dead: %v", got)
	}
	if n := raw.ZCard(t.Context(), "siren:dead").Val(); n != 0 {
		t.Errorf("%d dead entries left", n)
	}
}

func TestListScansManyPagesOfTheIndex(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	redistest.Fill(t, l, 1300)
	f := jobrecord.Filter{Match: func(r job.Record) bool { return r.ID == "job-000" || r.ID == "job-1200" }}
	if got := listAll(t, l, f, nil); !slices.Equal(got, []string{"job-1200", "job-000"}) {
		t.Errorf("listed %v", got)
	}
}

func TestSweep(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Fill(t, l, 30)
	p := redistest.Policy()
	p.Timing.Keep = lanes.Duration(time.Minute) // all of them are an hour old
	l.SetPolicy(p)
	for i := range 20 {
		redistest.Must(t, raw.Del(t.Context(), fmt.Sprintf("siren:job:job-%03d", i+5)).Err())
	}
	redistest.Must(t, raw.ZAdd(t.Context(), "siren:dead", zEntry("gone", time.Now().Add(-time.Hour)),
		zEntry("too young", time.Now())).Err())
	for _, want := range []int{21, 0} {
		if n, err := l.Sweep(t.Context()); err != nil || n != want {
			t.Errorf("swept %d, %v; want %d", n, err, want)
		}
	}
	if all, dead := raw.ZCard(t.Context(), "siren:jobs").Val(), raw.ZCard(t.Context(), "siren:dead").Val(); all != 10 ||
		dead != 1 {
		t.Errorf("%d and %d entries left, want 10 and 1", all, dead)
	}
}

func TestRetryingForgetsWhatNoLongerWaits(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for i, next := range []time.Time{soon.Add(time.Minute), soon, soon.Add(time.Second)} {
		c := redistest.Claim(t, l, redistest.Delivery(fmt.Sprint(i), "bulk"), "w", work.Granted)
		redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: next}))
	}
	overdue := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	c := redistest.Claim(t, l, redistest.Delivery("overdue", "standard"), "w", work.Granted)
	redistest.Must(t, l.Close(t.Context(), c, work.Outcome{State: job.Retrying, NextAt: overdue}))
	for _, lane := range []string{"bulk", "express"} {
		redistest.Must(t, raw.ZAdd(t.Context(), "siren:retrying:"+lane, zEntry("gone", overdue)).Err())
	}
	for range 2 {
		got := redistest.Retrying(t, l)
		if bulk := got["bulk"]; len(got) != 2 || bulk.Count != 3 || !bulk.Next.Equal(soon) {
			t.Errorf("%+v; want 3 of bulk, the first at %s, and 1 of standard", got, soon)
		}
		if standard := got["standard"]; standard.Count != 1 || !standard.Next.Equal(overdue) {
			t.Errorf("%+v; want 1 of standard, though it is overdue", got)
		}
	}
	for lane, want := range map[string]int64{"bulk": 3, "standard": 1, "express": 0} {
		if left := raw.ZCard(t.Context(), "siren:retrying:"+lane).Val(); left != want {
			t.Errorf("%d entries of lane %s are left, want %d", left, lane, want)
		}
	}
	if d, err := l.Retrying(t.Context(), nil); err != nil || len(d) > 0 {
		t.Errorf("of no lane: %v, %v", d, err)
	}
}

// The leader asks for all lanes' retries at every tick: that takes two commands for each lane, in one round trip.
func TestRetryingOfAllLanesIsOneRoundTrip(t *testing.T) {
	s, _ := redistest.Fresh(t)
	var trips redistest.RoundTrips
	s.Client().AddHook(&trips)
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("lane-%d", i)
	}
	_, err := redistest.LedgerOn(s).Retrying(t.Context(), names)
	redistest.Must(t, err)
	if !slices.Equal(trips.Sizes, []int{2 * len(names)}) {
		t.Errorf("commands, by round trip: %v; want one of %d", trips.Sizes, 2*len(names))
	}
}

// asked returns how often each command was given to Redis since the statistics were reset.
func asked(t testing.TB, raw *goredis.Client) map[string]int {
	t.Helper()
	info, err := raw.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, found := range regexp.MustCompile(`cmdstat_(\S+):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		calls[found[1]], _ = strconv.Atoi(found[2])
	}
	return calls
}

// A list of everything reads each record once, a page about as many as it shows, and a search by the beginning of an id
// only those that fit.
func TestListReadsEachRecordOnce(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	redistest.Fill(t, l, 1234)
	everything := func(f jobrecord.Filter) int {
		n := 0
		for _, err := range l.Each(t.Context(), f) {
			redistest.Must(t, err)
			n++
		}
		return n
	}
	page := func(f jobrecord.Filter) int {
		p, err := l.List(t.Context(), f)
		redistest.Must(t, err)
		return len(p.Records)
	}
	tests := []struct {
		name         string
		list         func() int
		want         int // records listed
		read, looked int // at most: records, and looks at the index
	}{
		{"all", func() int { return everything(jobrecord.Filter{}) }, 1234, 1234, 4},
		{"all, the oldest first", func() int { return everything(jobrecord.Filter{OldestFirst: true}) }, 1234, 1234, 4},
		{"a lane", func() int { return everything(jobrecord.Filter{Lane: "bulk"}) }, 411, 1234, 4},
		{"a page of 50", func() int { return page(jobrecord.Filter{Limit: 50}) }, 50, 50, 2},
		{"a page of all", func() int { return page(jobrecord.Filter{Limit: 100_000}) }, 1234, 1234, 4},
		{"a page of a third", func() int { return page(jobrecord.Filter{Limit: 50, Lane: "bulk"}) }, 50, 350, 3},
		{"by the beginning of the id", func() int {
			return page(jobrecord.Filter{Limit: 100, Prefix: "job-12"})
		}, 44, 44, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			redistest.Must(t, raw.ConfigResetStat(t.Context()).Err())
			if got := tt.list(); got != tt.want {
				t.Errorf("%d records, want %d", got, tt.want)
			}
			calls := asked(t, raw)
			read, looked := calls["hgetall"], 0
			for name, n := range calls {
				if strings.HasPrefix(name, "z") {
					looked += n
				}
			}
			if read > tt.read || looked > tt.looked {
				t.Errorf("read %d records in %d looks at the index, want at most %d and %d", read, looked, tt.read,
					tt.looked)
			}
		})
	}
}

// All of a large batch have the same time. What goes and comes among them meanwhile neither doubles nor hides the
// others.
func TestEachOfTheSameTime(t *testing.T) {
	for _, oldest := range []bool{false, true} {
		t.Run(fmt.Sprint("oldest first ", oldest), func(t *testing.T) {
			l, raw := redistest.FreshLedger(t)
			at := time.Now().Add(-time.Hour)
			var batch []work.Delivery
			for i := range 2100 {
				d := redistest.Delivery(fmt.Sprintf("job-%04d", i), "bulk")
				d.EnqueuedAt = at
				batch = append(batch, d)
			}
			_, err := l.CreateAll(t.Context(), batch)
			redistest.Must(t, err)
			seen := map[string]int{}
			for r, err := range l.Each(t.Context(), jobrecord.Filter{OldestFirst: oldest}) {
				redistest.Must(t, err)
				if seen[r.ID]++; len(seen)%300 == 0 { // the one that it is at, one before it, and a new one before it
					redistest.Must(t, raw.ZRem(t.Context(), "siren:jobs", r.ID, "job-0000", "job-2099").Err())
					redistest.Must(t, raw.ZAdd(t.Context(), "siren:jobs",
						zEntry(fmt.Sprintf("job-%s-%d", map[bool]string{true: "0", false: "9"}[oldest], len(seen)),
							at)).Err())
				}
			}
			for i := 1; i < 2099; i++ {
				if id := fmt.Sprintf("job-%04d", i); seen[id] != 1 {
					t.Fatalf("%s was listed %d times", id, seen[id])
				}
			}
		})
	}
}
