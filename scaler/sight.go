package scaler

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/scaler/facts"
	"github.com/polyglot-media/siren/scaler/law"
)

const (
	mostSight  = 4 << 20         // bytes of what is published; far above what ten thousand workers take
	sightShare = 20              // writing it takes at most one part in so many of the scaler's time,
	sightPause = 5 * time.Second // and waits no longer than this
)

// Sight is what a tick saw, what was remembered before it, and what came of it: all that others need to find out what
// other tunings would lead to. It is without what no plan depends on.
type Sight struct {
	Version string            `json:"version"` // of the scaler: another one may decide otherwise
	Leader  string            `json:"leader"`
	Policy  lanes.Effective   `json:"policy"` // in force
	Seen    facts.Observation `json:"seen"`
	Before  facts.History     `json:"before"`
	Plans   []fleet.Plan      `json:"plans"`
}

// showSight publishes the tick for those who ask what other tunings would lead to. Nothing waits for it but they.
func (l *Loop) showSight(
	ctx context.Context, e lanes.Effective, d law.Decision, o facts.Observation, before facts.History,
) {
	began := time.Now()
	if l.o.Sight == nil || began.Before(l.sightDue) {
		return
	}
	text, err := Sight{l.o.Version, l.o.Name, e, o, before, d.Plans}.encode()
	if err == nil {
		err = l.o.Sight(ctx, text)
	}
	if err != nil {
		l.o.Log.Debug("show what was seen", "error", err)
	}
	l.sightDue = began.Add(min(sightShare*time.Since(began), sightPause))
}

// sighted is what a sight has of one worker: its heartbeat, and what was remembered of it before. Each is written by
// itself, so that nobody ever holds ten thousand of them as text.
type sighted struct {
	Seen   *fleet.Heartbeat     `json:"seen,omitempty"`
	Name   string               `json:"name"`
	Before *facts.WorkerHistory `json:"before,omitempty"`
	Same   bool                 `json:"same,omitempty"` // Before's counters are Seen's, and are left out
}

// encode writes the sight, compressed, without waits and rates, which are only shown: first all that isn't of single
// workers, then each worker.
func (s Sight) encode() ([]byte, error) {
	var text bytes.Buffer
	z, _ := gzip.NewWriterLevel(&text, gzip.BestSpeed) // the level is one
	e := json.NewEncoder(z)
	seen, before := s.Seen.Workers, s.Before.Workers
	s.Seen.Retries, s.Seen.Workers, s.Before.Workers = nil, nil, nil
	s.Before.Lanes = maps.Clone(s.Before.Lanes)
	for name, h := range s.Before.Lanes {
		h.Waits, h.Flow = nil, nil
		s.Before.Lanes[name] = h
	}
	if err := e.Encode(s); err != nil {
		return nil, err
	}
	there := make(map[string]bool, len(seen))
	for _, w := range seen {
		there[w.Worker] = true
		one := sighted{Seen: &w, Name: w.Worker}
		if h, known := before[w.Worker]; known {
			if one.Before, one.Same = &h, maps.EqualFunc(h.Lanes, w.Lanes, sameWork); one.Same {
				h.Lanes = nil
			}
			h.Lanes = withoutWaits(h.Lanes)
		}
		w.Lanes = withoutWaits(w.Lanes)
		if err := e.Encode(one); err != nil {
			return nil, err
		}
	}
	for name, h := range before {
		if there[name] {
			continue
		}
		h.Lanes = withoutWaits(h.Lanes)
		if err := e.Encode(sighted{Name: name, Before: &h}); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if text.Len() > mostSight {
		return nil, fmt.Errorf("%d bytes are more than %d", text.Len(), mostSight)
	}
	return text.Bytes(), nil
}

// sameWork reports whether two counters differ in nothing that a sight has.
func sameWork(a, b fleet.LaneWork) bool {
	return a.Started == b.Started && a.Finished == b.Finished && a.Failed == b.Failed && a.Service == b.Service &&
		a.LastReady.Equal(b.LastReady) && a.OddTimes == b.OddTimes && a.OddAt.Equal(b.OddAt) && a.First == b.First
}

func withoutWaits(work map[string]fleet.LaneWork) map[string]fleet.LaneWork {
	work = maps.Clone(work)
	for lane, w := range work {
		w.Waits = nil
		work[lane] = w
	}
	return work
}

// ReadSight reads what a scaler has published. The error says that it is of another version than this one, which may
// decide otherwise: then there is no answer.
func ReadSight(text []byte, version string) (s Sight, err error) {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return s, fmt.Errorf("read what the scaler saw: %w", err)
	}
	d := json.NewDecoder(z)
	var written json.RawMessage
	if err := d.Decode(&written); err != nil {
		return s, fmt.Errorf("read what the scaler saw: %w", err)
	}
	var by struct{ Version, Leader string }
	if err := json.Unmarshal(written, &by); err != nil {
		return s, fmt.Errorf("read what the scaler saw: %w", err)
	}
	if by.Version != version {
		return s, fmt.Errorf("the scaler %s is version %s and this is %s, which may decide differently: "+
			"ask with the scaler's own version", by.Leader, by.Version, version)
	}
	err = json.Unmarshal(written, &s)
	s.Before.Workers = map[string]facts.WorkerHistory{}
	for err == nil {
		var one sighted
		if err = d.Decode(&one); err == nil {
			s.add(one)
		}
	}
	if !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("read what the scaler %s saw: %w", by.Leader, err)
	}
	return s, nil
}

func (s *Sight) add(one sighted) {
	if one.Seen != nil {
		s.Seen.Workers = append(s.Seen.Workers, *one.Seen)
	}
	if one.Before == nil {
		return
	}
	if one.Same && one.Seen != nil {
		one.Before.Lanes = one.Seen.Lanes
	}
	s.Before.Workers[one.Name] = *one.Before
}

// Foresee decides once more, with these tunings over the policy as it is written. One that is idle anyway may stay so;
// any other has to fit.
func (s Sight) Foresee(tunings []lanes.Tuning) ([]fleet.Plan, error) {
	file := s.Policy.Written()
	laid := file.Lay(tunings, s.Seen.At, lead(file, s.Before))
	for _, i := range laid.Idle {
		known := func(k lanes.IdleTuning) bool { return k.ID() == i.ID() && k.Spelled() == i.Spelled() }
		if !slices.ContainsFunc(s.Policy.Idle, known) {
			return nil, fmt.Errorf("%s can't be %s: %s", i.Field, i.Spelled(), i.Why)
		}
	}
	d, _ := law.Decide(laid.Policy, s.Seen, s.Before)
	return d.Plans, nil
}
