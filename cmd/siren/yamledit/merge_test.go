package yamledit

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

const commented = `# Ours.
lanes: # most urgent first
  - name: express # the customer waits
    match: ["urgent=true"]
    startWithin: 2s
    maxRuntime: "2m" # a thumbnail

  # Everything else.
  - {name: standard, startWithin: 30s}

  - name: bulk
    match: ["batch=true"]
    startWithin: 30m # over night
    promote: {after: 20m, to: standard} # not for ever
    retry: # patience
      attempts: 7
      first: 10s # each a bit more

pools:
- name: general
  lanes: [express, standard]
  shoulder: {express: 1}
  max: 3
- name: batch
  lanes: [bulk]
  max: 2 # small

budget: 4
`

const tiny = `lanes:
  - name: a
    startWithin: 2s
pools:
  - name: all
    lanes: [a]
    max: 2
`

func TestMergeTunings(t *testing.T) {
	for name, c := range map[string]struct {
		text    string // "": commented
		tunings []string
		changes []string // lines of the text, and what they become; a line that becomes "" goes
		whole   string   // what the text becomes, instead
		fails   string
	}{
		"nothing": {},
		"a value": {
			tunings: []string{`lanes.bulk.startWithin="20m"`},
			changes: []string{"    startWithin: 30m # over night", "    startWithin: 20m # over night"},
		},
		"a quoted value": {
			tunings: []string{`lanes.express.maxRuntime="1m"`},
			changes: []string{`    maxRuntime: "2m" # a thumbnail`, "    maxRuntime: 1m # a thumbnail"},
		},
		"a number": {
			tunings: []string{"budget=6", "pools.batch.max=4"},
			changes: []string{"budget: 4", "budget: 6", "  max: 2 # small", "  max: 4 # small"},
		},
		"a new field": {
			tunings: []string{"lanes.express.paused=true"},
			changes: []string{
				`    maxRuntime: "2m" # a thumbnail`,
				"    maxRuntime: \"2m\" # a thumbnail\n    paused: true",
			},
		},
		"one in braces": {
			tunings: []string{"lanes.standard.paused=true"},
			changes: []string{
				"  - {name: standard, startWithin: 30s}",
				"  - {name: standard, startWithin: 30s, paused: true}",
			},
		},
		"one with parts": {
			tunings: []string{`lanes.bulk.promote={"after":"5m","to":"express"}`},
			changes: []string{
				"    promote: {after: 20m, to: standard} # not for ever",
				"    promote: {after: 5m, to: express} # not for ever",
			},
		},
		"one with new ones": {
			tunings: []string{`lanes.bulk.retry={"attempts":2,"first":"10s","factor":3,"max":"15m"}`},
			changes: []string{
				"      attempts: 7", "      attempts: 2", "      first: 10s # each a bit more",
				"      first: 10s # each a bit more\n      factor: 3\n      max: 15m",
			},
		},
		"a new one with parts": {
			tunings: []string{`lanes.express.retry={"attempts":2,"first":"1s","factor":3,"max":"15m"}`},
			changes: []string{
				`    maxRuntime: "2m" # a thumbnail`,
				"    maxRuntime: \"2m\" # a thumbnail\n    retry: {attempts: 2, first: 1s, factor: 3, max: 15m}",
			},
		},
		"one that goes": {
			tunings: []string{"lanes.bulk.promote=null"},
			changes: []string{"    promote: {after: 20m, to: standard} # not for ever", ""},
		},
		"one that isn't there": {tunings: []string{"lanes.express.promote=null"}},
		"an unknown lane": {
			tunings: []string{"lanes.other.paused=true"},
			fails:   `has no "other" in lanes, which lanes.other.paused tunes`,
		},
		"an unknown pool":    {tunings: []string{"pools.other.frozen=true"}, fails: `has no "other" in pools`},
		"what breaks a rule": {tunings: []string{"pools.batch.max=0"}, fails: "pools[1].max: is required"},
		"an empty file":      {text: "# nothing\n", fails: "is empty"},
		"a list":             {text: "- a\n- b\n", tunings: []string{"budget=3"}, fails: "is no policy"},
		"no YAML":            {text: "a: [", fails: "yaml"},
		"several of a lane": {
			tunings: []string{"lanes.standard.paused=true", `lanes.standard.maxRuntime="1m"`},
			changes: []string{
				"  - {name: standard, startWithin: 30s}",
				"  - {name: standard, startWithin: 30s, paused: true, maxRuntime: 1m}",
			},
		},
		"lanes that are no map": {
			text: "lanes: 5\nbudget: 3\n", tunings: []string{"lanes.a.paused=true"},
			fails: "is no policy",
		},
		"no last newline": {
			text: tiny + "budget: 2", tunings: []string{"budget=3", "pools.all.hold=\"1m\""},
			changes: []string{}, whole: tiny + "    hold: 1m\nbudget: 3",
		},
		"the first key": {
			text: strings.Replace(tiny, "name: a\n    startWithin: 2s", "startWithin: 2s\n    name: a", 1) +
				"budget: 2\n",
			whole: strings.Replace(tiny, "name: a\n    startWithin: 2s", "startWithin: 5s\n    name: a", 1) +
				"budget: 2\n", tunings: []string{`lanes.a.startWithin="5s"`},
		},
		"text over lines": {
			text:    strings.Replace(tiny, "2s", ">-\n      2s", 1) + "budget: 2\n",
			tunings: []string{`lanes.a.startWithin="5s"`}, fails: "write it on one line",
		},
		"an alias": {
			text:    strings.Replace(tiny, "2s", "&t 2s", 1) + "budget: 2\n",
			tunings: []string{`lanes.a.startWithin="5s"`}, fails: "write it on one line",
		},
		"an empty value": {
			text:    strings.Replace(tiny, "2s", "2s\n    maxRuntime:", 1) + "budget: 2\n",
			tunings: []string{`lanes.a.maxRuntime="5s"`}, fails: "write it on one line",
		},
		"braces, quotes and comments": {
			text:    "lanes: [{name: 'a', # it's {\n  match: [\"x in (a,b)\", 'y=\"z'], startWithin: 2s, ü: 1}]\n",
			tunings: []string{`lanes.a.startWithin="5s"`}, fails: "is no policy",
		},
		"braces, quotes": {
			text: "lanes: [{name: 'a', startWithin: 2s}, {name: b, # it's {\n  match: [\"x in (a,b)\", 'y'], " +
				"startWithin: 2s}]\npools: [{name: all, lanes: [a, b], max: 2}]\nbudget: 2\n",
			whole: "lanes: [{name: 'a', startWithin: 2s}, {name: b, # it's {\n  match: [\"x in (a,b)\", 'y'], " +
				"startWithin: 2s, paused: true}]\npools: [{name: all, lanes: [a, b], max: 2, frozen: " +
				"true}]\nbudget: 2\n",
			tunings: []string{"lanes.b.paused=true", "pools.all.frozen=true"},
		},
		"one that goes from braces": {
			text: "lanes: [{name: a, startWithin: 2s}, {name: b, promote: {after: 5m, to: a}, startWithin: 2s, " +
				"match: [x]}]\npools: [{name: all, lanes: [a, b], max: 2}]\nbudget: 2\n",
			whole: "lanes: [{name: a, startWithin: 2s}, {name: b, startWithin: 2s, match: [x]}]\npools: [{name: " +
				"all, lanes: [a, b], max: 2}]\nbudget: 2\n",
			tunings: []string{"lanes.b.promote=null"},
		},
		"the last one of braces": {
			text: "lanes: [{name: a, startWithin: 2s}, {name: b, startWithin: 2s, match: [x], promote: {after: " +
				"5m, to: a}}]\npools: [{name: all, lanes: [a, b], max: 2}]\nbudget: 2\n",
			whole: "lanes: [{name: a, startWithin: 2s}, {name: b, startWithin: 2s, match: [x]}]\npools: [{name: " +
				"all, lanes: [a, b], max: 2}]\nbudget: 2\n",
			tunings: []string{"lanes.b.promote=null"},
		},
		"a lane called 5": {
			text: "lanes: [{name: \"5\", startWithin: 2s}, {name: b, startWithin: 2s, match: [x]}]\npools: " +
				"[{name: all, lanes: [\"5\", b], max: 2}]\nbudget: 2\n",
			whole: "lanes: [{name: \"5\", startWithin: 2s}, {name: b, startWithin: 2s, match: [x], promote: " +
				"{after: 1m, to: \"5\"}}]\npools: [{name: all, lanes: [\"5\", b], max: 2}]\nbudget: 2\n",
			tunings: []string{`lanes.b.promote={"after":"1m","to":"5"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.text
			if text == "" {
				text = commented
			}
			var tunings []lanes.Tuning
			for _, spelled := range c.tunings {
				field, value, _ := strings.Cut(spelled, "=")
				tunings = append(tunings, lanes.Tuning{Field: field, Value: json.RawMessage(value)})
			}
			got, err := Merge([]byte(text), tunings)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("%v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := cmp.Or(c.whole, text)
			for i := 0; i < len(c.changes); i += 2 {
				line, next := c.changes[i]+"\n", c.changes[i+1]
				if next != "" {
					next += "\n"
				}
				if !strings.Contains(want, line) {
					t.Fatalf("the test is wrong: no line %q", line)
				}
				want = strings.Replace(want, line, next, 1)
			}
			if string(got) != want {
				t.Errorf("merged:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// Fields that can't be tuned are written in place, too; what can't be is refused, and so is another outcome.
func TestSet(t *testing.T) {
	want, err := lanes.Parse([]byte(commented))
	if err != nil {
		t.Fatal(err)
	}
	pool := &want.Pools[0]
	pool.Slots, pool.Shoulder, pool.Min = 2, nil, 1
	fields := []lanes.Tuning{
		{Field: "pools.general.slots", Value: []byte("2")},
		{Field: "pools.general.shoulder", Value: []byte("null")},
		{Field: "pools.general.min", Value: []byte("1")},
	}
	got, err := Set([]byte(commented), fields, want)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Replace(commented, "  shoulder: {express: 1}\n  max: 3\n", "  max: 3\n  slots: 2\n  min: 1\n",
		1); string(got) != text {
		t.Errorf("%s\nwant\n%s", got, text)
	}
	want.Budget++
	if _, err := Set([]byte(commented), fields, want); err == nil {
		t.Error("another outcome is taken for the wanted one")
	}
}
