package media

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/workertest"
)

// What is encrypted is refused as that by every kind, whatever ffmpeg makes of its bytes, and a probe says it.
func TestEncryptedFiles(t *testing.T) {
	const (
		cenc = "-encryption_scheme cenc-aes-ctr -encryption_key 0123456789abcdef0123456789abcdef " +
			"-encryption_kid 0123456789abcdef0123456789abcdef "
		film = "-f lavfi -i testsrc2=s=320x240:d=2 -f lavfi -i sine=d=2 -pix_fmt yuv420p -c:v libx264 " +
			"-preset ultrafast -c:a aac " + cenc
	)
	b := newBench(t)
	for name, args := range map[string]string{
		"film.mp4":   film,
		"pieces.mp4": film + "-movflags +frag_keyframe+empty_moov",
		"front.mp4":  film + "-movflags +faststart",
		"sound.m4a":  "-f lavfi -i sine=d=2 -c:a aac " + cenc + "-f mp4",
	} {
		file := filepath.Join(b.in, name)
		output(t, "ffmpeg", append(strings.Fields("-v error "+args), file)...)
		kinds := map[string]string{"audio": "mp3", "loudness": "json", "waveform": "png"}
		if name != "sound.m4a" {
			for kind, ending := range map[string]string{
				"transcode": "mp4", "thumbnail": "jpg", "sprite": "vtt", "hls": "m3u8",
			} {
				kinds[kind] = ending
			}
		}
		for kind, ending := range kinds {
			out := b.output(name + "." + ending)
			if kind == "hls" || kind == "sprite" {
				out = b.output(name+"."+kind) + "/"
			}
			_, err := b.run(job.Job{Kind: kind, Input: "file://" + file, Output: out})
			workertest.Expect(t, err, work.BadInput, "it is encrypted")
		}
		_, err := b.run(job.Job{Kind: "probe", Input: "file://" + file, Output: b.output(name + ".json")})
		workertest.Must(t, err)
		text, err := os.ReadFile(filepath.Join(b.out, name+".json"))
		workertest.Must(t, err)
		var got struct{ Summary probe.Summary }
		workertest.Must(t, json.Unmarshal(text, &got))
		s := got.Summary
		if len(s.Audio) != 1 || !s.Audio[0].Encrypted || s.Audio[0].Default {
			t.Errorf("%s: sound %+v, want it encrypted", name, s.Audio)
		}
		if name != "sound.m4a" && (s.Video == nil || !s.Video.Encrypted || s.Video.Width != 320) {
			t.Errorf("%s: video %+v, want it encrypted", name, s.Video)
		}
	}
}
