package lanes

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/location"
)

// small is a valid policy in few words; tests of single rules change one thing in it.
const small = `lanes:
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
`

// problemsOf returns what Parse finds, a line each; nil for a valid policy.
func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse([]byte(text))
	if err == nil {
		return nil
	}
	var ps Problems
	if !errors.As(err, &ps) {
		return []string{"error: " + err.Error()}
	}
	return strings.Split(ps.Error(), "\n")
}

func TestParseSmall(t *testing.T) {
	if got := problemsOf(t, small); got != nil {
		t.Fatalf("the policy that the other tests change has problems itself: %q", got)
	}
}

// Each case replaces one piece of the small policy.
func TestParseProblems(t *testing.T) {
	const lane = "- name: bulk\n"
	const tail = "budget: 6\n"
	type edit struct {
		name     string
		from, to string
		want     []string
	}
	tests := []edit{
		// Structure.
		{"empty file", small, "", []string{"policy: is empty"}},
		{"only a comment", small, "# to do\n", []string{"policy: is empty"}},
		{"a list", small, "- a\n", []string{"policy: must be a map of fields, not a list"}},
		{"a text", small, "hello\n", []string{`policy: must be a map of fields, not the string "hello"`}},
		{"broken YAML", tail, "budget: [6\n", []string{"error: not YAML: yaml: line 18: did not find expected ',' " +
			"or ']'"}},
		{"a tab", tail, "budget:\t6\n\tx: 1\n", []string{"error: not YAML: yaml: line 19: found a tab character " +
			"that violates indentation"}},
		{"unknown alias", tail, "budget: *six\n", []string{"error: not YAML: yaml: unknown anchor 'six' referenced"}},
		{"not a number", tail, "budget: .nan\n", []string{"error: not YAML: json: unsupported value: NaN"}},
		{
			"a second document", tail, tail + "---\nbudget: 7\n",
			[]string{"policy: must be one YAML document; another one begins after ---"},
		},
		{"a second document after a marked one", "lanes:\n- name: e", "---\n---\nlanes:\n- name: e", []string{
			"policy: must be one YAML document; another one begins after ---", "policy: is empty",
		}},
		{
			"one document with its marker is fine", "lanes:\n- name: e",
			"# the policy\n--- # begins\nlanes:\n- name: e",
			nil,
		},
		{"dashes inside a text are fine", "[urgent=true]", "[\"a---b\"]", nil},

		// Fields.
		{
			"unknown top-level field", tail, tail + "bugdet: 6\n",
			[]string{`bugdet: no such field; did you mean "budget"?`},
		},
		{"unknown field far from any other", tail, tail + "colour: red\n", []string{"colour: no such field"}},
		{
			"unknown field of a lane", lane, lane + "  reserv: 1\n",
			[]string{`lanes[2].reserv: no such field; did you mean "reserve"?`},
		},
		{
			"another case is another field", lane, lane + "  Reserve: 1\n",
			[]string{`lanes[2].Reserve: no such field; did you mean "reserve"?`},
		},
		{
			"a field's former name", "max: 4\n", "max: 4\n  held: true\n",
			[]string{"pools[0].held: is called frozen now"},
		},
		{"unknown field of a part", lane, lane + "  promote: {after: 20m, too: standard}\n", []string{
			`lanes[2].promote.too: no such field; did you mean "to"?`,
			`lanes[2].promote.to: no lane ""`,
		}},
		{"doubled field", tail, tail + "budget: 7\n", []string{`line 19: duplicate field "budget"`}},
		{"doubled field of a lane, beside another problem", lane, lane + "  name: bulk\n  reserve: x\n", []string{
			`line 8: duplicate field "name"`, `lanes[2].reserve: must be a whole number, not the string "x"`,
		}},

		// Types.
		{
			"a text for a number", tail, "budget: many\n",
			[]string{`budget: must be a whole number, not the string "many"`},
		},
		{"a fraction for a whole number", tail, "budget: 2.5\n", []string{"budget: must be a whole number, not 2.5"}},
		{
			"more than an int holds", tail, "budget: 99999999999999999999\n",
			[]string{"budget: must be a whole number, not 100000000000000000000"},
		},
		{
			"a number for a text", lane, "- name: 5\n",
			[]string{
				"lanes[2].name: must be a string, not 5", `pools[0].guests[0]: no lane "bulk"`,
				`pools[1].lanes[0]: no lane "bulk"`,
			},
		},
		{
			"a list for a map", "pools:\n", "timing: []\npools:\n",
			[]string{"timing: must be a map of fields, not a list"},
		},
		{
			"a map for a list", "guests: [bulk]", "guests: {bulk: 1}",
			[]string{"pools[0].guests: must be a list, not a map"},
		},
		{
			"a list for the shoulder", "guests: [bulk]", "shoulder: [express]",
			[]string{"pools[0].shoulder: must be a map, not a list"},
		},
		{"a text for yes or no", tail, tail + "storage: [{prefix: \"s3://abc/\", read: \"on\"}]\n", []string{
			`storage[0].read: must be true or false, not the string "on"`,
		}},
		{
			"a text for a number with a point", lane, lane + "  retry: {factor: lots}\n",
			[]string{`lanes[2].retry.factor: must be a number, not the string "lots"`},
		},
		{
			"a bare number for a duration", "startWithin: 30s", "startWithin: 30",
			[]string{`lanes[1].startWithin: "30" is not a duration; write it as 90s, 30m or 1h30m`},
		},
		{
			"a map for a duration", "startWithin: 30s", "startWithin: {seconds: 30}",
			[]string{"lanes[1].startWithin: must be a single value, not a map"},
		},
		{
			"not a size", "max: 4\n", "max: 4\n  slot: {memory: 2GB}\n",
			[]string{`pools[0].slot.memory: "2GB" is not a size; write it as 512Mi or 2Gi`},
		},
		{"null is as good as left out", lane, lane + "  reserve: null\n  promote: null\n  retry:\n", nil},
		{"a null lane", lane, "- null\n" + lane, []string{
			"lanes[2].name: is required",
			"lanes[2].startWithin: is required: within which time should 95 % of the jobs start? (for example 30s)",
			`lanes: "standard", "" have no match; exactly one lane may have none, the default`,
		}},
		// slot and slots begin alike, but a problem with one says nothing about the other.
		{"an unreadable field hides only its own problems", "max: 4\n", "max: 4\n  slot: big\n  slots: -1\n", []string{
			`pools[0].slot: must be a map of fields, not the string "big"`, "pools[0].slots: must be at least 1",
		}},
		{"an unreadable field isn't also called missing", "startWithin: 30s", "startWithin: soon", []string{
			`lanes[1].startWithin: "soon" is not a duration; write it as 90s, 30m or 1h30m`,
		}},

		// Lanes.
		{"no lanes", small[:strings.Index(small, "pools:")], "", []string{
			"lanes: needs at least one lane",
			`pools[0].lanes[0]: no lane "express"`, `pools[0].lanes[1]: no lane "standard"`,
			`pools[0].guests[0]: no lane "bulk"`, `pools[1].lanes[0]: no lane "bulk"`,
		}},
		{"a lane without a name", lane, "- promote:\n", []string{
			"lanes[2].name: is required", `pools[0].guests[0]: no lane "bulk"`, `pools[1].lanes[0]: no lane "bulk"`,
		}},
		{"a lane's name with capitals", "name: bulk", "name: Bulk", []string{
			`lanes[2].name: "Bulk" must be lower-case letters, digits and dashes, at most 40, beginning and ending ` +
				`with a letter or digit`,
			`pools[0].guests[0]: no lane "bulk"; did you mean "Bulk"?`,
			`pools[1].lanes[0]: no lane "bulk"; did you mean "Bulk"?`,
			`lanes[2]: lane "Bulk" has no home: name it in the lanes of exactly one pool`,
		}},
		{
			"a lane twice", lane, "- {name: express, match: [x=y], startWithin: 2s}\n" + lane,
			[]string{`lanes[2].name: "express" is a duplicate`},
		},
		{"no default lane", "- name: standard\n", "- name: standard\n  match: [x=y]\n", []string{
			"lanes: every lane has a match, so a job may belong to none; leave match out of exactly one lane, the " +
				"default",
		}},
		{"two default lanes", "  match: [batch=true]\n", "", []string{
			`lanes: "standard", "bulk" have no match; exactly one lane may have none, the default`,
		}},
		{"a bad selector", "[batch=true]", "[batch=true, =x]", []string{
			`lanes[2].match[1]: "=x" is not a label selector: found '=', expected: !, identifier, or 'end of string'`,
		}},
		{"an empty selector", "[batch=true]", `["  "]`, []string{
			"lanes[2].match[0]: is empty and would match every job; leave match out of the default lane instead",
		}},
		{"no objective", "  startWithin: 30s\n", "", []string{
			"lanes[1].startWithin: is required: within which time should 95 % of the jobs start? (for example 30s)",
		}},
		{"a negative objective", "startWithin: 30s", "startWithin: -30s", []string{
			"lanes[1].startWithin: is required: within which time should 95 % of the jobs start? (for example 30s)",
		}},
		{
			"more priorities than there are", lane, lane + "  priorities: 5\n",
			[]string{"lanes[2].priorities: must be 0 (ordinary jobs only) to 4, not 5"},
		},
		{
			"priorities below none", lane, lane + "  priorities: -1\n",
			[]string{"lanes[2].priorities: must be 0 (ordinary jobs only) to 4, not -1"},
		},
		{"priorities of a quorum lane", lane, lane + "  priorities: 1\n  queueType: quorum\n", []string{
			"lanes[2].priorities: needs a classic queue: each version of RabbitMQ orders the priorities of a quorum " +
				"queue in another way; leave priorities out, or give the lane queueType: classic",
		}},
		{"a negative reserve", lane, lane + "  reserve: -1\n", []string{"lanes[2].reserve: must not be negative"}},
		{"a reserve without a shoulder", "startWithin: 2s", "startWithin: 2s\n  reserve: 1", []string{
			"lanes[0].reserve: needs a shoulder, which alone keeps lower lanes out; add `shoulder: {express: 1}` " +
				"to pool \"general\"",
		}},
		{
			"a negative maxRuntime", lane, lane + "  maxRuntime: -1s\n",
			[]string{"lanes[2].maxRuntime: must be above 0, not -1s"},
		},
		{"maxRuntime too near the consumer timeout", lane, lane + "  maxRuntime: 26m\n", []string{
			"lanes[2].maxRuntime: 26m is too close to the broker's consumer timeout of 30m, which takes a job " +
				"away from a worker that still runs it; " +
				"lower it to at most 25m, or raise consumer_timeout in rabbitmq.conf and say so in " +
				"broker.consumerTimeout, " +
				"or give the lane queueType: quorum, whose queue gets a timeout of its own on RabbitMQ 4.0 or newer",
		}},
		{"a lane's unknown queue type", lane, lane + "  queueType: qourum\n", []string{
			`lanes[2].queueType: must be classic or quorum, not "qourum"; did you mean "quorum"?`,
		}},
		{"negative maxCrashes", lane, lane + "  maxCrashes: -1\n", []string{"lanes[2].maxCrashes: must be at least 1"}},
		{
			"negative attempts", lane, lane + "  retry: {attempts: -1}\n",
			[]string{"lanes[2].retry.attempts: must be at least 1: the first attempt counts"},
		},
		{
			"a negative first delay", lane, lane + "  retry: {first: -1s}\n",
			[]string{"lanes[2].retry.first: must be above 0, not -1s"},
		},
		{
			"a shrinking delay", lane, lane + "  retry: {factor: 0.5}\n",
			[]string{"lanes[2].retry.factor: must be at least 1"},
		},
		{
			"a longest delay below the first", lane, lane + "  retry: {first: 1m, max: 30s}\n",
			[]string{"lanes[2].retry.max: 30s is less than retry.first (1m)"},
		},
		{
			"promotion at once", lane, lane + "  promote: {to: standard}\n",
			[]string{"lanes[2].promote.after: must be above 0, not 0s"},
		},
		{"promotion to an unknown lane", lane, lane + "  promote: {after: 20m, to: standrad}\n", []string{
			`lanes[2].promote.to: no lane "standrad"; did you mean "standard"?`,
		}},
		{"promotion to itself", lane, lane + "  promote: {after: 20m, to: bulk}\n", []string{
			`lanes[2].promote.to: "bulk" is not more urgent than "bulk"; name a lane above it`,
		}},
		{"promotion downwards", "- name: standard\n", "- name: standard\n  promote: {after: 20m, to: bulk}\n", []string{
			`lanes[1].promote.to: "bulk" is not more urgent than "standard"; name a lane above it`,
		}},

		// Pools.
		{"no pools", small[strings.Index(small, "pools:"):strings.Index(small, "budget:")], "", []string{
			"pools: needs at least one pool",
			`lanes[0]: lane "express" has no home: name it in the lanes of exactly one pool`,
			`lanes[1]: lane "standard" has no home: name it in the lanes of exactly one pool`,
			`lanes[2]: lane "bulk" has no home: name it in the lanes of exactly one pool`,
		}},
		{"a pool twice", "- name: batch", "- name: general", []string{`pools[1].name: "general" is a duplicate`}},
		{"a pool's name with a dot", "- name: batch", "- name: batch.eu", []string{
			`pools[1].name: "batch.eu" must be lower-case letters, digits and dashes, at most 40, beginning and ` +
				`ending with a letter or digit`,
		}},
		{"a pool without lanes", "  lanes: [bulk]\n", "", []string{
			"pools[1].lanes: needs at least one lane that this pool is home to",
			`lanes[2]: lane "bulk" has no home: name it in the lanes of exactly one pool`,
		}},
		{
			"an unknown lane in a pool", "[express, standard]", "[express, standard, bluk]",
			[]string{`pools[0].lanes[2]: no lane "bluk"; did you mean "bulk"?`},
		},
		{
			"an unknown guest", "[bulk]\n  max: 4", "[bluk]\n  max: 4",
			[]string{`pools[0].guests[0]: no lane "bluk"; did you mean "bulk"?`},
		},
		{
			"a lane twice in a pool", "[express, standard]", "[express, standard, express]",
			[]string{`pools[0].lanes[2]: "express" is a duplicate`},
		},
		{
			"a guest twice", "guests: [bulk]", "guests: [bulk, bulk]",
			[]string{`pools[0].guests[1]: "bulk" is a duplicate`},
		},
		{
			"a guest at home", "guests: [bulk]", "guests: [express]",
			[]string{`pools[0].guests[0]: "express" is already one of this pool's own lanes`},
		},
		{"two homes", "[express, standard]", "[express, standard, bulk]", []string{
			`pools[0].guests[0]: "bulk" is already one of this pool's own lanes`,
			`lanes[2]: lane "bulk" has the homes "general", "batch"; exactly one pool may name it in lanes (the ` +
				`others may take it as a guest)`,
		}},
		{"negative slots", "max: 4\n", "max: 4\n  slots: -1\n", []string{"pools[0].slots: must be at least 1"}},
		{"a shoulder for two", "max: 4\n", "max: 4\n  shoulder: {standard: 1, express: 1}\n", []string{
			`pools[0].shoulder: is for one lane alone, but names "express", "standard"`,
		}},
		{
			"a shoulder for a guest", "max: 4\n", "max: 4\n  shoulder: {bulk: 1}\n",
			[]string{`pools[0].shoulder.bulk: "bulk" is not one of this pool's own lanes`},
		},
		{
			"a shoulder of no slots", "max: 4\n", "max: 4\n  shoulder: {express: 0}\n",
			[]string{"pools[0].shoulder.express: must be at least 1"},
		},
		{"negative min", "max: 4\n", "max: 4\n  min: -1\n", []string{"pools[0].min: must not be negative"}},
		{"no max", "  max: 4\n", "", []string{"pools[0].max: is required: the most workers of this pool, at least 1"}},
		{"max below min", "max: 4\n", "max: 4\n  min: 5\n", []string{"pools[0].max: 4 is less than min (5)"}},
		{"negative hold", "max: 4\n", "max: 4\n  hold: -1s\n", []string{"pools[0].hold: must not be negative"}},
		{
			"little memory", "max: 4\n", "max: 4\n  slot: {memory: 1Mi}\n",
			[]string{"pools[0].slot.memory: 1Mi is too little for ffmpeg; give at least 64Mi"},
		},
		{
			"little scratch", "max: 4\n", "max: 4\n  slot: {scratch: 1Ki}\n",
			[]string{"pools[0].slot.scratch: 1Ki is too little for a media file; give at least 1Mi"},
		},
		{
			"negative cores", "max: 4\n", "max: 4\n  slot: {cores: -1}\n",
			[]string{"pools[0].slot.cores: must be above 0"},
		},
		{"no budget", tail, "", []string{"budget: must be at least 1: the most replicas that all pools may have " +
			"together"}},
		{
			"a budget below the floors", "max: 4\n",
			"max: 4\n  min: 4\n- {name: third, lanes: [other], min: 3, max: 3}\n",
			[]string{
				`pools[1].lanes[0]: no lane "other"`, "budget: 6 is less than the pools' min together (7)",
			},
		},

		// Storage.
		{
			"no scheme", tail, tail + "storage: [{prefix: /media/, read: true}]\n",
			[]string{`storage[0].prefix: "/media/": the scheme must be ` + location.Either(location.Schemes(false))},
		},
		{
			"not a URL", tail, tail + "storage: [{prefix: \"s3://a b/%zz\", read: true}]\n",
			[]string{"storage[0].prefix: is not a URL"},
		},
		{
			"a relative file", tail, tail + "storage: [{prefix: \"file://media/\", read: true}]\n",
			[]string{`storage[0].prefix: "file://media/": write file:///absolute/dir/`},
		},
		{
			"a file with one slash, which no job's URL begins with", tail,
			tail + "storage: [{prefix: \"file:/media/\", read: true}]\n",
			[]string{`storage[0].prefix: "file:/media/": write file:///absolute/dir/`},
		},
		{"no slash at the end", tail, tail + "storage: [{prefix: \"s3://in\", read: true}]\n", []string{
			`storage[0].prefix: "s3://in" must end in a slash, or it would also allow its neighbours (s3://inX)`,
		}},
		{
			"no bucket", tail, tail + "storage: [{prefix: \"s3:///in/\", read: true}]\n",
			[]string{`storage[0].prefix: "s3:///in/" names no bucket; write s3://bucket/prefix/`},
		},
		{
			"no host", tail, tail + "storage: [{prefix: \"https:///in/\", read: true}]\n",
			[]string{`storage[0].prefix: "https:///in/" names no host`},
		},
		{
			"a private address", tail, tail + "storage: [{prefix: \"http://10.1.2.3/\", read: true}]\n",
			[]string{"storage[0].prefix: 10.1.2.3 is a private address, and inputs are fetched from public addresses " +
				"only; use s3:// or file:// for internal storage"},
		},
		{
			"this machine", tail, tail + "storage: [{prefix: \"https://[::1]:8080/\", read: true}]\n",
			[]string{"storage[0].prefix: ::1 is a loopback address, and inputs are fetched from public addresses " +
				"only; use s3:// or file:// for internal storage"},
		},
		{
			"this machine by its name", tail, tail + "storage: [{prefix: \"http://localhost/\", read: true}, " +
				"{prefix: \"https://a.LOCALHOST./\", read: true}]\n",
			[]string{
				"storage[0].prefix: localhost is a loopback address, and inputs are fetched from public addresses " +
					"only; use s3:// or file:// for internal storage",
				"storage[1].prefix: a.localhost is a loopback address, and inputs are fetched from public addresses " +
					"only; use s3:// or file:// for internal storage",
			},
		},
		{
			"a way up", tail, tail + "storage: [{prefix: \"file:///media/../etc/\", read: true}]\n",
			[]string{`storage[0].prefix: "file:///media/../etc/" must not contain //, /./ or /../`},
		},
		{
			"a way up in disguise", tail, tail + "storage: [{prefix: \"file:///media/%2e%2e/etc/\", read: true}]\n",
			[]string{`storage[0].prefix: "file:///media/%2e%2e/etc/" must not contain //, /./ or /../`},
		},
		// Neither the message nor a log of it may repeat a secret.
		{
			"a password", tail, tail + "storage: [{prefix: \"https://me:secret@host/\", read: true}]\n",
			[]string{"storage[0].prefix: must have no query, fragment or user; credentials come from the workers' " +
				"environment"},
		},
		{
			"a signed URL", tail, tail + "storage: [{prefix: \"https://host/?signature=secret\", read: true}]\n",
			[]string{"storage[0].prefix: must have no query, fragment or user; credentials come from the workers' " +
				"environment"},
		},
		{
			"writing to the web", tail, tail + "storage: [{prefix: \"https://host/\", write: true}]\n",
			[]string{"storage[0].write: https can only be read"},
		},
		{
			"nothing allowed", tail, tail + "storage: [{prefix: \"s3://uploads/\"}]\n",
			[]string{"storage[0]: allows nothing: set read, write or both"},
		},
		{
			"an upper-case bucket, which no job could name", tail,
			tail + "storage: [{prefix: \"s3://Media-In/\", read: true}]\n",
			[]string{`storage[0].prefix: "s3://Media-In/": write the bucket in lower case, s3://media-in: no ` +
				`bucket has another name`},
		},
		{
			"a whole bucket, a folder, a site", tail,
			tail + "storage: [{prefix: \"s3://media/\", read: true}, {prefix: \"file:///srv/media/\", write: true}, " +
				"{prefix: \"https://cdn.example.com/a/b/\", read: true}]\n", nil,
		},

		// Broker and timing.
		{
			"an unknown queue type", tail, tail + "broker: {queueType: qourum}\n",
			[]string{`broker.queueType: must be classic or quorum, not "qourum"; did you mean "quorum"?`},
		},
		{"a consumer timeout that the forwarder outlasts", tail, tail + "broker: {consumerTimeout: 19m}\n", []string{
			"broker.consumerTimeout: 19m is too short: the scaler keeps jobs that wait for a retry for up to " +
				"15m; " +
				"set it to at least 20m, here and in rabbitmq.conf (RabbitMQ's default is 30m)",
		}},
		{
			"heartbeat", tail, tail + "timing: {heartbeat: -1s}\n",
			[]string{"timing.heartbeat: must be above 0, not -1s"},
		},
		{
			"goneAfter", tail, tail + "timing: {goneAfter: 2s}\n",
			[]string{"timing.goneAfter: must be at least 3 heartbeats (3s), or a late heartbeat counts as a dead " +
				"worker"},
		},
		{
			"lease", tail, tail + "timing: {lease: 2s}\n",
			[]string{"timing.lease: must be at least 3s: it is renewed every third of it"},
		},
		{"keep", tail, tail + "timing: {keep: -1h}\n", []string{"timing.keep: must be above 0, not -1h"}},
		{
			"serviceTime", tail, tail + "timing: {serviceTime: -1s}\n",
			[]string{"timing.serviceTime: must be above 0, not -1s"},
		},
		{
			"coldStart", tail, tail + "timing: {coldStart: -1s}\n",
			[]string{"timing.coldStart: must be above 0, not -1s"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(small, tt.from, tt.to, 1)
			if text == small {
				t.Fatalf("%q is not in the policy", tt.from)
			}
			if got := problemsOf(t, text); !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

// A person who writes a policy should have to run the check once.
func TestParseReportsAllAtOnce(t *testing.T) {
	text := `
lanes:
- {name: express, match: ["urgent=true,"], startWithin: 2s, reserve: 1}
- {name: standard}
- {name: bulk, match: [batch=true], startWithin: 30m, promote: {after: 20m, to: standrad}}
pools:
- {name: general, lanes: [express, standard], slots: two, max: 3, min: 4}
- {name: batch, lanes: [blk], max: 4}
budget: 3
typo: 1
`
	want := []string{
		`pools[0].slots: must be a whole number, not the string "two"`,
		"typo: no such field",
		`lanes[0].match[0]: "urgent=true," is not a label selector: found '', expected: identifier after ','`,
		"lanes[0].reserve: needs a shoulder, which alone keeps lower lanes out; add `shoulder: {express: 1}` to " +
			"pool \"general\"",
		"lanes[1].startWithin: is required: within which time should 95 % of the jobs start? (for example 30s)",
		`lanes[2].promote.to: no lane "standrad"; did you mean "standard"?`,
		"pools[0].max: 3 is less than min (4)",
		`pools[1].lanes[0]: no lane "blk"; did you mean "bulk"?`,
		`lanes[2]: lane "bulk" has no home: name it in the lanes of exactly one pool`,
		"budget: 3 is less than the pools' min together (4)",
	}
	if got := problemsOf(t, text); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestValidateByHand(t *testing.T) {
	p := Policy{
		Lanes:  []Lane{{Name: "only", StartWithin: 1}},
		Pools:  []Pool{{Name: "p", Lanes: []string{"only"}, Max: 1}},
		Budget: 1,
	}
	if err := p.Validate(); err == nil {
		t.Error("a policy without its defaults is not valid")
	}
	p.Default()
	if err := p.Validate(); err != nil {
		t.Errorf("Validate() = %v, a problem where there is none (a typed nil, perhaps)", err)
	}
}

// Whatever a file holds, Parse answers; and what it accepts is a fixed point of Default and Validate.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/siren.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(small))
	f.Add([]byte("lanes: [null]\npools: {}\nbudget: 1e3\n---\nx"))
	f.Add([]byte("lanes: [{name: a, startWithin: 1s, promote: {}}]\npools: [{name: a, lanes: [a], max: 1, shoulder: " +
		"{a: 1}}]\nbudget: 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a word")
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("Parse accepted what Validate refuses: %v", err)
		}
		p.Warnings()
		if _, err := NewClassifier(p); err != nil {
			t.Errorf("a valid policy has no classifier: %v", err)
		}
		e := Effective{Policy: *p}
		for _, q := range p.Pools {
			if got := len(e.TakeOrder(q.Name, 0)); got != len(q.Lanes)+len(q.Guests) {
				t.Errorf("pool %s serves %d lanes", q.Name, got)
			}
		}
	})
}
