package media

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asticode/go-astisub"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// dawn is a source of pictures whose brightness tells their time: ten levels a second.
const dawn = "-f lavfi -i color=c=black:s=%s:r=%s:d=%s,format=gray,geq=lum='10*T'," +
	"scale=out_color_matrix=bt601:out_range=tv,format=yuv420p -c:v libx264 -preset ultrafast -qp 1 -colorspace " +
	"smpte170m "

// live makes of a source of pictures the film of 6 s that a browser records: nothing says how long it is.
const live = "-f lavfi -i sine=d=6 -vsync vfr -enc_time_base 1/1000 -c:v libvpx -deadline realtime -qmin 0 -crf 4 " +
	"-b:v 2M -c:a libopus -live 1"

// longSound is a source of sound.
const longSound = "-f lavfi -i sine=d=30 "

func TestSprite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		name, makes, params string
		pictures            int    // that are named
		shown               int    // how many there are of them; 0: all
		size                string // of a picture
		sheets              []string
		interval, ends      float64
		told                bool // a picture's brightness is its time
		warns               string
	}{
		{
			name: "film.mp4", makes: fmt.Sprintf(dawn, "320x180", "10", "9.5"),
			params:   `{"columns":4,"rows":2,"quality":95}`,
			pictures: 10, size: "160,90", sheets: []string{"640x180", "640x180"}, interval: 1, ends: 9.5, told: true,
		},
		{
			name: "counted.mp4", makes: fmt.Sprintf(dawn, "320x180", "10", "6"),
			params:   `{"count":4,"format":"webp","quality":95,"width":100}`,
			pictures: 4, size: "100,56", sheets: []string{"400x56"}, interval: 1.5, ends: 6, told: true,
		},
		{
			name: "long.mp4", makes: fmt.Sprintf(dawn, "64x36", "4", "70.5") + "-g 10 -vf lutyuv=y=(val-16)/4+16",
			params:   `{"interval":10}`,
			pictures: 8, size: "64,36", sheets: []string{"512x36"}, interval: 10, ends: 70.5,
		},
		{
			name: "upright.mp4", makes: fmt.Sprintf(dawn, "320x180", "10", "2") + "a.mp4\n-i a.mp4 -c copy " +
				"-metadata:s:v rotate=90",
			params: `{"columns":1}`, pictures: 2, size: "90,160", sheets: []string{"90x320"}, interval: 1, ends: 2,
			told: true,
		},
		{
			name: "one-frame.mp4", makes: fmt.Sprintf(dawn, "320x180", "10", "1") + "-frames:v 1", pictures: 1,
			size: "160,90", sheets: []string{"160x90"}, interval: 1, ends: 0.1, told: true,
		},
		{
			name: "overcounted.mp4", makes: fmt.Sprintf(dawn, "64x36", "25", "6"), params: `{"count":10000}`,
			pictures: 60, size: "64,36", sheets: []string{"640x216"}, interval: 0.1, ends: 6, told: true,
			warns: "count 60 instead of 10000",
		},
		{
			name: "slow.mp4", makes: fmt.Sprintf(dawn, "64x36", "2", "6"), params: `{"count":100}`,
			pictures: 12, size: "64,36", sheets: []string{"640x72"}, interval: 0.5, ends: 6, told: true,
			warns: "count 12 instead of 100",
		},
		{ // its container doesn't say how long it is
			name: "stream.h264", makes: fmt.Sprintf(dawn, "320x180", "25", "7") + "-f h264", params: `{"count":4}`,
			pictures: 4, size: "160,90", sheets: []string{"640x90"}, interval: 1.75, ends: 7, told: true,
		},
		{
			name: "live.webm", makes: "-f lavfi -i color=c=black:s=320x180:r=30:d=6,format=gray,geq=lum='10*T'," +
				"scale=out_color_matrix=bt601:out_range=tv,format=yuv420p,select='gt(mod(n\\,3)\\,0)' " + live,
			params:   `{"count":6}`,
			pictures: 6, size: "160,90", sheets: []string{"960x90"}, interval: 1.00345, ends: 6.021, told: true,
		},
		{ // a still with long sound
			name: "still.mp4", makes: longSound + fmt.Sprintf(dawn, "320x180", "25", "0.04") + "-c:a aac",
			params:   `{"count":5}`,
			pictures: 5, shown: 1, size: "160,90", sheets: []string{"160x90"}, interval: 6, ends: 30,
		},
		{ // the same, in a container that doesn't say how long the picture is
			name: "still.mkv", makes: longSound + fmt.Sprintf(dawn, "320x180", "25", "0.04") + "-c:a aac",
			params:   `{"interval":11}`,
			pictures: 3, shown: 1, size: "160,90", sheets: []string{"480x90"}, interval: 11, ends: 30,
		},
		{ // sound that goes on for less than half of what a picture is shown is no picture's more
			name: "longer.mp4", makes: "-f lavfi -i sine=d=4.3 " + fmt.Sprintf(dawn, "320x180", "10", "4") + "-c:a aac",
			pictures: 4, size: "160,90", sheets: []string{"640x90"}, interval: 1, ends: 4.3, told: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			makeInput(t, b, c.name, c.makes)
			result, err := b.run(job.Job{
				Kind: "sprite", Input: "file://" + filepath.Join(b.in, c.name), Output: b.output(c.name) + "/",
				Params: paramsJSON(c.params),
			})
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(result.Warnings, "; ")
			if !strings.Contains(said, c.warns) || c.warns == "" && said != "" {
				t.Errorf("warnings %q, want %q", said, c.warns)
			}
			folder := filepath.Join(b.out, c.name)
			for i, want := range c.sheets {
				sheets, err := filepath.Glob(filepath.Join(folder, fmt.Sprintf("sheet-%03d.*", i+1)))
				if err != nil || len(sheets) != 1 {
					t.Fatalf("sheet %d: %v %v", i+1, sheets, err)
				}
				s := media(t, sheets[0]).Streams[0]
				if got := fmt.Sprintf("%dx%d", s.Width, s.Height); got != want {
					t.Errorf("sheet %d is %s, want %s", i+1, got, want)
				}
			}
			cues, err := astisub.OpenFile(filepath.Join(folder, "sprite.vtt"))
			workertest.Must(t, err)
			if len(cues.Items) != c.pictures {
				t.Fatalf("%d cues, want %d", len(cues.Items), c.pictures)
			}
			for i, cue := range cues.Items {
				within(t, fmt.Sprintf("cue %d begins", i), cue.StartAt.Seconds(), float64(i)*c.interval, 0.001)
				end := min(float64(i+1)*c.interval, c.ends)
				if i == c.pictures-1 {
					end = c.ends
				}
				within(t, fmt.Sprintf("cue %d ends", i), cue.EndAt.Seconds(), end, 0.06)
				sheet, place, _ := strings.Cut(cue.String(), "#xywh=")
				if n := c.shown; n > 0 && cue.String() != cues.Items[min(i, n-1)].String() {
					t.Errorf("cue %d shows %s, which isn't picture %d", i, cue, n)
				}
				if !strings.HasSuffix(place, ","+c.size) {
					t.Errorf("cue %d shows %s, want a size of %s", i, place, c.size)
				}
				if c.told {
					got := brightness(t, filepath.Join(folder, sheet), place)
					within(t, fmt.Sprintf("cue %d shows", i), got, 10*float64(i)*c.interval, 3)
				}
			}
		})
	}
}

// brightness returns that of the middle of a part of a sheet.
func brightness(t *testing.T, sheet, place string) float64 {
	t.Helper()
	var x, y, w, h int
	if _, err := fmt.Sscanf(place, "%d,%d,%d,%d", &x, &y, &w, &h); err != nil {
		t.Fatalf("a place %q: %v", place, err)
	}
	got := output(t, "ffmpeg", "-v", "error", "-i", sheet, "-vf",
		fmt.Sprintf("format=gbrp,crop=1:1:%d:%d", x+w/2, y+h/2),
		"-f", "rawvideo", "-pix_fmt", "gray", "-")
	return float64(got[0])
}

func TestSpriteRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct{ input, params, says string }{
		"no pictures":       {b.put("sound.m4a"), "", "has no video"},
		"too many":          {b.put("slow.mp4"), `{"interval":0.01}`, "interval must be a number from 0.1"},
		"both ways":         {b.put("clip.mp4"), `{"interval":1,"count":5}`, "not both"},
		"a sheet too large": {b.put("clip.mp4"), `{"columns":100,"width":1024}`, "too large: give fewer columns"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.run(job.Job{
				Kind: "sprite", Input: c.input, Output: b.output("x") + "/", Params: paramsJSON(c.params),
			})
			if work.KindOf(err) != work.BadInput || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
		})
	}
}
