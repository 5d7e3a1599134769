package media

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

func TestThumbnailsOfSeveralMoments(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	makeInput(t, b, "dawn.mp4", fmt.Sprintf(dawn, "161x91", "10", "9.5")+"-pix_fmt yuv444p")
	for _, c := range []struct {
		name, params string
		files        []string
		at           []float64
		width        int
		height       int
	}{
		{
			"jpg", `{"at":["80%",1.5,"4s"],"quality":95}`,
			[]string{"001.jpg", "002.jpg", "003.jpg"},
			[]float64{7.6, 1.5, 4},
			161, 91,
		},
		{
			"webp", `{"at":["100%"],"format":"webp","width":80,"quality":95}`,
			[]string{"001.webp"},
			[]float64{9.35},
			80,
			45,
		},
		{
			"avif", `{"at":[2,5],"format":"avif","quality":90}`,
			[]string{"001.avif", "002.avif"},
			[]float64{2, 5},
			161,
			91,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := job.Job{
				Kind: "thumbnail", Input: "file://" + filepath.Join(b.in, "dawn.mp4"), Output: b.output(c.name) + "/",
				Params: paramsJSON(c.params), Preset: "stills@1",
			}
			result, err := b.run(j)
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Outputs) != 1 || result.Outputs[0].URL != j.Output+job.ManifestName {
				t.Errorf("outputs %+v, want the manifest alone", result.Outputs)
			}
			stills := readStills(t, filepath.Join(b.out, c.name))
			if len(stills) != len(c.files) {
				t.Fatalf("%d files, want %d", len(stills), len(c.files))
			}
			for i, s := range stills {
				if s.Name != c.files[i] || s.About.Width != c.width || s.About.Height != c.height || s.About.At == nil {
					t.Fatalf("file %d is %+v", i, s)
				}
				within(t, s.Name+" is at", *s.About.At, c.at[i], 0.051)
				file := filepath.Join(b.out, c.name, s.Name)
				if got := media(t, file).Streams[0]; got.Width != c.width || got.Height != c.height {
					t.Errorf("%s is %d x %d", s.Name, got.Width, got.Height)
				}
				within(t, s.Name+" shows", float64(pixel(t, file, 0.5, 0.5).G), 10*c.at[i], 4)
			}
		})
	}
}

// Where only the sound goes on, the last frame is seen; a live recording is as long as its packets say.
func TestThumbnailsPastTheLastFrame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const sound = "-f lavfi -i sine=d=12 "
	pictures := fmt.Sprintf(dawn, "64x36", "10", "3") + "-c:a aac"
	for _, c := range []struct {
		name, makes, params string
		at, shows           []float64
	}{
		{
			"still.mp4", longSound + fmt.Sprintf(dawn, "64x36", "25", "0.04") + "-c:a aac", `{"at":[0,1,"50%",20,30]}`,
			[]float64{0, 0, 0, 0, 0},
			[]float64{0, 0, 0, 0, 0},
		},
		{
			"still.avi", longSound + fmt.Sprintf(dawn, "64x36", "25", "0.04") + "-c:a aac", `{"at":[20]}`,
			[]float64{0},
			[]float64{0},
		},
		{"short.mp4", sound + pictures, `{"at":[1,10]}`, []float64{1, 2.85}, []float64{10, 29}},
		{"short.mkv", sound + pictures, `{"at":[1,10]}`, []float64{1, 10}, []float64{10, 29}},
		{
			"late.mp4", sound + "-itsoffset 3 " + pictures + " a.mkv\n-i a.mkv -c copy", `{"at":[5,"50%",11]}`,
			[]float64{5, 4.5, 5.85},
			[]float64{20, 15, 29},
		},
		{
			"live.webm", "-f lavfi -i color=c=black:s=320x180:r=30:d=6,format=gray,geq=lum='10*T'," +
				"scale=out_color_matrix=bt601:out_range=tv,format=yuv420p,select='gt(mod(n\\,3)\\,0)' " + live,
			`{"at":["0%","50%","100%"]}`,
			[]float64{0, 3, 5.9},
			[]float64{0, 30, 59},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			makeInput(t, b, c.name, c.makes)
			_, err := b.run(job.Job{
				Kind: "thumbnail", Input: "file://" + filepath.Join(b.in, c.name), Output: b.output(c.name) + "/",
				Params: paramsJSON(c.params), Preset: "stills@1",
			})
			workertest.Must(t, err)
			for i, s := range readStills(t, filepath.Join(b.out, c.name)) {
				within(t, s.Name+" is at", *s.About.At, c.at[i], 0.1)
				file := filepath.Join(b.out, c.name, s.Name)
				within(t, s.Name+" shows", float64(pixel(t, file, 0.5, 0.5).G), c.shows[i], 4)
			}
		})
	}
	makeInput(t, b, "over.mp4", sound+pictures)
	_, err := b.run(job.Job{
		Kind: "thumbnail", Input: "file://" + filepath.Join(b.in, "over.mp4"), Output: b.output("x.jpg"),
		Params: paramsJSON(`{"at":13}`),
	})
	if work.KindOf(err) != work.BadInput || !strings.Contains(fmt.Sprint(err), "lasts 12.0 s") {
		t.Errorf("got %v, want one that says how long it is", err)
	}
}

// A moment that there isn't is named, and so is what a single one and several need.
func TestThumbnailsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct{ output, params, says string }{
		"past the end":    {"x/", `{"at":[1,99]}`, "picture 2: at 99 s is past the end"},
		"several, a file": {"x.jpg", `{"at":[1,2]}`, "its URL must end in /"},
		"one, a folder":   {"x/", `{"at":1}`, "give at as a list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.run(job.Job{
				Kind: "thumbnail", Input: b.put("clip.mp4"), Output: "file://" + b.out + "/" + c.output,
				Params: paramsJSON(c.params),
			})
			if work.KindOf(err) != work.BadInput || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
		})
	}
}

// still is a picture in a manifest.
type still struct {
	Name  string
	About struct {
		At            *float64
		Width, Height int
	}
}

// readStills reads the manifest of a folder of pictures, in the order of their names.
func readStills(t *testing.T, folder string) []still {
	t.Helper()
	var m struct {
		Preset string
		Files  []still
	}
	text, err := os.ReadFile(filepath.Join(folder, job.ManifestName))
	workertest.Must(t, err)
	workertest.Must(t, json.Unmarshal(text, &m))
	if m.Preset != "stills@1" {
		t.Errorf("the manifest's preset is %q", m.Preset)
	}
	slices.SortFunc(m.Files, func(a, b still) int { return strings.Compare(a.Name, b.Name) })
	return m.Files
}
