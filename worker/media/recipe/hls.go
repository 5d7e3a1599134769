package recipe

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/frame"
	"github.com/polyglot-media/siren/worker/media/hls"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// ladder is the params of an hls job.
type ladder struct {
	top      string  // the name of the largest size
	segment  float64 // seconds
	crf      int
	speed    string // of the encoder
	audio    int    // bits per second; 0: none
	channels string // stereo, mono or 5.1
	frames   bool   // key frames have playlists too
}

// What an hls job makes: the master playlist, and a folder for each size and for the sound, which have the same files.
const (
	masterList  = "master.m3u8"
	mediaList   = "index.m3u8"
	framesList  = "iframes.m3u8"
	initSegment = "init.mp4"
	soundFolder = "audio"

	playlistType = "application/vnd.apple.mpegurl"
)

func planHLS(v kinds.Values) Recipe {
	l := ladder{
		top: v.Word("top"), segment: v.Number("segment"), crf: v.Whole("crf"), speed: v.Word("speed"),
		audio: v.Whole("audio"), channels: v.Word("channels"),
		frames: v.Word("iframes") == "list",
	}
	if v.Word("audio") == "keep" {
		l.audio = 128_000
	}
	return Recipe{MediaType: playlistType, Main: masterList, Make: l.make}
}

// climb is one run of ffmpeg: the sizes that it makes, and whether it makes the sound.
type climb struct {
	rungs   []hls.Rung
	speed   string
	threads int
	sound   bool
}

func (l ladder) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	if a.Info.Still() {
		return nil, work.Fail(work.BadInput, fmt.Errorf("input %s is a picture, not a film: an image or thumbnail "+
			"job makes smaller ones of it", a.From))
	}
	if l.audio > 0 && a.Info.Filmed() {
		if err := a.Measure(ctx); err != nil {
			return nil, err
		}
	}
	var pictures *film
	var sound *probe.Stream
	if l.audio > 0 {
		if s, ok := a.Soundtrack(); ok {
			sound = &s
		}
	}
	v, err := a.Info.Video(a.From)
	if err == nil {
		pictures = filmOf(a, v, sound)
	}
	if pictures == nil && (sound == nil || a.Info.Filmed()) {
		return nil, err
	}
	var rungs []hls.Rung
	if pictures != nil {
		rungs = l.rungs(*pictures)
	}
	climbs := l.climbs(a, v, rungs)
	climbs[0].sound = sound != nil
	for i, c := range climbs {
		if err := l.run(ctx, a, c, pictures, sound, part{i, len(climbs)}); err != nil {
			return nil, err
		}
	}
	return l.publish(a, rungs, pictures, sound)
}

// film is the pictures to show.
type film struct {
	probe.Stream
	own  float64 // the constant frame rate for it
	rate float64 // that of all sizes: the same, or less for a single one
	held float64 // seconds that the last one is shown for longer, while only the sound goes on
}

// filmOf returns the pictures to show with the sound, if there is any: players wait for those that are missing. A
// single one that is held has the rate of slides, which costs little.
func filmOf(a *attempt.Attempt, v probe.Stream, sound *probe.Stream) *film {
	average, _ := probe.Ratio(v.FrameRate) // 0 when nobody knows
	f := film{Stream: v, own: hls.Rate(v.Base(), average)}
	f.rate = f.own
	if sound != nil {
		f.held = max(0, a.Info.End(*sound)-a.Info.End(v))
	}
	if single := 2.5 / f.own; a.Info.Seconds(v) < single && f.held > single { // AVI counts the one as two
		f.rate = hls.LeastRate
	}
	return &f
}

// rungs returns the sizes to make.
func (l ladder) rungs(v film) []hls.Rung {
	width, height := v.Fitted(0, 0, largest("h264"))
	return hls.Ladder(float64(width), float64(height), l.top, v.rate)
}

// climbs divides the sizes into runs that fit into the slot's memory: all are made in one, of one decoding, where that
// needs no cheaper speed.
func (l ladder) climbs(a *attempt.Attempt, v probe.Stream, rungs []hls.Rung) []climb {
	var pixels []int
	for _, r := range rungs {
		pixels = append(pixels, r.Width*r.Height)
	}
	speed, threads := a.Affordable("h264", l.speed, v, pixels...)
	if last := len(rungs) - 1; speed != l.speed && last > 0 {
		return append(l.climbs(a, v, rungs[last:]), l.climbs(a, v, rungs[:last])...)
	}
	return []climb{{rungs: rungs, speed: speed, threads: threads}}
}

// part is which of several runs one is.
type part struct{ this, of int }

// begin returns how much is done before it, from 0 to 1.
func (p part) begin() float64 { return float64(p.this) / float64(p.of) }

// run makes the sizes and the sound of one run, each in a folder of its own.
func (l ladder) run(ctx context.Context, a *attempt.Attempt, c climb, v *film, sound *probe.Stream, p part) error {
	if c.speed != l.speed && v != nil {
		a.Warn("speed %s instead of %s: a slot's memory of %s has no room for more", c.speed, l.speed,
			a.Task.Limits.Memory)
	}
	run := attempt.Run{}
	if v != nil {
		run = attempt.Run{Seconds: a.Info.Seconds(v.Stream), Input: frame.Decoder(v.Stream), Outputs: l.videos(*v, c)}
	}
	if c.sound {
		run.Outputs = append(run.Outputs, l.sound(*sound))
		run.Seconds = max(run.Seconds, a.Info.Seconds(*sound))
	}
	for _, o := range run.Outputs {
		if err := a.Dir.Mkdir(path.Dir(o.Name), 0o700); err != nil {
			return fmt.Errorf("make a folder of the output: %w", err)
		}
	}
	threads, report := a.Task.Limits.Threads, a.Task.Report
	defer func() { a.Task.Limits.Threads, a.Task.Report = threads, report }()
	a.Task.Limits.Threads = c.threads
	a.Task.Report = func(now job.Progress) {
		now.Fraction = (float64(p.this) + now.Fraction) / float64(p.of)
		report(now)
	}
	return a.FFmpeg(ctx, run)
}

// videos returns the outputs for the sizes of one run: all of the same frames, which are made upright, constant in
// their rate and right in their colours once, and then scaled.
func (l ladder) videos(v film, c climb) (outputs []attempt.Output) {
	width, height := 0, 0
	for _, r := range c.rungs {
		width, height = max(width, r.Width), max(height, r.Height)
	}
	filters := slices.Concat(frame.Deinterlaced(v.Stream), frame.Square(v.Stream),
		[]string{"fps=" + attempt.Number(v.own) + ":start_time=0"}, v.hold(), []string{frame.InFrame(width, height)},
		frame.ToneMapped(v.Stream), frame.ForVideo(v.Stream), []string{fmt.Sprintf("split=%d", len(c.rungs))})
	graph := fmt.Sprintf("[0:%d]%s", v.Index, strings.Join(filters, ","))
	scaled := ""
	for i, r := range c.rungs {
		graph += fmt.Sprintf("[whole%d]", i)
		scaled += fmt.Sprintf(";[whole%d]scale=%d:%d,setsar=1[size%d]", i, r.Width, r.Height, i)
	}
	every := l.segment / float64(l.keys())
	for i, r := range c.rungs {
		var args []string
		if i == 0 {
			args = []string{"-filter_complex", graph + scaled}
		}
		args = append(args, "-map", fmt.Sprintf("[size%d]", i), "-c:v", "libx264", "-preset", c.speed,
			"-crf", strconv.Itoa(l.crf), "-maxrate", strconv.Itoa(r.Most), "-bufsize", strconv.Itoa(2*r.Most),
			// closed groups of pictures, which begin at the same times in all sizes, and nowhere else
			"-force_key_frames", "expr:gte(t,n_forced*"+attempt.Number(every)+")", "-forced-idr", "1",
			"-sc_threshold", "0", "-g", strconv.Itoa(int(math.Ceil(v.rate*every))+1))
		length := l.segment
		if l.frames { // ffmpeg cuts at each key frame, and the pieces are joined
			length = every / 2
		}
		outputs = append(outputs, segmented(r.Name, length, append(args, frame.Tags(v.Stream)...)))
	}
	return outputs
}

// hold returns the filters that show the last picture for longer; none where that isn't a whole one.
func (f film) hold() []string {
	if f.held*f.own < 1 {
		return nil
	}
	filters := []string{"tpad=stop_mode=clone:stop_duration=" + attempt.Number(f.held)}
	if f.rate != f.own {
		filters = append(filters, "fps="+attempt.Number(f.rate))
	}
	return filters
}

// keys returns how many key frames a segment has: one each two seconds, or a bit more often.
func (l ladder) keys() int { return int(math.Ceil(l.segment / 2)) }

// sound returns the output for the sound. What it lacks at its beginning, or loses on its way, is silence.
func (l ladder) sound(s probe.Stream) attempt.Output {
	args := []string{"-map", fmt.Sprintf("0:%d", s.Index), "-c:a", "aac", "-b:a", strconv.Itoa(l.audio)}
	args = append(args, withFilters(append(sound.Layout(s, l.channels), "aresample=async=1:first_pts=0"))...)
	if s.SampleRate != 44_100 { // what every player takes is this and 48,000
		args = append(args, "-ar", "48000")
	}
	return segmented(soundFolder, l.segment, args)
}

// segmented returns the output for what the options make, in segments of a length in a folder. Its times begin at zero:
// what comes before, as the first of AAC's samples and the order in which frames are decoded ask for, is left out by an
// edit list.
func segmented(folder string, seconds float64, options []string) attempt.Output {
	return attempt.Output{Name: path.Join(folder, mediaList), Options: append(options,
		"-map_metadata", "-1", "-map_chapters", "-1", "-avoid_negative_ts", "disabled", "-f", "hls",
		"-hls_time", attempt.Number(seconds), "-hls_playlist_type", "vod", "-hls_flags", "independent_segments",
		"-hls_segment_type", "fmp4", "-hls_segment_options", "brand=cmfc", "-hls_fmp4_init_filename", initSegment,
		"-hls_segment_filename", "file:"+path.Join(folder, "%03d.m4s"))}
}

// publish writes the master playlist, by what was made, and returns all files.
func (l ladder) publish(a *attempt.Attempt, rungs []hls.Rung, v *film, heard *probe.Stream) ([]attempt.File, error) {
	var files []attempt.File
	var videos, frames []hls.Video
	together := 1
	if l.frames {
		together = l.keys()
	}
	for _, r := range rungs {
		m, err := readRendition(a, r.Name, together)
		if err != nil {
			return nil, err
		}
		made := hls.Video{
			Playlist: path.Join(r.Name, mediaList), Codec: m.codec, Width: r.Width, Height: r.Height,
			FrameRate: v.rate, Rates: m.rates,
		}
		videos, files = append(videos, made), append(files, m.files("video/mp4", made)...)
		if l.frames {
			made.Playlist = path.Join(r.Name, framesList)
			if made.Rates, err = m.listFrames(a); err != nil {
				return nil, err
			}
			frames = append(frames, made)
			files = append(files, attempt.File{Name: made.Playlist, MediaType: playlistType, Facts: made})
		}
	}
	var audio *hls.Audio
	if heard != nil {
		m, err := readRendition(a, soundFolder, 1)
		if err != nil {
			return nil, err
		}
		audio = &hls.Audio{
			Playlist: path.Join(soundFolder, mediaList), Codec: m.codec, Language: tongue(heard.Tags.Language),
			Channels: sound.Channels(*heard, l.channels), Rates: m.rates,
		}
		files = append(files, m.files("audio/mp4", *audio)...)
	}
	if err := a.Dir.WriteFile(masterList, []byte(hls.Master(videos, frames, audio)), 0o600); err != nil {
		return nil, fmt.Errorf("write the master playlist: %w", err)
	}
	return append(files, attempt.File{Name: masterList, MediaType: playlistType}), nil
}

// tongue returns a language as BCP 47 has it; "" for none. Containers have three letters of ISO 639-2.
func tongue(code string) string {
	tag, err := language.Parse(code)
	if err != nil || tag == language.Und {
		return ""
	}
	return tag.String()
}

// hlsUses returns the options for pictures and sounds of every sort.
func hlsUses() (all [][]string) {
	l := ladder{segment: 6, channels: "5.1"}
	fields := probe.Stream{Aspect: "16:11", Fields: "tt", PixelFormat: "yuva420p", Width: 720, Height: 576}
	for _, v := range []film{
		{Stream: fields, own: 25, rate: 25},
		{Stream: probe.Stream{Transfer: "smpte2084", Width: 1920, Height: 1080}, own: 25, rate: 5, held: 1},
	} {
		for _, o := range l.videos(v, climb{rungs: l.rungs(v)}) {
			all = append(all, o.Options)
		}
	}
	return append(all, l.sound(probe.Stream{Channels: 6, Layout: "5.1(side)"}).Options,
		l.sound(probe.Stream{Channels: 10}).Options)
}
