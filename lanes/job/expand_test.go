package job

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

func TestExpand(t *testing.T) {
	p := &lanes.Policy{Presets: map[string]lanes.Preset{
		"small@1": {Kind: "transcode", Params: []byte(`{"crf":30,"width":320}`)},
		"small@2": {Kind: "transcode", Params: []byte(`{"crf":28,"width":320}`)},
		"gone@1":  {Kind: "transcode", Retired: true},
		"new@1":   {Kind: "hologram"},
	}}
	for _, c := range []struct {
		name string
		job  Job
		want Job
		err  string
	}{
		{"without a preset", Job{Kind: "probe"}, Job{Kind: "probe"}, ""},
		{
			"the kind is the preset's",
			Job{Preset: "small@1"},
			Job{Preset: "small@1", Kind: "transcode", Params: []byte(`{"crf":30,"width":320}`), Expanded: true},
			"",
		},
		{
			"own params win",
			Job{Preset: "small@1", Kind: "transcode", Params: []byte(`{"crf":20,"preset":"fast"}`)},
			Job{
				Preset: "small@1", Kind: "transcode", Params: []byte(`{"crf":20,"speed":"fast","width":320}`),
				Expanded: true,
			},
			"",
		},
		{
			"expanded before, and retired since",
			Job{Preset: "gone@1", Kind: "probe", Expanded: true},
			Job{Preset: "gone@1", Kind: "probe", Expanded: true},
			"",
		},
		{"retired", Job{Preset: "gone@1"}, Job{}, "preset gone@1 is retired; there are "},
		{"without a version", Job{Preset: "small"}, Job{}, "small has versions 1, 2; say small@2"},
		{
			"of another kind",
			Job{Preset: "small@1", Kind: "probe"},
			Job{},
			"the job's kind is probe, and preset small@1 is of kind transcode: leave the kind out, or take another",
		},
		{
			"of another kind that has presets",
			Job{Preset: "poster@1", Kind: "transcode"},
			Job{},
			"small@1, small@2",
		},
		{"of a kind that only a newer program has", Job{Preset: "new@1"}, Job{}, `preset new@1: no kind "hologram"`},
		{"with params that are none", Job{Preset: "small@1", Params: []byte(`{"crf"`)}, Job{}, "must be a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.job.Expand(p)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got.Kind != c.want.Kind || got.Preset != c.want.Preset ||
				got.Expanded != c.want.Expanded || string(got.Params) != string(c.want.Params) {
				t.Errorf("%+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

// What a worker has expanded goes back into its lane as such, with whatever else its producer wrote.
func TestExpandedMessage(t *testing.T) {
	body := `{"id":"a","preset":"web@1","params":{"crf":null,"bitrate":"1M"},"output":"s3://out/a?b=<1>&c","zeta":[1]}`
	j, _, err := Decode([]byte(body), "")
	if err != nil {
		t.Fatal(err)
	}
	p := &lanes.Policy{Presets: map[string]lanes.Preset{
		"web@1": {Kind: "transcode", Params: []byte(`{"crf":20,"width":320}`)},
	}}
	if j, err = j.Expand(p); err != nil {
		t.Fatal(err)
	}
	got, err := j.ExpandedMessage([]byte(body))
	want := `{"expanded":true,"id":"a","kind":"transcode","output":"s3://out/a?b=<1>&c",` +
		`"params":{"bitrate":"1M","width":320},"preset":"web@1","zeta":[1]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	again, unknown, err := Decode(got, "")
	if err != nil || len(unknown) != 1 || !again.Expanded {
		t.Errorf("%+v, %v, %v", again, unknown, err)
	}
}

func TestCheckOfPresets(t *testing.T) {
	for _, c := range []struct {
		job Job
		err string
	}{
		{Job{ID: "j", Preset: "web@1"}, ""},
		{Job{ID: "j", Preset: "web"}, ""}, // the policy knows better what to say
		{Job{ID: "j", Preset: "web 1"}, `preset "web 1" must be a name and a version`},
		{Job{ID: "j", Preset: strings.Repeat("x", 65)}, "must be a name and a version"},
		{Job{ID: "j", Kind: "probe", Expanded: true}, "expanded is for a job with a preset"},
		{Job{ID: "j", Preset: "web@1", Expanded: true}, "kind is missing"},
	} {
		err := c.job.Check()
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v: %v, want %q", c.job, err, c.err)
		}
	}
}
