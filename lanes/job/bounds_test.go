package job

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// nested returns params that nest so many levels deep.
func nested(levels int) json.RawMessage {
	return json.RawMessage(`{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + "}")
}

func manyLabels(n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("label-%04d", i)] = "v"
	}
	return all
}

// What one job may be is bounded, whichever way it comes in; what is over a bound is refused with what to do, and never
// repeated whole.
func TestBoundsAtTheDoor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Job)
		err    string // "": it is a job
	}{
		"deep params": {func(j *Job) { j.Params = nested(MaxDepth) }, ""},
		"too deep params": {func(j *Job) {
			j.Params = nested(9000)
		}, "params nest 9000 levels deep, over the limit of 16: put such data into the input"},
		"brackets in texts": {func(j *Job) { j.Params = []byte(`{"a":"` + strings.Repeat(`[{\"`, 50) + `"}`) }, ""},
		"labels":            {func(j *Job) { j.Labels = manyLabels(MaxLabels) }, ""},
		"too many labels": {func(j *Job) {
			j.Labels = manyLabels(3300)
		}, "3300 labels, over the limit of 64: labels choose the lane; put what the job's kind needs into params"},
		"a long label": {
			func(j *Job) {
				j.Labels = map[string]string{strings.Repeat("n", MaxLabelName): strings.Repeat("v", MaxLabelValue)}
			}, "",
		},
		"too long a label name": {
			func(j *Job) { j.Labels = map[string]string{strings.Repeat("n", 129): ""} },
			`the name of label "` + strings.Repeat("n", 80) + `…" has 129 bytes, over the limit of 128`,
		},
		"too long a label": {func(j *Job) {
			j.Labels = map[string]string{"n": strings.Repeat("v", 257)}
		}, `label "n" has 257 bytes, over the limit of 256`},
		"a label of école": {func(j *Job) { j.Labels = map[string]string{"école": "日本 👩‍🚀"} }, ""},
		"a C1 code in a label": {
			func(j *Job) { j.Labels = map[string]string{"n": "a\u009b31m"} },
			`label "n" has the character U+009B, which would change how the text around it is shown: leave it out, ` +
				`or write it as %XX in a URL`,
		},
		"a direction in a label's name": {
			func(j *Job) { j.Labels = map[string]string{"n\u202e": ""} },
			`the name of label "n\u202e" has the character U+202E, which would change how the text around it is ` +
				`shown: leave it out, or write it as %XX in a URL`,
		},
		"bytes that aren't UTF-8": {
			func(j *Job) { j.Labels = map[string]string{"n": "\xff"} },
			`label "n" is not UTF-8`,
		},
		"an escape in a kind": {
			func(j *Job) { j.Kind = "probe\x1b[8m" },
			`kind "probe\x1b[8m" must be 1 to 64 of the characters A-Z a-z 0-9 . _ -`,
		},
		"a long kind": {func(j *Job) {
			j.Kind = strings.Repeat("k", 65)
		}, `kind "` + strings.Repeat("k", 65) + `" must be 1 to 64 of the characters A-Z a-z 0-9 . _ -`},
		"a long URL": {func(j *Job) { j.Input = "https://h/" + strings.Repeat("i", MaxURL-10) }, ""},
		"too long a URL": {func(j *Job) {
			j.Output = strings.Repeat("o", MaxURL+1)
		}, "output has 8193 bytes, over the limit of 8192"},
		"a line break in a URL": {
			func(j *Job) { j.Input = "file:///a\nb" },
			"input has the character U+000A, which would change how the text around it is shown: leave it out, or " +
				"write it as %XX in a URL",
		},
		"an isolate in a URL": {
			func(j *Job) { j.Output = "file:///\u2066b" },
			"output has the character U+2066, which would change how the text around it is shown: leave it out, or " +
				"write it as %XX in a URL",
		},
		"a DEL in a dedupKey": {
			func(j *Job) { j.DedupKey = "a\x7f" },
			"dedupKey has the character U+007F, which would change how the text around it is shown: leave it out, " +
				"or write it as %XX in a URL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			job := Job{Version: WireVersion, ID: "j", Kind: "probe", Input: "file:///a", Output: "file:///b"}
			c.change(&job)
			body, err := Encode(job)
			if got := errorText(err); got != c.err {
				t.Errorf("encoding: %q, want %q", got, c.err)
			}
			if c.err == "" {
				if again, _, err := Decode(body, ""); err != nil || !reflect.DeepEqual(again, job) {
					t.Errorf("decoding: %+v, %v", again, err)
				}
				return
			}
			foreign, _ := json.Marshal(job)
			if _, _, err := Decode(foreign, ""); err == nil && !strings.Contains(c.err, "UTF-8") {
				// JSON has replaced it
				t.Error("a foreign message is taken")
			}
		})
	}
}

// What is kept of a message that is no job is within the bounds, and is no job either: nothing is ever run by a part of
// what somebody wrote.
func TestBounded(t *testing.T) {
	fine := Job{ID: "j", Kind: "probe", Labels: manyLabels(MaxLabels), Input: "file:///a", Params: nested(MaxDepth)}
	if got := fine.Bounded(); !reflect.DeepEqual(got, fine) {
		t.Errorf("%+v, not as it was", got)
	}
	for name, change := range map[string]func(*Job){
		"kind":   func(j *Job) { j.Kind = strings.Repeat("k", 60_000) },
		"labels": func(j *Job) { j.Labels = manyLabels(3300) },
		"label": func(j *Job) {
			j.Labels = map[string]string{strings.Repeat("é", 30_000): strings.Repeat("é", 30_000)}
		},
		"params": func(j *Job) { j.Params = nested(9000) },
		"size":   func(j *Job) { j.Params = []byte(`{"a":"` + strings.Repeat("a", MaxMessage) + `"}`) },
		"input":  func(j *Job) { j.Input = strings.Repeat("🚀", 15_000) },
		"output": func(j *Job) { j.Output = strings.Repeat("é", 30_000) },
		"key":    func(j *Job) { j.DedupKey = strings.Repeat("k", 60_000) },
	} {
		job := fine
		change(&job)
		kept := job.Bounded()
		text, err := json.MarshalIndent(kept, "", "  ")
		if err != nil || len(text) > 40<<10 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
		if kept.Check() == nil {
			t.Errorf("%s: what was cut is a job: %s", name, text)
		}
	}
}
