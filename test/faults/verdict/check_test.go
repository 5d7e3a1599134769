package verdict

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
)

// goodHistory returns a run in which every promise was kept: a job of each fate.
func goodHistory() history.History {
	at := time.Now()
	j := func(id string, f history.Fate, recipe, output string) *history.Attempts {
		return &history.Attempts{
			Spec: history.Spec{
				Job: job.Job{ID: id, Output: "file:///out/" + output}, Fate: f, Recipe: recipe,
				Lane: "standard", Copies: 1,
			},
			Asked: at, Confirmed: at, Confirms: 1, Tries: 1,
		}
	}
	unconfirmed := j("maybe", history.Succeeds, "video", "maybe.mp4")
	unconfirmed.Confirms = 0
	return history.History{
		Jobs: []*history.Attempts{
			j("good", history.Succeeds, "video", "good.mp4"), j("bad", history.BadInput, "", "bad.mp4"),
			j("first", history.Contested, "video", "shared.mp4"),
			j("second", history.Contested, "picture", "shared.mp4"),
			j("poison", history.Poisonous, "long", "poison.mp4"), unconfirmed,
		},
		Outputs: map[string]history.Output{
			"good.mp4":   made("video", "good"),
			"shared.mp4": made("picture", "second"),
		},
		Seen: map[string]*history.Sight{
			"good.mp4":   {At: at, Recipe: "video"},
			"shared.mp4": {At: at, Recipe: "picture"},
		},
		Letters: map[string][]history.Letter{
			"bad": {{Reason: "bad input"}}, "first": {{Reason: "output exists"}},
			"poison": {{Reason: "poison"}},
		},
		Records: map[string]job.Record{
			"good": {State: job.Completed}, "bad": {State: job.Dead}, "first": {State: job.Dead},
			"second": {State: job.Completed}, "poison": {State: job.Dead},
		},
	}
}

// made is an output of a recipe that these jobs made.
func made(recipe string, owners ...string) history.Output {
	return history.Output{Recipe: recipe, Owners: owners}
}

func TestCheckerPassesAGoodHistory(t *testing.T) {
	h := goodHistory()
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains: %v", found)
	}
	h.Outputs["maybe.mp4"] = made("video", "maybe") // it has arrived after all
	h.Seen["maybe.mp4"] = &history.Sight{Recipe: "video"}
	h.Letters["bad"] = append(h.Letters["bad"], history.Letter{Reason: "dead already"})
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains of what may be: %v", found)
	}
	if r := Of(h); r.Confirmed != 5 || r.Uncertain != 1 || r.Completed != 2 || r.TwiceDead != 1 || r.Lost+
		r.Doubled > 0 {
		t.Errorf("the report counts wrongly: %+v", r)
	}
}

func TestCheckerComplains(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*history.History)
		sort  sort
		says  string
	}{
		{
			"a lost job", func(h *history.History) { delete(h.Outputs, "good.mp4"); delete(h.Seen, "good.mp4") },
			isLost,
			"neither output nor dead letter",
		},
		{"a lost bad job", func(h *history.History) {
			delete(h.Letters, "bad")
		}, isLost, "neither output nor dead letter"},
		{"a lost loser", func(h *history.History) { delete(h.Letters, "first") }, isLost, "another job's"},
		{
			"an output and a dead letter", func(
				h *history.History,
			) {
				h.Letters["good"] = []history.Letter{{Reason: "failed"}}
			}, isDoubled,
			"a dead letter too",
		},
		{"one output of two jobs", func(h *history.History) {
			h.Outputs["shared.mp4"] = made("picture", "first", "second")
		}, isDoubled, "and so has"},
		{"an output that appears again", func(h *history.History) {
			h.Seen["good.mp4"].Problem("appeared once more")
		}, isDoubled, "once more"},
		{"an output that is written to", func(h *history.History) {
			h.Seen["good.mp4"].Problem("was written to")
		}, isDoubled, "written to"},
		{
			"wrong frames", func(h *history.History) { h.Outputs["good.mp4"] = made("picture", "good") }, isWrong,
			`want those of "video"`,
		},
		{
			"mixed frames", func(h *history.History) { h.Outputs["good.mp4"] = made("", "good") }, isWrong,
			`the frames of ""`,
		},
		{
			"wrong frames for a moment", func(h *history.History) { h.Seen["good.mp4"].Recipe = "" }, isWrong,
			"appeared with the frames",
		},
		{
			"the loser's frames", func(h *history.History) { h.Outputs["shared.mp4"] = made("video", "second") },
			isWrong, `want those of "picture"`,
		},
		{
			"an output of nobody's", func(h *history.History) { h.Outputs["good.mp4"] = made("video") }, isWrong,
			"none of the jobs",
		},
		{
			"a vanished output", func(h *history.History) { h.Seen["maybe.mp4"] = &history.Sight{Recipe: "video"} },
			isDoubled, "is gone",
		},
		{"a lost and vanished output", func(h *history.History) { delete(h.Outputs, "good.mp4") }, isLost, "neither"},
		{"an output of a bad job", func(h *history.History) {
			h.Outputs["bad.mp4"], h.Seen["bad.mp4"] = made("", "bad"), &history.Sight{}
		}, isWrong, "although its input is bad"},
		{
			"a wrong reason", func(h *history.History) { h.Letters["bad"][0].Reason = "failed" }, isWrong,
			"want bad input",
		},
		{"a good job that is dead", func(h *history.History) {
			delete(h.Outputs, "good.mp4")
			delete(h.Seen, "good.mp4")
			h.Letters["good"] = []history.Letter{{Reason: "poison"}}
		}, isWrong, "had to succeed"},
		{"both contestants dead", func(h *history.History) {
			delete(h.Outputs, "shared.mp4")
			delete(h.Seen, "shared.mp4")
			h.Letters["second"] = []history.Letter{{Reason: "output exists"}}
		}, isWrong, "there is none"},
		{
			"a dead letter of nobody's", func(
				h *history.History,
			) {
				h.Letters["stranger"] = []history.Letter{{Reason: "bad input"}}
			},
			isWrong,
			"nobody enqueued it",
		},
		{"a file of nobody's", func(h *history.History) {
			h.Outputs["good.mp4.tmp"], h.Seen["good.mp4.tmp"] = history.Output{},
				&history.Sight{}
		}, isLeftover, "no job has it"},
		{"an output that nobody saw", func(h *history.History) { delete(h.Seen, "good.mp4") }, isWrong, "never seen"},
		{
			"a record that says otherwise", func(
				h *history.History,
			) {
				h.Records["good"] = job.Record{State: job.Running}
			},
			isWrong, "it is running",
		},
		{
			"a queue with jobs", func(h *history.History) { h.Left = map[string]int{"siren.delay.5s": 2} }, isLeftover,
			"2 messages in siren.delay.5s",
		},
		{
			"a program that runs", func(h *history.History) { h.Programs = []string{"12 ffmpeg"} }, isLeftover,
			"12 ffmpeg",
		},
		{
			"scratch files", func(h *history.History) { h.Scratch = []string{"/scratch/siren-attempts-0/good-1"} },
			isLeftover,
			"scratch",
		},
		{"a panic", func(h *history.History) { h.Broken = []string{"w1-1 ended by itself"} }, isWrong, "by itself"},
		{"a command that says 0", func(h *history.History) {
			h.Answers = []history.Answer{
				{Verb: "siren lanes move", About: "kept", Known: 0},
				{Verb: "siren lanes", About: "kept", Said: 2, Known: 3},
				{Verb: "siren lanes", About: "kept", Said: 0, Known: 3},
			}
		}, isWrong, "siren lanes said 0 of kept"},
		{"too many workers", func(h *history.History) {
			h.Most, h.Staff = 5, staff(4, 6, 6, 6, 6, 6, 6, 7, 5)
		}, isWrong, "up to 7 workers"},
		{"a record that runs for ever", func(h *history.History) {
			h.Records["good"] = job.Record{State: job.Running}
			h.FailedOver = []time.Time{time.Unix(0, 0), time.Unix(50, 0)}
			h.RecordsAt = time.Unix(110, 0)
			h.Windows = []history.Window{{Fault: history.Fault{Kind: "redis-failover"}, Outage: "redis"}}
		}, isWrong, "says that it runs, 1m0s after"},
		{"a fleet that goes on", func(h *history.History) {
			h.Unrest = errors.New("a job runs on")
		}, isLeftover, "come to rest in time: a job runs on"},
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

// staff is so many workers at one second after the other.
func staff(workers ...int) (list []history.Headcount) {
	for i, n := range workers {
		list = append(list, history.Headcount{At: time.Unix(int64(i), 0), Workers: n})
	}
	return list
}

// What commands say, workers that come and go, and a failover that is only just over are no reason to complain.
func TestCheckerPassesWhatIsMeanwhile(t *testing.T) {
	h := goodHistory()
	h.Answers = []history.Answer{{Verb: "siren lanes", Said: 0, Known: 0}, {Verb: "siren lanes", Said: 3, Known: 3}}
	h.Most, h.Staff = 5, staff(4, 6, 6, 6, 5, 6, 7, 6, 6, 5)
	h.FailedOver, h.RecordsAt = []time.Time{time.Unix(0, 0)}, time.Unix(59, 0)
	h.Windows = []history.Window{{Fault: history.Fault{Kind: "redis-failover"}, Outage: "redis"}}
	h.Records["good"] = job.Record{State: job.Running}
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains: %v", found)
	}
}

// A record may be behind when the ledger was away, and nothing else is excused by that.
func TestCheckerWithoutLedger(t *testing.T) {
	h := goodHistory()
	h.Windows = []history.Window{{Fault: history.Fault{Kind: "redis-kill"}, Outage: "redis"}}
	h.Records["good"] = job.Record{State: job.Running}
	if found := check(h); len(found) > 0 {
		t.Errorf("it complains: %v", found)
	}
	delete(h.Letters, "poison")
	if found := check(h); len(found) != 1 || found[0].Sort != isLost {
		t.Errorf("it says %v, want one lost job", found)
	}
}

// Express jobs that start late count, unless what kept them is known.
func TestExpress(t *testing.T) {
	at := time.Now()
	h := history.History{Events: map[string][]history.Event{}}
	add := func(id string, wait time.Duration, worker string) *history.Attempts {
		j := &history.Attempts{Spec: history.Spec{Job: job.Job{ID: id}, Lane: "express"}, Asked: at, Confirms: 1}
		h.Jobs = append(h.Jobs, j)
		h.Events[id] = []history.Event{
			{At: at.Add(wait), Worker: worker, What: "taken"},
			{At: at.Add(wait), Worker: worker, What: "started"},
		}
		return j
	}
	add("soon", time.Second, "w1-1")
	add("late", 3*time.Second, "w1-1")
	add("held", 3*time.Second, "w2-1")
	add("again", 3*time.Second, "w1-1")
	h.Events["again"][0].Again = true
	add("raw", 3*time.Second, "w1-1").Raw = true
	h.Windows = []history.Window{
		{
			Fault: history.Fault{Kind: "worker-pause-long"}, From: at, To: at.Add(2 * time.Second),
			Lives: []string{"w2-1"},
		},
		{Fault: history.Fault{Kind: "cut"}, From: at, To: at.Add(2 * time.Second), Link: "raw/amqp"},
	}
	e := measureExpress(h)
	if e.Counted != 2 || e.InTime != 1 || e.Excluded["held by a faulted worker"] != 2 ||
		e.Excluded["its producer was cut off"] != 1 {
		t.Errorf("%s", e)
	}
	h.Windows = append(h.Windows, history.Window{From: at, To: at.Add(time.Second), Outage: "broker"})
	if e := measureExpress(h); e.Counted != 0 || e.Excluded["outage of broker"] != 3 || e.share() != 1 {
		t.Errorf("%s", e)
	}
}

// While a node is broken, express jobs count unless that node leads their lane, or their producer or worker is
// connected to it; and those that count must start in time by themselves.
func TestExpressBesideABrokenNode(t *testing.T) {
	at := time.Now()
	h := history.History{Events: map[string][]history.Event{}}
	add := func(id string, asked time.Time, wait time.Duration) {
		h.Jobs = append(h.Jobs, &history.Attempts{
			Spec: history.Spec{Job: job.Job{ID: id}, Lane: "express"}, Asked: asked, Confirms: 1,
		})
		h.Events[id] = []history.Event{{At: asked.Add(wait), Worker: "w1-1", What: "started"}}
	}
	for i := range 80 { // before all that
		add(fmt.Sprintf("before%d", i), at.Add(-time.Minute), 0)
	}
	add("in time", at, time.Second)
	for i := range 3 {
		add(fmt.Sprintf("late%d", i), at, 5*time.Second)
	}
	h.Windows = []history.Window{{
		Fault: history.Fault{Kind: "node-hang"}, From: at, To: at.Add(time.Second), Node: "node2",
		Led:       []string{"bulk"},
		Connected: []string{"w3", "raw"}, Lives: []string{"w3-1"},
	}}
	e := measureExpress(h)
	if e.Counted != 84 || e.Beside != 4 || e.BesideInTime != 1 ||
		!strings.Contains(e.promises(), "another lane's node") {
		t.Errorf("%s: %q", e, e.promises())
	}
	excused := func(late string) {
		t.Helper()
		if e := measureExpress(h); e.Excluded[late] != 4 || e.promises() != "" {
			t.Errorf("%s: %s: %q", late, e, e.promises())
		}
	}
	for why, spoil := range map[string]func(*history.Window){
		"its lane was led by a faulted node": func(w *history.Window) { w.Led = []string{"express"} },
		"its producer was cut off":           func(w *history.Window) { w.Connected = []string{"client"} },
		"held by a faulted worker":           func(w *history.Window) { w.Lives = []string{"w1-1"} },
	} {
		whole := h.Windows[0]
		spoil(&h.Windows[0])
		excused(why)
		h.Windows[0].From, h.Windows[0].To = at.Add(-leftWithin-time.Second), at.Add(time.Minute)
		if e := measureExpress(h); e.Counted != 84 || e.promises() == "" {
			t.Errorf("%s, long ago: %s: %q", why, e, e.promises())
		}
		h.Windows[0] = whole
	}
}
