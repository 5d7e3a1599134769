package verdict

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/faults/history"
)

// waited is a run whose good job ended at second 100 and whose bad one at second 10, with those who waited.
func waited(waits ...history.Wait) history.History {
	h := goodHistory()
	h.Records["good"] = job.Record{State: job.Completed, EndedAt: time.Unix(100, 0)}
	h.Records["bad"] = job.Record{State: job.Dead, EndedAt: time.Unix(10, 0)}
	h.Waits = waits
	return h
}

// wait is one from the beginning until a second; 0: it never returned.
func wait(how, job string, until int64, end job.State, gave history.Lack) history.Wait {
	w := history.Wait{At: time.Unix(0, 0), How: how, Job: job, End: end, Gave: gave}
	if until > 0 {
		w.Over = time.Unix(until, 0)
	}
	return w
}

// redisAway is a window from one second to another.
func redisAway(from, to int64) history.Window {
	return history.Window{
		Fault: history.Fault{Kind: "redis-lost-tail"}, From: time.Unix(from, 0), To: time.Unix(to, 0), Outage: "redis",
	}
}

func TestCheckerComplainsOfWaits(t *testing.T) {
	const enqueue, watch, call = "siren enqueue --wait", "siren jobs watch", "Client.Wait"
	for _, c := range []struct {
		name  string
		wait  history.Wait
		spoil func(*history.History)
		says  string // "": nothing
	}{
		{"told in time", wait(call, "good", 101, job.Completed, ""), nil, ""},
		{"told in time that it is dead", wait(watch, "bad", 11, job.Dead, ""), nil, ""},
		{"the wrong end", wait(watch, "good", 101, job.Dead, ""), nil, "it is completed, and siren jobs watch"},
		{"completed, and it is dead", wait(call, "bad", 11, job.Completed, ""), nil, "it is dead, and Client.Wait"},
		{"cancelled by nobody", wait(call, "good", 101, job.Cancelled, ""), nil, "said at"},
		{"missing", wait(call, "good", 90, job.Missing, ""), nil, "said at"},
		{"never returned", wait(enqueue, "good", 0, "", ""), nil, "never returned"},
		{"never returned after a failover", wait(enqueue, "good", 0, "", ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
		}, "never returned"},
		{"never returned, and its record runs", wait(call, "good", 0, "", ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
			h.Records["good"] = job.Record{State: job.Running}
		}, "never returned"},
		{"never returned, and it has no record", wait(call, "good", 0, "", ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
			delete(h.Records, "good")
		}, "never returned"},
		{"nobody can know its end", wait(call, "good", 0, "", ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
			h.Records["good"] = job.Record{State: job.Queued}
		}, ""},
		{"late", wait(call, "good", 161, job.Completed, ""), nil, "1m1s after it could know"},
		{"late after a failover", wait(call, "good", 261, job.Completed, ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(150, 200)}
		}, "1m1s after it could know"},
		{"in time after a failover", wait(call, "good", 259, job.Completed, ""), func(h *history.History) {
			h.Windows = []history.Window{redisAway(150, 200)}
		}, ""},
		{"in time after a loss", wait(call, "good", 259, job.Completed, ""), func(h *history.History) {
			h.Lost = []time.Time{time.Unix(200, 0)}
		}, ""},
		{"late before a failover", wait(call, "good", 261, job.Completed, ""), func(h *history.History) {
			h.FailedOver = []time.Time{time.Unix(262, 0)}
		}, "2m41s after it could know"},
		{"its worker vanished", wait(call, "good", 280, "", history.Vanished), nil, ""},
		{"its worker vanished long ago", wait(call, "good", 300, "", history.Vanished), nil, "3m20s after"},
		{"no record, and Redis was there", wait(watch, "good", 90, "", history.NoRecord), nil, "gave up (no record)"},
		{"no record, since Redis was away", wait(watch, "good", 90, "", history.NoRecord), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
		}, ""},
		{"gave up while Redis was away", wait(watch, "good", 90, "", history.Other), func(h *history.History) {
			h.Windows = []history.Window{redisAway(20, 30)}
		}, "gave up (other)"},
		{"not enqueued, and all was well", wait(enqueue, "good", 90, "", history.NotBegun), nil, "gave up (not begun)"},
		{"not enqueued", wait(enqueue, "good", 90, "", history.NotBegun), func(h *history.History) {
			h.Windows = []history.Window{{From: time.Unix(20, 0), To: time.Unix(30, 0), Outage: "broker"}}
		}, ""},
		{"a panic", history.Wait{How: enqueue, Job: "maybe", Wrong: "it panicked"}, nil, "it panicked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := waited(c.wait)
			if c.spoil != nil {
				c.spoil(&h)
			}
			complains(t, check(h), c.says)
		})
	}
}

// complains fails unless one violation says that, and no other there is; or, with "", there is none.
func complains(t *testing.T, found []violation, says string) {
	t.Helper()
	switch {
	case says == "" && len(found) > 0:
		t.Errorf("it complains: %v", found)
	case says != "" && (len(found) != 1 || !strings.Contains(found[0].String(), says)):
		t.Errorf("it says %v, want …%s…", found, says)
	}
}

// A dead job that is run again dies once more or is completed, and a letter of its first death may be left over.
func TestCheckerOfReplayedJobs(t *testing.T) {
	revived := func(h *history.History) {
		h.Replayed = map[string]bool{"poison": true}
		h.Outputs["poison.mp4"], h.Seen["poison.mp4"] = made("long", "poison"), &history.Sight{Recipe: "long"}
		h.Records["poison"] = job.Record{State: job.Completed, Copy: 1, EndedAt: time.Unix(100, 0)}
		delete(h.Letters, "poison")
	}
	first := history.Letter{Reason: "poison"}
	for _, c := range []struct {
		name  string
		spoil func(*history.History)
		says  string // "": nothing
	}{
		{"completed", func(*history.History) {}, ""},
		{"completed, and the old letter is there", func(h *history.History) {
			h.Letters["poison"] = []history.Letter{first}
		}, ""},
		{"the same, and Redis has lost its record", func(h *history.History) {
			h.Letters["poison"] = []history.Letter{first}
			delete(h.Records, "poison")
		}, ""},
		{"completed, and dead by the same message", func(h *history.History) {
			h.Letters["poison"] = []history.Letter{{Reason: "poison", Copy: 1}}
		}, "a dead letter too"},
		{"completed and dead, and nobody had it run again", func(h *history.History) {
			h.Replayed = nil
			h.Letters["poison"] = []history.Letter{first}
		}, "a dead letter too"},
		{"dead once more", func(h *history.History) {
			delete(h.Outputs, "poison.mp4")
			delete(h.Seen, "poison.mp4")
			h.Letters["poison"] = []history.Letter{first, {Reason: "poison", Copy: 1}}
			h.Records["poison"] = job.Record{State: job.Dead, Copy: 1}
		}, ""},
		{"lost, but for the old letter", func(h *history.History) {
			delete(h.Outputs, "poison.mp4")
			delete(h.Seen, "poison.mp4")
			h.Letters["poison"] = []history.Letter{first}
			h.Records["poison"] = job.Record{State: job.Queued, Copy: 1}
		}, "neither output nor dead letter"},
		{"told before that it was dead", func(h *history.History) {
			h.Waits = []history.Wait{wait("Client.Wait", "poison", 20, job.Dead, "")}
		}, ""},
		{"told that it was completed", func(h *history.History) {
			h.Waits = []history.Wait{wait("Client.Wait", "poison", 20, job.Completed, "")}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := goodHistory()
			revived(&h)
			c.spoil(&h)
			complains(t, check(h), c.says)
		})
	}
}

// A command may take its time and fail. One that has a bound may not take longer, and none may panic.
func TestCheckerOfCommands(t *testing.T) {
	for name, c := range map[string]struct {
		command history.Command
		says    string // "": nothing
	}{
		"unbounded":   {history.Command{Line: "siren lanes", Took: time.Hour}, ""},
		"in time":     {history.Command{Line: "siren doctor", Took: 2 * time.Minute, Within: 2 * time.Minute}, ""},
		"out of time": {history.Command{Took: 121 * time.Second, Within: 2 * time.Minute}, "took 2m1s"},
		"a panic":     {history.Command{Line: "siren doctor", Wrong: "it panicked: oh"}, "it panicked: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			h := goodHistory()
			h.Commands = []history.Command{c.command}
			complains(t, check(h), c.says)
		})
	}
}
