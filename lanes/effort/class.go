package effort

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/work"
)

// telling is the params whose words tell one sort of a kind's jobs from another: each has a class of its own.
var telling = []string{"codec", "speed", "fit"}

// Class names the jobs that a job is judged by: its kind, and those of its words that tell how hard it is, as in
// "transcode h264 medium". It is "" for a kind that isn't in the catalogue. All that it is made of is the catalogue's,
// so there are few classes, whatever jobs say.
func Class(j job.Job) string {
	k, err := kinds.Find(j.Kind)
	if err != nil {
		return ""
	}
	output, _ := location.Parse(j.Output)
	values, _ := k.Read(j.Params, output.Name()) // what is wrong with them, the handler says
	class := []string{k.Name}
	for _, p := range k.Params {
		if word := values.Word(p.Name); word != "" && p.Type == kinds.Word && slices.Contains(telling, p.Name) {
			class = append(class, word)
		}
	}
	return strings.Join(class, " ")
}

// Of what a picture takes, so much is for reading it, and so much of a million pixels is a second of sound.
const (
	reading = 0.2
	sound   = 0.05
)

// mostUnits bounds what is believed: a day at 60 frames a second in 8K.
const mostUnits = 24 * 3600 * 60 * 33

// Units returns how much there is to do for a job with such an input, in million pixels of output: of all frames, where
// the kind makes a video; else of one. Its error cancels out as far as it is the same for all jobs of a class.
func Units(j job.Job, in work.Facts) float64 {
	var box struct{ Width, Height, FPS float64 }
	_ = json.Unmarshal(j.Params, &box)
	each := megapixels(in.Width, in.Height, 0, 0)
	if !slices.Contains([]string{"transcode", "hls", "sprite"}, j.Kind) {
		return bounded(each + sound*in.Seconds)
	}
	rate := in.Rate
	if box.FPS > 0 {
		rate = min(rate, box.FPS)
	}
	made := megapixels(in.Width, in.Height, box.Width, box.Height)
	return bounded(in.Seconds * (in.Rate*reading*each + rate*made + sound))
}

// megapixels returns the size of a picture that is fitted into a box, of which a side is 0 when it says nothing.
func megapixels(width, height int, boxWidth, boxHeight float64) float64 {
	w, h, scale := float64(width), float64(height), 1.0
	if boxWidth > 0 && w > 0 {
		scale = min(scale, boxWidth/w)
	}
	if boxHeight > 0 && h > 0 {
		scale = min(scale, boxHeight/h)
	}
	return w * h * scale * scale / 1e6
}

func bounded(units float64) float64 {
	if !(units > 0) { // not a number, too
		return 0
	}
	return min(units, mostUnits)
}
