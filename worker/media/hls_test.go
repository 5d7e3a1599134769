package media

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mogiioin/hls-m3u8/m3u8"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// red is a source of pictures that are C81414 all over, but for a moving bar.
const red = "-f lavfi -i color=c=0xC81414:s=%s:r=%s:d=%s,drawbox=x=mod(t*97\\,iw):y=0:w=8:h=ih/4:color=white:t=fill," +
	"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "

// x264 are the options for it.
const x264 = "-c:v libx264 -preset ultrafast -qp 1 -colorspace bt709 -color_primaries bt709 -color_trc bt709 " +
	"-color_range tv "

func TestHLS(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	shown := at(0.5, 0.75, 0xC81414)
	for _, c := range []struct {
		name, makes, params string
		sizes               string // of the renditions
		rate                float64
		seconds             float64
		sound               string // its channels and rate
		spot                spot
	}{
		{
			name: "film.mp4", makes: fmt.Sprintf(red, "640x360", "30000/1001", "5.005") + "-f lavfi -i sine=d=5 " +
				x264 +
				"-c:a aac -metadata:s:a language=deu",
			params: `{"segment":2}`, sizes: "240p 426x240, 360p 640x360", rate: 30_000. / 1001, seconds: 5.005,
			sound: "1 44100", spot: shown,
		},
		{
			name:   "upright.mp4",
			makes:  fmt.Sprintf(red, "640x360", "25", "2") + x264 + "a.mp4\n-i a.mp4 -c copy -metadata:s:v rotate=90",
			params: `{"segment":1,"top":"240p"}`, sizes: "240p 240x426", rate: 25, seconds: 2,
			spot: at(0.25, 0.5, 0xC81414),
		},
		{
			name: "television.ts", makes: fmt.Sprintf(red, "360x288", "25", "2") +
				"-vf setsar=16/11 -c:v mpeg2video -q:v 2 -flags +ildct+ilme -top 1 -colorspace bt709 " +
				"-color_primaries bt709 -color_trc bt709",
			params: `{"segment":1,"top":"360p"}`, sizes: "240p 426x240, 288p 512x288", rate: 25, seconds: 2,
		},
		{
			name: "browser.webm", makes: fmt.Sprintf(red, "320x180", "30", "3") + "-f lavfi -i sine=d=3:r=48000 " +
				"-vf select='not(eq(mod(n\\,7)\\,3))',setpts=PTS+0.003*mod(N\\,3)/TB -vsync vfr -enc_time_base " +
				"1/1000 " +
				"-c:v libvpx -deadline realtime -c:a libopus -ac 2",
			params: `{"segment":1}`, sizes: "180p 320x180", rate: 30, seconds: 3, sound: "2 48000",
		},
		{
			name: "brilliant.mp4", makes: strings.Replace(pq, "640x360", "320x180", 1), params: `{"segment":1}`,
			sizes: "180p 320x180", rate: 25, seconds: 1, spot: at(0.5, 0.5, 0xE6E6E6),
		},
		{
			name: "small.mp4", makes: fmt.Sprintf(red, "64x48", "10", "1") + x264, sizes: "48p 64x48", rate: 10,
			seconds: 1,
		},
		{
			name: "one-frame.mp4", makes: fmt.Sprintf(red, "320x180", "25", "1") + x264 + "-frames:v 1",
			sizes: "180p 320x180", rate: 25, seconds: 0.04, spot: shown,
		},
		{
			name: "slides.mp4", makes: "-f lavfi -i testsrc=s=320x180:r=1/2:d=6 -c:v libx264 -preset ultrafast " +
				"-pix_fmt yuv420p",
			params: `{"segment":2}`, sizes: "180p 320x180", rate: 5, seconds: 6,
		},
		{
			name: "late.mkv", makes: "-itsoffset 1.3 " + fmt.Sprintf(red, "320x180", "25", "2") +
				"-f lavfi -i sine=d=3.3 " + x264 + "-c:a flac",
			params: `{"segment":1}`, sizes: "180p 320x180", rate: 25, seconds: 3.3, sound: "1 44100", spot: shown,
		},
		{ // a still with long sound: at the rate of slides
			name: "still.mp4", makes: "-f lavfi -i sine=d=30 " + fmt.Sprintf(red, "320x180", "25", "0.04") + x264 +
				"-c:a aac",
			sizes: "180p 320x180", rate: 5, seconds: 30, sound: "1 44100", spot: shown,
		},
		{
			name: "still.avi", makes: "-f lavfi -i sine=d=30 " + fmt.Sprintf(red, "320x180", "25", "0.04") + x264,
			sizes: "180p 320x180", rate: 5, seconds: 30, sound: "1 44100", spot: shown,
		},
		{
			name: "short.mp4", makes: "-f lavfi -i sine=d=20 " + fmt.Sprintf(red, "320x180", "25", "2") + x264 +
				"-c:a aac",
			params: `{"segment":2,"iframes":"list"}`, sizes: "180p 320x180", rate: 25, seconds: 20, sound: "1 44100",
			spot: shown,
		},
		{ // nothing says how long the pictures are
			name: "short.mkv", makes: "-f lavfi -i sine=d=9 " + fmt.Sprintf(red, "320x180", "25", "2") + x264 +
				"-c:a flac",
			params: `{"segment":2}`, sizes: "180p 320x180", rate: 25, seconds: 9, sound: "1 44100", spot: shown,
		},
		{
			name: "gap.mp4", makes: fmt.Sprintf(red, "320x180", "25", "6") + "-vf select='lt(t\\,2)+gte(t\\,5)' " +
				"-vsync vfr " + x264,
			sizes: "180p 320x180", rate: 25, seconds: 6, spot: shown,
		},
		{
			name: "surround.mka", makes: "-f lavfi -i sine=d=2:r=96000 " +
				"-af pan=5.1(side)|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0 -c:a flac",
			params: `{"segment":1,"audio":"96k"}`, seconds: 2, sound: "2 48000",
		},
		{
			name: "covered.mp3", makes: "-f lavfi -i sine=d=1 -f lavfi -i color=c=red:s=64x64:r=1:d=1 -c:a " +
				"libmp3lame " +
				"-c:v png -map 0 -map 1 -disposition:v attached_pic",
			seconds: 1, sound: "1 44100",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			makeInput(t, b, c.name, c.makes)
			params := map[string]any{"speed": "ultrafast"}
			if c.params != "" {
				workertest.Must(t, json.Unmarshal([]byte(c.params), &params))
			}
			raw, _ := json.Marshal(params)
			_, err := b.run(job.Job{
				Kind: "hls", Input: "file://" + filepath.Join(b.in, c.name), Output: b.output(c.name) + "/",
				Params: raw,
			})
			if err != nil {
				t.Fatal(err)
			}
			l := readLadder(t, filepath.Join(b.out, c.name))
			if got := l.sizes(); got != c.sizes {
				t.Errorf("sizes %s, want %s", got, c.sizes)
			}
			segment, _ := params["segment"].(float64)
			for _, r := range l.all {
				r.isWellCut(t, segment)
				if c.seconds > 0.1 || r.width > 0 {
					within(t, r.folder+" lasts", r.seconds(), c.seconds, 0.1)
				}
				if r.width > 0 {
					within(t, r.folder+"'s frame rate", r.frameRate, c.rate, 0.001)
				}
				if r.width > 0 && c.spot != (spot{}) {
					near(t, r.folder, pixel(t, r.file, c.spot.x, c.spot.y), c.spot.rgb)
				}
			}
			l.isAligned(t, c.rate)
			if got := l.sound; got != c.sound {
				t.Errorf("sound %q, want %q", got, c.sound)
			}
		})
	}
}

// Each range of a playlist of key frames is one, after the initialization segment, and they come when it says.
func TestHLSKeyFrames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	makeInput(t, b, "film.mp4", fmt.Sprintf(red, "640x360", "30000/1001", "7")+"-f lavfi -i sine=d=7 "+x264+"-c:a aac")
	_, err := b.run(job.Job{
		Kind: "hls", Input: "file://" + filepath.Join(b.in, "film.mp4"), Output: b.output("film") + "/",
		Params: paramsJSON(`{"speed":"veryfast","segment":5,"iframes":"list"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(b.out, "film")
	l := readLadder(t, folder)
	l.isAligned(t, 30_000./1001)
	master := readPlaylist(t, filepath.Join(folder, "master.m3u8")).(*m3u8.MasterPlaylist)
	found := 0
	for _, v := range master.Variants {
		if !v.Iframe {
			continue
		}
		found++
		r := l.all[slices.IndexFunc(l.all, func(r renditionMade) bool { return r.folder == filepath.Dir(v.URI) })]
		r.isWellCut(t, 5)
		if codec, _ := codecOf(t, r.file); v.Codecs != codec ||
			v.Resolution != fmt.Sprintf("%dx%d", r.width, r.height) {
			t.Errorf("%s: CODECS %s, RESOLUTION %s", v.URI, v.Codecs, v.Resolution)
		}
		list := readPlaylist(t, filepath.Join(folder, v.URI)).(*m3u8.MediaPlaylist)
		frames := list.GetAllSegments()
		if !list.Iframe || list.Version() < 5 || list.Map == nil || len(frames) != len(r.keys) || len(frames) < 5 {
			t.Fatalf("%s is read as %s, of %d key frames", v.URI, list, len(r.keys))
		}
		begin, err := os.ReadFile(filepath.Join(folder, r.folder, list.Map.URI))
		workertest.Must(t, err)
		at, peak := 0.0, 0.0
		for i, f := range frames {
			within(t, fmt.Sprintf("%s: key frame %d is at", v.URI, i), at, r.keys[i]-r.keys[0], 0.001)
			at += f.Duration
			if f.Duration > 1 {
				peak = max(peak, float64(f.Limit)*8/f.Duration)
			}
			segment, err := os.ReadFile(filepath.Join(folder, r.folder, f.URI))
			workertest.Must(t, err)
			file := filepath.Join(t.TempDir(), "frame.mp4")
			part := segment[f.Offset : f.Offset+f.Limit]
			workertest.Must(t, os.WriteFile(file, append(slices.Clone(begin), part...), 0o644))
			said := string(output(t, "ffprobe", "-v", "quiet", "-show_entries", "frame=pict_type,key_frame", "-of",
				"csv=p=0",
				file))
			if strings.Trim(said, ",\n") != "1,I" {
				t.Errorf("%s: bytes %d@%d of %s decode to %q", v.URI, f.Limit, f.Offset, f.URI, said)
			}
			near(t, v.URI, pixel(t, file, 0.5, 0.75), 0xC81414)
		}
		within(t, v.URI+" lasts", at, r.seconds(), 0.001)
		if float64(v.Bandwidth) < peak-1 || float64(v.Bandwidth) > 2*peak {
			t.Errorf("%s: BANDWIDTH %d; a key frame has %.0f", v.URI, v.Bandwidth, peak)
		}
	}
	if found != 2 {
		t.Errorf("%d playlists of key frames, want one for each size", found)
	}
}

// What isn't a film is refused with its cause.
func TestHLSRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct{ input, params, says string }{
		"a picture":                     {"still.png", "", "is a picture, not a film"},
		"sound that is dropped":         {"sound.m4a", `{"audio":"drop"}`, "has no video"},
		"a size that there isn't":       {"clip.mp4", `{"top":"1080"}`, "top must be one of"},
		"segments that are much longer": {"clip.mp4", `{"segment":60}`, "segment must be a number from 1 to 20"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.run(job.Job{
				Kind: "hls", Input: b.put(c.input), Output: b.output("x") + "/", Params: paramsJSON(c.params),
			})
			if work.KindOf(err) != work.BadInput || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
		})
	}
}

// makeInput makes an input by ffmpeg: a line for each step, all but the last of which name a file of their own.
func makeInput(t *testing.T, b *bench, name, steps string) {
	t.Helper()
	for options := range strings.Lines(steps + " " + name) {
		argv := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, strings.Fields(options)...)
		cmd := exec.Command("ffmpeg", argv...)
		cmd.Dir = b.in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v: %s", name, err, out)
		}
	}
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s %.3f, want %.3f", what, got, want)
	}
}

// ladderMade is what an hls job made, as readers that others wrote see it.
type ladderMade struct {
	all   []renditionMade
	sound string
}

type renditionMade struct {
	folder        string
	file          string // all of it as one mp4
	width, height int
	frameRate     float64
	list          *m3u8.MediaPlaylist
	keys          []float64 // the times of its key frames
	starts        []float64 // of its segments
}

// readLadder reads the playlists, and compares what the master says with what was made.
func readLadder(t *testing.T, folder string) (l ladderMade) {
	t.Helper()
	master, _ := readPlaylist(t, filepath.Join(folder, "master.m3u8")).(*m3u8.MasterPlaylist)
	if master == nil || !master.IndependentSegments() {
		t.Fatal("master.m3u8 isn't a master playlist of independent segments")
	}
	var m job.Manifest
	text, err := os.ReadFile(filepath.Join(folder, job.ManifestName))
	workertest.Must(t, err)
	workertest.Must(t, json.Unmarshal(text, &m))
	for _, f := range m.Files {
		about, _ := f.About.(map[string]any)
		want := "averageBandwidth,bandwidth,codec,frameRate,height,width"
		if strings.HasPrefix(f.Name, "audio/") {
			want = "averageBandwidth,bandwidth,channels,codec"
		}
		delete(about, "language")
		if keys := slices.Sorted(maps.Keys(about)); about != nil && strings.Join(keys, ",") != want {
			t.Errorf("of %s the manifest says %v, want %s", f.Name, keys, want)
		}
	}
	if m.Main != "master.m3u8" || len(m.Files) < 4 {
		t.Errorf("the manifest's main file is %q, of %d", m.Main, len(m.Files))
	}
	add := func(uri string) (renditionMade, string, float64) {
		r := readRendition(t, folder, uri)
		if !slices.ContainsFunc(l.all, func(o renditionMade) bool { return o.folder == r.folder }) {
			l.all = append(l.all, r)
		}
		codec, sound := codecOf(t, r.file)
		if sound != "" {
			l.sound = sound
		}
		return r, codec, r.peak(t, folder)
	}
	for _, v := range master.Variants {
		if v.Iframe {
			continue
		}
		r, codecs, peak := add(v.URI)
		for _, a := range v.Alternatives {
			_, codec, more := add(a.URI)
			codecs, peak = codecs+","+codec, peak+more
		}
		if v.Codecs != codecs {
			t.Errorf("%s: CODECS %s, want %s", v.URI, v.Codecs, codecs)
		}
		if r.width > 0 && (v.Resolution != fmt.Sprintf("%dx%d", r.width, r.height) ||
			math.Abs(v.FrameRate-r.frameRate) > 0.001) {
			t.Errorf("%s: RESOLUTION %s, FRAME-RATE %v; it is %dx%d at %v", v.URI, v.Resolution, v.FrameRate, r.width,
				r.height, r.frameRate)
		}
		if float64(v.Bandwidth) < peak-1 || v.AverageBandwidth > v.Bandwidth || v.AverageBandwidth == 0 {
			t.Errorf("%s: BANDWIDTH %d, AVERAGE-BANDWIDTH %d; a segment has %.0f", v.URI, v.Bandwidth,
				v.AverageBandwidth, peak)
		}
	}
	return l
}

func readPlaylist(t *testing.T, file string) m3u8.Playlist {
	t.Helper()
	f, err := os.Open(file)
	workertest.Must(t, err)
	defer f.Close()
	p, _, err := m3u8.DecodeFrom(f, true)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}

// readRendition reads a media playlist and the segments that it lists.
func readRendition(t *testing.T, folder, uri string) (r renditionMade) {
	t.Helper()
	r.folder = filepath.Dir(uri)
	r.list, _ = readPlaylist(t, filepath.Join(folder, uri)).(*m3u8.MediaPlaylist)
	if r.list == nil || !r.list.Closed || r.list.Map == nil {
		t.Fatalf("%s isn't a whole media playlist with an initialization segment", uri)
	}
	in := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(folder, r.folder, name))
		workertest.Must(t, err)
		return data
	}
	begin := in(r.list.Map.URI)
	whole := slices.Clone(begin)
	r.file = filepath.Join(t.TempDir(), "all.mp4")
	for _, s := range r.list.GetAllSegments() {
		workertest.Must(t, os.WriteFile(r.file, append(slices.Clone(begin), in(s.URI)...), 0o644))
		r.starts = append(r.starts, packets(t, r.file, false)[0])
		whole = append(whole, in(s.URI)...)
	}
	workertest.Must(t, os.WriteFile(r.file, whole, 0o644))
	s := media(t, r.file).Streams[0]
	r.width, r.height = s.Width, s.Height
	if r.width > 0 {
		r.frameRate = s.Base()
		r.keys = packets(t, r.file, true)
	}
	return r
}

// packets returns the times of the packets, or of those of key frames.
func packets(t *testing.T, file string, keys bool) (times []float64) {
	t.Helper()
	for line := range strings.Lines(string(output(t, "ffprobe", "-v", "error", "-show_entries", "packet=pts_time,flags",
		"-of", "csv=p=0", file))) {
		at, flags, _ := strings.Cut(line, ",")
		if v, err := strconv.ParseFloat(at, 64); err == nil && (!keys || strings.HasPrefix(flags, "K")) {
			times = append(times, v)
		}
	}
	return times
}

// codecOf returns the codec as RFC 6381 has it, and a sound's channels and rate.
func codecOf(t *testing.T, file string) (codec, sound string) {
	t.Helper()
	var said struct {
		Streams []struct {
			Codec    string `json:"codec_name"`
			Profile  string `json:"profile"`
			Level    int    `json:"level"`
			Channels int    `json:"channels"`
			Rate     string `json:"sample_rate"`
		} `json:"streams"`
	}
	workertest.Must(t, json.Unmarshal(output(t, "ffprobe", "-v", "error", "-show_streams", "-of", "json", file), &said))
	s := said.Streams[0]
	switch s.Codec + " " + s.Profile {
	case "h264 Constrained Baseline":
		return fmt.Sprintf("avc1.42c0%02x", s.Level), ""
	case "h264 High":
		return fmt.Sprintf("avc1.6400%02x", s.Level), ""
	case "aac LC":
		return "mp4a.40.2", fmt.Sprintf("%d %s", s.Channels, s.Rate)
	}
	t.Fatalf("%s is %s %s", file, s.Codec, s.Profile)
	return "", ""
}

// peak returns the bit rate of the segment that has the highest, of those that are at least half as long as the
// longest.
func (r renditionMade) peak(t *testing.T, folder string) (most float64) {
	for _, s := range r.list.GetAllSegments() {
		info, err := os.Stat(filepath.Join(folder, r.folder, s.URI))
		workertest.Must(t, err)
		if s.Duration >= float64(r.list.TargetDuration)/2 {
			most = max(most, float64(info.Size())*8/s.Duration)
		}
	}
	return most
}

func (r renditionMade) seconds() (sum float64) {
	for _, s := range r.list.GetAllSegments() {
		sum += s.Duration
	}
	return sum
}

// isWellCut checks that the lengths that the playlist tells are those of the segments, within a frame, and that each
// begins with a key frame.
func (r renditionMade) isWellCut(t *testing.T, segment float64) {
	t.Helper()
	frame := 1024. / 44_100
	if r.width > 0 {
		frame = 1 / r.frameRate
	}
	all := r.list.GetAllSegments()
	for i, s := range all {
		if i+1 < len(all) {
			within(t, fmt.Sprintf("%s/%s lasts", r.folder, s.URI), s.Duration, r.starts[i+1]-r.starts[i], frame)
		}
		if i+1 < len(all) && segment > 0 {
			within(t, fmt.Sprintf("%s/%s is to last", r.folder, s.URI), s.Duration, segment, 2*frame)
		}
		if r.width > 0 && !slices.Contains(r.keys, r.starts[i]) {
			t.Errorf("%s/%s doesn't begin with a key frame", r.folder, s.URI)
		}
		if math.Round(s.Duration) > float64(r.list.TargetDuration) || r.list.TargetDuration < 1 {
			t.Errorf("%s/%s lasts %v, target duration %d", r.folder, s.URI, s.Duration, r.list.TargetDuration)
		}
	}
	within(t, r.folder+" begins", r.starts[0], 0, frame+0.001)
}

// isAligned checks that all renditions have their key frames at the same times, at most two seconds apart.
func (l ladderMade) isAligned(t *testing.T, rate float64) {
	t.Helper()
	var first *renditionMade
	for i, r := range l.all {
		if r.width == 0 {
			continue
		}
		if first == nil {
			first = &l.all[i]
		}
		if len(r.keys) != len(first.keys) || len(r.starts) != len(first.starts) {
			t.Errorf("%s has %d key frames in %d segments, %s %d in %d", r.folder, len(r.keys), len(r.starts),
				first.folder, len(first.keys), len(first.starts))
			continue
		}
		for n, at := range r.keys {
			within(t, fmt.Sprintf("key frame %d of %s", n, r.folder), at, first.keys[n], 1/rate)
			if n > 0 && at-r.keys[n-1] > 2+1/rate {
				t.Errorf("%s: %.3f s between key frames", r.folder, at-r.keys[n-1])
			}
		}
	}
}

// sizes returns the sizes of the pictures, the smallest first.
func (l ladderMade) sizes() string {
	var all []string
	for _, r := range l.all {
		if r.width > 0 {
			all = append(all, fmt.Sprintf("%s %dx%d", r.folder, r.width, r.height))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
