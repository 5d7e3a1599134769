package media

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/workertest"
)

// says wants a probe whose summary is that.
func says(want probe.Summary) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		text, err := os.ReadFile(r.file)
		workertest.Must(t, err)
		var got struct {
			Summary probe.Summary
			Format  map[string]any
			Streams []map[string]any
		}
		workertest.Must(t, json.Unmarshal(text, &got))
		if !reflect.DeepEqual(got.Summary, want) {
			wanted, _ := json.MarshalIndent(want, "", "  ")
			t.Errorf("it says %s, want the summary %s", text, wanted)
		}
		if got.Format == nil || len(got.Streams) == 0 {
			t.Errorf("ffprobe's own answer isn't beside it: %s", text)
		}
	}
}

var probedFiles = []realFile{
	{
		name:   "a probe of a phone's film that is held upright",
		source: "https://github.com/Vanilagy/mp4-muxer/issues/13",
		makes: []string{
			"-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset ultrafast a.mp4",
			"-i a.mp4 -c copy -metadata:s:v rotate=270 in.mp4",
		},
		kind: "probe", output: "out.json", check: says(probe.Summary{
			Container: "mp4", Seconds: 2,
			Video: &probe.Pictures{Codec: "h264", Width: 240, Height: 320, Turned: 90, FPS: 25, Steady: true},
		}),
	},
	{
		name:   "a probe of television: fields, pixels that aren't square",
		source: "https://github.com/jellyfin/jellyfin-roku/issues/622",
		makes: []string{"-f lavfi -i testsrc2=s=720x576:r=50:d=1 -vf tinterlace=4,setfield=tff,setsar=16/11 -c:v " +
			"mpeg2video -flags +ilme+ildct in.mkv"},
		kind: "probe", output: "out.json", check: says(probe.Summary{
			Container: "matroska", Seconds: 1,
			Video: &probe.Pictures{
				Codec: "mpeg2video", Width: 1047, Height: 576, FPS: 25, Steady: true,
				Interlaced: true,
			},
		}),
	},
	{
		name:   "a probe of HDR",
		source: "https://github.com/photoprism/photoprism/issues/3295",
		makes:  []string{pq + "in.mp4"}, kind: "probe", output: "out.json", check: says(probe.Summary{
			Container: "mp4", Seconds: 1,
			Video: &probe.Pictures{Codec: "hevc", Width: 640, Height: 360, FPS: 25, Steady: true, HDR: "PQ"},
		}),
	},
	{
		name:   "a probe of a still picture",
		source: "https://github.com/ImageMagick/ImageMagick/issues/7997",
		makes:  []string{leftClear + "in.png"}, kind: "probe", output: "out.json",
		check: says(probe.Summary{
			Container: "png_pipe",
			Video:     &probe.Pictures{Codec: "png", Width: 320, Height: 240, Still: true, Transparent: true},
		}),
	},
	{
		name:   "a probe of a film in two languages, without chapters",
		source: "https://github.com/HaveAGitGat/Tdarr_Plugins/issues/128",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=d=1 -map 0 " +
			"-map 1 " +
			"-map 2 -c:v libx264 -preset ultrafast -c:a flac -ac:a:1 2 -metadata:s:a:0 language=deu -metadata:s:a:1 " +
			"language=fra -disposition:a:0 0 -disposition:a:1 default in.mkv"},
		kind: "probe", output: "out.json", check: says(probe.Summary{
			Container: "matroska", Seconds: 1,
			Video: &probe.Pictures{Codec: "h264", Width: 320, Height: 240, FPS: 25, Steady: true},
			Audio: []probe.Sound{
				{Stream: 1, Codec: "flac", Channels: 1, Layout: "mono", SampleRate: 44100, Language: "deu"},
				{
					Stream: 2, Codec: "flac", Channels: 2, Layout: "stereo", SampleRate: 44100, Language: "fra",
					Default: true,
				},
			},
		}),
	},
	{
		name:   "a probe of a browser's recording, whose container doesn't say how long it is",
		source: "https://github.com/muaz-khan/RecordRTC/issues/147",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=30:d=6,select='gt(mod(n\\,3)\\,0)' -vsync vfr " +
			"-enc_time_base 1/1000 -c:v libvpx -deadline realtime -live 1 in.webm"},
		kind: "probe", output: "out.json", check: says(probe.Summary{
			Container: "webm", Seconds: 5.966,
			Video: &probe.Pictures{Codec: "vp8", Width: 320, Height: 240, FPS: 20.057},
		}),
	},
}
