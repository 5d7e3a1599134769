package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media"
)

// film is a source, and the job that makes of it what players get.
type film struct {
	name    string
	source  string // ffmpeg's options for it
	ending  string // of the source
	upright bool   // the source says that it is to be turned by a quarter
	kind    string
	params  string
	output  string // below the films' folder
	seconds float64
	sound   bool
	unseen  bool // there is no picture
}

// pictures are options for pictures with a red patch in their middle, half as wide and high as they are.
func pictures(size, rate, seconds string) string {
	return fmt.Sprintf("-f lavfi -i testsrc2=s=%s:r=%s:d=%s,drawbox=x=iw/4:y=ih/4:w=iw/2:h=ih/2:color=0xC81414:t=fill,"+
		"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p ", size, rate, seconds)
}

const x264 = "-c:v libx264 -preset ultrafast -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv "

var films = []film{
	{
		name:   "hls: a film with sound, over segments of six seconds",
		source: pictures("1280x720", "25", "13") + "-f lavfi -i sine=d=13 " + x264 + "-c:a aac", ending: ".mp4",
		kind: "hls", params: `{"speed":"veryfast"}`, output: "film/", seconds: 13, sound: true,
	},
	{
		name:   "hls: upright from a phone, at 30000/1001 frames a second, without sound",
		source: pictures("640x360", "30000/1001", "4.004") + x264, ending: ".mp4", upright: true,
		kind: "hls", params: `{"segment":2}`, output: "phone/", seconds: 4.004,
	},
	{
		name: "hls: surround sound, kept", source: pictures("320x180", "24", "3") + "-f lavfi -i sine=d=3:r=48000 " +
			x264 + "-af pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0 -c:a ac3", ending: ".mkv",
		kind: "hls", params: `{"segment":1,"channels":"5.1"}`, output: "surround/", seconds: 3, sound: true,
	},
	{
		name: "hls: one frame", source: pictures("320x180", "25", "1") + x264 + "-frames:v 1", ending: ".mp4",
		kind: "hls", output: "frame/", seconds: 0.04,
	},
	{
		name: "hls: sound alone", source: "-f lavfi -i sine=d=8 -c:a libmp3lame", ending: ".mp3",
		kind: "hls", output: "sound/", seconds: 8, sound: true, unseen: true,
	},
	{
		name:   "transcode: an mp4",
		source: pictures("640x360", "25", "3") + "-f lavfi -i sine=d=3 " + x264 + "-c:a aac", ending: ".mp4",
		kind: "transcode", output: "film.mp4", seconds: 3, sound: true,
	},
	{
		name: "transcode: an mp4 of what a browser recorded on a clock of 1 ms", ending: ".webm",
		source: strings.Replace(pictures("320x240", "30", "3"), "bt709", "bt601", 1) +
			"-f lavfi -i sine=d=3:r=48000 -vf " +
			"select='not(eq(mod(n\\,7)\\,3))'" +
			",setpts=PTS+0.003*mod(N\\,3)/TB -vsync vfr -enc_time_base 1/1000 -c:v libvpx -b:v 2M -deadline realtime " +
			"-c:a libopus -ac 2",
		kind: "transcode", output: "browser.mp4", seconds: 3, sound: true,
	},
}

// seen is what players are to see of a film.
type seen struct {
	Name    string  `json:"name"`
	URL     string  `json:"url"`
	Seconds float64 `json:"seconds"`
	Sound   bool    `json:"sound"`
	Patch   *spot   `json:"patch,omitempty"`
	size
	Ladder []rung `json:"ladder,omitempty"` // of an hls job
}

// spot is a colour that a point of the picture has, which is a part of its width and its height.
type spot struct {
	X   float64 `json:"x"`
	Y   float64 `json:"y"`
	RGB [3]int  `json:"rgb"`
}

type size struct {
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// rung is a rendition as ffprobe sees it.
type rung struct {
	URI string `json:"uri"`
	size
	Rate   float64 `json:"rate,omitempty"`
	Codecs string  `json:"codecs"`
}

// maker makes films: sources in one folder, what becomes of them in the other, which is served at base.
type maker struct {
	handler       *media.Handler
	in, out, base string
}

// make makes the source and runs the job.
func (m maker) make(ctx context.Context, f film) (seen, error) {
	id := strings.TrimRight(strings.ReplaceAll(f.output, ".", "-"), "/")
	source := filepath.Join(m.in, id+f.ending)
	if err := ffmpeg(ctx, append(strings.Fields(f.source), source)...); err != nil {
		return seen{}, err
	}
	if f.upright {
		lying := source
		source = filepath.Join(m.in, id+"-upright"+f.ending)
		if err := ffmpeg(ctx, "-i", lying, "-c", "copy", "-metadata:s:v", "rotate=90", source); err != nil {
			return seen{}, err
		}
	}
	in, out := "file://"+m.in+"/", "file://"+m.out+"/"
	_, err := m.handler.Handle(ctx, work.Task{
		Job: job.Job{
			ID: id, Kind: f.kind, Params: json.RawMessage(f.params), Input: "file://" + source, Output: out + f.output,
		},
		Lane: "standard", Attempt: "1",
		Limits:  work.Limits{Threads: 2, Memory: 2 << 30, Scratch: 1 << 30, MaxRuntime: 5 * time.Minute},
		Storage: []lanes.Storage{{Prefix: in, Read: true}, {Prefix: out, Read: true, Write: true}},
	})
	if err != nil {
		return seen{}, err
	}
	s := seen{Name: f.name, URL: m.base + f.output, Seconds: f.seconds, Sound: f.sound}
	if !f.unseen {
		s.Patch = &spot{X: 0.5, Y: 0.5, RGB: [3]int{0xC8, 0x14, 0x14}}
	}
	if f.kind != "hls" {
		r, err := probed(ctx, filepath.Join(m.out, f.output))
		s.size = r.size
		return s, err
	}
	s.URL += "master.m3u8"
	s.Ladder, err = m.ladder(ctx, filepath.Join(m.out, f.output))
	return s, err
}

// ffmpeg makes a source.
func ffmpeg(ctx context.Context, args ...string) error {
	argv := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)
	if out, err := exec.CommandContext(ctx, "ffmpeg", argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("make the source with ffmpeg: %w: %s", err, out)
	}
	return nil
}

// ladder returns the renditions of an hls job, with the codecs that go with each.
func (m maker) ladder(ctx context.Context, folder string) (all []rung, err error) {
	lists, err := filepath.Glob(filepath.Join(folder, "*", "index.m3u8"))
	if err != nil {
		return nil, err
	}
	var sound *rung
	for _, list := range lists {
		r, err := probed(ctx, list)
		if err != nil {
			return nil, err
		}
		r.URI, _ = filepath.Rel(folder, list)
		if r.Width == 0 {
			sound = &r
		} else {
			all = append(all, r)
		}
	}
	switch {
	case sound == nil:
	case len(all) == 0:
		all = []rung{*sound}
	default:
		for i := range all {
			all[i].Codecs += "," + sound.Codecs
		}
	}
	return all, nil
}

// probed returns what ffprobe says of a file or a media playlist, with its codec as RFC 6381 writes that.
func probed(ctx context.Context, file string) (r rung, err error) {
	args := []string{"-v", "error", "-show_streams", "-of", "json"}
	if filepath.Ext(file) == ".m3u8" {
		args = append(args, "-allowed_extensions", "ALL")
	}
	raw, err := exec.CommandContext(ctx, "ffprobe", append(args, file)...).Output()
	if err != nil {
		return r, fmt.Errorf("ffprobe %s: %w", file, err)
	}
	var said struct {
		Streams []struct {
			Codec   string `json:"codec_name"`
			Profile string `json:"profile"`
			Level   int    `json:"level"`
			Rate    string `json:"r_frame_rate"`
			size
		} `json:"streams"`
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&said); err != nil || len(said.Streams) == 0 {
		return r, fmt.Errorf("ffprobe %s: %d streams, %w", file, len(said.Streams), err)
	}
	s := said.Streams[0]
	r.size = s.size
	over, under, _ := strings.Cut(s.Rate, "/")
	n, _ := strconv.ParseFloat(over, 64)
	if d, _ := strconv.ParseFloat(under, 64); d > 0 && r.Width > 0 {
		r.Rate = math.Round(n/d*1000) / 1000
	}
	switch profile := s.Codec + " " + s.Profile; profile {
	case "h264 High":
		r.Codecs = fmt.Sprintf("avc1.6400%02x", s.Level)
	case "h264 Main":
		r.Codecs = fmt.Sprintf("avc1.4d40%02x", s.Level)
	case "h264 Constrained Baseline":
		r.Codecs = fmt.Sprintf("avc1.42c0%02x", s.Level)
	case "aac LC":
		r.Codecs = "mp4a.40.2"
	default:
		r.Codecs = profile
	}
	return r, nil
}
