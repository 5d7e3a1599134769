package recipe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/media/sound"
)

// audio is the params of an audio job.
type audio struct {
	format  string
	bitrate int // bits per second; 0: by the number of channels
	heard   heard
	keep    bool // what the input says of itself: title, cover, chapters
}

// audioFormat is what a file of sound is made with.
type audioFormat struct {
	mediaType string
	options   []string
	each      int  // bits per second of a channel, unless a job says otherwise; 0: the encoder loses nothing
	cover     bool // a picture may go with the sound
}

var audioFormats = map[string]audioFormat{
	"m4a":  {"audio/mp4", []string{"-c:a", "aac", "-movflags", "+faststart", "-f", "ipod"}, 64_000, true},
	"mp3":  {"audio/mpeg", []string{"-c:a", "libmp3lame", "-id3v2_version", "3", "-f", "mp3"}, 96_000, true},
	"opus": {"audio/ogg", []string{"-c:a", "libopus", "-f", "ogg"}, 64_000, false},
	"flac": {"audio/flac", []string{"-c:a", "flac", "-f", "flac"}, 0, true},
	"wav":  {"audio/wav", []string{"-rf64", "auto", "-f", "wav"}, 0, false},
}

func planAudio(v kinds.Values) Recipe {
	c := audio{
		format: v.Word("format"), bitrate: v.Whole("bitrate"), keep: v.Word("metadata") == "keep",
		heard: planHeard(v),
	}
	return Recipe{MediaType: audioFormats[c.format].mediaType, Make: c.make}
}

func (c audio) make(ctx context.Context, a *attempt.Attempt) ([]attempt.File, error) {
	s, err := a.Sound()
	if err != nil {
		return nil, err
	}
	c.heard = c.heard.of(s)
	c.heard.rate = c.rate(s)
	if most := c.mostBits(s); c.bitrate > most {
		a.Warn("%dk instead of %dk: more isn't possible in %s, with %d channels of %d Hz", most/1000, c.bitrate/1000,
			c.format, sound.Channels(s, c.heard.channels), c.heard.rate)
	}
	name, made, to := "output."+c.format, false, 1.0
	if c.heard.loudness != 0 { // it is measured then
		to = 0.8
	}
	encode := func(filters []string) (string, error) {
		made = true
		return name, a.FFmpeg(ctx, attempt.Run{
			Seconds: a.Info.Seconds(s), To: to,
			Outputs: []attempt.Output{{Name: name, Options: c.args(a.Info, s, filters)}},
		})
	}
	filters, err := c.heard.filtersFor(ctx, a, s, encode)
	if err == nil && !made {
		_, err = encode(filters)
	}
	return one(name, audioFormats[c.format].mediaType, err)
}

// args returns ffmpeg's options for the output.
func (c audio) args(in probe.Input, s probe.Stream, filters []string) []string {
	f := audioFormats[c.format]
	args := []string{"-map", fmt.Sprintf("0:%d", s.Index), "-sn", "-dn"}
	cover, ok := in.Cover()
	if c.keep && f.cover && ok {
		args = append(args, "-map", fmt.Sprintf("0:%d", cover.Index), "-c:v", "copy", "-disposition:v", "attached_pic")
	} else {
		args = append(args, "-vn")
	}
	if c.keep {
		args = append(args, "-map_metadata", "0", "-map_chapters", "0")
		if in.Format.Name == "ogg" { // where the tags are the stream's
			args = append(args, "-map_metadata", fmt.Sprintf("0:s:%d", s.Index))
		}
	} else {
		args = append(args, "-map_metadata", "-1", "-map_chapters", "-1")
	}
	args = append(args, inTongue(s)...)
	args = append(append(args, withFilters(filters)...), "-ar", strconv.Itoa(c.rate(s)))
	args = append(args, f.options...)
	switch deep := s.Deep(); {
	case f.each > 0:
		bits := c.bitrate
		if bits == 0 {
			bits = f.each * sound.Channels(s, c.heard.channels)
		}
		args = append(args, "-b:a", strconv.Itoa(min(bits, c.mostBits(s))))
	case c.format == "wav" && deep:
		args = append(args, "-c:a", "pcm_s24le")
	case c.format == "wav":
		args = append(args, "-c:a", "pcm_s16le")
	case deep:
		args = append(args, "-sample_fmt", "s32", "-bits_per_raw_sample", "24")
	default:
		args = append(args, "-sample_fmt", "s16")
	}
	return args
}

// rate returns the samples a second of the output: what the job says, or else the input's, or the next that the format
// has.
func (c audio) rate(s probe.Stream) int {
	rates, rate := kinds.Rates[c.format], int(s.SampleRate)
	if c.heard.rate > 0 {
		return c.heard.rate
	}
	if len(rates) == 0 {
		return min(rate, 192_000)
	}
	i, _ := slices.BinarySearch(rates, rate)
	return rates[min(i, len(rates)-1)]
}

// mostBits returns the bit rate that the format has at most: for MP3 by its version (ISO/IEC 11172-3, 13818-3), for AAC
// 6144 bits a channel and frame of 1024 samples (ISO/IEC 14496-3), for Opus what libopus takes.
func (c audio) mostBits(s probe.Stream) int {
	rate, channels := c.rate(s), sound.Channels(s, c.heard.channels)
	switch {
	case c.format == "mp3" && rate <= 12_000:
		return 64_000
	case c.format == "mp3" && rate <= 24_000:
		return 160_000
	case c.format == "mp3":
		return 320_000
	case c.format == "m4a":
		return 6 * rate * channels
	default:
		return 256_000 * channels
	}
}

// audioUses returns the options for every format.
func audioUses() (all [][]string) {
	limited := sound.Gain{Limit: ceiling}.Filters(48_000)
	for _, deep := range []int{16, 24} {
		s := probe.Stream{Codec: "pcm_s24le", Bits: deep, SampleRate: 48_000, Channels: 2}
		for _, format := range slices.Sorted(maps.Keys(audioFormats)) {
			all = append(all, audio{format: format}.args(probe.Input{}, s, limited))
		}
	}
	return append(all, metering{}.args(), heard{}.trial(probe.Stream{}, nil))
}
