package lanes

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // of zones that the machine may not have
)

// friday is 18:00 on a Friday in Berlin.
var friday = time.Date(2026, 12, 4, 17, 0, 0, 0, time.UTC)

func evening(name string, set map[string]string) Schedule {
	s := Schedule{
		Name: name, At: "fri 18:00", Every: "week", For: Duration(4 * time.Hour), Timezone: "Europe/Berlin",
		Set: map[string]json.RawMessage{},
	}
	for field, value := range set {
		s.Set[field] = json.RawMessage(value)
	}
	return s
}

func scheduled(name, field, value string) Tuning {
	t := evening(name, map[string]string{field: value}).tunings()[0]
	t.By = "ann"
	return t
}

func minute(string) time.Duration { return time.Minute }

// roomy returns a policy of which pool general has 1 to 30 workers, of a budget of 40.
func roomy(t *testing.T) *Policy {
	p := example(t)
	p.Pools[0].Min, p.Pools[0].Max, p.Budget = 1, 30, 40
	return p
}

// laid says what counts of a pool, and where its floor comes from.
func laid(l Laid) string {
	q, _ := l.Policy.Pool("general")
	return strings.TrimSpace(fmt.Sprintf("%d to %d of %d %s", q.Min, q.Max, l.Policy.Budget, q.FloorFrom()))
}

// A floor is in force a lead before its schedule starts, with the room that it needs; all else at the minute.
func TestLay(t *testing.T) {
	const winter = "22:00 CET"
	for _, c := range []struct {
		name    string
		file    []Schedule
		tunings []Tuning
		at      time.Duration // since Friday 18:00
		want    string
	}{
		{name: "nothing", want: "1 to 30 of 40"},
		{
			name: "long before", at: -time.Minute - 1, want: "1 to 30 of 40",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
		},
		{
			name: "a lead before", at: -time.Minute, want: "6 to 30 of 40 for schedule friday from 18:00 CET on",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
		},
		{
			name: "at the minute", want: "6 to 30 of 40 from schedule friday until " + winter,
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
		},
		{
			name: "until its end", at: 4*time.Hour - 1, want: "6 to 30 of 40 from schedule friday until " + winter,
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
		},
		{
			name: "and no longer", at: 4 * time.Hour, want: "1 to 30 of 40",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
		},
		{
			name: "all else at the minute", at: -1, want: "1 to 30 of 40",
			file: []Schedule{evening("friday", map[string]string{"pools.general.max": "35", "budget": "60"})},
		},
		{
			name: "all else, then", want: "1 to 35 of 60",
			file: []Schedule{evening("friday", map[string]string{"pools.general.max": "35", "budget": "60"})},
		},
		{
			name: "a floor gets the room that it needs", at: -1,
			want: "35 to 35 of 60 for schedule friday from 18:00 CET on",
			file: []Schedule{evening("friday", map[string]string{
				"pools.general.min": "35", "pools.general.max": "50", "budget": "60",
			})},
		},
		{
			name: "and what others have stays theirs", at: -1,
			want: "5 to 30 of 44 for schedule friday from 18:00 CET on",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "5", "budget": "60"})},
		},
		{
			name: "a lower floor waits for the minute", at: -1, want: "1 to 30 of 40",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "0"})},
		},
		{
			name: "a lower floor, then", want: "0 to 30 of 40 from schedule friday until " + winter,
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "0"})},
		},
		{
			name: "after a lower floor the file's is ready", at: 4*time.Hour - time.Minute,
			want: "1 to 30 of 40 again from 22:00 CET on",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "0"})},
		},
		{
			name: "a scheduled tuning counts before the file's schedule", at: -time.Second,
			want:    "4 to 30 of 40 for schedule launch from 18:00 CET on",
			file:    []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
			tunings: []Tuning{scheduled("launch", "pools.general.min", "4")},
		},
		{
			name: "and then", want: "4 to 30 of 40 from schedule launch until " + winter,
			file:    []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
			tunings: []Tuning{scheduled("launch", "pools.general.min", "4")},
		},
		{
			name: "an immediate tuning counts before both", want: "2 to 30 of 40",
			file: []Schedule{evening("friday", map[string]string{"pools.general.min": "6"})},
			tunings: []Tuning{
				tuning("pools.general.min", "2", time.Time{}),
				scheduled("launch", "pools.general.min", "4"),
			},
		},
		{
			name: "early too", at: -time.Second, want: "2 to 30 of 40",
			tunings: []Tuning{
				tuning("pools.general.min", "2", time.Time{}),
				scheduled("launch", "pools.general.min", "4"),
			},
		},
		{
			name: "unless it is over by then", at: -time.Second,
			want: "4 to 30 of 40 for schedule launch from 18:00 CET on",
			tunings: []Tuning{
				tuning("pools.general.min", "2", friday),
				scheduled("launch", "pools.general.min", "4"),
			},
		},
		{
			name: "an immediate max that leaves no room stands", want: "1 to 3 of 40",
			tunings: []Tuning{
				scheduled("launch", "pools.general.min", "4"),
				tuning("pools.general.max", "3", time.Time{}),
			},
		},
		{
			name: "what was made later doesn't matter", want: "1 to 3 of 40",
			tunings: []Tuning{
				tuning("pools.general.max", "3", time.Time{}),
				scheduled("launch", "pools.general.min", "4"),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := roomy(t)
			p.Schedules = c.file
			if got := laid(p.Lay(c.tunings, friday.Add(c.at), minute)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if q, _ := p.Pool("general"); q.Min != 1 || q.Max != 30 || q.FloorFrom() != "" {
				t.Errorf("the policy itself has changed: %+v", q)
			}
		})
	}
}

// What one schedule raises at once fits beside an immediate tuning, though its parts alone wouldn't.
func TestAScheduleFitsAsAWhole(t *testing.T) {
	p := roomy(t)
	p.Schedules = []Schedule{evening("friday", map[string]string{"pools.general.min": "35", "pools.general.max": "35"})}
	tooMuch := tuning("pools.batch.min", "1000", time.Time{})
	l := p.Lay([]Tuning{tooMuch}, friday, minute)
	if got := laid(l); got != "35 to 35 of 40 from schedule friday until 22:00 CET" || len(l.Idle) != 1 {
		t.Errorf("%s, idle %v", got, l.Idle)
	}
}

// Who says what is in force, and what can't be.
func TestLaySays(t *testing.T) {
	p := roomy(t)
	p.Schedules = []Schedule{evening("friday", map[string]string{"pools.general.min": "6", "budget": "50"})}
	over := scheduled("over", "budget", "9")
	over.When = &When{At: "2026-11-27 18:00", For: Duration(time.Hour)}
	over.Until = friday.AddDate(0, 0, -7)
	all := []Tuning{
		scheduled("launch", "budget", "44"), over, scheduled("lost", "lanes.gone.reserve", "4"),
		tuning("lanes.express.reserve", "3", time.Time{}),
	}
	ids := func(l Laid) string {
		var s []string
		for _, t := range l.InForce {
			s = append(s, t.ID())
		}
		s = append(s, "|")
		for _, t := range l.Early {
			s = append(s, t.ID())
		}
		s = append(s, "|")
		for _, t := range l.Idle {
			s = append(s, t.ID()+": "+t.Why)
		}
		return strings.Join(s, " ")
	}
	idle := ` budget@over: it has expired lanes.gone.reserve@lost: no lane "gone"`
	for at, want := range map[time.Duration]string{
		-time.Hour: "lanes.express.reserve | |" + idle,
		-1:         "lanes.express.reserve | pools.general.min@friday |" + idle,
		0:          "pools.general.min@friday budget@launch lanes.express.reserve | |" + idle,
	} {
		if got := ids(p.Lay(all, friday.Add(at), minute)); got != want {
			t.Errorf("%s: %s\nwant %s", at, got, want)
		}
	}
}

// Nothing changes before the time that Lay says.
func TestNothingChangesBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fields := []string{"pools.general.min", "pools.general.max", "budget"}
	days := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	for range 12 {
		p := roomy(t)
		for i := range 1 + r.IntN(4) {
			p.Schedules = append(p.Schedules, Schedule{
				Name: fmt.Sprint("s", i), At: fmt.Sprintf("%s %d:%02d", days[r.IntN(7)], r.IntN(24), r.IntN(60)),
				Every: "week", For: Duration(time.Duration(1+r.IntN(300)) * time.Minute), Timezone: "America/New_York",
				Set: map[string]json.RawMessage{
					fields[r.IntN(3)]: json.RawMessage(fmt.Sprint(5 + r.IntN(40))),
				},
			})
		}
		until := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(200)) * time.Hour)
		tunings := []Tuning{tuning("pools.general.min", "2", until)}
		lead := func(string) time.Duration { return 7 * time.Minute }
		at := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
		for range 20 {
			l := p.Lay(tunings, at, lead)
			if l.Changes.IsZero() || !l.Changes.After(at) {
				t.Fatalf("it changes at %s after %s", l.Changes, at)
			}
			for _, part := range []float64{0.1, 0.5, 0.9999999} {
				between := at.Add(time.Duration(part * float64(l.Changes.Sub(at))))
				if got := p.Lay(tunings, between, lead); laid(got) != laid(l) {
					t.Fatalf("%v\nat %s %s, but at %s %s; said to change at %s", p.Schedules, at, laid(l), between,
						laid(got), l.Changes)
				}
			}
			at = l.Changes
		}
	}
}

func TestSchedulesAreChecked(t *testing.T) {
	set := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	bad := func(change func(s *Schedule)) []Schedule {
		s := evening("friday", set("pools.general.min", "6"))
		change(&s)
		return []Schedule{s}
	}
	late := evening("late", set("pools.general.min", "8"))
	late.At = "fri 21:59"
	after := evening("after", set("pools.general.min", "8"))
	after.At = "fri 22:00"
	abroad := evening("abroad", set("pools.general.min", "8"))
	abroad.At, abroad.Timezone = "fri 22:30", "Australia/Perth" // in summer the end of the afternoon in Berlin
	for _, c := range []struct {
		name      string
		schedules []Schedule
		want      string
	}{
		{"right", []Schedule{evening("friday", set("pools.general.min", "6")), after}, ""},
		{"right: the same at the same time", []Schedule{
			evening("a", set("pools.general.min", "6")), evening("b", set("pools.general.min", "6", "budget", "50")),
		}, ""},
		{"no name", bad(func(s *Schedule) { s.Name = "" }), "schedules[0].name: is required"},
		{"a field's name", bad(func(s *Schedule) { s.Name = "budget" }), `schedules[0].name: "budget" is a field's ` +
			`name`},
		{"a weekday", bad(func(s *Schedule) { s.At = "fry 18:00" }), `schedules[0].at: "fry" is no weekday; did you ` +
			`mean "fri"?`},
		{"every without at", bad(func(s *Schedule) { s.At = "" }), "schedules[0].at: is required beside every"},
		{"for", bad(func(s *Schedule) { s.For = Duration(200 * time.Hour) }), "schedules[0].for: 200h is longer than " +
			"a week"},
		{"a zone", bad(func(s *Schedule) { s.Timezone = "Berlin" }), `schedules[0].timezone: there is no time zone ` +
			`"Berlin"`},
		{"set nothing", bad(func(s *Schedule) { s.Set = nil }), "schedules[0].set: needs at least one field"},
		{
			"no pool", bad(func(s *Schedule) { s.Set = evening("", set("pools.genral.min", "6")).Set }),
			`schedules[0].set.pools.genral.min: ` +
				`no pool "genral"; did you mean "general"?`,
		},
		{
			"not a value", bad(func(s *Schedule) { s.Set = evening("", set("budget", `"six"`)).Set }),
			`schedules[0].set.budget: "six" ` +
				"is not a valid value: it must be a whole number",
		},
		{
			"a rule", bad(func(s *Schedule) { s.Set = evening("", set("pools.general.min", "31")).Set }),
			"schedules[0].set: at " +
				"2026-01-09 18:00 CET it breaks a rule: pools[0].max: 30 is less than min (31)",
		},
		{"a rule together", []Schedule{
			evening("friday", set("pools.general.min", "20")), evening("small", set("pools.general.max", "10")),
		}, `schedules[1].set: at 2026-01-09 18:00 CET beside "friday" it breaks a rule: pools[0].max: 10 is less ` +
			`than min (20)`},
		{
			"two at once",
			[]Schedule{evening("friday", set("pools.general.min", "6")), late},
			"schedules[1].set.pools.general.min: is 8, " +
				`but at 2026-01-09 21:59 CET schedule "friday" has it 6: let one end before the other ` +
				`starts, or give ` +
				`both the same value`,
		},
		{
			"two at once in summer alone",
			[]Schedule{abroad, evening("friday", set("pools.general.min", "6"))},
			"schedules[1].set." +
				`pools.general.min: is 6, but at 2026-`,
		},
	} {
		p := roomy(t)
		p.Schedules = c.schedules
		got := fmt.Sprint(p.Validate())
		right := strings.HasPrefix(got, c.want) && !strings.Contains(got, "\n")
		if c.want == "" && got != "<nil>" || !right {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestClash(t *testing.T) {
	a, b := scheduled("a", "budget", "9"), scheduled("b", "budget", "8")
	if at, clash := Clash(a, b); !clash || !at.Equal(time.Date(2026, 1, 9, 17, 0, 0, 0, time.UTC)) {
		t.Errorf("%s, %t", at, clash)
	}
	b.Value = json.RawMessage("9")
	if _, clash := Clash(a, b); clash {
		t.Error("the same value clashes")
	}
	b = scheduled("b", "budget", "8")
	b.When.At = "thu 18:00"
	if _, clash := Clash(a, b); clash {
		t.Error("another day clashes")
	}
	if _, clash := Clash(a, scheduled("b", "pools.general.min", "3")); clash {
		t.Error("another field clashes")
	}
}

func TestSchedulesInAFile(t *testing.T) {
	text, err := os.ReadFile("testdata/siren.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const schedules = `
schedules:
- name: friday
  at: fri 18:00
  every: week
  for: 4h
  timezone: Europe/Berlin
  set:
    pools.general.min: 6
    lanes.bulk.promote: null
    lanes.express.startWithin: 1s
- name: xmas
  at: 2026-12-24 18:00
  for: 30m
  set: {budget: 50}
- {name: daily, at: 18:00, every: day, for: 1h, set: {pools.general.max: 9}}
- {name: mornings, cron: "0 6 * * mon-fri", for: 3h, set: {lanes.bulk.paused: true}}
`
	p, err := Parse(append(text, schedules...))
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, t := range p.ScheduledTunings() {
		said = append(said, fmt.Sprintf("%s %s: %s", t.ID(), t.Spelled(), t.When))
	}
	const want = `lanes.bulk.promote@friday none: fri 18:00 every week for 4h (Europe/Berlin)
lanes.express.startWithin@friday 1s: fri 18:00 every week for 4h (Europe/Berlin)
pools.general.min@friday 6: fri 18:00 every week for 4h (Europe/Berlin)
budget@xmas 50: 2026-12-24 18:00 for 30m (UTC)
pools.general.max@daily 9: 18:00 every day for 1h (UTC)
lanes.bulk.paused@mornings true: cron "0 6 * * mon-fri" for 3h (UTC)`
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("%s", got)
	}
	copied, err := p.clone()
	if err != nil || !reflect.DeepEqual(copied.Schedules[1:], p.Schedules[1:]) {
		t.Errorf("a copy has other schedules: %v", err)
	}
	if tuned, _, _ := copied.Tuned(nil, friday); tuned.Lanes[2].Promote != nil || tuned.Pools[0].Min != 6 {
		t.Errorf("on Friday: %+v", tuned)
	}
	if got := fmt.Sprint(p.Over(friday.AddDate(0, 1, 0))); got != "[xmas]" {
		t.Errorf("%s are over", got)
	}
}
