package kinds

import (
	"slices"
	"testing"
)

// No params make the reader panic, and what it accepts never carries text into ffmpeg's arguments.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"at":"50%"}`, `{"at":["10%",12.5,"1m"]}`, `{"at":[]}`, `{"at":[["10%"]]}`, `{"at":"1m","width":100}`,
		`{"bitrate":"2.5M","audio":"64k","fps":29.97}`, `{"speed":"fast","crf":1e1}`, `null`, `{"at":1e999}`,
		`{"preset":"fast"}`, `{"preset":"fast","speed":"slow"}`,
		`{"fit":"pad","width":64,"height":64,"background":"#a0B1c2"}`, `{"background":"transparent"}`, `{"at":1e999}`,
		`{"bitrate":"2.5M","audio":"64k","fps":29.97}`, `{"preset":"fast","crf":1e1}`, `null`, `{"at":1e999}`,
		`{"colour":"#2563eb","background":"transparent","bits":16}`, `{"loudness":-16,"rate":48000,"format":"opus"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, k := range all {
			v, err := k.Read([]byte(raw), "x"+k.Endings[len(raw)%len(k.Endings)])
			for _, p := range k.Params {
				if w := v.Word(p.Name); w != "" && !slices.Contains(p.Words, w) {
					t.Fatalf("%s: %q", p.Name, w)
				}
				if n := v.Number(p.Name); n != 0 && (n < p.Least || n > p.Most) {
					t.Fatalf("%s: %v", p.Name, n)
				}
				if err == nil && p.Default != "" && v[p.Name] == nil {
					t.Fatalf("%s of %s was accepted without a value", p.Name, raw)
				}
			}
		}
	})
}
