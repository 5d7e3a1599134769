package media

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob" // s3:// for OpenBucket

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// Whole jobs against every store: made, made again, refused, overwritten.
func TestHandleCommits(t *testing.T) {
	for _, scheme := range []string{"file", "s3"} {
		t.Run(scheme, func(t *testing.T) {
			folder := ""
			if scheme == "s3" {
				folder = s3test.Use(t)
			}
			g := newBench(t)
			base := "file://" + g.out + "/"
			j := job.Job{ID: "mine", Kind: "probe", Input: g.put("clip.mp4"), Output: base + "clip.json"}
			if scheme == "s3" { // the input from S3 too
				base = fmt.Sprintf("s3://%s/whole-%d/", s3test.Bucket, time.Now().UnixNano())
				workertest.Must(t, os.MkdirAll(filepath.Join(folder, "in"), 0o755))
				g.storage = append(g.storage, lanes.Storage{Prefix: base, Read: true, Write: true},
					lanes.Storage{Prefix: "s3://" + s3test.Bucket + "/in/", Read: true})
				data, err := os.ReadFile(sharedClip(t, "clip.mp4"))
				workertest.Must(t, err)
				b, err := blob.OpenBucket(t.Context(), "s3://"+s3test.Bucket+"?use_path_style=true")
				workertest.Must(t, err)
				workertest.Must(t, b.WriteAll(t.Context(), "in/clip one.mp4", data, &blob.WriterOptions{}))
				workertest.Must(t, b.Close())
				j.Input, j.Output = "s3://"+s3test.Bucket+"/in/clip one.mp4", base+"clip.json"
				_, err = g.run(job.Job{
					Kind: "probe", Input: "s3://" + s3test.Bucket + "/in/none.mp4",
					Output: base + "x.json",
				})
				workertest.Expect(t, err, work.BadInput, "doesn't exist")
				g.limits.Scratch = 1000
				_, err = g.run(j)
				workertest.Expect(t, err, work.OverLimit, "scratch space of 1000")
				g.limits.Scratch = 1 << 30
			}
			first, err := g.run(j)
			workertest.Must(t, err)
			if first.AlreadyDone || first.Outputs[0].Bytes == 0 || first.Outputs[0].URL != j.Output {
				t.Errorf("first: %+v", first)
			}
			again, err := g.run(j)
			workertest.Must(t, err)
			if !again.AlreadyDone || again.Outputs[0] != first.Outputs[0] {
				t.Errorf("again: %+v, want %+v and already done", again, first)
			}
			if scheme == "file" {
				long := j
				long.ID, long.Output = "long", base+strings.Repeat("n", 300)+".json"
				_, err = g.run(long)
				workertest.Expect(t, err, work.BadInput, "file name too long")
			}
			other := j
			other.ID = "other"
			_, err = g.run(other)
			workertest.Expect(t, err, work.OutputExists, "not from this job")
			other.Overwrite = true
			over, err := g.run(other)
			workertest.Must(t, err)
			if over.AlreadyDone {
				t.Errorf("overwrite: %+v", over)
			}
		})
	}
}
