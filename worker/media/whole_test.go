package media

import (
	"github.com/polyglot-media/siren/lanes"
	"gocloud.dev/blob"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whole jobs against every store: made, made again, refused, overwritten.
func TestHandleCommits(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		job := lanes.Job{ID: "mine", Kind: "probe", Input: g.put("clip.mp4"), Output: g.base + "clip.json"}
		if g.base[:2] == "s3" { // the input from S3 too
			must(t, os.MkdirAll(filepath.Join(s3server.dir, testBucket, "in"), 0o755))
			g.storage = append(g.storage, lanes.Storage{Prefix: "s3://" + testBucket + "/in/", Read: true})
			data, err := os.ReadFile(sharedClip(t, "clip.mp4"))
			must(t, err)
			b, err := g.h.buckets.open(t.Context(), testBucket)
			must(t, err)
			must(t, b.WriteAll(t.Context(), "in/clip one.mp4", data, &blob.WriterOptions{}))
			job.Input = "s3://" + testBucket + "/in/clip one.mp4"
			_, err = g.run(lanes.Job{Kind: "probe", Input: "s3://" + testBucket + "/in/none.mp4", Output: g.base + "x.json"})
			expect(t, err, lanes.BadInput, "doesn't exist")
			g.limits.Scratch = 1000
			_, err = g.run(job)
			expect(t, err, lanes.OverLimit, "scratch space of 1000")
			g.limits.Scratch = 1 << 30
		}
		first, err := g.run(job)
		must(t, err)
		if first.AlreadyDone || first.Outputs[0].Bytes == 0 || first.Outputs[0].URL != job.Output {
			t.Errorf("first: %+v", first)
		}
		again, err := g.run(job)
		must(t, err)
		if !again.AlreadyDone || again.Outputs[0] != first.Outputs[0] {
			t.Errorf("again: %+v, want %+v and already done", again, first)
		}
		if g.base[:4] == "file" {
			long := job
			long.ID, long.Output = "long", g.base+strings.Repeat("n", 300)+".json"
			_, err = g.run(long)
			expect(t, err, lanes.BadInput, "file name too long")
		}
		other := job
		other.ID = "other"
		_, err = g.run(other)
		expect(t, err, lanes.OutputExists, "not by this job")
		other.Overwrite = true
		over, err := g.run(other)
		must(t, err)
		if over.AlreadyDone {
			t.Errorf("overwrite: %+v", over)
		}
	})
}
