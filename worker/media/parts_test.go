package media

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// film is 80 s of H.264, padded to 3 Mbit/s: 30 MB. It is black for 14 s.
const film = "-f lavfi -i testsrc2=s=320x180:r=25:d=80 -f lavfi -i sine=d=80 -vf " +
	"drawbox=c=black:t=fill:enable='between(t,56,70)' -c:v libx264 -preset veryfast -g 50 " +
	"-b:v 3M -minrate 3M -maxrate 3M -bufsize 1M -x264-params nal-hrd=cbr:filler=1 -pix_fmt yuv420p -c:a aac " +
	"-map_metadata -1 -movflags +faststart"

// A thumbnail of a film that is elsewhere reads a part of it, and is the same as that of all of it.
func TestThumbnailReadsAPart(t *testing.T) {
	s3test.Use(t)
	sent := &s3test.Gate(t).Sent
	bucket, err := blob.OpenBucket(t.Context(), "s3://"+s3test.Bucket+"?use_path_style=true")
	workertest.Must(t, err)
	t.Cleanup(func() { _ = bucket.Close() })
	b := newBench(t)
	base := "s3://" + s3test.Bucket + "/parts/"
	b.storage = append(b.storage, lanes.Storage{Prefix: base, Read: true})
	make := func(name string, args ...string) {
		t.Helper()
		output(t, "ffmpeg", append(append([]string{"-v", "error", "-y"}, args...), filepath.Join(b.in, name))...)
		data, err := os.ReadFile(filepath.Join(b.in, name))
		workertest.Must(t, err)
		workertest.Must(t, bucket.WriteAll(t.Context(), "parts/"+name, data, nil))
		t.Cleanup(func() { _ = bucket.Delete(context.Background(), "parts/"+name) })
	}
	make("front.mp4", strings.Fields(film)...)
	from := []string{"-i", filepath.Join(b.in, "front.mp4"), "-c", "copy"}
	make("back.mp4", from...)
	make("late.mov", append(from, "-output_ts_offset", "7")...)
	make("film.mkv", from...)
	list := fmt.Sprintf("file %s\ninpoint 48\nfile %[1]s\n", filepath.Join(b.in, "front.mp4"))
	b.write("list", []byte(list))
	make("dark.mp4", "-f", "concat", "-safe", "0", "-i", filepath.Join(b.in, "list"), "-c", "copy")
	make("pieces.mp4", append(from, "-movflags", "+frag_keyframe+empty_moov")...)
	for _, c := range []struct {
		name, at string
		most     float64 // how much of it is read
	}{
		{"front.mp4", `"50%"`, 0.1},
		{"front.mp4", "0", 0.1},
		{"back.mp4", `"60%"`, 0.1},
		{"back.mp4", `"representative"`, 0.1},
		{"dark.mp4", `"representative"`, 1.01}, // more is read than was thought
		{"late.mov", "41", 0.1},
		{"film.mkv", `"50%"`, 0.1},
		{"film.mkv", `"100%"`, 0.1},
		{"pieces.mp4", `"50%"`, 1.01},
	} {
		t.Run(c.name+" at "+c.at, func(t *testing.T) {
			info, err := os.Stat(filepath.Join(b.in, c.name))
			workertest.Must(t, err)
			params := json.RawMessage(fmt.Sprintf(`{"at":%s}`, c.at))
			name := strings.NewReplacer("%", "", `"`, "").Replace(c.name + c.at)
			picture := func(input, name string) []byte {
				_, err := b.run(job.Job{Kind: "thumbnail", Input: input, Output: b.output(name), Params: params})
				workertest.Must(t, err)
				data, err := os.ReadFile(filepath.Join(b.out, name))
				workertest.Must(t, err)
				return data
			}
			sent.Store(0)
			got := picture(base+c.name, "part-"+name+".jpg")
			read := float64(sent.Load()) / float64(info.Size())
			if !bytes.Equal(got, picture("file://"+filepath.Join(b.in, c.name), "whole-"+name+".jpg")) {
				t.Error("the picture isn't that of the whole film")
			}
			if t.Logf("%.1f %% of %d bytes were read", 100*read, info.Size()); read > c.most {
				t.Errorf("%.1f %% of the film was read, want at most %.0f %%", 100*read, 100*c.most)
			}
		})
	}
	t.Run("several of front.mp4", func(t *testing.T) {
		info, err := os.Stat(filepath.Join(b.in, "front.mp4"))
		workertest.Must(t, err)
		sent.Store(0)
		_, err = b.run(job.Job{
			Kind: "thumbnail", Input: base + "front.mp4", Output: b.output("stills") + "/",
			Params: json.RawMessage(`{"at":["20%","50%"]}`),
		})
		workertest.Must(t, err)
		whole, err := os.ReadFile(filepath.Join(b.out, "whole-front.mp450.jpg"))
		workertest.Must(t, err)
		got, err := os.ReadFile(filepath.Join(b.out, "stills", "002.jpg"))
		workertest.Must(t, err)
		if !bytes.Equal(got, whole) {
			t.Error("the second picture isn't that of the whole film")
		}
		if read := float64(sent.Load()) / float64(info.Size()); read > 0.15 {
			t.Errorf("%.1f %% of the film was read, want at most 15 %%", 100*read)
		}
	})
}
