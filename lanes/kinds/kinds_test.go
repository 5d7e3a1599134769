package kinds

import (
	"encoding/json"
	"strings"
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
		{"thumbnail", "at", `["25%",2]`, `["25%",2]`},
		{"image", "background", "#ff8000", `"#ff8000"`},
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

func TestThumbnailMoments(t *testing.T) {
	k, err := Find("thumbnail")
	if err != nil {
		t.Fatal(err)
	}
	many := func(n int) string { return `{"at":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + `]}` }
	for _, c := range []struct{ name, output, params, says string }{
		{"one", "a.jpg", `{"at":"10%"}`, ""},
		{"several", "a/", `{"at":["10%","1m30s",12.5,"representative"]}`, ""},
		{"several of a format", "a/", `{"at":["10%"],"format":"webp"}`, ""},
		{"as many as may be", "a/", many(100), ""},
		{"more", "a/", many(101), "at must be a list of 1 to 100 moments, not of 101"},
		{"none", "a/", `{"at":[]}`, "not of 0"},
		{"one that is none", "a/", `{"at":["10%","noon"]}`, `moment 2 of at must be seconds (12.5)`},
		{"a list in a list", "a/", `{"at":["10%",["20%"]]}`, `moment 2 of at`},
		{"several in a file", "a.jpg", `{"at":["10%","50%"]}`, "its URL must end in /"},
		{"one in a folder", "a/", `{"at":"10%"}`, `give at as a list (["10%", "50%"]), or an output that ends in .jpg`},
		{"the usual one in a folder", "a/", `{}`, "give at as a list"},
		{"a strange name", "a.gif", `{}`, "the output must end in .jpg, .jpeg, .png, .webp or .avif, not"},
	} {
		v, err := k.Read(json.RawMessage(c.params), c.output)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		} else if err == nil && (v.Word("format") == "" || v.Whole("quality") == 0) {
			t.Errorf("%s: read %v", c.name, v)
		}
	}
	v, _ := k.Read(json.RawMessage(`{"at":["10%",12.5]}`), "a/")
	places, list := v.Moments("at")
	if !list || len(places) != 2 || places[0].Fraction != 0.1 || places[1].Seconds != 12.5 ||
		v.Word("format") != "jpg" {
		t.Errorf("read %v", v)
	}
}

func TestImage(t *testing.T) {
	k, err := Find("image")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, output, params, says string }{
		{"by the ending", "a.avif", `{}`, ""},
		{"JPEG's other ending", "a.JPEG", `{"format":"jpg"}`, ""},
		{"a format without an ending", "a", `{"format":"png"}`, ""},
		{"neither", "a.gif", `{}`, "the output must end in .jpg, .jpeg, .png, .webp or .avif"},
		{"both, and not the same", "a.png", `{"format":"webp"}`, `says png`},
		{"half a box to cover", "a.jpg", `{"fit":"cover","width":64}`, "fit cover needs width and height"},
		{"half a box to pad", "a.jpg", `{"fit":"pad","height":64}`, "fit pad needs width and height"},
		{"gravity without a crop", "a.jpg", `{"gravity":"top","width":64}`, "gravity is for fit cover alone"},
		{"a transparent JPEG", "a.jpg", `{"background":"transparent"}`, "a jpg can't be transparent"},
		{"a colour", "a.jpg", `{"background":"#FF8000"}`, ""},
		{"a colour by name", "a.jpg", `{"background":"orange"}`, `background must be "transparent" or a colour`},
		{"an option in a colour", "a.jpg", `{"background":"#ff8000]"}`, `background must be "transparent" or a colour`},
	} {
		_, err := k.Read(json.RawMessage(c.params), c.output)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	v, _ := k.Read(json.RawMessage(`{"background":"#FF8000"}`), "a.webp")
	if c, is := v.Colour("background"); !is || c.R != 255 || c.G != 128 || c.B != 0 || v.Whole("quality") != 85 {
		t.Errorf("read %v", v)
	}
}
