package media

import (
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// redFilm is five seconds of c81414, with sound.
const redFilm = "-f lavfi -i color=c=0xC81414:s=320x180:r=10:d=5,format=gbrp,scale=out_color_matrix=bt709:" +
	"out_range=tv,format=yuv420p -f lavfi -i sine=d=5 -c:v libx264 -preset ultrafast -qp 1 -colorspace bt709 " +
	"-color_primaries bt709 -color_trc bt709 -color_range tv -c:a aac -ac 2 in.mp4"

// Every codec in every container that holds it, as an independent reader sees it.
func TestCodecs(t *testing.T) {
	for _, c := range []struct {
		output, params                 string
		mediaType, codec, tag, profile string
		audio                          string
	}{
		{"a.mp4", `{"speed":"ultrafast"}`, "video/mp4", "h264", "avc1", "Constrained Baseline", "aac"},
		{"a.m4v", `{"codec":"hevc","speed":"ultrafast"}`, "video/mp4", "hevc", "hvc1", "Main", "aac"},
		{
			"b.mp4", `{"codec":"vp9","speed":"veryfast","audioCodec":"opus"}`, "video/mp4", "vp9", "vp09", "Profile 0",
			"opus",
		},
		{"c.mp4", `{"codec":"av1","speed":"ultrafast"}`, "video/mp4", "av1", "av01", "Main", "aac"},
		{"a.webm", `{"speed":"ultrafast"}`, "video/webm", "vp9", "", "Profile 0", "opus"},
		{"b.webm", `{"codec":"av1","speed":"ultrafast"}`, "video/webm", "av1", "", "Main", "opus"},
		{"a.mkv", `{"speed":"ultrafast","crf":30}`, "video/x-matroska", "h264", "", "Constrained Baseline", "aac"},
		{"b.mkv", `{"codec":"hevc","speed":"ultrafast"}`, "video/x-matroska", "hevc", "", "Main", "aac"},
	} {
		t.Run(c.codec+" in "+c.output, func(t *testing.T) {
			r := realFile{makes: []string{redFilm}, kind: "transcode", params: c.params, output: c.output}.run(t)
			f := facts(t, r)
			f.is("codec_name", c.codec)
			if c.tag != "" {
				f.is("codec_tag_string", c.tag)
			}
			f.is("profile", c.profile)
			f.is("pix_fmt", "yuv420p")
			f.colours("tv", "bt709", "bt709", "bt709")
			f.sized("320", "180")
			if f.audio["codec_name"] != c.audio {
				t.Errorf("sound in %s, want %s", f.audio["codec_name"], c.audio)
			}
			f.sound("2", "stereo")
			f.within("seconds", float64(media(t, r.file).Format.Duration), 4.9, 5.1)
			keys := times(t, r.file, true)
			if len(keys) != 3 || math.Abs(keys[1]-keys[0]-2) > 0.002 || math.Abs(keys[2]-keys[1]-2) > 0.002 {
				t.Errorf("key frames at %v, want one every 2 s", keys)
			}
			near(t, "red", pixel(t, r.file, 0.5, 0.5), 0xC81414)
			if o := r.result.Outputs[0]; o.Type != c.mediaType {
				t.Errorf("type %s, want %s", o.Type, c.mediaType)
			}
			if made, err := os.ReadFile(r.file); err != nil || version.Match(made) {
				t.Errorf("it says which ffmpeg made it (%v)", err)
			}
		})
	}
}

// version is how ffmpeg signs what it made.
var version = regexp.MustCompile(`Lav[cf]\d`)

// times returns when the frames of a video are shown, in seconds; of key frames alone, if so asked.
func times(t *testing.T, file string, keys bool) (all []float64) {
	t.Helper()
	for line := range strings.Lines(string(output(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
		"packet=pts_time,flags", "-of", "csv=p=0", file))) {
		at, flags, _ := strings.Cut(strings.TrimSpace(line), ",")
		if seconds, err := strconv.ParseFloat(at, 64); err == nil && (!keys || strings.HasPrefix(flags, "K")) {
			all = append(all, math.Round(1000*seconds)/1000)
		}
	}
	slices.Sort(all)
	return all
}

// The frames of a recording whose clock ticks a thousand times a second stay at their times, in every container.
func TestFramesKeepTheirTimes(t *testing.T) {
	const makes = "-f lavfi -i testsrc2=s=320x180:r=30:d=2,settb=1/1000,setpts=N*40+mod(N*7\\,13) -c:v libvpx " +
		"-deadline realtime -vsync passthrough -enc_time_base 1/1000 in.webm"
	var want []float64
	for n := range 60 {
		want = append(want, float64(n*40+n*7%13)/1000)
	}
	for _, c := range []struct{ output, codec string }{
		{"a.mp4", "h264"}, {"a.mp4", "hevc"}, {"a.webm", "vp9"}, {"a.mkv", "av1"}, {"a.mkv", "h264"},
	} {
		t.Run(c.codec+" in "+c.output, func(t *testing.T) {
			r := realFile{
				makes: []string{makes}, kind: "transcode", params: `{"speed":"ultrafast","codec":"` + c.codec + `"}`,
				output: c.output,
			}.run(t)
			workertest.Must(t, r.err)
			got := times(t, r.file, false)
			if len(got) != len(want) {
				t.Fatalf("%d frames, want %d", len(got), len(want))
			}
			for n := range want {
				if math.Abs(got[n]-want[n]) > 0.018 { // a sixtieth of a second is the clock of what is written
					t.Errorf("frame %d at %v, want %v", n, got[n], want[n])
				}
			}
		})
	}
}

// A file may state a constant rate and have frames missing, as recordings of calls do: none is made up.
func TestMissingFramesStayMissing(t *testing.T) {
	const makes = "-f lavfi -i testsrc2=s=320x180:r=30:d=2 -vf " +
		"select='not(eq(mod(n\\,7)\\,3))*not(between(n\\,30\\,44))' " +
		"-vsync vfr -r 30 -c:v libvpx -deadline realtime in.webm"
	var want []float64
	for n := range 60 {
		if n%7 != 3 && (n < 30 || n > 44) {
			want = append(want, float64(n)/30)
		}
	}
	for _, c := range []struct{ output, codec string }{
		{"a.mp4", "h264"}, {"a.mp4", "hevc"}, {"a.webm", "vp9"}, {"a.mkv", "av1"},
	} {
		t.Run(c.codec+" in "+c.output, func(t *testing.T) {
			r := realFile{
				makes: []string{makes}, kind: "transcode", params: `{"speed":"ultrafast","codec":"` + c.codec + `"}`,
				output: c.output,
			}.run(t)
			workertest.Must(t, r.err)
			got := times(t, r.file, false)
			if len(got) != len(want) {
				t.Fatalf("%d frames at %v, want %d", len(got), got, len(want))
			}
			for n := range want {
				if math.Abs(got[n]-want[n]) > 0.002 {
					t.Errorf("frame %d at %v, want %v", n, got[n], want[n])
				}
			}
		})
	}
}

// lively is a film that takes much more than its jobs give it.
const lively = "-f lavfi -i testsrc2=s=320x180:r=25:d=4,noise=alls=20:allf=t -c:v libx264 -preset ultrafast -crf 10 " +
	"in.mp4"

// A cap holds, and a bit rate is met, within what a player's buffer of two seconds allows.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name, output, params string
		least, most          float64 // kbit/s
	}{
		{"h264 capped", "a.mp4", `{"crf":10,"maxrate":"300k"}`, 100, 450},
		{"hevc capped", "a.mp4", `{"codec":"hevc","crf":10,"maxrate":"300k"}`, 100, 450},
		{"vp9 capped", "a.webm", `{"crf":10,"maxrate":"300k"}`, 100, 450},
		{"av1 capped", "a.webm", `{"codec":"av1","crf":10,"maxrate":"300k"}`, 100, 450},
		{"av1 by bit rate", "a.mkv", `{"codec":"av1","bitrate":"300k"}`, 150, 450},
		{"vp9 by bit rate", "a.mkv", `{"codec":"vp9","bitrate":"300k"}`, 150, 450},
		{"h264 in two passes", "a.mp4", `{"bitrate":"300k","passes":2}`, 225, 375},
		{"hevc in two passes", "a.mkv", `{"codec":"hevc","bitrate":"300k","passes":2}`, 225, 375},
		{"vp9 in two passes", "a.webm", `{"bitrate":"300k","maxrate":"500k","passes":2}`, 225, 375},
	} {
		t.Run(c.name, func(t *testing.T) {
			var fractions []float64
			b := newBench(t)
			task := b.task(job.Job{
				Kind: "transcode", Input: b.made(lively), Output: b.output(c.output),
				Params: paramsJSON(strings.Replace(c.params, "{", `{"speed":"ultrafast",`, 1)),
			})
			task.Report = func(p job.Progress) { fractions = append(fractions, p.Fraction) }
			_, err := b.runContext(t.Context(), task)
			workertest.Must(t, err)
			info, err := os.Stat(strings.TrimPrefix(task.Job.Output, "file://"))
			workertest.Must(t, err)
			if rate := float64(info.Size()) * 8 / 4 / 1000; rate < c.least || rate > c.most {
				t.Errorf("%.0f kbit/s, want %.0f to %.0f", rate, c.least, c.most)
			}
			if !slices.IsSorted(fractions) || slices.Max(fractions) != 1 {
				t.Errorf("progress %v", fractions)
			}
		})
	}
}

// What a slot's memory has no room for says what helps, whatever the encoder.
func TestEncodersWithoutMemory(t *testing.T) {
	b := newBench(t)
	b.limits.Memory, b.limits.Threads = 700<<20, 1
	input := b.made("-f lavfi -i testsrc2=s=3840x2160:r=5:d=1 -c:v mpeg2video -q:v 9 in.mkv")
	for _, codec := range []string{"hevc", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) {
			_, err := b.run(job.Job{
				Kind: "transcode", Input: input, Output: b.output(codec + ".mkv"),
				Params: paramsJSON(`{"speed":"ultrafast","codec":"` + codec + `"}`),
			})
			workertest.Expect(t, err, work.OverLimit, "pool with a larger slot.memory")
		})
	}
}
