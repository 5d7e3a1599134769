package effort

import (
	"math"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
)

func TestClass(t *testing.T) {
	transcode := func(params string) job.Job {
		return job.Job{Kind: "transcode", Output: "file:///a.mp4", Params: []byte(params)}
	}
	usual := Class(transcode(``))
	for params, same := range map[string]bool{
		`{"crf": 30, "height": 240}`: true, // no words
		`{"metadata": "keep"}`:       true, // doesn't tell
		`[]`:                         true,
		`{"speed": "ultrafast"}`:     false,
		`{"preset": "ultrafast"}`:    false, // the old name
		`{"codec": "hevc"}`:          false,
	} {
		if got := Class(transcode(params)); (got == usual) != same {
			t.Errorf("%s: class %q; that without params is %q", params, got, usual)
		}
	}
	for _, k := range kinds.Names() {
		if Class(job.Job{Kind: k}) == "" {
			t.Errorf("kind %s has no class", k)
		}
	}
	if got := Class(job.Job{Kind: "no-such-kind"}); got != "" {
		t.Errorf("class %q for a kind that isn't there", got)
	}
}

func TestUnits(t *testing.T) {
	of := func(kind, params string, in work.Facts) float64 {
		return Units(job.Job{Kind: kind, Params: []byte(params)}, in)
	}
	film := work.Facts{Seconds: 100, Width: 1920, Height: 1080, Rate: 25}
	twice := film
	twice.Seconds *= 2
	if x, y := of("transcode", ``, film), of("transcode", ``, twice); math.Abs(y-2*x) > x/100 {
		t.Errorf("a film of twice the length is %v, not twice %v", y, x)
	}
	large, small := of("transcode", ``, film), of("transcode", `{"height": 270}`, film)
	if small >= large/2 {
		t.Errorf("a picture of a sixteenth is %v, beside %v", small, large)
	}
	if of("transcode", `{"height": 4000}`, film) != large {
		t.Error("a picture is reckoned enlarged, which it never is")
	}
	for _, in := range []work.Facts{
		{},
		{Seconds: math.NaN(), Width: 1, Height: 1, Rate: math.Inf(1)},
		{Seconds: -1, Width: -1, Height: 1, Rate: -1},
		{Seconds: 1e300, Width: math.MaxInt32, Height: math.MaxInt32, Rate: 1e300},
	} {
		for _, kind := range kinds.Names() {
			if got := of(kind, `{"width": -1, "height": 1e-300, "fps": -5}`, in); !(got >= 0 && got <= mostUnits) {
				t.Errorf("%s of %+v is %v", kind, in, got)
			}
		}
	}
}
