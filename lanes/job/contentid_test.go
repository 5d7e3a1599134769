package job_test

import (
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
)

// The id follows from what the job says, not from how it is written.
func TestContentID(t *testing.T) {
	id := func(line string) string {
		t.Helper()
		j, _, err := job.Decode([]byte(line), "given")
		if err != nil {
			t.Fatal(err)
		}
		id, err := job.ContentID(j)
		if err != nil || !job.ValidID(id) || len(id) != 26 {
			t.Fatalf("%s: %q, %v", line, id, err)
		}
		return id
	}
	first := id(`{"kind":"probe","input":"file:///a","params":{"a":1,"b":{"c":12345678901234567890,"d":2}}}`)
	for _, same := range []string{
		`{ "params": {"b": {"d":2,  "c":12345678901234567890}, "a":1}, "input":"file:///a", "kind":"probe", ` +
			`"overwrite": false }`,
		`{"id":"own","version":1,"kind":"probe","input":"file:///a","params":{"a":1,"b":{"c":12345678901234567890,` +
			`"d":2}}}`,
	} {
		if got := id(same); got != first {
			t.Errorf("%s: %s, want %s", same, got, first)
		}
	}
	for _, other := range []string{
		`{"kind":"probe","input":"file:///b","params":{"a":1,"b":{"c":12345678901234567890,"d":2}}}`,
		`{"kind":"probe","input":"file:///a","params":{"a":1,"b":{"c":12345678901234567891,"d":2}}}`,
		`{"kind":"probe","input":"file:///a","labels":{"a":"1"},"params":{"a":1,"b":{"c":12345678901234567890,"d":2}}}`,
	} {
		if id(other) == first {
			t.Errorf("%s has the same id", other)
		}
	}
}
