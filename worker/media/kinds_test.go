package media

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/workertest"
)

func TestProbe(t *testing.T) {
	b := newBench(t)
	result, err := b.run(job.Job{Kind: "probe", Input: b.put("clip.mp4"), Output: b.output("deep/er/clip.json")})
	workertest.Must(t, err)
	data, err := os.ReadFile(filepath.Join(b.out, "deep/er/clip.json"))
	workertest.Must(t, err)
	var got struct {
		Format  struct{ Filename string }
		Streams []struct {
			Type  string `json:"codec_type"`
			Width int
		}
	}
	workertest.Must(t, json.Unmarshal(data, &got))
	if got.Format.Filename != "file://"+b.in+"/clip.mp4" || len(got.Streams) != 2 || got.Streams[0].Width != 320 {
		t.Errorf("got %s", data)
	}
	if strings.Contains(string(data), "/dev/fd") || strings.Contains(string(data), b.scratch) {
		t.Errorf("our own paths are in the output: %s", data)
	}
	want := job.Output{URL: b.output("deep/er/clip.json"), Bytes: int64(len(data)), Type: "application/json"}
	if len(result.Outputs) != 1 || result.Outputs[0] != want {
		t.Errorf("result %+v, want %+v", result, want)
	}
}

func TestThumbnail(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name, input, output, params string
		codec                       string
		width, height               int
	}{
		{"representative", "clip.mp4", "a.jpg", ``, "mjpeg", 320, 240},
		{"fits a box", "clip.mp4", "b.jpg", `{"width": 160, "height": 160, "at": "representative"}`, "mjpeg", 160, 120},
		{"by width", "clip.mp4", "c.jpeg", `{"width": 100, "at": 1.2}`, "mjpeg", 100, 75},
		{"never enlarged", "clip.mp4", "d.webp", `{"width": 4000, "at": "25%"}`, "webp", 320, 240},
		{"at the very end", "clip.mp4", "e.webp", `{"at": "100%", "quality": 10}`, "webp", 320, 240},
		{"at the end in seconds", "clip.mp4", "f.jpg", `{"at": 2}`, "mjpeg", 320, 240},
		{"a duration", "clip.mkv", "g.jpg", `{"at": "1500ms", "height": 64}`, "mjpeg", 85, 64},
		{"format without an extension", "silent.webm", "h", `{"format": "webp", "at": 0}`, "webp", 160, 90},
		{"of a picture", "still.png", "i.jpg", `{"width": 32}`, "mjpeg", 32, 24},
		{"square pixels", "stretched.ts", "j.jpg", `{"at": 0.5}`, "mjpeg", 512, 288},
		{"odd size", "odd.mp4", "k.jpg", `{"at": 0}`, "mjpeg", 321, 243},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := b.run(job.Job{
				Kind: "thumbnail", Input: b.put(c.input), Output: b.output(c.output),
				Params: paramsJSON(c.params),
			})
			workertest.Must(t, err)
			i := media(t, filepath.Join(b.out, c.output))
			v := i.Streams[0]
			if math.Abs(float64(v.Width-c.width)) > 1 || v.Height != c.height {
				t.Errorf("is %d x %d, want %d x %d", v.Width, v.Height, c.width, c.height)
			}
			if !strings.Contains(string(codec(t, filepath.Join(b.out, c.output))), c.codec) {
				t.Errorf("codec %s, want %s", codec(t, filepath.Join(b.out, c.output)), c.codec)
			}
			want := map[string]string{"mjpeg": "image/jpeg", "webp": "image/webp"}[c.codec]
			if o := result.Outputs[0]; o.Type != want || o.Bytes == 0 {
				t.Errorf("output %+v, want type %s", o, want)
			}
		})
	}
}

func TestTranscode(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name, input, params string
		width, height       int
		rate                string
		audio               bool
	}{
		{"as it is", "clip.mp4", ``, 320, 240, "25/1", true},
		{
			"smaller and slower", "clip.mp4", `{"width": 160, "fps": 10, "crf": 30, "speed": "ultrafast"}`, 160, 120,
			"10/1", true,
		},
		{
			"by bit rate, without sound", "clip.mp4", `{"bitrate": "200k", "audio": "drop", "speed": "fast"}`, 320,
			240,
			"25/1", false,
		},
		{
			"another audio rate, an old name", "clip.mp4", `{"audio": "64k", "preset": "veryfast"}`, 320, 240, "25/1",
			true,
		},
		{"no sound to keep", "silent.webm", `{"audio": "keep"}`, 160, 90, "10/1", false},
		{"odd size and 4:4:4", "odd.mp4", `{}`, 320, 242, "10/1", false},
		{"square pixels", "stretched.ts", `{"height": 144, "speed": "superfast"}`, 256, 144, "25/1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last job.Progress
			fractions := []float64{}
			name := strings.ReplaceAll(c.name, " ", "_") + ".mp4"
			task := b.task(job.Job{
				Kind: "transcode", Input: b.put(c.input), Output: b.output(name),
				Params: paramsJSON(c.params),
			})
			task.Report = func(p job.Progress) { last = p; fractions = append(fractions, p.Fraction) }
			result, err := b.runContext(t.Context(), task)
			workertest.Must(t, err)
			file := filepath.Join(b.out, name)
			i := media(t, file)
			var sorts []string
			for _, s := range i.Streams {
				sorts = append(sorts, s.Type)
				if s.Type == "video" && (abs(s.Width-c.width) > 2 || s.Height != c.height || s.FrameRate != c.rate) {
					t.Errorf("is %d x %d at %s, want %d x %d at %s", s.Width, s.Height, s.FrameRate, c.width, c.height,
						c.rate)
				}
			}
			if slices.Contains(sorts, "audio") != c.audio || !slices.Contains(sorts, "video") {
				t.Errorf("streams %v, want audio %v", sorts, c.audio)
			}
			if got := string(codec(t, file)); !strings.Contains(got, "h264") || !strings.Contains(got, "yuv420p") ||
				c.audio && !strings.Contains(got, "aac") {
				t.Errorf("codecs %s", got)
			}
			if o := result.Outputs[0]; o.Type != "video/mp4" {
				t.Errorf("type %s", o.Type)
			}
			if !fast(t, file) {
				t.Error("moov isn't before mdat: it doesn't play while it loads")
			}
			if last.Fraction != 1 || !slices.IsSorted(fractions) {
				t.Errorf("progress %v, last %+v", fractions, last)
			}
		})
	}
}

func abs(n int) int { return max(n, -n) }

// codec returns the codecs and pixel formats of a file's streams.
func codec(t *testing.T, file string) []byte {
	t.Helper()
	return output(t, "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,pix_fmt", "-of", "csv", file)
}

func fast(t *testing.T, file string) bool {
	t.Helper()
	data, err := os.ReadFile(file)
	workertest.Must(t, err)
	return strings.Index(string(data), "moov") < strings.Index(string(data), "mdat")
}

// The same job makes the same bytes, and nothing in them tells which ffmpeg made them.
func TestReproducible(t *testing.T) {
	b := newBench(t)
	b.limits.Threads = 1
	input := b.put("stretched.ts") // which bears no name of its own
	for _, c := range []struct{ kind, ext string }{{"transcode", ".mp4"}, {"thumbnail", ".jpg"}} {
		t.Run(c.kind+c.ext, func(t *testing.T) {
			var made [2][]byte
			for i, name := range []string{"first" + c.ext, "again" + c.ext} {
				_, err := b.run(job.Job{Kind: c.kind, Input: input, Output: b.output(name)})
				workertest.Must(t, err)
				made[i], err = os.ReadFile(filepath.Join(b.out, name))
				workertest.Must(t, err)
			}
			if !bytes.Equal(made[0], made[1]) {
				t.Error("two runs differ")
			}
			if regexp.MustCompile(`Lav[cf]\d`).Match(made[0]) {
				t.Error("ffmpeg's version is in it")
			}
		})
	}
}
