package kinds

import (
	"encoding/json"
	"testing"
)

func TestWritten(t *testing.T) {
	for _, c := range []struct{ kind, name, typed, want string }{
		{"transcode", "channels", "5.1", `"5.1"`},
		{"transcode", "channels", `"5.1"`, `"5.1"`},
		{"", "channels", "5.1", `"5.1"`},
		{"transcode", "crf", "20", `20`},
		{"transcode", "audio", "64k", `"64k"`},
		{"transcode", "audio", "64000", `"64000"`},
		{"transcode", "audio", "null", `null`},
		{"thumbnail", "at", "12.5", `12.5`},
		{"thumbnail", "at", "25%", `"25%"`},
		{"another", "size", "3", `3`},
		{"another", "name", "x", `"x"`},
	} {
		if got := string(Written(c.kind, c.name, c.typed)); got != c.want {
			t.Errorf("%s of %s, typed %s: %s, want %s", c.name, c.kind, c.typed, got, c.want)
		}
	}
}

// What counts when a job says nothing is written as a job would say it.
func TestDefaultsAreValues(t *testing.T) {
	for _, k := range all {
		for _, p := range k.Params {
			if p.Default == "" {
				continue
			}
			if _, err := p.parse(json.RawMessage(p.Default)); err != nil {
				t.Errorf("kind %s: the default %s of %s: %v", k.Name, p.Default, p.Name, err)
			}
		}
	}
}
