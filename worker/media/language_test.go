package media

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/storage"
	"github.com/polyglot-media/siren/worker/workertest"
)

// The sound keeps its language, though the rest that a file says of itself is dropped; what is no language is dropped
// too.
func TestSoundKeepsItsLanguage(t *testing.T) {
	b := newBench(t)
	for says, want := range map[string]string{"deu": "deu", "mine, home 5": ""} {
		file := filepath.Join(b.in, "film.mkv")
		output(t, "ffmpeg", append(strings.Fields("-v error -y -f lavfi -i testsrc2=s=64x48:d=1 -f lavfi -i sine=d=1 "+
			"-c:v libx264 -preset ultrafast -c:a aac -metadata:s:a:0 title=mine"), "-metadata:s:a:0", "language="+says,
			file)...)
		for name, kind := range map[string]string{
			"out.mp4": "transcode", "out.mkv": "transcode", "out.webm": "transcode", "out.m4a": "audio",
		} {
			_, err := b.run(job.Job{Kind: kind, Input: "file://" + file, Output: b.output(name), Overwrite: true})
			workertest.Must(t, err)
			s, err := media(t, filepath.Join(b.out, name)).Best("audio", storage.Place{})
			workertest.Must(t, err)
			if got := strings.TrimPrefix(s.Tags.Language, "und"); got != want {
				t.Errorf("%s of %q: the language is %q, want %q", name, says, got, want)
			}
		}
	}
}
