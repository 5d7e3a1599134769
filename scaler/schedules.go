package scaler

import (
	"context"
	"maps"
	"slices"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/audit"
)

// noteSchedules notes in the audit log which schedules have begun and ended since the last tick. A new leader goes on
// from what the one before it has published.
func (l *Loop) noteSchedules(ctx context.Context, e lanes.Effective) {
	if l.o.Note == nil {
		return
	}
	now := scheduled(e.Tunings)
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if t := now[id]; l.scheduled[id].Spelled() != t.Spelled() {
			l.noteSchedule(ctx, e, t, "begin")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.scheduled)) {
		t := l.scheduled[id]
		if _, still := now[id]; still {
			continue
		}
		if o, comes := t.When.Next(l.at); comes && o.Has(l.at) { // another tuning of the field counts more now
			continue
		}
		l.noteSchedule(ctx, e, t, "end")
	}
	l.scheduled = now
}

// scheduled returns those of the tunings that belong to a schedule, by their IDs.
func scheduled(all []lanes.Tuning) map[string]lanes.Tuning {
	found := map[string]lanes.Tuning{}
	for _, t := range all {
		if t.When != nil {
			found[t.ID()] = t
		}
	}
	return found
}

func (l *Loop) noteSchedule(ctx context.Context, e lanes.Effective, t lanes.Tuning, verb string) {
	entry := audit.Entry{
		By: "schedule " + t.Name, Verb: verb, On: t.Field, Reason: t.Reason, Schedule: t.Name + ": " + t.When.String(),
	}
	o, comes := t.When.Next(l.at)
	if verb == "begin" {
		entry.After = t.Spelled()
		if value, err := e.Written().Field(t.Field); err == nil {
			entry.Before = lanes.Spell(value)
		}
		if comes {
			entry.Until = o.End.UTC()
		}
	} else {
		entry.Before = t.Spelled()
		if value, err := e.Policy.Field(t.Field); err == nil {
			entry.After = lanes.Spell(value)
		}
	}
	l.o.Log.Info("schedule", "does", verb, "name", t.Name, "field", t.Field, "value", t.Spelled())
	if err := l.o.Note(ctx, entry); err != nil {
		l.o.Log.Warn("note the schedule in the audit log", "schedule", t.Name, "error", err)
	}
}

// lastScheduled returns the scheduled tunings that the leader before this one has published as in force.
func (l *Loop) lastScheduled(ctx context.Context) {
	if l.o.Note == nil || l.o.Published == nil || l.scheduled != nil {
		return
	}
	if e, err := l.o.Published(ctx); err == nil {
		l.scheduled = scheduled(e.Tunings)
	}
}
