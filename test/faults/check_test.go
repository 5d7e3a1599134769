package main

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// goodHistory returns a run in which every promise was kept: a job of each fate.
func goodHistory() history {
	at := time.Now()
	j := func(id string, f fate, recipe, output string) *attempts {
		return &attempts{
			spec: spec{
				job: job.Job{ID: id, Output: "file:///out/" + output}, fate: f, recipe: recipe,
				lane: "standard", copies: 1,
			},
			asked: at, confirmed: at, confirms: 1, tries: 1,
		}
	}
	unconfirmed := j("maybe", succeeds, "video", "maybe.mp4")
	unconfirmed.confirms = 0
	return history{
		jobs: []*attempts{
			j("good", succeeds, "video", "good.mp4"), j("bad", badInput, "", "bad.mp4"),
			j("first", contested, "video", "shared.mp4"),
			j("second", contested, "picture", "shared.mp4"), j("poison", poisonous, "long", "poison.mp4"), unconfirmed,
		},
		outputs: map[string]output{
			"good.mp4":   {"video", []string{"good"}},
			"shared.mp4": {"picture", []string{"second"}},
		},
		seen: map[string]*sight{"good.mp4": {at: at, recipe: "video"}, "shared.mp4": {at: at, recipe: "picture"}},
		letters: map[string][]letter{
			"bad": {{"bad input", ""}}, "first": {{"output exists", ""}},
			"poison": {{"poison", ""}},
		},
		records: map[string]job.Record{
			"good": {State: job.Completed}, "bad": {State: job.Dead}, "first": {State: job.Dead},
			"second": {State: job.Completed}, "poison": {State: job.Dead},
		},
		drained: true,
	}
}

func TestCheckerPassesAGoodHistory(t *testing.T) {
	h := goodHistory()
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains: %v", found)
	}
	h.outputs["maybe.mp4"] = output{"video", []string{"maybe"}} // it has arrived after all
	h.seen["maybe.mp4"] = &sight{recipe: "video"}
	h.letters["bad"] = append(h.letters["bad"], letter{"dead already", ""})
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains of what may be: %v", found)
	}
	if r := newReport(h); r.Confirmed != 5 || r.Uncertain != 1 || r.Completed != 2 || r.TwiceDead != 1 || r.Lost+
		r.Doubled > 0 {
		t.Errorf("the report counts wrongly: %+v", r)
	}
}

func TestCheckerComplains(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*history)
		sort  sort
		says  string
	}{
		{
			"a lost job", func(h *history) { delete(h.outputs, "good.mp4"); delete(h.seen, "good.mp4") }, isLost,
			"neither output nor dead letter",
		},
		{"a lost bad job", func(h *history) { delete(h.letters, "bad") }, isLost, "neither output nor dead letter"},
		{"a lost loser", func(h *history) { delete(h.letters, "first") }, isLost, "another job's"},
		{
			"an output and a dead letter", func(h *history) { h.letters["good"] = []letter{{"failed", ""}} }, isDoubled,
			"a dead letter too",
		},
		{"one output of two jobs", func(h *history) {
			h.outputs["shared.mp4"] = output{
				"picture",
				[]string{"first", "second"},
			}
		}, isDoubled, "and so has"},
		{"an output that appears again", func(h *history) {
			h.seen["good.mp4"].problem("appeared once more")
		}, isDoubled, "once more"},
		{"an output that is written to", func(h *history) {
			h.seen["good.mp4"].problem("was written to")
		}, isDoubled, "written to"},
		{
			"wrong frames", func(h *history) { h.outputs["good.mp4"] = output{"picture", []string{"good"}} }, isWrong,
			`want those of "video"`,
		},
		{
			"mixed frames", func(h *history) { h.outputs["good.mp4"] = output{"", []string{"good"}} }, isWrong,
			`the frames of ""`,
		},
		{
			"wrong frames for a moment", func(h *history) { h.seen["good.mp4"].recipe = "" }, isWrong,
			"appeared with the frames",
		},
		{
			"the loser's frames", func(h *history) { h.outputs["shared.mp4"] = output{"video", []string{"second"}} },
			isWrong, `want those of "picture"`,
		},
		{
			"an output of nobody's", func(h *history) { h.outputs["good.mp4"] = output{"video", nil} }, isWrong,
			"none of the jobs",
		},
		{"a vanished output", func(h *history) { h.seen["maybe.mp4"] = &sight{recipe: "video"} }, isDoubled, "is gone"},
		{"a lost and vanished output", func(h *history) { delete(h.outputs, "good.mp4") }, isLost, "neither"},
		{"an output of a bad job", func(h *history) {
			h.outputs["bad.mp4"], h.seen["bad.mp4"] = output{"", []string{"bad"}}, &sight{}
		}, isWrong, "although its input is bad"},
		{"a wrong reason", func(h *history) { h.letters["bad"][0].reason = "failed" }, isWrong, "want bad input"},
		{"a good job that is dead", func(h *history) {
			delete(h.outputs, "good.mp4")
			delete(h.seen, "good.mp4")
			h.letters["good"] = []letter{{"poison", ""}}
		}, isWrong, "had to succeed"},
		{"both contestants dead", func(h *history) {
			delete(h.outputs, "shared.mp4")
			delete(h.seen, "shared.mp4")
			h.letters["second"] = []letter{{"output exists", ""}}
		}, isWrong, "there is none"},
		{
			"a dead letter of nobody's", func(h *history) { h.letters["stranger"] = []letter{{"bad input", ""}} },
			isWrong,
			"nobody enqueued it",
		},
		{"a file of nobody's", func(h *history) {
			h.outputs["good.mp4.tmp"], h.seen["good.mp4.tmp"] = output{},
				&sight{}
		}, isLeftover, "no job has it"},
		{"an output that nobody saw", func(h *history) { delete(h.seen, "good.mp4") }, isWrong, "never seen"},
		{
			"a record that says otherwise", func(h *history) { h.records["good"] = job.Record{State: job.Running} },
			isWrong, "it is running",
		},
		{
			"a queue with jobs", func(h *history) { h.left = map[string]int{"siren.delay.5s": 2} }, isLeftover,
			"2 messages in siren.delay.5s",
		},
		{"a program that runs", func(h *history) { h.programs = []string{"12 ffmpeg"} }, isLeftover, "12 ffmpeg"},
		{
			"scratch files", func(h *history) { h.scratch = []string{"/scratch/siren-attempts-0/good-1"} }, isLeftover,
			"scratch",
		},
		{"a panic", func(h *history) { h.broken = []string{"w1-1 ended by itself"} }, isWrong, "by itself"},
		{"a fleet that goes on", func(h *history) { h.drained = false }, isLeftover, "come to rest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := goodHistory()
			c.spoil(&h)
			found := check(h)
			for _, v := range found {
				if v.Sort == c.sort && strings.Contains(v.String(), c.says) {
					return
				}
			}
			t.Errorf("it says %v, want %s: …%s…", found, c.sort, c.says)
		})
	}
}

// A record may be behind when the ledger was away, and nothing else is excused by that.
func TestCheckerWithoutLedger(t *testing.T) {
	h := goodHistory()
	h.windows = []window{{fault: fault{kind: "redis-kill"}, outage: "redis"}}
	h.records["good"] = job.Record{State: job.Running}
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains: %v", found)
	}
	delete(h.letters, "poison")
	if found := check(h); len(found) != 1 || found[0].Sort != isLost {
		t.Errorf("it says %v, want one lost job", found)
	}
}

// Express jobs that start late count, unless what kept them is known.
func TestExpress(t *testing.T) {
	at := time.Now()
	h := history{events: map[string][]event{}}
	add := func(id string, wait time.Duration, worker string) *attempts {
		j := &attempts{spec: spec{job: job.Job{ID: id}, lane: "express"}, asked: at, confirms: 1}
		h.jobs = append(h.jobs, j)
		h.events[id] = []event{
			{at: at.Add(wait), worker: worker, what: "taken"},
			{at: at.Add(wait), worker: worker, what: "started"},
		}
		return j
	}
	add("soon", time.Second, "w1-1")
	add("late", 3*time.Second, "w1-1")
	add("held", 3*time.Second, "w2-1")
	add("again", 3*time.Second, "w1-1")
	h.events["again"][0].again = true
	add("raw", 3*time.Second, "w1-1").raw = true
	h.windows = []window{
		{fault: fault{kind: "worker-pause-long"}, from: at, to: at.Add(2 * time.Second), lives: []string{"w2-1"}},
		{fault: fault{kind: "cut"}, from: at, to: at.Add(2 * time.Second), link: "raw/amqp"},
	}
	e := measureExpress(h)
	if e.Counted != 2 || e.InTime != 1 || e.Excluded["held by a faulted worker"] != 2 ||
		e.Excluded["its producer was cut off"] != 1 {
		t.Errorf("%s", e)
	}
	h.windows = append(h.windows, window{from: at, to: at.Add(time.Second), outage: "broker"})
	if e := measureExpress(h); e.Counted != 0 || e.Excluded["outage of broker"] != 3 || e.share() != 1 {
		t.Errorf("%s", e)
	}
}

// The seed alone decides what is enqueued and broken, and when.
func TestSchedules(t *testing.T) {
	at := places{"file:///in/", "file:///out/", "s3://out/"}
	one, same, other := jobSchedule(1, time.Minute, 3, true, at), jobSchedule(1, time.Minute, 3, true, at),
		jobSchedule(2, time.Minute, 3, true, at)
	fates := map[fate]int{}
	ids := map[string]bool{}
	for i, s := range one {
		if s.at != same[i].at || s.job.ID != same[i].job.ID || s.recipe != same[i].recipe {
			t.Fatalf("two jobs with one seed: %+v, %+v", s, same[i])
		}
		fates[s.fate]++
		ids[s.job.ID] = true
	}
	if len(other) == len(one) && other[3].at == one[3].at {
		t.Error("another seed makes the same jobs")
	}
	if len(ids) != len(one) || fates[succeeds] < len(one)/2 || fates[badInput] == 0 || fates[contested]%2 != 0 ||
		fates[contested] == 0 || fates[poisonous] != 2 {
		t.Errorf("%d jobs: %v", len(one), fates)
	}
	kindsSeen := map[string]bool{}
	faults := faultSchedule(1, 2*time.Minute, nil)
	again := faultSchedule(1, 2*time.Minute, nil)
	for i, f := range faults {
		if f != again[i] {
			t.Fatalf("two faults with one seed: %s, %s", f, again[i])
		}
		kindsSeen[f.kind] = true
	}
	if len(kindsSeen) != len(kinds) {
		t.Errorf("two minutes have only %d of %d kinds of fault", len(kindsSeen), len(kinds))
	}
}
