package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
)

// expressWithin is the objective of lane express, as the policy has it, and expressShare the part of its jobs that must
// meet it. So few as expressSpare may be late all the same: a busy machine is late with one or two of thirty.
const (
	expressWithin = 2 * time.Second
	expressShare  = 0.95
	expressSpare  = 2
)

// connectsWithin is how long a producer that was cut off may take to be connected again: it pauses for up to 5 s
// between attempts.
const connectsWithin = 6 * time.Second

// leftWithin is how long after a node of RabbitMQ is broken its queues may have no other leader, and who was connected
// to it no other connection.
const leftWithin = 15 * time.Second

// express is how soon express jobs started.
type express struct {
	Counted  int            `json:"counted"`
	InTime   int            `json:"inTime"`
	P50      float64        `json:"p50Seconds"`
	P95      float64        `json:"p95Seconds"`
	Worst    float64        `json:"worstSeconds"`
	Excluded map[string]int `json:"excluded"` // by reason
	Late     []string       `json:"late,omitempty"`
	// Those that met a broken node of RabbitMQ which neither led their lane nor had their producer or worker.
	Beside       int `json:"besideABrokenNode"`
	BesideInTime int `json:"besideABrokenNodeInTime"`
}

// share returns the part that was in time.
func (e express) share() float64 {
	if e.Counted == 0 {
		return 1
	}
	return float64(e.InTime) / float64(e.Counted)
}

func (e express) String() string {
	var out []string
	total := 0
	for _, why := range slices.Sorted(maps.Keys(e.Excluded)) {
		total += e.Excluded[why]
		out = append(out, fmt.Sprintf("%d %s", e.Excluded[why], why))
	}
	beside := ""
	if e.Beside > 0 {
		beside = fmt.Sprintf("%d of %d while another lane's node was broken; ", e.BesideInTime, e.Beside)
	}
	return fmt.Sprintf("%.1f %% of %d within %s (p50 %.3f s, p95 %.3f s, worst %.3f s); %sexcluded %d: %s",
		100*e.share(), e.Counted, expressWithin, e.P50, e.P95, e.Worst, beside, total, strings.Join(out, ", "))
}

// metNode reports whether a node of RabbitMQ was broken meanwhile.
func metNode(h history.History, from, to time.Time) bool {
	return slices.ContainsFunc(h.Windows, func(w history.Window) bool {
		return w.Node != "" && !w.To.Before(from) && !w.From.After(to)
	})
}

// promises returns why what express jobs were promised is broken; "" when it isn't.
func (e express) promises() string {
	switch {
	case tooLate(e.InTime, e.Counted):
		return "express jobs start late"
	case tooLate(e.BesideInTime, e.Beside):
		return "express jobs start late while another lane's node is broken"
	default:
		return ""
	}
}

// tooLate reports whether too few of them were in time.
func tooLate(inTime, of int) bool {
	return of-inTime > expressSpare && float64(inTime) < expressShare*float64(of)
}

// measureExpress takes the time from sending to first start of every express job. Left out are those that met an
// outage, whose producer was cut off, or that a faulted worker held.
func measureExpress(h history.History) express {
	e := express{Excluded: map[string]int{}}
	var waits []time.Duration
	for _, j := range h.Jobs {
		if j.Lane != "express" || j.Confirms == 0 {
			continue
		}
		at := slices.IndexFunc(h.Events[j.Job.ID], func(e history.Event) bool { return e.What == "started" })
		if at < 0 {
			e.Excluded["never started (another copy's work was there, or its worker died with the log)"]++
			continue
		}
		first := h.Events[j.Job.ID][at]
		if why := exclusion(h, j, at); why != "" {
			e.Excluded[why]++
			continue
		}
		wait := max(0, first.At.Sub(j.Asked))
		waits = append(waits, wait)
		beside := metNode(h, j.Asked, first.At)
		if beside {
			e.Beside++
		}
		if wait <= expressWithin {
			e.InTime++
			if beside {
				e.BesideInTime++
			}
		} else {
			e.Late = append(e.Late, fmt.Sprintf("%s: asked %s, started after %s by %s", j.Job.ID,
				j.Asked.Format(history.Clock), wait.Round(time.Millisecond), first.Worker))
		}
	}
	slices.Sort(waits)
	e.Counted = len(waits)
	if n := len(waits); n > 0 {
		e.P50, e.P95, e.Worst = waits[n/2].Seconds(), waits[min(n-1, n*95/100)].Seconds(), waits[n-1].Seconds()
	}
	return e
}

// exclusion returns why a job doesn't count; "" when it does. at is its first start among its events.
func exclusion(h history.History, j *history.Attempts, at int) string {
	producer := "client/"
	if j.Raw {
		producer = "raw/"
	}
	events := h.Events[j.Job.ID]
	first := events[at]
	for _, w := range h.Windows {
		its, to := strings.HasPrefix(w.Link, producer), w.To
		switch {
		case its:
			to = to.Add(connectsWithin)
		case w.Node != "": // the others go on without it
			its, to = slices.Contains(w.Connected, strings.TrimSuffix(producer, "/")), w.From.Add(leftWithin)
		}
		if to.Before(j.Asked) || w.From.After(first.At) {
			continue
		}
		switch {
		case w.Outage != "":
			return "outage of " + w.Outage
		case slices.Contains(w.Led, "express"):
			return "its lane was led by a faulted node"
		case its:
			return "its producer was cut off"
		case slices.Contains(w.Lives, first.Worker):
			return "held by a faulted worker"
		}
	}
	// Somebody had it before, and that wasn't a worker that gave it back because it had got something more urgent:
	// nothing is.
	if slices.ContainsFunc(events[:at], func(e history.Event) bool { return e.What == "taken" && e.Again }) {
		return "held by a faulted worker"
	}
	return ""
}
