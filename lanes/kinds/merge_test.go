package kinds

import (
	"encoding/json"
	"strings"
	"testing"
)

func kind(t *testing.T, name string) Kind {
	t.Helper()
	k, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, base, own, want, err string }{
		{"nothing", ``, ``, ``, ""},
		{"no own ones", `{"crf":20}`, ``, `{"crf":20}`, ""},
		{"own ones alone", ``, `{"crf":20}`, `{"crf":20}`, ""},
		{"own ones win", `{"crf":20,"width":640}`, `{"crf":30}`, `{"crf":30,"width":640}`, ""},
		{"null takes away", `{"crf":20,"width":64}`, `{"crf":null,"bitrate":"1M"}`, `{"bitrate":"1M","width":64}`, ""},
		{"null of all", `{"crf":20}`, `null`, `{"crf":20}`, ""},
		{"the old name over the new", `{"speed":"slow"}`, `{"preset":"fast"}`, `{"speed":"fast"}`, ""},
		{"the new name over the old", `{"preset":"slow"}`, `{"speed":"fast"}`, `{"speed":"fast"}`, ""},
		{"both names", ``, `{"preset":"slow","speed":"fast"}`, ``, "preset is the old name of speed: give speed alone"},
		{"no object", ``, `[1]`, ``, "must be a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := kind(t, "transcode").Merge(json.RawMessage(c.base), json.RawMessage(c.own))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// A param that has another name now is still read by its old one.
func TestOldNames(t *testing.T) {
	k := kind(t, "transcode")
	v, err := k.Read(json.RawMessage(`{"preset":"fast"}`), "a.mp4")
	if err != nil || v.Word("speed") != "fast" {
		t.Errorf("%v, %v", v, err)
	}
	_, err = k.Read(json.RawMessage(`{"preset":"fast","speed":"slow"}`), "a.mp4")
	if err == nil || !strings.Contains(err.Error(), "preset is the old name of speed: give speed alone") {
		t.Errorf("both names: %v", err)
	}
	for kind, want := range map[string]string{"": "speed", "transcode": "speed", "probe": "preset"} {
		if got := Current(kind, "preset"); got != want {
			t.Errorf("preset of %q is called %s now, want %s", kind, got, want)
		}
	}
}

func TestCheckParams(t *testing.T) {
	for _, c := range []struct{ kind, params, err string }{
		{"thumbnail", `{"format":"webp"}`, ""},
		{"thumbnail", `{"format":"gif"}`, "format must be one of"},
		{"transcode", `{"crf":20,"bitrate":"1M"}`, "not both"},
		{"transcode", ``, ""},
	} {
		err := kind(t, c.kind).CheckParams(json.RawMessage(c.params))
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s of %s: %v, want %q", c.params, c.kind, err, c.err)
		}
	}
}
