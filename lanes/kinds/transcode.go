package kinds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
)

// transcode is a video made anew for those who play it.
var transcode = Kind{
	Name: "transcode", About: "the video in another codec, size or quality, with one sound track; it plays while it " +
		"loads. It is in 8 bits and BT.709 or what the input has (HDR is tone-mapped, transparency becomes black), " +
		"and " +
		"has a key frame every 2 seconds",
	Endings: []string{".mp4", ".m4v", ".webm", ".mkv"},
	Params: []Param{
		{
			Name: "codec", Type: Word, Words: []string{"h264", "hevc", "vp9", "av1"}, Otherwise: "h264; vp9 in .webm",
			About: "of the video: h264 plays everywhere; hevc, vp9 and av1 are smaller and take longer to make. " +
				"A .webm holds vp9 or av1",
		},
		{
			Name: "crf", Type: Whole, Least: 0, Most: 63, Otherwise: "h264 23, hevc 26, vp9 and av1 32",
			About: "quality, from 0 (best; of h264, lossless) to 51 of h264 and hevc, or 63 of vp9 and av1 (from 1); " +
				"not with bitrate",
		},
		{
			Name: "bitrate", Type: BitRate, Least: 50_000, Most: 200_000_000, Otherwise: "by crf",
			About: "of the video; not with crf",
		},
		{
			Name: "maxrate", Type: BitRate, Least: 50_000, Most: 400_000_000,
			Otherwise: "none with crf; the bitrate, or twice that with 2 passes",
			About: "cap on the video's bit rate: with crf, that quality where it fits and less where it doesn't; " +
				"with " +
				"bitrate, not for av1, and for vp9 in 2 passes alone",
		},
		{
			Name: "passes", Type: Whole, Least: 1, Most: 2, Default: `1`,
			About: "2 reads the video twice, to spend a bitrate where it is needed; not for av1",
		},
		width, height,
		{Name: "fps", Type: Number, Least: 1, Most: 240, Otherwise: "the input's", About: "frames per second"},
		speed,
		{
			Name: "audio", Type: BitRate, Least: 16_000, Most: 512_000, Words: []string{"keep", "drop"},
			Default: `"keep"`, About: "what becomes of the sound: what is kept is encoded at a bit rate that suits " +
				"it, or " +
				"at this one",
		},
		{
			Name: "audioCodec", Type: Word, Words: []string{"aac", "opus"}, Otherwise: "aac; opus in .webm",
			About: "of the sound",
		},
		channels, loudnessTarget, metadata, tolerate,
	},
	relate: film,
}

// Containers of films. A recipe finds one in the value "container".
const (
	MP4      = "mp4"
	WebM     = "webm"
	Matroska = "matroska"
)

// container is what an output may be by the ending of its name.
type container struct {
	name         string
	video, audio []string // what it holds, the default first
}

func containerOf(output string) (container, bool) {
	switch ending(output) {
	case ".mp4", ".m4v":
		return container{MP4, []string{"h264", "hevc", "vp9", "av1"}, []string{"aac", "opus"}}, true
	case ".webm":
		return container{WebM, []string{"vp9", "av1"}, []string{"opus"}}, true
	case ".mkv":
		return container{Matroska, []string{"h264", "hevc", "vp9", "av1"}, []string{"aac", "opus"}}, true
	}
	return container{}, false
}

// crfScale is the scale of an encoder's crf.
type crfScale struct{ least, otherwise, most float64 }

var crfScales = map[string]crfScale{
	"h264": {0, 23, 51},
	"hevc": {0, 26, 51},
	"vp9":  {0, 32, 63},
	"av1":  {1, 32, 63}, // 0 is SVT-AV1's word for its default
}

// film fills in codecs and container by the output's name, and refuses what doesn't go together.
func film(v Values, output string, p *problems) {
	c, ok := containerOf(output)
	if !ok {
		p.add("the output must end in %s, not %q", location.Either(p.kind.Endings), plain.Clip(output, shown))
		return
	}
	v["container"] = c.name
	for _, codec := range []struct {
		param string
		holds []string
	}{{"codec", c.video}, {"audioCodec", c.audio}} {
		if asked := v.Word(codec.param); asked == "" {
			v[codec.param] = codec.holds[0]
		} else if !slices.Contains(codec.holds, asked) {
			p.add("a %s can't hold %s: choose %s %s, or an output that ends in .mp4 or .mkv", ending(output), asked,
				codec.param, strings.Join(codec.holds, " or "))
		}
	}
	rate(v, p)
}

// rate fills in the quality by the codec, and refuses what its encoder can't do.
func rate(v Values, p *problems) {
	codec, size, most := v.Word("codec"), v.Whole("bitrate"), v.Whole("maxrate")
	scale := crfScales[codec]
	if p.given("crf") && p.given("bitrate") {
		p.add("give crf (a quality) or bitrate (a size), not both")
	}
	if crf, ok := v["crf"].(float64); !ok {
		v["crf"] = scale.otherwise
	} else if crf < scale.least || crf > scale.most {
		p.add("crf of %s must be from %v to %v, not %v", codec, scale.least, scale.most, crf)
	}
	if most > 0 && most < size {
		p.add("maxrate must be at least bitrate, %s", bits(size))
	}
	twice := v.Whole("passes") == 2
	if size > 0 && most > 0 && (codec == "av1" || codec == "vp9" && !twice) {
		p.add("%s takes maxrate with crf (vp9, with 2 passes too), not with bitrate: leave one out", codec)
	}
	if twice {
		switch {
		case codec == "av1":
			p.add("passes of av1 is 1 (its encoder has no second): leave passes out, or choose another codec")
		case size == 0:
			p.add("2 passes are for a bitrate: give one, or leave passes out")
		}
	}
}

// bits writes a bit rate as jobs do.
func bits(rate int) string { return fmt.Sprintf("%vk", float64(rate)/1000) }
