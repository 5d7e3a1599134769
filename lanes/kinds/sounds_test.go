package kinds

import (
	"image/color"
	"strings"
	"testing"
)

func TestParamsOfSounds(t *testing.T) {
	for _, c := range []struct{ kind, output, params, wrong string }{
		{"audio", "a.m4a", `{}`, ""},
		{"audio", "a.OGG", `{"rate":48000,"bitrate":"96k","loudness":-16}`, ""},
		{"audio", "a", `{"format":"flac"}`, ""},
		{"audio", "a", `{}`, "the output must end in .m4a, .mp3, .opus, .ogg, .flac or .wav"},
		{"audio", "a.mp3", `{"format":"wav"}`, `format is wav, but the output's name "a.mp3" says mp3`},
		{"audio", "a.opus", `{"rate":44100}`, "opus has no rate of 44100; it has 48000"},
		{"audio", "a.wav", `{"channels":5.1}`, `write it in quotes, "5.1"`},
		{"audio", "a.mp3", `{"channels":"5.1"}`, "mp3 has two channels at most"},
		{"audio", "a.flac", `{"bitrate":"96k"}`, "bitrate isn't for flac"},
		{"audio", "a.wav", `{"loudness":0}`, `loudness must be "podcast" or a number from -40 to -5`},
		{"loudness", "a.json", `{"target":-23}`, ""},
		{"loudness", "a.txt", `{}`, "must end in .json"},
		{"waveform", "a.png", `{"width":800,"colour":"#FF0000","background":"transparent"}`, ""},
		{"waveform", "a.png", `{"colour":"red"}`, `colour must be a colour ("#2563eb", "#fff"), not "red"`},
		{"waveform", "a.png", `{"colour":"#12345g"}`, "colour must be"},
		{"waveform", "a.png", `{"colour":"#FfF"}`, ""},
		{"audio", "a.m4a", `{"loudness":"podcast"}`, ""},
		{"audio", "a.m4a", `{"loudness":"cast"}`, `loudness must be "podcast" or a number from -40 to -5, not "cast"`},
		{"transcode", "a.mp4", `{"loudness":-4}`, `loudness must be "podcast" or a number`},
		{"waveform", "a.png", `{"colour":"#ffff"}`, "colour must be"},
		{"waveform", "a.png", `{"bits":8}`, "bits is for a .json"},
		{"waveform", "a.json", `{"bits":16,"samplesPerPixel":512,"channels":"split"}`, ""},
		{"waveform", "a.json", `{"bits":12}`, "bits must be 8 or 16, not 12"},
		{"waveform", "a.json", `{"width":100,"samplesPerPixel":512}`, "width or samplesPerPixel, not both"},
		{"waveform", "a.json", `{"height":100}`, "height is for a .png"},
	} {
		err := Check(c.kind, []byte(c.params), "file:///"+c.output)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s %s %s: %v", c.kind, c.output, c.params, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s %s %s: %v, want %q", c.kind, c.output, c.params, err, c.wrong)
		}
	}
}

func TestColour(t *testing.T) {
	k, err := Find("waveform")
	if err != nil {
		t.Fatal(err)
	}
	v, err := k.Read([]byte(`{"colour":"#2563eB","background":"transparent"}`), "a.png")
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := v.Colour("colour"); !ok || c != (color.NRGBA{0x25, 0x63, 0xeb, 255}) {
		t.Errorf("colour %v, %t", c, ok)
	}
	short, err := k.Read([]byte(`{"colour":"#f0A"}`), "a.png")
	if c, ok := short.Colour("colour"); err != nil || !ok || c != (color.NRGBA{0xff, 0x00, 0xaa, 255}) {
		t.Errorf("#f0A is %v, %t, %v", c, ok, err)
	}
	if _, ok := v.Colour("background"); ok || v.Word("background") != "transparent" {
		t.Error("transparent is a colour")
	}
}
