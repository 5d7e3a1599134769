package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// expressWithin is the objective of lane express, as the policy has it, and expressShare the part of its jobs that must
// meet it.
const (
	expressWithin = 2 * time.Second
	expressShare  = 0.95
)

// connectsWithin is how long a producer that was cut off may take to be connected again: it pauses for up to 5 s
// between attempts.
const connectsWithin = 6 * time.Second

// express is how soon express jobs started.
type express struct {
	Counted  int            `json:"counted"`
	InTime   int            `json:"inTime"`
	P50      float64        `json:"p50Seconds"`
	P95      float64        `json:"p95Seconds"`
	Worst    float64        `json:"worstSeconds"`
	Excluded map[string]int `json:"excluded"` // by reason
	Late     []string       `json:"late,omitempty"`
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
	return fmt.Sprintf("%.1f %% of %d within %s (p50 %.3f s, p95 %.3f s, worst %.3f s); excluded %d: %s",
		100*e.share(), e.Counted, expressWithin, e.P50, e.P95, e.Worst, total, strings.Join(out, ", "))
}

// measureExpress takes the time from sending to first start of every express job. Left out are those that met an
// outage, whose producer was cut off, or that a faulted worker held.
func measureExpress(h history) express {
	e := express{Excluded: map[string]int{}}
	var waits []time.Duration
	for _, j := range h.jobs {
		if j.lane != "express" || j.confirms == 0 {
			continue
		}
		at := slices.IndexFunc(h.events[j.job.ID], func(e event) bool { return e.what == "started" })
		if at < 0 {
			e.Excluded["never started (another copy's work was there, or its worker died with the log)"]++
			continue
		}
		first := h.events[j.job.ID][at]
		if why := exclusion(h, j, at); why != "" {
			e.Excluded[why]++
			continue
		}
		wait := max(0, first.at.Sub(j.asked))
		waits = append(waits, wait)
		if wait <= expressWithin {
			e.InTime++
		} else {
			e.Late = append(e.Late, fmt.Sprintf("%s: asked %s, started after %s by %s", j.job.ID,
				j.asked.Format("15:04:05.000"), wait.Round(time.Millisecond), first.worker))
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
func exclusion(h history, j *attempts, at int) string {
	producer := "client/"
	if j.raw {
		producer = "raw/"
	}
	events := h.events[j.job.ID]
	first := events[at]
	for _, w := range h.windows {
		its := strings.HasPrefix(w.link, producer)
		to := w.to
		if its {
			to = to.Add(connectsWithin)
		}
		if to.Before(j.asked) || w.from.After(first.at) {
			continue
		}
		switch {
		case w.outage != "":
			return "outage of " + w.outage
		case its:
			return "its producer was cut off"
		case slices.Contains(w.lives, first.worker):
			return "held by a faulted worker"
		}
	}
	// Somebody had it before, and that wasn't a worker that gave it back because it had got something more urgent:
	// nothing is.
	if slices.ContainsFunc(events[:at], func(e event) bool { return e.what == "taken" && e.again }) {
		return "held by a faulted worker"
	}
	return ""
}
