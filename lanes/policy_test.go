package lanes

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// example returns the design's policy, parsed.
func example(t testing.TB) *Policy {
	t.Helper()
	p, err := Load("testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoadExample(t *testing.T) {
	p := example(t)
	if got, want := p.LaneNames(), []string{"express", "standard", "bulk"}; !slices.Equal(got, want) {
		t.Errorf("LaneNames() = %v, want %v", got, want)
	}
	bulk, _ := p.Lane("bulk")
	want := Lane{
		Name: "bulk", Match: []string{"batch=true"}, StartWithin: Duration(30 * time.Minute),
		MaxRuntime: Duration(20 * time.Minute), MaxCrashes: 3,
		Promote:   &Promote{After: Duration(20 * time.Minute), To: "standard"},
		Retry:     Retries{Attempts: 5, First: Duration(5 * time.Second), Factor: 3, Max: Duration(15 * time.Minute)},
		QueueType: Classic,
	}
	if !reflect.DeepEqual(bulk, want) {
		t.Errorf("Lane(bulk) = %+v\nwant %+v", bulk, want)
	}
	general, _ := p.Pool("general")
	wantPool := Pool{
		Name: "general", Lanes: []string{"express", "standard"}, Guests: []string{"bulk"}, Slots: 1,
		Shoulder: map[string]int{"express": 1}, Min: 4, Max: 30,
		Slot: SlotLimits{Memory: 2 << 30, Scratch: 4 << 30, Cores: 1},
	}
	if !reflect.DeepEqual(general, wantPool) {
		t.Errorf("Pool(general) = %+v\nwant %+v", general, wantPool)
	}
	if got := p.Storage; len(got) != 2 || got[1] != (Storage{Prefix: "s3://media-out/", Read: true, Write: true}) {
		t.Errorf("Storage = %+v", got)
	}
	if w := p.Warnings(); len(w) > 0 {
		t.Errorf("Warnings() = %v for the design's own example", w)
	}
}

// What `siren policy show` prints and what Redis holds must read back as the same policy.
func TestPolicyRoundTrip(t *testing.T) {
	p := example(t)
	t.Run("yaml", func(t *testing.T) {
		text, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(p, again) {
			t.Errorf("read back:\n%+v\nwant\n%+v", again, p)
		}
	})
	t.Run("json of the policy in force", func(t *testing.T) {
		e := Effective{
			Revision: 7, Policy: *p, Turns: map[string]string{"bulk": "standard"},
			NoGuests: []string{"general"}, Former: []Queue{{"old", Classic}, {"bulk", Quorum}},
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var again Effective
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Errorf("read back:\n%+v\nwant\n%+v", again, e)
		}
	})
}

func TestLoadSaysWhichFile(t *testing.T) {
	if _, err := Load("testdata/absent.yaml"); err == nil || !strings.Contains(err.Error(), "testdata/absent.yaml") {
		t.Errorf("Load(absent) = %v", err)
	}
	path := t.TempDir() + "/bad.yaml"
	if err := os.WriteFile(path, []byte("budget: 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if err == nil || !strings.HasPrefix(err.Error(), "policy "+path+":\nlanes: needs at least one lane\n") {
		t.Errorf("Load(bad) = %v", err)
	}
}

func TestDefaultIsIdempotent(t *testing.T) {
	p := Policy{Lanes: []Lane{{Name: "a"}}, Pools: []Pool{{Name: "p"}}}
	p.Default()
	once, _ := json.Marshal(p)
	p.Default()
	twice, _ := json.Marshal(p)
	if string(once) != string(twice) {
		t.Errorf("a second Default changed\n%s\nto\n%s", once, twice)
	}
}

func TestDefaultKeepsWhatIsSet(t *testing.T) {
	p := example(t)
	before := *p
	express, _ := p.Lane("express")
	p.Default()
	if got, _ := p.Lane("express"); !reflect.DeepEqual(got, express) || !reflect.DeepEqual(before.Timing, p.Timing) {
		t.Errorf("Default changed what was set: %+v, was %+v", got, express)
	}
}

func TestPolicyLookups(t *testing.T) {
	p := example(t)
	if _, ok := p.Lane("nobody"); ok {
		t.Error("Lane found a lane that isn't there")
	}
	if _, ok := p.Pool("nobody"); ok {
		t.Error("Pool found a pool that isn't there")
	}
	if q, ok := p.Home("bulk"); !ok || q.Name != "batch" {
		t.Errorf("Home(bulk) = %q, %v; a guest's home is the pool that lists it in lanes", q.Name, ok)
	}
	if _, ok := p.Home("nobody"); ok {
		t.Error("Home found a home for a lane that isn't there")
	}
	if got := p.DefaultLane(); got != "standard" {
		t.Errorf("DefaultLane() = %q", got)
	}
	if got := (&Policy{Lanes: []Lane{{Name: "a", Match: []string{"x"}}}}).DefaultLane(); got != "" {
		t.Errorf("DefaultLane() = %q without one", got)
	}
	if got := p.Rank("bulk"); got != 2 {
		t.Errorf("Rank(bulk) = %d", got)
	}
	if got := p.Rank("nobody"); got != 3 {
		t.Errorf("Rank(nobody) = %d, want one past the last", got)
	}
	general, _ := p.Pool("general")
	if lane, n := general.Shoulders(); lane != "express" || n != 1 {
		t.Errorf("Shoulders() = %q, %d", lane, n)
	}
	if lane, n := (Pool{}).Shoulders(); lane != "" || n != 0 {
		t.Errorf("Shoulders() = %q, %d without one", lane, n)
	}
}

func TestNice(t *testing.T) {
	tests := []struct {
		name  string
		lanes []string
		want  []int
	}{
		{"one lane", []string{"a"}, []int{0}},
		{"two", []string{"a", "b"}, []int{0, 19}},
		{"three", []string{"a", "b", "c"}, []int{0, 9, 19}},
		{"five", []string{"a", "b", "c", "d", "e"}, []int{0, 4, 9, 14, 19}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Policy
			for _, n := range tt.lanes {
				p.Lanes = append(p.Lanes, Lane{Name: n})
			}
			for i, n := range tt.lanes {
				if got := p.Nice(n); got != tt.want[i] {
					t.Errorf("Nice(%s) = %d, want %d", n, got, tt.want[i])
				}
			}
			if got, last := p.Nice("former"), tt.want[len(tt.want)-1]; got != last {
				t.Errorf("Nice(a former lane) = %d, want the last lane's %d", got, last)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	usual := Retries{Attempts: 5, First: Duration(5 * time.Second), Factor: 3, Max: Duration(15 * time.Minute)}
	tests := []struct {
		name    string
		r       Retries
		attempt int
		want    time.Duration
	}{
		{"after the first", usual, 1, 5 * time.Second},
		{"after the second", usual, 2, 15 * time.Second},
		{"after the fourth", usual, 4, 135 * time.Second},
		{"up to max", usual, 6, 15 * time.Minute},
		{"far beyond max", usual, 1 << 40, 15 * time.Minute},
		{"attempt zero counts as the first", usual, 0, 5 * time.Second},
		{"a negative attempt too", usual, -3, 5 * time.Second},
		{
			"factor one never grows",
			Retries{First: Duration(time.Second), Factor: 1, Max: Duration(time.Minute)},
			1 << 40, time.Second,
		},
		// The product is more nanoseconds than a Duration holds: converted before it was compared, it came out
		// negative.
		{"a factor beyond all durations", Retries{
			First: Duration(time.Second), Factor: 1e30,
			Max: Duration(time.Minute),
		}, 2, time.Minute},
		{
			"an infinite one",
			Retries{First: Duration(time.Second), Factor: 1e300, Max: Duration(time.Minute)},
			9,
			time.Minute,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.Backoff(tt.attempt); got != tt.want {
				t.Errorf("Backoff(%d) = %s, want %s", tt.attempt, got, tt.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const shared = `
lanes:
- {name: express, match: [urgent=true], startWithin: 2s}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: 30m%s}
pools:
- {name: general, lanes: [express, standard%s], guests: [%s], max: 4}
%s
budget: 8
timing: {coldStart: 1s}
storage: [{prefix: "s3://media/", read: true}]
`
	tests := []struct {
		name                       string
		promote, own, guests, more string
		want                       []string
	}{
		{name: "bulk may starve", own: ", bulk", want: []string{
			`lanes[2]: "bulk" shares pool "general" with the more urgent "standard" and starves while that alone ` +
				`keeps the pool full; give it promote, or a pool of its own`,
		}},
		{
			name: "an objective that nobody keeps", guests: "bulk",
			promote: "}\n- {name: special, match: [vip=true], startWithin: 1ns",
			more:    "- {name: batch, lanes: [bulk, special], max: 2}",
			want: []string{
				"lanes[3].startWithin: no fleet keeps 1ns: to take a job from the broker and start its program takes " +
					"longer; write 100ms or more",
			},
		},
		{name: "promotion is a remedy", own: ", bulk", promote: ", promote: {after: 20m, to: standard}"},
		{name: "a pool of its own is one too", guests: "bulk", more: "- {name: batch, lanes: [bulk], max: 2}"},
		{name: "more than the budget", guests: "bulk", more: "- {name: batch, lanes: [bulk], max: 9}", want: []string{
			`pools[1].max: "batch" may have 9 workers, but the budget of all pools together is 8; raise the ` +
				`budget, too`,
		}},
		{
			name: "a reserve that there is no room for", guests: "bulk",
			promote: "}\n- {name: special, match: [vip=true], startWithin: 1h, reserve: 7",
			more: "- {name: urgent, lanes: [special], shoulder: {special: 2}, max: 3}\n" +
				"- {name: batch, lanes: [bulk], max: 2}",
			want: []string{
				`lanes[3].reserve: 7 slots are to be free, but "urgent" has 6 shoulder slots at most; lower it, or ` +
					`raise the pool's max or shoulder`,
			},
		},
		{
			name: "a promotion without effect", promote: ", promote: {after: 20m, to: standard}",
			more: "- {name: batch, lanes: [bulk], max: 2}", want: []string{
				`lanes[2].promote: no pool serves both "bulk" and "standard", so there is nothing to take turns ` +
					`for; make "bulk" a guest of the pool of "standard"`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.NewReplacer("%s}\npools", tt.promote+"}\npools", "standard%s]", "standard"+tt.own+"]",
				"[%s]", "["+tt.guests+"]", "\n%s\n", "\n"+tt.more+"\n").Replace(shared)
			p, err := Parse([]byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			var got []string
			for _, w := range p.Warnings() {
				got = append(got, w.Path+": "+w.Message)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Warnings() = %q\nwant %q", got, tt.want)
			}
		})
	}
}

// A policy without storage is one whose jobs all fail.
// Where pools share the budget, a worker that takes longer to start than a lane may wait comes too late.
func TestWarnsOfColdStarts(t *testing.T) {
	for _, c := range []struct {
		name, cold string
		budget     int
		shoulder   string
		warns      bool
	}{
		{name: "a binding budget", cold: "60s", budget: 8, warns: true},
		{name: "workers that start in time", cold: "20s", budget: 8},
		{name: "a budget for all", cold: "60s", budget: 12},
		{name: "a shoulder of its own", cold: "60s", budget: 8, shoulder: ", shoulder: {urgent: 1}"},
	} {
		p, err := Parse(fmt.Appendf(nil, `
lanes:
- {name: urgent, match: [urgent=true], startWithin: 30s}
- {name: slow, startWithin: 5m}
pools:
- {name: a, lanes: [urgent], max: 6%s}
- {name: b, lanes: [slow], max: 6}
budget: %d
timing: {coldStart: %s}
storage: [{prefix: "s3://media/", read: true}]
`, c.shoulder, c.budget, c.cold))
		if err != nil {
			t.Fatal(err)
		}
		w := p.Warnings()
		if (len(w) == 1) != c.warns || len(w) > 1 {
			t.Errorf("%s: %v", c.name, w)
		}
		const want = `is shorter than timing.coldStart, 1m, and the pools may have 12 workers together where the ` +
			`budget is 8: a worker that pool "a" gets when another gives it up comes too late; raise the budget, or ` +
			`the pool's min`
		if c.warns && (w[0].Path != "lanes[0].startWithin" || w[0].Message != want) {
			t.Errorf("%s: %v", c.name, w[0])
		}
	}
}

func TestWarnsOfNoStorage(t *testing.T) {
	p, err := Parse([]byte("lanes: [{name: a, startWithin: 1s}]\npools: [{name: p, lanes: [a], max: 1}]\nbudget: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if w := p.Warnings(); len(w) != 1 || w[0].Path != "storage" {
		t.Errorf("Warnings() = %v", w)
	}
}

// A policy may ask for slower heartbeats; a worker must not count as silent between two of them.
func TestFresh(t *testing.T) {
	for _, tt := range []struct {
		name            string
		heartbeat, want time.Duration
	}{
		{"as usual", time.Second, 3 * time.Second},
		{"faster", 100 * time.Millisecond, 3 * time.Second},
		{"slower", 4 * time.Second, 12 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Timing{Heartbeat: Duration(tt.heartbeat)}).Fresh(); got != tt.want {
				t.Errorf("Fresh = %s, want %s", got, tt.want)
			}
		})
	}
}
