package media

import (
	"encoding/binary"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// tone is a sine of 997 Hz and that many dBFS, in each of the channels.
func tone(dBFS, seconds string, channels int) string {
	one := "pow(10\\," + dBFS + "/20)*sin(2*PI*997*t)"
	return "-f lavfi -i aevalsrc=" + one + strings.Repeat("|"+one, channels-1) + ":s=48000:d=" + seconds
}

// loud is what another run of ffmpeg measures of a file, as a person would read it.
func loud(t *testing.T, file string) (lufs, peak float64) {
	t.Helper()
	said, err := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-i", file, "-map", "0:a:0", "-af",
		"ebur128=peak=true", "-f", "null", "-").CombinedOutput()
	workertest.Must(t, err)
	all := string(said[strings.LastIndex(string(said), "Summary:"):])
	number := func(name string) float64 {
		m := regexp.MustCompile(name + `:\s+(\S+) `).FindStringSubmatch(all)
		v, err := strconv.ParseFloat(m[1], 64)
		workertest.Must(t, err)
		return v
	}
	return number("I"), number("Peak")
}

// levelled wants a sound of that loudness within 0.5 LU, whose peaks stay below -1 dBTP.
func levelled(want float64, more ...func(*testing.T, made)) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		lufs, peak := loud(t, r.file)
		t.Logf("%.1f LUFS, %.1f dBTP", lufs, peak)
		if math.Abs(lufs-want) > 0.5 || peak > -1 {
			t.Errorf("%.1f LUFS and %.1f dBTP, want %v and no more than -1", lufs, peak, want)
		}
		for _, check := range more {
			check(t, r)
		}
	}
}

// quiet wants no warnings.
func quiet(t *testing.T, r made) {
	t.Helper()
	if len(r.result.Warnings) > 0 {
		t.Errorf("warnings %q", r.result.Warnings)
	}
}

// sounds wants a sound of that codec, rate, channels and length, in seconds.
func sounds(codec, rate, channels string, seconds float64, more ...func(*testing.T, made)) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		f := facts(t, r)
		for name, want := range map[string]string{"codec_name": codec, "sample_rate": rate, "channels": channels} {
			if f.audio[name] != want {
				t.Errorf("%s is %s, want %s", name, f.audio[name], want)
			}
		}
		length, _ := strconv.ParseFloat(strings.TrimSpace(string(output(t, "ffprobe", "-v", "error", "-show_entries",
			"format=duration", "-of", "csv=p=0", r.file))), 64)
		f.within("seconds", length, seconds-0.1, seconds+0.2)
		for _, check := range more {
			check(t, r)
		}
	}
}

// music is loud in places: bursts of noise over a quiet tone.
const music = "-f lavfi -i aevalsrc=0.05*sin(880*t)+0.9*(random(0)-0.5)*exp(-8*mod(t\\,0.5)):s=44100:d=6 -ac 2 "

var convertedSounds = []realFile{
	{
		name:   "a film's sound as AAC",
		source: "https://github.com/eladg/ffmpeg-by-example/issues/165",
		makes: []string{"-f lavfi -i testsrc2=s=160x90:r=10:d=2 -f lavfi -i " +
			"sine=d=2:r=44100 -ac 2 -c:v mpeg4 in.mkv"},
		kind: "audio", output: "out.m4a", check: sounds("aac", "44100", "2", 2, quiet),
	},
	{
		name:   "5.1 as MP3 of 96 kHz",
		source: "https://github.com/p2r3/convert/pull/385",
		makes: []string{
			"-f lavfi -i aevalsrc=0.1*sin(500*t)|0|0|0|0|0:c=5.1(side):s=96000:d=2 in.flac",
		},
		kind: "audio", output: "out.mp3", check: sounds("mp3", "48000", "2", 2, quiet),
	},
	{
		name:   "six channels without names: the middle, which speech is in, is heard",
		source: "https://trac.ffmpeg.org/wiki/AudioChannelManipulation",
		makes:  []string{middle + "in.wav"}, edit: unnamed, kind: "audio", output: "out.wav",
		check: sounds("pcm_s16le", "48000", "2", 2, quiet, func(t *testing.T, r made) {
			if lufs, _ := loud(t, r.file); lufs < -30 {
				t.Errorf("%.1f LUFS", lufs)
			}
		}),
	},
	{
		name:   "six channels without names as 5.1",
		source: "https://trac.ffmpeg.org/wiki/AudioChannelManipulation",
		makes:  []string{middle + "in.wav"}, edit: unnamed, kind: "audio", params: `{"channels":"5.1"}`,
		output: "out.flac", check: sounds("flac", "48000", "6", 2, quiet),
	},
	{
		name:   "a telephone's 8 kHz as MP3",
		source: "https://github.com/TooTallNate/node-lame/issues/11",
		makes:  []string{"-f lavfi -i sine=d=2:r=8000 -c:a pcm_mulaw in.wav"},
		kind:   "audio", params: `{"bitrate":"192k"}`, output: "out.mp3",
		check: warned("64k instead of 192k", sounds("mp3", "8000", "1", 2)),
	},
	{
		name:   "5.1(side) as Opus of 5.1",
		source: "https://github.com/jellyfin/jellyfin-ffmpeg/issues/248",
		makes: []string{
			"-f lavfi -i aevalsrc=0.1*sin(500*t)|0|0|0|0|0:c=5.1(side):s=44100:d=2 -c:a ac3 in.ac3",
		},
		kind: "audio", params: `{"channels":"5.1"}`, output: "out.opus", check: sounds("opus", "48000", "6", 2, quiet),
	},
	{
		name:   "one channel as Opus at more than it has",
		source: "libopus: at most 256,000 bit/s a channel",
		makes:  []string{"-f lavfi -i sine=d=1 in.wav"},
		kind:   "audio", params: `{"bitrate":"512k"}`, output: "out.ogg",
		check: warned("256k instead of 512k", sounds("opus", "48000", "1", 1)),
	},
	{
		name:   "24 bits stay 24 bits as FLAC",
		source: "studio recordings",
		makes:  []string{"-f lavfi -i sine=d=1 -c:a pcm_s24le in.wav"},
		kind:   "audio", output: "out.flac", check: func(t *testing.T, r made) {
			if f := facts(t, r); f.audio["bits_per_raw_sample"] != "24" {
				t.Errorf("%s bits", f.audio["bits_per_raw_sample"])
			}
		},
	},
	{
		name:   "an MP3 doesn't become FLAC of 24 bits",
		source: "ffmpeg's flac encoder, which takes 24 bits of floating point",
		makes:  []string{"-f lavfi -i sine=d=1 in.mp3"},
		kind:   "audio", output: "out.flac", check: func(t *testing.T, r made) {
			if f := facts(t, r); f.audio["sample_fmt"] != "s16" {
				t.Errorf("samples are %s", f.audio["sample_fmt"])
			}
		},
	},
	{
		name:   "WAV of 16 kHz in mono, for speech recognition",
		source: "what speech recognisers take",
		makes:  []string{music + "in.m4a"},
		kind:   "audio", params: `{"rate":16000,"channels":"mono"}`, output: "out.wav",
		check: sounds("pcm_s16le", "16000", "1", 6, quiet),
	},
	{
		name:   "cover and title are dropped",
		source: "https://github.com/C4illin/ConvertX/issues/601",
		makes:  covered, kind: "audio", output: "out.mp3",
		check: func(t *testing.T, r made) {
			if text := told(t, r); strings.Contains(text, "a_title") || strings.Contains(text, "video") {
				t.Errorf("it says %s", text)
			}
		},
	},
	{
		name:   "cover and title are kept",
		source: "https://github.com/a-schild/jave2/issues/266",
		makes:  covered, kind: "audio", params: `{"metadata":"keep"}`,
		output: "out.mp3", check: func(t *testing.T, r made) {
			if text := told(t, r); !strings.Contains(text, "a_title") || !strings.Contains(text, "attached_pic=1") {
				t.Errorf("it says %s", text)
			}
		},
	},
	{
		name:   "the title of an Ogg, which is its stream's",
		source: "RFC 7845, 5.2",
		makes: []string{
			"-f lavfi -i sine=d=1 -metadata title=a_title -c:a libopus in.ogg",
		},
		kind: "audio", params: `{"metadata":"keep"}`, output: "out.m4a", check: func(t *testing.T, r made) {
			if text := told(t, r); !strings.Contains(text, "a_title") {
				t.Errorf("it says %s", text)
			}
		},
	},
	{
		name:   "the sound of a film without any",
		source: "screen recordings",
		makes:  []string{"-f lavfi -i testsrc2=s=160x90:r=10:d=1 -c:v mpeg4 in.mkv"},
		kind:   "audio", output: "out.m4a", check: refused("has no audio"),
	},
	{
		name:   "half a song",
		source: "uploads that break off",
		makes:  []string{music + "-movflags +faststart in.m4a"}, edit: keep(50), kind: "audio",
		output: "out.mp3", check: warned("is cut off", func(t *testing.T, r made) { workertest.Must(t, r.err) }),
	},
}

// middle is a sound of 5.1 that is in the middle alone.
const middle = "-f lavfi -i aevalsrc=0|0|0.3*sin(997*2*PI*t)|0|0|0:c=5.1:s=48000:d=2 "

// unnamed makes a WAV one that doesn't say what its channels are: it has no dwChannelMask.
func unnamed(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[40:], 0)
	return b
}

// covered is a song with a cover and a_title.
var covered = []string{
	"-f lavfi -i color=c=0xC81414:s=64x64 -frames:v 1 cover.jpg",
	"-f lavfi -i sine=d=1 -i cover.jpg -map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic -metadata " +
		"title=a_title in.m4a",
}

// told returns all that ffprobe says of a file.
func told(t *testing.T, r made) string {
	t.Helper()
	workertest.Must(t, r.err)
	return string(output(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", r.file))
}

var levelledSounds = []realFile{
	{
		name:   "quiet speech for a podcast: a gain alone",
		source: "https://github.com/umputun/feed-master/issues/119",
		makes:  []string{tone("-40", "4", 2) + " in.wav"},
		kind:   "audio", params: `{"loudness":-16}`, output: "out.m4a", check: levelled(-16, quiet),
	},
	{
		name:   "in mono, as one channel",
		source: "https://github.com/complexlogic/rsgain/issues/125",
		makes:  []string{tone("-35", "4", 1) + " in.wav"},
		kind:   "audio", params: `{"loudness":-19}`, output: "out.mp3", check: levelled(-19, quiet),
	},
	{
		name:   "a podcast of two channels",
		source: "Apple Podcasts: audio requirements",
		makes:  []string{music + "in.wav"},
		kind:   "audio", params: `{"loudness":"podcast"}`, output: "out.m4a", check: levelled(-16, quiet),
	},
	{
		name:   "a podcast of one channel, which sounds as loud",
		source: "AES TD1008: 3 LU less of mono",
		makes:  []string{tone("-35", "4", 1) + " in.wav"},
		kind:   "audio", params: `{"loudness":"podcast"}`, output: "out.mp3", check: levelled(-19, quiet),
	},
	{
		name:   "a podcast of two channels that becomes one",
		source: "AES TD1008: 3 LU less of mono",
		makes:  []string{"-f lavfi -i testsrc2=s=160x90:r=10:d=6 " + music + "-c:v mpeg4 in.mkv"},
		kind:   "transcode", params: `{"loudness":"podcast","channels":"mono","speed":"ultrafast"}`,
		output: "out.mp4", check: levelled(-19, quiet),
	},
	{
		name:   "stereo becomes mono before it is measured",
		source: "https://github.com/jiixyj/libebur128/issues/42",
		makes:  []string{music + "in.wav"},
		kind:   "audio", params: `{"loudness":-23,"channels":"mono"}`, output: "out.m4a", check: levelled(-23, quiet),
	},
	{
		name:   "peaks that allow no gain are limited",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/190",
		makes:  []string{music + "in.wav"},
		kind:   "audio", params: `{"loudness":-12}`, output: "out.flac", check: levelled(-12, quiet),
	},
	{
		name:   "peaks are limited, and the encoder adds none",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/190",
		makes:  []string{music + "in.wav"},
		kind:   "audio", params: `{"loudness":-12}`, output: "out.mp3", check: levelled(-12, quiet),
	},
	{
		name:   "clipped and too loud",
		source: "https://github.com/audacity/audacity/issues/4750",
		makes:  []string{"-f lavfi -i aevalsrc=clip(4*sin(997*2*PI*t)\\,-1\\,1):d=4 -ac 2 in.wav"},
		kind:   "audio", params: `{"loudness":-16}`, output: "out.opus", check: levelled(-16, quiet),
	},
	{
		name:   "5.1",
		source: "films' surround sound",
		makes: []string{
			"-f lavfi -i aevalsrc=" + strings.Repeat("0.02*sin(3000*t)|", 5) +
				"0.02*sin(300*t):c=5.1(side):s=48000:d=4 in.flac",
		},
		kind: "audio", params: `{"loudness":-23,"channels":"5.1"}`, output: "out.m4a", check: levelled(-23, quiet),
	},
	{
		name:   "next to silence, whose peak has no three digits",
		source: "https://github.com/jiixyj/loudness-scanner/issues/37",
		makes:  []string{tone("-58", "4", 1) + " -c:a pcm_s24le in.wav"},
		kind:   "audio", params: `{"loudness":-5}`, output: "out.flac", check: levelled(-5),
	},
	{
		name:   "above full signal, as floating point allows",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/92",
		makes:  []string{tone("8", "4", 2) + " -c:a pcm_f32le in.wav"},
		kind:   "audio", params: `{"loudness":-16}`, output: "out.mp3", check: levelled(-16, quiet),
	},
	{
		name:   "a second of sound",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/87",
		makes:  []string{tone("-30", "1", 1) + " in.wav"},
		kind:   "audio", params: `{"loudness":-20}`, output: "out.wav",
		check: warned("the loudness of less than 3 s says little", levelled(-20)),
	},
	{
		name:   "a click, too short to be measured",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/113",
		makes:  []string{tone("-30", "0.2", 1) + " in.wav"},
		kind:   "audio", params: `{"loudness":-20}`, output: "out.wav",
		check: warned("too short to measure", sounds("pcm_s16le", "48000", "1", 0.2)),
	},
	{
		name:   "silence",
		source: "https://github.com/Frikanalen/frikanalen/issues/164",
		makes:  []string{"-f lavfi -i anullsrc=d=3 in.wav"},
		kind:   "audio", params: `{"loudness":-16}`, output: "out.m4a",
		check: warned("is silent", sounds("aac", "44100", "2", 3)),
	},
	{
		name:   "more than can be had",
		source: "clicks of a metronome",
		makes:  []string{"-f lavfi -i aevalsrc=if(lt(mod(t\\,1)\\,0.01)\\,0.9\\,0):s=8000:d=4 in.wav"},
		kind:   "audio", params: `{"loudness":-5}`, output: "out.flac",
		check: warned("they allow no more", func(t *testing.T, r made) {
			if _, peak := loud(t, r.file); peak > -1 {
				t.Errorf("%v dBTP", peak)
			}
		}),
	},
}

// reports wants a report of loudness with these figures, within 0.15; NaN is null.
func reports(want map[string]float64) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		text, err := os.ReadFile(r.file)
		workertest.Must(t, err)
		var got map[string]*float64
		workertest.Must(t, json.Unmarshal(text, &got))
		for name, v := range want {
			had, ok := got[name]
			switch {
			case !ok, math.IsNaN(v) != (had == nil), had != nil && math.Abs(*had-v) > 0.15:
				t.Errorf("%s isn't %v in %s", name, v, text)
			}
		}
	}
}

// none is a figure that can't be said.
var none = math.NaN()

// In BS.1770 a sine of 997 Hz and 0 dBFS in one channel is -3.01 LUFS.
var measuredSounds = []realFile{
	{
		name:   "the loudness of a known tone in two channels",
		source: "EBU Tech 3341, case 1",
		makes:  []string{tone("-20", "5", 2) + " in.wav"},
		kind:   "loudness", params: `{"target":-16}`, output: "out.json", check: reports(map[string]float64{
			"integratedLUFS": -20, "thresholdLUFS": -30, "rangeLU": 0, "truePeakDBTP": -20, "maxMomentaryLUFS": -20,
			"maxShortTermLUFS": -20, "seconds": 5, "channels": 2, "targetLUFS": -16, "gainDB": 4,
			"truePeakAfterDBTP": -16,
		}),
	},
	{
		name:   "the loudness of one channel",
		source: "https://github.com/reaper-oss/sws/issues/1209",
		makes:  []string{tone("-20", "4", 1) + " in.wav"},
		kind:   "loudness", output: "out.json",
		check: reports(map[string]float64{"integratedLUFS": -23.01, "channels": 1}),
	},
	{
		name:   "the range of loud and quiet parts",
		source: "EBU Tech 3342, case 1",
		makes: []string{
			tone("if(lt(t\\,10)\\,-20\\,-40)", "20", 2) + " in.flac",
		},
		kind: "loudness", output: "out.json", check: reports(map[string]float64{
			"integratedLUFS": -20, "maxShortTermLUFS": -20, "truePeakDBTP": -20,
		}),
	},
	{
		name:   "the loudness of silence",
		source: "https://github.com/Frikanalen/frikanalen/issues/164",
		makes:  []string{"-f lavfi -i anullsrc=d=4 in.wav"},
		kind:   "loudness", params: `{"target":-23}`, output: "out.json", check: func(t *testing.T, r made) {
			reports(map[string]float64{
				"integratedLUFS": none, "thresholdLUFS": none, "truePeakDBTP": none, "seconds": 4,
			})(t, r)
			if text, _ := os.ReadFile(r.file); strings.Contains(string(text), "gainDB") {
				t.Errorf("a gain for silence: %s", text)
			}
		},
	},
	{
		name:   "the loudness of a click",
		source: "https://github.com/slhck/ffmpeg-normalize/issues/113",
		makes:  []string{tone("-20", "0.2", 1) + " in.wav"},
		kind:   "loudness", output: "out.json", check: reports(map[string]float64{
			"integratedLUFS": none, "maxMomentaryLUFS": none, "rangeLU": none, "truePeakDBTP": -20,
		}),
	},
	{
		name:   "the loudness of ten channels without names",
		source: "multitrack recordings",
		makes: []string{tone("-20", "4", 10) + " -c:a " +
			"pcm_s16le in.mov"},
		kind: "loudness", output: "out.json", check: reports(map[string]float64{"integratedLUFS": -20}),
	},
	{
		name:   "peaks between samples",
		source: "EBU Tech 3341, case 15",
		makes: []string{
			"-f lavfi -i aevalsrc=min(t\\,1)*sin(2*PI*12000*t+PI/4):s=48000:d=4 in.wav",
		},
		kind: "loudness", output: "out.json", check: reports(map[string]float64{"truePeakDBTP": 0}),
	},
}

// peaks is audiowaveform's JSON.
type peaks struct {
	Version         int
	Channels        int
	SampleRate      int `json:"sample_rate"`
	SamplesPerPixel int `json:"samples_per_pixel"`
	Bits            int
	Length          int
	Data            []int
}

// peaked wants the peaks of the input's PCM, which is decoded again and reduced in another way.
func peaked(input string, want peaks) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		text, err := os.ReadFile(r.file)
		workertest.Must(t, err)
		var got peaks
		workertest.Must(t, json.Unmarshal(text, &got))
		file := strings.Replace(r.file, "out/out.json", "in/"+input, 1)
		raw := output(t, "ffmpeg", "-v", "error", "-i", file, "-f", "s16le", "-")
		of, each := 2, got.SamplesPerPixel // the inputs have two channels
		frames := len(raw) / 2 / of
		sample := func(frame, channel int) int {
			at := func(c int) int { return int(int16(binary.LittleEndian.Uint16(raw[2*(frame*of+c):]))) }
			if want.Channels == 1 {
				return (at(0) + at(1)) / 2
			}
			return at(channel)
		}
		for pixel := 0; pixel*each < frames; pixel++ {
			for c := range want.Channels {
				var all []int
				for f := pixel * each; f < min((pixel+1)*each, frames); f++ {
					all = append(all, sample(f, c)/map[int]int{8: 256, 16: 1}[want.Bits])
				}
				want.Data = append(want.Data, slices.Min(all), slices.Max(all))
			}
			want.Length++
		}
		if want.SamplesPerPixel == 0 {
			want.SamplesPerPixel = each
		}
		want.Version, want.SampleRate = 2, 44100
		if !slices.Equal(got.Data, want.Data) {
			t.Errorf("%d numbers, want these %d: first %v, want %v", len(got.Data), len(want.Data),
				got.Data[:min(8, len(got.Data))], want.Data[:8])
		}
		if got.Data, want.Data = nil, nil; got.Length != want.Length || got.Bits != want.Bits ||
			got.Channels != want.Channels || got.SamplesPerPixel != want.SamplesPerPixel || got.Version != 2 ||
			got.SampleRate != 44100 {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

const apart = "-f lavfi -i aevalsrc=t/6*sin(880*t)|0.9*(random(0)-0.5)*exp(-8*mod(t\\,0.5)):s=44100:d=6 "

var drawnSounds = []realFile{
	{
		name:   "peaks of 256 samples",
		source: "https://github.com/bbc/audiowaveform/issues/147",
		makes:  []string{apart + "in.flac"}, kind: "waveform", output: "out.json",
		check: peaked("in.flac", peaks{Channels: 1, Bits: 8, SamplesPerPixel: 256}),
	},
	{
		name:   "peaks of each channel in 16 bits",
		source: "https://github.com/bbc/audiowaveform/issues/147",
		makes:  []string{apart + "in.flac"},
		kind:   "waveform", output: "out.json",
		params: `{"channels":"split","bits":16,"samplesPerPixel":1000}`,
		check:  peaked("in.flac", peaks{Channels: 2, Bits: 16, SamplesPerPixel: 1000}),
	},
	{
		name:   "peaks for a width",
		source: "https://github.com/katspaugh/wavesurfer.js/issues/722",
		makes:  []string{apart + "in.flac"}, kind: "waveform", output: "out.json",
		params: `{"width":500,"bits":16}`,
		check:  peaked("in.flac", peaks{Channels: 1, Bits: 16, SamplesPerPixel: 530}), // of 264,600 samples
	},
	{
		name:   "peaks for a width, of a recording that doesn't say how long it is",
		source: "recordings of browsers, which don't say",
		makes:  []string{apart + "-c:a flac a.flac", "-i a.flac -c copy -f matroska -live 1 in.mkv"},
		kind:   "waveform", output: "out.json", params: `{"width":500,"bits":16}`,
		check: peaked("in.mkv", peaks{Channels: 1, Bits: 16, SamplesPerPixel: 530}),
	},
	{
		name:   "peaks for a width, of a film whose sound is a little longer than it says",
		source: "AAC, which pads its last frame",
		makes: []string{
			"-f lavfi -i testsrc2=s=160x90:r=10:d=6 " + apart + "-c:v mpeg4 -c:a aac in.mp4",
		},
		kind: "waveform", output: "out.json", params: `{"width":100}`,
		check: func(t *testing.T, r made) {
			peaked("in.mp4", peaks{Channels: 1, Bits: 8})(t, r)
			text, err := os.ReadFile(r.file)
			workertest.Must(t, err)
			var got peaks
			workertest.Must(t, json.Unmarshal(text, &got))
			if got.Length < 97 || got.Length > 100 || len(got.Data) != 2*got.Length {
				t.Errorf("%d pixels of %d numbers", got.Length, len(got.Data))
			}
		},
	},
	{
		name:   "a drawing: silence, then sound, then silence",
		source: "a player's time line",
		makes: []string{
			"-f lavfi -i aevalsrc=0.9*between(t\\,1\\,2)*sin(2*PI*440*t):s=44100:d=3 in.flac",
		},
		kind: "waveform", params: `{"width":300,"height":100,"colour":"#C81414"}`, output: "out.png",
		check: func(t *testing.T, r made) {
			m := drawing(t, r, 300, 100)
			for x, want := range map[int]int{50: 1, 150: 90, 250: 1} {
				if h := height(m, x); abs(h-want) > 3 {
					t.Errorf("at %d it is %d high, want %d", x, h, want)
				}
			}
			near(t, "wave", pixel(t, r.file, 0.5, 0.5), 0xC81414)
			if c := pixel(t, r.file, 0.1, 0.1); c.A != 0 {
				t.Errorf("behind it is %v", c)
			}
		},
	},
	{
		name:   "a drawing of each channel on white",
		source: "a player's time line",
		makes:  []string{"-f lavfi -i aevalsrc=0.9*sin(2*PI*440*t)|0:s=44100:d=1 in.wav"},
		kind:   "waveform", params: `{"width":200,"height":100,"channels":"split","background":"#ffffff"}`,
		output: "out.png",
		check: func(t *testing.T, r made) {
			drawing(t, r, 200, 100)
			near(t, "left", pixel(t, r.file, 0.5, 0.1), 0x2563EB)
			near(t, "right", pixel(t, r.file, 0.5, 0.6), 0xFFFFFF)
			near(t, "the line of silence", pixel(t, r.file, 0.5, 0.75), 0x2563EB)
		},
	},
	{
		name:   "a drawing in time with pictures that begin before the sound",
		source: "https://github.com/SubtitleEdit/subtitleedit/issues/4084",
		makes: []string{
			"-f lavfi -i testsrc2=s=160x90:r=10:d=2 -itsoffset 1 -f lavfi -i sine=d=1 -c:v mpeg4 -c:a flac in.mkv",
		},
		kind: "waveform", params: `{"width":100,"height":100}`, output: "out.png", check: func(t *testing.T, r made) {
			m := drawing(t, r, 100, 100)
			if before, after := height(m, 30), height(m, 70); before > 1 || after < 5 {
				t.Errorf("%d high before the sound begins, then %d", before, after)
			}
		},
	},
	{
		name:   "a drawing of less sound than it has columns",
		source: "sound effects",
		makes:  []string{"-f lavfi -i sine=d=0.01:r=8000 in.wav"},
		kind:   "waveform", output: "out.png", check: func(t *testing.T, r made) {
			m := drawing(t, r, 1200, 200)
			if height(m, 1199) < 1 {
				t.Error("the end is empty")
			}
		},
	},
	{
		name:   "a drawing of a film without sound",
		source: "screen recordings",
		makes:  []string{"-f lavfi -i testsrc2=s=160x90:r=10:d=1 -c:v mpeg4 in.mkv"},
		kind:   "waveform", output: "out.png", check: refused("has no audio"),
	},
}

// drawing returns a PNG of that size.
func drawing(t *testing.T, r made, width, height int) image.Image {
	t.Helper()
	workertest.Must(t, r.err)
	f, err := os.Open(r.file)
	workertest.Must(t, err)
	defer func() { _ = f.Close() }()
	m, err := png.Decode(f)
	workertest.Must(t, err)
	if size := m.Bounds().Size(); size != image.Pt(width, height) {
		t.Errorf("it is %v", size)
	}
	return m
}

// height returns how many pixels of a column are the wave's.
func height(m image.Image, x int) (n int) {
	for y := range m.Bounds().Dy() {
		if _, _, _, a := m.At(x, y).RGBA(); a > 0 {
			n++
		}
	}
	return n
}
