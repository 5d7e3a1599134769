package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// soundPolicy is a valid policy in few words. Each refusal changes one thing in it.
const soundPolicy = `lanes:
- name: express
  match: [urgent=true]
  startWithin: 2s
- name: standard
  startWithin: 30s
- name: bulk
  match: [batch=true]
  startWithin: 30m
pools:
- name: general
  lanes: [express, standard]
  guests: [bulk]
  max: 4
- name: batch
  lanes: [bulk]
  max: 2
budget: 6
storage: []
`

// refusal is a policy that `siren policy check` refuses.
type refusal struct {
	name, from, to string
	passed         bool // by the chart: the scaler alone can judge it, and records an Event
	fileOnly       bool // Helm would fill in what is missing of the values
}

const (
	bulkLane = "- name: bulk\n"
	maxOf4   = "max: 4\n"
	itsEnd   = "storage: []\n"
)

// refusals is every kind of policy that is refused, those of one field first.
var refusals = []refusal{
	{name: "an empty file", from: soundPolicy, to: "# to do\n", fileOnly: true},
	{name: "a list", from: soundPolicy, to: "- a\n", fileOnly: true},
	{name: "broken YAML", from: "budget: 6", to: "budget: [6", fileOnly: true},
	{name: "a second document", from: itsEnd, to: itsEnd + "---\nbudget: 7\n", passed: true, fileOnly: true},
	{name: "a duplicate field", from: itsEnd, to: itsEnd + "budget: 7\n", passed: true, fileOnly: true},
	{name: "an unknown field", from: itsEnd, to: itsEnd + "bugdet: 6\n"},
	{name: "an unknown field of a lane", from: bulkLane, to: bulkLane + "  reserv: 1\n"},
	{name: "a field's former name", from: maxOf4, to: maxOf4 + "  held: true\n"},
	{name: "a string for a number", from: "budget: 6", to: "budget: many"},
	{name: "a fraction", from: "budget: 6", to: "budget: 2.5"},
	{name: "a number for a string", from: bulkLane, to: "- name: 5\n"},
	{name: "a list for a map", from: itsEnd, to: itsEnd + "timing: []\n"},
	{name: "a map for a list", from: "guests: [bulk]", to: "guests: {bulk: 1}"},
	{name: "a list for a map of lanes", from: maxOf4, to: maxOf4 + "  shoulder: [express]\n"},
	{name: "a map for a duration", from: "startWithin: 30s", to: "startWithin: {seconds: 30}"},
	{name: "a bare number for a duration", from: "startWithin: 30s", to: "startWithin: 30"},
	{name: "no duration", from: "startWithin: 30s", to: "startWithin: soon"},
	{name: "no size", from: maxOf4, to: maxOf4 + "  slot: {memory: 2GB}\n"},
	{name: "neither yes nor no", from: bulkLane, to: bulkLane + "  paused: maybe\n"},

	{name: "no lanes", from: soundPolicy[:strings.Index(soundPolicy, "pools:")], to: "lanes: []\n"},
	{name: "a lane without a name", from: bulkLane, to: "- paused: false\n"},
	{name: "a lane's name with capitals", from: "name: bulk", to: "name: Bulk"},
	{name: "a lane twice", from: bulkLane, to: "- {name: express, match: [x=y], startWithin: 2s}\n" + bulkLane},
	{name: "no default lane", from: "- name: standard\n", to: "- name: standard\n  match: [x=y]\n"},
	{name: "two default lanes", from: "  match: [batch=true]\n", to: ""},
	{name: "a bad selector", from: "[batch=true]", to: `["=x"]`, passed: true},
	{name: "a blank selector", from: "[batch=true]", to: `["  "]`},
	{name: "no objective", from: "  startWithin: 30s\n", to: ""},
	{name: "an objective of nothing", from: "startWithin: 30s", to: "startWithin: 0s"},
	{name: "too many priorities", from: bulkLane, to: bulkLane + "  priorities: 5\n"},
	{name: "priorities of a quorum lane", from: bulkLane, to: bulkLane + "  priorities: 1\n  queueType: quorum\n"},
	{name: "a negative reserve", from: bulkLane, to: bulkLane + "  reserve: -1\n"},
	{name: "a reserve without a shoulder", from: "startWithin: 2s", to: "startWithin: 2s\n  reserve: 1"},
	{name: "a negative maxRuntime", from: bulkLane, to: bulkLane + "  maxRuntime: -1s\n"},
	{name: "a maxRuntime near the consumer timeout", from: bulkLane, to: bulkLane + "  maxRuntime: 26m\n"},
	{name: "a lane's queue type", from: bulkLane, to: bulkLane + "  queueType: mirrored\n"},
	{name: "negative maxCrashes", from: bulkLane, to: bulkLane + "  maxCrashes: -1\n"},
	{name: "negative attempts", from: bulkLane, to: bulkLane + "  retry: {attempts: -1}\n"},
	{name: "a negative first wait", from: bulkLane, to: bulkLane + "  retry: {first: -1s}\n"},
	{name: "waits that shrink", from: bulkLane, to: bulkLane + "  retry: {factor: 0.5}\n"},
	{name: "a longest wait below the first", from: bulkLane, to: bulkLane + "  retry: {first: 1m, max: 30s}\n"},
	{name: "a promotion at once", from: bulkLane, to: bulkLane + "  promote: {to: standard, after: 0s}\n"},
	{name: "a promotion to no lane", from: bulkLane, to: bulkLane + "  promote: {after: 20m, to: standrad}\n"},
	{name: "a promotion to itself", from: bulkLane, to: bulkLane + "  promote: {after: 20m, to: bulk}\n"},

	{
		name: "no pools", to: "pools: []\n",
		from: soundPolicy[strings.Index(soundPolicy, "pools:"):strings.Index(soundPolicy, "budget:")],
	},
	{name: "a pool twice", from: "- name: batch", to: "- name: general"},
	{name: "a pool's name with a dot", from: "- name: batch", to: "- name: batch.eu"},
	{name: "a pool without lanes", from: "  lanes: [bulk]\n", to: "  lanes: []\n"},
	{name: "a pool's unknown lane", from: "[express, standard]", to: "[express, standard, bluk]"},
	{name: "a pool's unknown guest", from: "guests: [bulk]", to: "guests: [bluk]"},
	{name: "a pool's lane twice", from: "[express, standard]", to: "[express, standard, express]"},
	{name: "a guest twice", from: "guests: [bulk]", to: "guests: [bulk, bulk]"},
	{name: "a guest at home", from: "guests: [bulk]", to: "guests: [express]"},
	{name: "two homes", from: "[bulk]\n  max: 2", to: "[bulk, standard]\n  max: 2"},
	{name: "no home", from: "[express, standard]", to: "[express]"},
	{name: "negative slots", from: maxOf4, to: maxOf4 + "  slots: -1\n"},
	{name: "a shoulder for two", from: maxOf4, to: maxOf4 + "  shoulder: {standard: 1, express: 1}\n"},
	{name: "a shoulder for a guest", from: maxOf4, to: maxOf4 + "  shoulder: {bulk: 1}\n"},
	{name: "a shoulder of nothing", from: maxOf4, to: maxOf4 + "  shoulder: {express: 0}\n"},
	{name: "a negative min", from: maxOf4, to: maxOf4 + "  min: -1\n"},
	{name: "no max", from: "  max: 4\n", to: ""},
	{name: "a max below min", from: maxOf4, to: maxOf4 + "  min: 5\n"},
	{name: "a negative hold", from: maxOf4, to: maxOf4 + "  hold: -1s\n"},
	{name: "little memory", from: maxOf4, to: maxOf4 + "  slot: {memory: 1Mi}\n"},
	{name: "little scratch", from: maxOf4, to: maxOf4 + "  slot: {scratch: 1Ki}\n"},
	{name: "negative cores", from: maxOf4, to: maxOf4 + "  slot: {cores: -1}\n"},
	{name: "no budget", from: "budget: 6\n", to: "", fileOnly: true},
	{name: "a budget of nothing", from: "budget: 6", to: "budget: 0"},
	{name: "a budget below the mins", from: maxOf4, to: "max: 7\n  min: 7\n"},

	stored("http://host/", "write"),
	stored("s3://media/"),
	stored("/media/", "read"),
	stored("gopher://host/", "read"),
	stored("s3://a b/%zz", "read"),
	stored("file://media/", "read"),
	stored("file:/media/", "read"),
	stored("s3://media", "read"),
	stored("s3:///in/", "read"),
	stored("https:///in/", "read"),
	stored("s3://media//", "read"),
	stored("file:///media/../etc/", "read"),
	stored("file:///media/./", "read"),
	stored("file:///media/%2e%2e/etc/", "read"),
	stored("s3://media/a%2Fb/", "read"),
	stored(`file:///data/a\b/`, "read"),
	stored("file:///data/%01/", "read"),
	stored("file:///data/.siren/", "read"),
	stored("https://me:secret@host/", "read"),
	stored("https://host/?signature=secret", "read"),
	stored("file:///data/#", "read"),
	stored("s3://UPPER/", "read"),
	stored("s3://media_in/", "read"),
	stored("s3://media:9000/", "read"),
	stored("azblob://media.in/", "write"),
	stored("gs://Media/", "write"),
	stored("s3://ab/", "read"),
	stored("s3://"+long(64)+"/", "read"),
	stored("s3://x..y/", "read"),
	stored("s3://x.-y/", "read"),
	stored("s3://x-.y/", "read"),
	stored("s3://-xy/", "read"),
	stored("s3://xy./", "read"),
	stored("s3://192.168.0.1/", "read"),
	stored("gs://in/", "read"),
	stored("gs://_in/", "read"),
	stored("gs://x..y/", "read"),
	stored("gs://10.0.0.1/", "read"),
	stored("gs://a."+long(64)+"/", "read"),
	stored("azblob://in/", "read"),
	stored("azblob://media--in/", "read"),
	stored("azblob://media-in-/", "read"),
	stored("https://host:x/", "read"),
	stored("https://host:0/", "read"),
	stored("https://host:65536/", "read"),
	stored("http://2130706433/", "read"),
	stored("http://0x7f000001/", "read"),
	stored("http://017700000001/", "read"),
	stored("http://127.1/", "read"),
	stored("http://0177.0.0.1/", "read"),
	stored("http://0x7F.0.0.0x1./", "read"),
	stored("http://1.2.3.4.5/", "read"),
	stored("http://1.2.3.256/", "read"),
	stored("http://example.1/", "read"),
	stored("http://a..example/", "read"),
	stored("http://.example/", "read"),
	stored("http://"+long(64)+"/", "read"),
	stored("http://localhost/", "read"),
	stored("https://a.LOCALHOST./", "read"),
	stored("http://10.1.2.3/", "read"),
	stored("http://192.168.0.1/", "read"),
	stored("HTTP://172.16.0.1:8080/in/", "read"),
	stored("http://169.254.169.254/", "read"),
	stored("https://[::1]:8080/", "read"),
	stored("https://[fd00::1]/", "read"),
	stored("https://[2001:db8::1]/", "read"),

	{name: "a preset without a version", from: itsEnd, to: itsEnd + "presets: {web: {kind: probe}}\n"},
	{name: "a preset of no kind", from: itsEnd, to: itsEnd + "presets: {web@7: {kind: prob}}\n"},
	{name: "a preset that says no kind", from: itsEnd, to: itsEnd + "presets: {mine@1: {about: x}}\n", passed: true},
	{
		name: "params without their kind", from: itsEnd, to: itsEnd + "presets: {web@1: {params: {width: 1}}}\n",
		passed: true,
	},
	{
		name: "params that its kind hasn't", from: itsEnd,
		to: itsEnd + "presets: {mine@1: {kind: probe, params: {wdth: 1}}}\n", passed: true,
	},
	scheduled("without a name", "at: fri 18:00, every: week", "pools.batch.max: 3").but("name: a, ", ""),
	scheduled("with a name in capitals", "at: fri 18:00, every: week", "pools.batch.max: 3").but("name: a", "name: A"),
	scheduled("that repeats each month", "at: fri 18:00, every: month", "pools.batch.max: 3"),
	scheduled("without an end", "at: fri 18:00, every: week", "pools.batch.max: 3").but("for: 2h, ", ""),
	scheduled("with a field's name", "at: fri 18:00, every: week", "budget: 5").but("name: a", "name: budget").pass(),
	scheduled("on no weekday", "at: fry 18:00, every: week", "pools.batch.max: 3").pass(),
	scheduled("that doesn't say when", "every: week", "pools.batch.max: 3").pass(),
	scheduled("of a cron line that is none", "cron: '0 18 * *'", "pools.batch.max: 3").pass(),
	scheduled("that lasts too long", "at: 18:00, every: day", "pools.batch.max: 3").but("for: 2h", "for: 25h").pass(),
	scheduled("in no time zone", "at: 18:00, every: day, timezone: Berlin", "pools.batch.max: 3").pass(),
	scheduled("of nothing", "at: 18:00, every: day", "").pass(),
	scheduled("of an unknown pool", "at: 18:00, every: day", "pools.batsh.max: 3").pass(),
	scheduled("of no value", "at: 18:00, every: day", "pools.batch.max: many").pass(),
	scheduled("that breaks a rule", "at: 18:00, every: day", "pools.batch.min: 3").pass(),
	scheduled("at once with another", "at: 18:00, every: day", "budget: 5").but("]\n", ", {name: b, at: fri 18:00, "+
		"every: week, for: 1h, set: {budget: 7}}]\n").pass(),
	{name: "the queue type", from: itsEnd, to: itsEnd + "broker: {queueType: mirrored}\n"},
	{name: "a short consumer timeout", from: itsEnd, to: itsEnd + "broker: {consumerTimeout: 19m}\n"},
	{name: "a negative heartbeat", from: itsEnd, to: itsEnd + "timing: {heartbeat: -1s}\n"},
	{name: "a goneAfter below three heartbeats", from: itsEnd, to: itsEnd + "timing: {goneAfter: 2s}\n"},
	{name: "a short lease", from: itsEnd, to: itsEnd + "timing: {lease: 2s}\n"},
}

// stored returns the refusal of a prefix of the storage.
func stored(prefix string, rights ...string) refusal {
	entry := fmt.Sprintf("{prefix: '%s'", prefix)
	for _, right := range rights {
		entry += ", " + right + ": true"
	}
	return refusal{name: "the storage " + entry + "}", from: itsEnd, to: "storage: [" + entry + "}]\n"}
}

// scheduled returns the refusal of a schedule of the policy.
func scheduled(what, when, set string) refusal {
	return refusal{
		name: "a schedule " + what, from: itsEnd,
		to: itsEnd + "schedules: [{name: a, " + when + ", for: 2h, set: {" + set + "}}]\n",
	}
}

// but returns the refusal with something else in what it writes.
func (r refusal) but(from, to string) refusal {
	at := strings.LastIndex(r.to, from)
	r.to = r.to[:at] + to + r.to[at+len(from):]
	return r
}

// pass returns the refusal as one that the chart leaves to the scaler.
func (r refusal) pass() refusal {
	r.passed = true
	return r
}

func long(n int) string { return strings.Repeat("x", n) }

// accepted is what looks odd, and is right.
var accepted = []refusal{
	{name: "as it is", from: "budget: 6", to: "budget: 6"},
	{name: "a hold of 0", from: maxOf4, to: maxOf4 + "  hold: 0\n"},
	{name: "durations as Go writes them", from: bulkLane, to: bulkLane + "  maxRuntime: +1.5m.5s3ms\n"},
	{
		name: "zeros, which count as left out", from: bulkLane,
		to: bulkLane + "  maxRuntime: 0s\n  maxCrashes: 0\n  retry: {attempts: 0, first: 0s, factor: 0, max: 0s}\n",
	},
	{
		name: "more zeros", from: maxOf4,
		to: maxOf4 + "  slots: 0\n  min: 0\n  slot: {memory: 0, scratch: 0, cores: 0}\n",
	},
	{
		name: "a clock of zeros", from: itsEnd,
		to: "timing: {heartbeat: 0s, goneAfter: 0s, lease: 0s}\nbroker: {queueType: \"\", consumerTimeout: 0s}\n",
	},
	{
		name: "a long maxRuntime of a quorum lane", from: bulkLane,
		to: bulkLane + "  maxRuntime: 3h\n  queueType: quorum\n",
	},
	{
		name: "a long maxRuntime of quorum queues", from: "lanes:\n- name: express\n",
		to: "broker: {queueType: quorum}\nlanes:\n- name: express\n  maxRuntime: 3h\n",
	},
	{
		name: "storage of every kind", from: itsEnd, to: `storage:
- {prefix: "s3://media-in/", read: true}
- {prefix: "S3://media.in/a b/%20/", read: true, write: true}
- {prefix: "gs://media_in.example.com/", write: true}
- {prefix: "AZBLOB://media-in/raw/", write: true}
- {prefix: "file:///", read: true}
- {prefix: "FILE:///data/a..b/...c/x.siren/%E2%82%AC/", read: true}
- {prefix: "http://8.8.8.8:8080/", read: true}
- {prefix: "http://10.example.com/", read: true}
- {prefix: "https://localhost.example.com/a@b/", read: true}
- {prefix: "https://CDN.example.com./pub/", read: true}
- {prefix: "https://[2606:4700::1111]/", read: true}
- {prefix: "s3://1.2.3.4.5/", read: true}
- {prefix: "s3://media--use1-az4--x-s3/", read: true}
- {prefix: "s3://` + long(63) + `/", read: true}
- {prefix: "gs://a.-_b/", read: true}
- {prefix: "gs://` + long(63) + "." + long(63) + `/", read: true}
- {prefix: "azblob://123/", read: true}
- {prefix: "http://1.2.3.4/", read: true}
- {prefix: "http://3.example/", read: true}
- {prefix: "http://0x7f.example:65535/", read: true}
- {prefix: "http://cdn_1.example:1/", read: true}
- {prefix: "http://bücher.example/", read: true}
- {prefix: "http://[2a00:1450::1]:443/", read: true}
`,
	},
	{
		name: "presets", from: itsEnd,
		to: "presets: {web@1: {retired: true}, mine@12: {kind: probe, about: x}}\n",
	},
	{
		name: "schedules", from: itsEnd,
		to: itsEnd + `schedules:
- {name: friday, at: fri 18:00, every: week, for: 4h, timezone: Europe/Berlin, set: {pools.general.min: 2, budget: 7}}
- {name: nights, cron: "0 22 * * *", for: 8h, set: {lanes.bulk.paused: true, lanes.bulk.promote: null}}
- {name: xmas, at: 2026-12-24 18:00, for: 90m, set: {lanes.express.startWithin: 1s}}
`,
	},
	{
		name: "a shoulder and its reserve", from: soundPolicy, to: strings.NewReplacer("startWithin: 2s",
			"startWithin: 2s\n  reserve: 1", maxOf4, maxOf4+"  shoulder: {express: 1}\n").Replace(soundPolicy),
	},
}

// policy returns the policy with its one change.
func (r refusal) policy() string { return strings.Replace(soundPolicy, r.from, r.to, 1) }

// refusalTests returns the chart's unit tests of what it refuses of a policy, given as a file and as values.
func refusalTests() (string, error) {
	var tests []map[string]any
	add := func(r refusal, title, field string, value, assert any) {
		tests = append(tests, map[string]any{
			"it": title + r.name + ", in " + field, "set": map[string]any{field: value}, "asserts": []any{assert},
		})
	}
	addBoth := func(r refusal, title string, assert any) error {
		add(r, title, "policyFile", r.policy(), assert)
		if r.fileOnly {
			return nil
		}
		var values map[string]any
		if err := yaml.Unmarshal([]byte(r.policy()), &values); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		add(r, title, "policy", values, assert)
		return nil
	}
	const inWords = `^(policy[.:]|policyFile is not YAML|values don't meet)` // and no template's own error
	fails := map[string]any{"failedTemplate": map[string]any{"errorPattern": inWords}}
	passes := map[string]any{"notFailedTemplate": map[string]any{}}
	for _, r := range refusals {
		title, assert := "refuses ", fails
		if r.passed {
			title, assert = "leaves to the scaler ", passes
		}
		if err := addBoth(r, title, assert); err != nil {
			return "", err
		}
	}
	for _, r := range accepted {
		if err := addBoth(r, "accepts ", passes); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	b.WriteString(`# written by docs/gen from its refusals.go
suite: policies that siren policy check refuses
templates: [checks.yaml]
release: {name: siren, namespace: media}
capabilities: {majorVersion: 1, minorVersion: 34}
values: [../ci/bundled-values.yaml]
tests:
`)
	for _, test := range tests {
		line, err := json.Marshal(test)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	return b.String(), nil
}
