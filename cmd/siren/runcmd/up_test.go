package runcmd

import (
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

// The job that siren up shows is one that its policy allows: in this folder where it may, else below a prefix.
func TestFirstJob(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	both := func(prefix string) lanes.Storage { return lanes.Storage{Prefix: prefix, Read: true, Write: true} }
	const begin, end = "  siren enqueue thumbnail --input ", " --overwrite --label urgent=true --wait\n"
	for name, c := range map[string]struct {
		storage []lanes.Storage
		want    string
	}{
		"this folder": {
			[]lanes.Storage{both("s3://media/"), both("file://" + dir + "/")},
			begin + `"file://$PWD/clip.mp4" --output "file://$PWD/clip.jpg"` + end,
		},
		"read only here": {
			[]lanes.Storage{{Prefix: "file://" + dir + "/", Read: true}, both("file:///elsewhere/")},
			begin + "'file://" + dir + "/clip.mp4' --output 'file:///elsewhere/clip.jpg'" + end,
		},
		"buckets": {
			[]lanes.Storage{{Prefix: "s3://out/a/", Write: true}, {Prefix: "https://cdn.example/", Read: true}},
			begin + "'https://cdn.example/clip.mp4' --output 's3://out/a/clip.jpg'" + end,
		},
		"nothing to write": {[]lanes.Storage{{Prefix: "s3://media/", Read: true}}, ""},
		"none":             {nil, ""},
	} {
		if got := firstJob(&lanes.Policy{Storage: c.storage}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
