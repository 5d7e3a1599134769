// Package kinds is the catalogue of the jobs that Siren's workers run: each kind with its params, declared once. What
// refuses a wrong job, at the producer and in the worker, the help of siren enqueue and what a shell completes,
// docs/kinds.md and docs/job.schema.json all come from it.
//
// It knows neither jobs nor the policy, whose presets are made of it; nor how a kind is made: that is worker/media,
// with a file for each.
package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Kind is one kind of job.
type Kind struct {
	Name    string
	About   string   // what its output is
	Endings []string // what the output's name may end in; a slash: the output is a folder
	Params  []Param
	// relate notes what is wrong with the params together, or beside the output's name, and fills in what follows from
	// that; nil: nothing is.
	relate func(v Values, output string, p *problems)
}

// all is every kind there is. A new one is an entry here, and a file and a line in worker/media.
var all = []Kind{
	audio,
	{
		Name: "hls", About: "a film for adaptive streaming (HLS in CMAF): master.m3u8, and a folder for each size " +
			"and " +
			"for the sound; or sound alone",
		Endings: []string{"/"},
		Params: []Param{
			{
				Name: "top", Type: Word, Words: []string{"240p", "360p", "480p", "720p", "1080p", "1440p", "2160p"},
				Default: `"1080p"`, About: "the largest size; none is above the input's",
			},
			{
				Name: "segment", Type: Number, Least: 1, Most: 20, Default: `6`,
				About: "seconds that each segment lasts; a key frame comes at least every two",
			},
			{
				Name: "crf", Type: Whole, Least: 0, Most: 51, Default: `23`,
				About: "quality, from 0 (best), up to the bit rate that each size is given at most",
			},
			speed,
			{
				Name: "audio", Type: BitRate, Least: 16_000, Most: 512_000, Words: []string{"keep", "drop"},
				Default: `"keep"`, About: "what becomes of the sound; what is kept is encoded as AAC",
			},
			channels,
			{
				Name: "iframes", Type: Word, Words: []string{"none", "list"}, Default: `"none"`,
				About: "list makes a playlist of the key frames of each size (EXT-X-I-FRAMES-ONLY), which players " +
					"seek by and play fast with",
			},
			tolerate,
		},
		relate: endsIn,
	},
	{
		Name: "image", About: "a picture made smaller, cropped or converted: jpg, png, webp or avif, of a jpg, png, " +
			"webp, gif, tiff, HEIC or AVIF. It is upright, has no metadata, and its colours mean sRGB",
		Endings: pictures,
		Params: []Param{
			width, height,
			{
				Name: "fit", Type: Word, Words: []string{"contain", "cover", "pad"}, Default: `"contain"`,
				About: "contain fits the picture into the box; cover crops it to the box's shape; pad fits it, and " +
					"fills the rest of the box. It is never enlarged",
			},
			{
				Name: "gravity", Type: Word, Words: []string{"center", "smart", "top", "bottom", "left", "right"},
				Default: `"center"`,
				About:   "what cover keeps; smart is what draws the eye (faces, contrast, strong colours)",
			},
			{
				Name: "background", Type: Colour, Words: []string{"transparent"},
				Otherwise: "white in a jpg, else transparent",
				About:     "what pad fills the box with, and what shows through in a jpg",
			},
			format, quality,
			{
				Name: "profile", Type: Word, Words: []string{"srgb", "keep"}, Default: `"srgb"`,
				About: "of colours: converted to sRGB, which every viewer takes for granted, or kept with the " +
					"picture (but CMYK)",
			},
			{
				Name: "metadata", Type: Word, Words: []string{"drop", "keep"}, Default: `"drop"`,
				About: "EXIF, XMP and IPTC: place, camera, author and whatever else the input says of itself",
			},
			{
				Name: "animation", Type: Word, Words: []string{"keep", "drop"}, Default: `"keep"`,
				About: "what becomes of a moving gif or webp: it moves in a webp that contains it; of any other, and " +
					"with drop, only the first frame is used",
			},
			tolerate,
		},
		relate: imageBox,
	},
	loudness,
	{
		Name: "probe", About: "what the input is: a summary, and ffprobe's JSON beside it (format, streams and " +
			"chapters)",
		Endings: []string{".json"},
		Params:  []Param{tolerate},
		relate:  endsIn,
	},
	{
		Name: "sprite", About: "small pictures of a whole film on contact sheets, and sprite.vtt, WebVTT that says " +
			"which is shown when: what players show over their time bar",
		Endings: []string{"/"},
		Params: []Param{
			{
				Name: "interval", Type: Number, Least: 0.1, Most: 3600,
				Otherwise: "a hundredth of the length, from 1 to 10",
				About:     "seconds between pictures; not with count",
			},
			{
				Name: "count", Type: Whole, Least: 1, Most: 10_000, Otherwise: "by interval",
				About: "of pictures, evenly spread, at most one for each frame and tenth of a second; not with " +
					"interval",
			},
			{Name: "columns", Type: Whole, Least: 1, Most: 100, Default: `10`, About: "of a sheet"},
			{Name: "rows", Type: Whole, Least: 1, Most: 100, Default: `10`, About: "of a sheet"},
			{
				Name: "width", Type: Whole, Least: 16, Most: 1024, Default: `160`,
				About: "of a box that each picture fits into, in its proportions; it is never enlarged",
			},
			{Name: "height", Type: Whole, Least: 16, Most: 1024, Default: `160`, About: "of that box"},
			{
				Name: "format", Type: Word, Words: []string{"jpg", "webp"}, Default: `"jpg"`, About: "of the sheets",
			},
			{Name: "quality", Type: Whole, Least: 1, Most: 100, Default: `75`, About: "of the sheets"},
			tolerate,
		},
		relate: sheets,
	},
	{
		Name: "thumbnail", About: "one picture of a video: jpg, png, webp or avif; or several, as 001.jpg, 002.jpg, " +
			"… " +
			"in a folder",
		Endings: append(slices.Clone(pictures), "/"),
		Params: []Param{
			{
				Name: "at", Type: Moments, Default: `"representative"`,
				About: `the most representative frame, or seconds (12.5), a duration ("1m30s") or a part ("25%"). ` +
					`A list of them (["10%", "50%", 12.5]) makes a picture of each, in its order: the output's URL ` +
					`ends in /`,
			},
			width, height,
			{
				Name: "format", Type: Word, Words: format.Words, Otherwise: "by the output's ending; jpg in a folder",
				About: format.About,
			},
			quality,
			tolerate,
		},
		relate: stills,
	},
	transcode,
	waveform,
}

// speed is of an encoder.
var speed = Param{
	Name: "speed", Was: "preset", Type: Word, Words: []string{
		"medium", "ultrafast", "superfast", "veryfast", "faster", "fast", "slow",
	}, Default: `"medium"`, About: "of the encoder: faster makes larger files",
}

// width and height are a box that a picture is fitted into.
var (
	width = Param{
		Name: "width", Type: Whole, Least: 16, Most: 8192, Otherwise: "the input's",
		About: "of a box that the picture fits into, in its proportions; it is never enlarged",
	}
	height = Param{Name: "height", Type: Whole, Least: 16, Most: 8192, Otherwise: "the input's", About: "of that box"}
)

// tolerate is of every kind.
var tolerate = Param{
	Name: "tolerate", Type: Word, Words: []string{"cut", "none"}, Default: `"cut"`,
	About: "an input that ends early or is damaged in places: what can be read of it is used, and the job's record " +
		"has " +
		"a warning; none refuses it",
}

// endsIn refuses an output whose name doesn't end in what the kind makes.
func endsIn(_ Values, output string, p *problems) {
	if !slices.Contains(p.kind.Endings, ending(output)) {
		p.add("the output must end in %s, not %q", location.Either(p.kind.Endings), plain.Clip(output, shown))
	}
}

// ending returns what an output's name ends in: .mp4, or the slash of a folder.
func ending(output string) string {
	if strings.HasSuffix(output, "/") {
		return "/"
	}
	return strings.ToLower(path.Ext(output))
}

// All returns every kind, sorted by name.
func All() []Kind { return slices.Clone(all) }

// Names returns the names of all kinds.
func Names() (names []string) {
	for _, k := range all {
		names = append(names, k.Name)
	}
	return names
}

// Find returns the kind with that name. The error lists the kinds there are.
func Find(name string) (Kind, error) {
	for _, k := range all {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("no kind %q; there are %s%s", plain.Clip(name, shown), strings.Join(Names(), ", "),
		plain.Suggest(name, Names()))
}

// ParamNames returns the names of the kind's params, sorted.
func (k Kind) ParamNames() (names []string) {
	for _, p := range k.Params {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// Check refuses what is wrong whatever storage there is: a job's kind, its params, and the ending of its output's name.
// The error names every problem.
func Check(kind string, params json.RawMessage, output string) error {
	k, err := Find(kind)
	if err != nil {
		return err
	}
	at, err := location.Parse(output)
	if err != nil || at.Path == "" { // it is refused for that, where the allowlist is asked
		k.relate = nil
	}
	_, err = k.Read(params, at.Name())
	return err
}

// Read reads a job's params, for an output of that name. The error names every problem.
func (k Kind) Read(params json.RawMessage, output string) (Values, error) {
	p := &problems{kind: k}
	v := Values{}
	if len(params) > 0 && json.Unmarshal(params, &p.raw) != nil {
		p.add("params must be a JSON object")
	}
	var twice error
	if p.raw, twice = k.current(p.raw); twice != nil {
		p.add("%w", twice)
	}
	for _, q := range k.Params {
		raw := p.raw[q.Name]
		if !p.given(q.Name) {
			raw = json.RawMessage(q.Default)
		}
		if len(raw) == 0 {
			continue
		}
		value, wrong := q.parse(raw)
		if wrong != nil {
			p.add("%w", wrong)
			continue
		}
		v[q.Name] = value
	}
	if k.relate != nil {
		k.relate(v, output, p)
	}
	names := k.ParamNames()
	for _, name := range slices.Sorted(maps.Keys(p.raw)) {
		if slices.Contains(names, name) {
			continue
		}
		takes := "none"
		if len(names) > 0 {
			takes = strings.Join(names, ", ")
		}
		p.add("no param %q (%s takes %s)%s", plain.Clip(name, shown), k.Name, takes, plain.Suggest(name, names))
	}
	return v, p.err()
}

// problems collects what is wrong with the params of one job.
type problems struct {
	kind  Kind
	raw   map[string]json.RawMessage
	texts []string
}

// shown is how many bytes a message repeats of what somebody wrote.
const shown = 60

func (p *problems) add(format string, args ...any) {
	p.texts = append(p.texts, fmt.Errorf(format, args...).Error())
}

// given reports whether the job has the param. null counts as absent.
func (p *problems) given(name string) bool {
	raw, ok := p.raw[name]
	return ok && string(raw) != "null"
}

func (p *problems) err() error {
	if len(p.texts) == 0 {
		return nil
	}
	return errors.New(p.kind.Name + ": " + strings.Join(p.texts, "; "))
}
