package load

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

const s = time.Second

// job makes one of milliseconds.
func job(at, lane, service int) sim.Job {
	return sim.Job{
		At: time.Duration(at) * time.Millisecond, Lane: lane, Service: time.Duration(service) * time.Millisecond,
	}
}

func testPolicy(t *testing.T) *lanes.Policy {
	t.Helper()
	p, err := lanes.Load("../../../lanes/testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func kind(number int, j sim.Job) sim.Job {
	j.Kind = number
	return j
}

// Of too many kinds the rest have none.
func TestTraceOfManyKinds(t *testing.T) {
	text := "time,lane,service,kind\n"
	for i := range sim.MostKinds + 5 {
		text += fmt.Sprintf("0,standard,1,kind-%d\n", i)
	}
	trace, err := NewTrace(strings.NewReader(text+"1,standard,1,kind-7\n"), testPolicy(t))
	if err != nil {
		t.Fatal(err)
	}
	jobs := List(trace)
	if n := len(jobs); n != sim.MostKinds+6 || jobs[sim.MostKinds-1].Kind != sim.MostKinds ||
		jobs[sim.MostKinds].Kind != 0 || jobs[n-1].Kind != 8 {
		t.Errorf("%d jobs: %v", n, jobs[sim.MostKinds-1:])
	}
}

func TestTrace(t *testing.T) {
	p, split := testPolicy(t), job(7000, 2, 4000)
	split.Parts = 8
	for _, c := range []struct {
		name, text string
		want       Listed
	}{
		{
			"by lane, in seconds", "time,lane,service\n0,standard,2.5\n1.5,express,1\n",
			Listed{job(0, 1, 2500), job(1500, 0, 1000)},
		},
		{
			"by labels, with dates, kinds, and parts",
			"\ufeffservice, kind, labels, time, parts\n3,transcode,tier=premium;owner=ann,2026-01-31T12:00:00Z,\n" +
				"4,transcode,batch=true,2026-01-31T12:00:07+00:00,8\n5,thumbnail,,2026-01-31T12:00:07Z,0\n",
			Listed{kind(1, job(0, 0, 3000)), kind(1, split), kind(2, job(7000, 1, 5000))},
		},
		{
			"without a kind", "time,lane,service,kind,note\n0,standard,1,,a\n0,standard,1,probe,b\n",
			Listed{job(0, 1, 1000), kind(1, job(0, 1, 1000))},
		},
	} {
		trace, err := NewTrace(strings.NewReader(c.text), p)
		if err != nil {
			t.Fatal(err)
		}
		if got := List(trace); !slices.Equal(got, c.want) || trace.Err() != nil {
			t.Errorf("%s: %v, %v", c.name, got, trace.Err())
		}
	}
}

// Comments are passed over, but for what is above the first line and says how long workers took to start.
func TestTraceComments(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"time,lane,service\n# cold-start: 9s\n0,standard,1\n":                         0,
		"# cold-start: 2.4s\n# by hand\ntime,lane,service\n0,standard,1\n# the end\n": 2400 * time.Millisecond,
		"#cold-start:3s\r\ntime,lane,service\r\n0,standard,1\r\n":                     3 * time.Second,
	} {
		trace, err := NewTrace(strings.NewReader(text), testPolicy(t))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if jobs := List(trace); len(jobs) != 1 || trace.Err() != nil || trace.Cold != want {
			t.Errorf("%q: %v, %v, cold start %s", text, jobs, trace.Err(), trace.Cold)
		}
	}
}

// What is wrong with a trace is said with its line, and what to write instead.
func TestTraceErrors(t *testing.T) {
	p := testPolicy(t)
	for _, c := range []struct{ text, want string }{
		{"", "the trace is empty"},
		{"time,service\n", "line 1 of the trace names no column lane or labels"},
		{"lane,service\n", "line 1 of the trace names no column time"},
		{"time,lane,service\n0,standard,1\n0,standard,x\n", `line 3 of the trace: "x" is no service time: write`},
		{"time,lane,service\n0,standard,-1\n", `line 2 of the trace: "-1" is no service time`},
		{"time,lane,service\n0,standard,NaN\n", `line 2 of the trace: "NaN" is no service time`},
		{"time,lane,service\n5,standard,1\n4,standard,1\n", "line 3 of the trace: its time is before"},
		{"time,lane,service\nnoon,standard,1\n", `line 2 of the trace: "noon" is no time: write seconds`},
		{"time,lane,service\n0,slow,1\n", `line 2 of the trace: the policy has no lane "slow": it has express`},
		{"time,labels,service\n0,urgent,1\n", `line 2 of the trace: "urgent" is no label: write labels as urgent=true`},
		{"time,lane,service,parts\n0,standard,1,many\n", `line 2 of the trace: "many" are no parts`},
		{
			"time,lane,service\n0,standard\n",
			"line 2 of the trace: wrong number of fields: 2, and the first line has 3",
		},
		{
			"time,lane,service\n0,standard,1,2\n",
			"line 2 of the trace: wrong number of fields: 4, and the first line has 3",
		},
		{"# a\n# b\ntime,service\n", "line 3 of the trace names no column lane or labels"},
		{"# a\ntime,lane,service\n# c\n0,standard,x\n", `line 4 of the trace: "x" is no service time`},
		{
			"# a\ntime,lane,service\n0,standard\n",
			"line 3 of the trace: wrong number of fields: 2, and the first line has 3",
		},
		{"# cold-start: soon\ntime,lane,service\n", `line 1 of the trace: "soon" is no time that a worker takes`},
		{"# cold-start: -2s\ntime,lane,service\n", `line 1 of the trace: "-2s" is no time that a worker takes`},
		{"# only this", "the trace is empty"},
	} {
		trace, err := NewTrace(strings.NewReader(c.text), p)
		if err == nil {
			List(trace)
			err = trace.Err()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

// Each pattern has the jobs that its rate promises, in order, and in the lanes' shares.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern Pattern
		jobs    float64 // in an hour at a rate of 2
	}{
		{Poisson, 7200},
		{Step, 6000},
		{Flash, 7200 * 1.9},
		{Square, 3600},
		{Diurnal, 7200},
		{Batch, 6000},
		{HeavyTail, 7200},
		{Sparse, 7200},
	} {
		m := Made{
			Pattern: c.pattern, Rate: 2, Period: 10 * time.Minute, Service: 4 * s, Spread: Exponential,
			Shares: []float64{0.1, 0.9}, For: time.Hour, Seed: 3,
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		jobs := List(m.Jobs())
		if n := float64(len(jobs)); math.Abs(n-c.jobs) > 0.05*c.jobs {
			t.Errorf("%s: %d jobs, want about %.0f", c.pattern, len(jobs), c.jobs)
		}
		if !slices.IsSortedFunc(jobs, func(a, b sim.Job) int { return int(a.At - b.At) }) {
			t.Errorf("%s: not in order", c.pattern)
		}
		first, work := 0, 0.0
		for _, j := range jobs {
			first += 1 - j.Lane
			work += j.Service.Seconds()
		}
		if share := float64(first) / float64(len(jobs)); math.Abs(share-0.1) > 0.02 {
			t.Errorf("%s: %.3f of the jobs in the first lane, want 0.1", c.pattern, share)
		}
		if mean := work / float64(len(jobs)); math.Abs(mean-4) > 0.5 {
			t.Errorf("%s: a mean service time of %.2f s, want 4", c.pattern, mean)
		}
		if again := List(m.Jobs()); !slices.Equal(jobs, again) {
			t.Errorf("%s: the same seed makes other jobs", c.pattern)
		}
	}
}

func TestShares(t *testing.T) {
	names := []string{"express", "standard", "bulk"}
	for text, want := range map[string][]float64{
		"":                         {0, 1, 0},
		"express=0.1":              {0.1, 0.9, 0},
		"express=0.1, bulk=0.2":    {0.1, 0.7, 0.2},
		"express=0.5,standard=0.5": {0.5, 0.5, 0},
	} {
		got, err := ParseShares(text, names, "standard")
		for i := range want {
			if err != nil || math.Abs(got[i]-want[i]) > 1e-9 {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	}
	for _, text := range []string{"express", "express=x", "express=2", "slow=0.1", "express=0.9,bulk=0.2"} {
		if got, err := ParseShares(text, names, "standard"); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestMerge(t *testing.T) {
	a, b := Listed{{At: 1}, {At: 4}, {At: 5}}, Listed{{At: 2}, {At: 3}}
	var times []time.Duration
	for _, j := range List(Merge(a.Jobs(), b.Jobs(), Listed{}.Jobs())) {
		times = append(times, j.At)
	}
	if !slices.Equal(times, []time.Duration{1, 2, 3, 4, 5}) {
		t.Error(times)
	}
}

func TestAzure(t *testing.T) {
	text := "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n" +
		"2023-11-16 18:17:05.9799600,3180,8\n"
	jobs, err := Azure(strings.NewReader(text), []float64{0, 1}, 1)
	want := Listed{job(0, 1, 3000), job(2000, 1, 2800)}
	if err != nil || !slices.Equal(jobs, want) {
		t.Errorf("%v, %v", jobs, err)
	}
	if _, err := Azure(strings.NewReader("a,b,c\nnow,1,2\n"), []float64{1}, 1); err == nil {
		t.Error("read what is no trace")
	}
}

// A trace is arbitrary text: whatever it is, it is read or refused.
func FuzzTrace(f *testing.F) {
	f.Add("time,lane,service\n0,standard,2.5\n")
	f.Add("time,labels,service,parts\n2026-01-31T12:00:00Z,a=b;c=d,1e3,4\n")
	p, err := lanes.Load("../../../lanes/testdata/siren.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := NewTrace(strings.NewReader(text), p)
		if err != nil {
			return
		}
		last := time.Duration(0)
		for _, j := range List(trace) {
			if j.At < last || j.Service <= 0 || j.Lane < 0 || j.Lane >= len(p.Lanes) || j.Parts < 0 {
				t.Errorf("%+v", j)
			}
			last = j.At
		}
	})
}
