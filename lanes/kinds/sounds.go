package kinds

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/location"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Params of the kinds that make sound, or measure it.
var (
	channels = Param{
		Name: "channels", Type: Word, Words: []string{"stereo", "mono", "5.1"}, Default: `"stereo"`,
		About: "of the sound, at most; 5.1 for surround sound",
	}
	loudnessTarget = Param{
		Name: "loudness", Type: Number, Least: -40, Most: -5, Words: []string{"podcast"}, Otherwise: "the input's",
		About: "of the sound in LUFS (EBU R 128): -14 for streaming, -23 for broadcast; its peaks stay below -1 " +
			"dBTP. What comes out as one channel counts as one, so -19 for mono is as loud as -16 for stereo; " +
			"podcast is the one or the other",
	}
	metadata = Param{
		Name: "metadata", Type: Word, Words: []string{"drop", "keep"}, Default: `"drop"`,
		About: "title, place, chapters and whatever else the input says of itself",
	}
)

var audio = Kind{
	Name: "audio", About: "the sound alone, as AAC (.m4a), MP3, Opus (.opus, .ogg), FLAC or WAV",
	Endings: []string{".m4a", ".mp3", ".opus", ".ogg", ".flac", ".wav"},
	Params: []Param{
		{
			Name: "format", Type: Word, Words: []string{"m4a", "mp3", "opus", "flac", "wav"},
			Otherwise: "by the output's ending", About: "of the file",
		},
		{
			Name: "bitrate", Type: BitRate, Least: 16_000, Most: 512_000,
			Otherwise: "64k a channel, 96k of an mp3", About: "of the sound; not of flac and wav, which lose nothing",
		},
		channels,
		{
			Name: "rate", Type: Whole, Least: 8000, Most: 192_000,
			Otherwise: "the input's, or the next that the format has", About: "samples a second; opus has 48000",
		},
		loudnessTarget,
		{
			Name: "metadata", Type: Word, Words: metadata.Words, Default: metadata.Default,
			About: "title, place, chapters, the cover and whatever else the input says of itself",
		},
		tolerate,
	},
	relate: audioFormat,
}

var loudness = Kind{
	Name: "loudness", About: "how loud the sound is by EBU R 128, as JSON: integrated loudness, range, true peak, " +
		"the loudest moments",
	Endings: []string{".json"},
	Params: []Param{
		{
			Name: "target", Type: Number, Least: -40, Most: -5, Otherwise: "none",
			About: "a loudness in LUFS: the report says which gain leads there, and how high the peaks are then",
		},
		tolerate,
	},
	relate: endsIn,
}

var waveform = Kind{
	Name: "waveform", About: "the sound drawn as a PNG, or its peaks as JSON in the format of audiowaveform " +
		"(version 2)",
	Endings: []string{".png", ".json"},
	Params: []Param{
		{
			Name: "width", Type: Whole, Least: 16, Most: 8192, Otherwise: "1200 of a PNG, by samplesPerPixel of JSON",
			About: "of the PNG; of JSON, how many pixels there are at most, and nearly",
		},
		{Name: "height", Type: Whole, Least: 16, Most: 2048, Otherwise: "200", About: "of the PNG"},
		{Name: "colour", Type: Colour, Otherwise: `"#2563eb"`, About: "of the wave"},
		{
			Name: "background", Type: Colour, Words: []string{"transparent"}, Otherwise: `"transparent"`,
			About: "behind it",
		},
		{
			Name: "samplesPerPixel", Type: Whole, Least: 16, Most: 1_000_000, Otherwise: "256, or by width",
			About: "of JSON; not with width",
		},
		{Name: "bits", Type: Whole, Least: 8, Most: 16, Otherwise: "8", About: "of a number in JSON: 8 or 16"},
		{
			Name: "channels", Type: Word, Words: []string{"mixed", "split"}, Default: `"mixed"`,
			About: "all in one wave, or each in its own",
		},
		tolerate,
	},
	relate: drawn,
}

// Rates are the samples a second that the formats of audio have, in order; any, of those that aren't named.
var Rates = map[string][]int{
	"m4a":  {8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000},
	"mp3":  {8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000},
	"opus": {48_000},
}

// audioFormat takes the format from the output's name or the param, and refuses what it doesn't have.
func audioFormat(v Values, output string, p *problems) {
	ext := strings.ToLower(path.Ext(output))
	named := map[string]string{
		".m4a": "m4a", ".mp3": "mp3", ".opus": "opus", ".ogg": "opus", ".flac": "flac", ".wav": "wav",
	}[ext]
	switch asked := v.Word("format"); {
	case asked == "" && named == "":
		p.add("the output must end in %s, not %q; or set format", location.Either(p.kind.Endings),
			plain.Clip(output, shown))
		return
	case asked != "" && named != "" && asked != named:
		p.add("format is %s, but the output's name %q says %s", asked, plain.Clip(output, shown), named)
	case asked == "":
		v["format"] = named
	}
	format := v.Word("format")
	if rates, rate := Rates[format], v.Whole("rate"); rate > 0 && rates != nil && !slices.Contains(rates, rate) {
		p.add("%s has no rate of %d; it has %s", format, rate, strings.Trim(fmt.Sprint(rates), "[]"))
	}
	if format == "mp3" && v.Word("channels") == "5.1" {
		p.add("mp3 has two channels at most; give m4a, opus, flac or wav for 5.1")
	}
	if (format == "flac" || format == "wav") && p.given("bitrate") {
		p.add("bitrate isn't for %s, which loses nothing", format)
	}
}

// drawn refuses params that the file of that ending has nothing of.
func drawn(v Values, output string, p *problems) {
	endsIn(v, output, p)
	v["format"] = strings.TrimPrefix(strings.ToLower(path.Ext(output)), ".")
	isPNG := strings.EqualFold(path.Ext(output), ".png")
	of := map[string]string{
		"height": ".png", "colour": ".png", "background": ".png", "samplesPerPixel": ".json", "bits": ".json",
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if p.given(name) && isPNG != (of[name] == ".png") {
			p.add("%s is for a %s", name, of[name])
		}
	}
	if p.given("width") && p.given("samplesPerPixel") {
		p.add("give width or samplesPerPixel, not both")
	}
	if bits := v.Whole("bits"); bits != 0 && bits != 8 && bits != 16 {
		p.add("bits must be 8 or 16, not %d", bits)
	}
}
