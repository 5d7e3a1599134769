package tune

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// later is a schedule of an hour's time, for ten minutes.
func later(t *testing.T, d *Desk) (terms Terms, start time.Time) {
	t.Helper()
	_, now, err := d.Tunings.Now(t.Context())
	must(t, err)
	start = now.UTC().Truncate(time.Minute).Add(time.Hour)
	return Terms{
		For: 10 * time.Minute, Name: "later",
		When: &lanes.When{At: start.Format("2006-01-02 15:04")},
	}, start
}

// An immediate tuning that a coming schedule can't be kept beside is made, with a warning; not when it ends before.
func TestMissed(t *testing.T) {
	d, tunings := desk(t)
	terms, start := later(t, d)
	_, err := d.Set(t.Context(), terms, To("pools.general.min", 3))
	must(t, err)
	c, err := d.Set(t.Context(), Terms{For: 30 * time.Minute}, To("pools.general.max", 2))
	must(t, err)
	if len(c.Missed) > 0 {
		t.Errorf("it ends before the schedule starts: %v", c.Missed)
	}
	for _, lasts := range []time.Duration{2 * time.Hour, 0} {
		c, err = d.Set(t.Context(), Terms{For: lasts, DryRun: true}, To("pools.general.max", 2))
		must(t, err)
		if len(c.Missed) != 1 || !c.Missed[0].Start.Equal(start) {
			t.Fatalf("for %s: %v", lasts, c.Missed)
		}
		says := c.Missed[0].String()
		for _, want := range []string{
			"schedule later starts on " + start.Format("Mon 2006-01-02 15:04"), "pools.general.min = 3",
			"less than min (3)",
			"siren tunings remove later",
		} {
			if !strings.Contains(says, want) {
				t.Errorf("%q doesn't say %q", says, want)
			}
		}
	}
	now, _, err := tunings.Now(t.Context())
	must(t, err)
	if len(now.All) != 2 {
		t.Errorf("%v", now.All)
	}
}

// A schedule of the policy file can't be removed, so it never keeps an operator from tuning.
func TestMissedOfTheFile(t *testing.T) {
	d, _ := desk(t)
	terms, _ := later(t, d)
	now, err := d.look(t.Context())
	must(t, err)
	now.written.Schedules = []lanes.Schedule{{
		Name: "later", At: terms.When.At, For: lanes.Duration(terms.For),
		Set: map[string]json.RawMessage{"pools.general.min": json.RawMessage("3")},
	}}
	c := Change{At: now.at, Set: []lanes.Tuning{{Field: "pools.general.max", Value: json.RawMessage("2")}}}
	c.Next = c.Set
	must(t, c.fit(now.written))
	if len(c.Missed) != 1 || !strings.Contains(c.Missed[0].String(), "change the schedule in the policy file") {
		t.Errorf("%v", c.Missed)
	}
}

// One name is one schedule: a second time under it is refused, unless it replaces all of the first.
func TestOneNameOneTime(t *testing.T) {
	d, _ := desk(t)
	terms, start := later(t, d)
	_, err := d.Set(t.Context(), terms, To("pools.general.min", 2))
	must(t, err)
	_, err = d.Set(t.Context(), terms, To("pools.general.max", 3))
	must(t, err) // the same time
	other := terms
	other.When = &lanes.When{At: start.Add(time.Hour).Format("2006-01-02 15:04")}
	_, err = d.Set(t.Context(), other, To("pools.general.frozen", true))
	if err == nil || !strings.Contains(err.Error(), "there is a schedule later already, "+
		start.Format("2006-01-02 15:04")) {
		t.Errorf("another field at another time: %v", err)
	}
	_, err = d.Set(t.Context(), other, To("pools.general.min", 2))
	if err == nil || !strings.Contains(err.Error(), "with pools.general.max: a schedule has one time") {
		t.Errorf("a part of it at another time: %v", err)
	}
	_, err = d.Set(t.Context(), other, To("pools.general.min", 2), To("pools.general.max", 3))
	must(t, err)
}
