package media

import (
	"testing"
)

// No params make the planner panic, and what it accepts never carries text into ffmpeg's arguments.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{`{}`, `{"at":"50%"}`, `{"at":"1m","width":100}`, `{"bitrate":"2.5M","audio":"64k","fps":29.97}`, `{"preset":"fast","crf":1e1}`, `null`, `{"at":1e999}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, c := range []struct{ kind, output string }{{"thumbnail", "x.jpg"}, {"transcode", "x.mp4"}, {"probe", "x.json"}} {
			p := readParams(c.kind, []byte(raw))
			if r := kinds[c.kind].plan(p, c.output); p.err() == nil && (r.make == nil || r.mediaType == "") {
				t.Fatalf("%s %s was accepted without a recipe", c.kind, raw)
			}
		}
		p := readParams("transcode", []byte(raw))
		preset := p.choice("preset", "medium", "fast")
		if preset != "medium" && preset != "fast" {
			t.Fatalf("preset %q", preset)
		}
	})
}
