package stand

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/test/bench/yardstick"
)

// wireSize is the body of each no-op job on the wire, in bytes: a signed URL or two.
const wireSize = 500

// Noops makes n jobs that nobody's handler looks at, each of wireSize on the wire.
func Noops(lane string, n int) []job.Job {
	jobs := make([]job.Job, n)
	for i := range jobs {
		jobs[i] = job.Job{ID: job.NewID(time.Now()), Kind: "noop", Labels: map[string]string{"lane": lane}}
		jobs[i].Input = "s3://bench/" + strings.Repeat("x",
			wireSize-len(yardstick.WireForm(jobs[i]))-len(`,"input":"s3://bench/"`))
	}
	return jobs
}

// MakeClips makes the two sources: 6 s of 720p for express jobs, and one long enough that a bulk job outlives what is
// measured beside it.
func (b *Bench) MakeClips(ctx context.Context) error {
	if b.bulkClip != "" {
		return nil
	}
	b.Say("making clips")
	short, long := filepath.Join(b.Dir, "express.mp4"), filepath.Join(b.Dir, "bulk.mp4")
	for _, args := range []string{
		"-f lavfi -i testsrc2=size=1280x720:rate=25:duration=6 -f lavfi -i sine=frequency=440:duration=6 " +
			"-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac " + short,
		"-stream_loop 49 -i " + short + " -c copy " + long,
	} {
		if err := FFmpeg(ctx, args); err != nil {
			return err
		}
	}
	b.expressClip, b.bulkClip = short, long
	return nil
}

// FFmpeg makes a clip.
func FFmpeg(ctx context.Context, args string) error {
	args = "-hide_banner -loglevel error -nostdin -y " + args
	if out, err := exec.CommandContext(ctx, "ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("make a clip with ffmpeg: %w: %s", err, out)
	}
	return nil
}

// Media returns a media job for the lane, with an output of its own.
func (b *Bench) Media(lane, kind, ext, clip, params string) job.Job {
	id := job.NewID(time.Now())
	return job.Job{
		ID: id, Kind: kind, Labels: map[string]string{"lane": lane},
		Input: "file://" + clip, Output: "file://" + filepath.Join(b.Dir, "out-"+id+ext), Params: []byte(params),
	}
}

// Thumbnail returns an express job of a fraction of a second.
func (b *Bench) Thumbnail() job.Job {
	return b.Media(ExpressLane, "thumbnail", ".jpg", b.expressClip, `{"at": "3s", "width": 640}`)
}

// Transcode returns a job of 6 s of 720p to 720p.
func (b *Bench) Transcode() job.Job {
	return b.Media(ExpressLane, "transcode", ".mp4", b.expressClip, `{"crf": 23}`)
}

// Saturating returns so many long transcodes for a lower lane.
func (b *Bench) Saturating(lane string, n int) []job.Job {
	jobs := make([]job.Job, n)
	for i := range jobs {
		jobs[i] = b.Media(lane, "transcode", ".mp4", b.bulkClip, `{"crf": 20}`)
	}
	return jobs
}

// Enqueue puts jobs into their lanes as a producer does, records and all.
func (b *Bench) Enqueue(ctx context.Context, jobs []job.Job) error {
	for _, o := range b.Client.EnqueueBatch(ctx, jobs) {
		if o.Err != nil {
			return fmt.Errorf("enqueue: %w", o.Err)
		}
	}
	return nil
}

// ClearOutputs removes what jobs have made so far.
func (b *Bench) ClearOutputs() error {
	made, err := filepath.Glob(filepath.Join(b.Dir, "out-*"))
	for _, path := range made {
		if err == nil {
			err = os.RemoveAll(path)
		}
	}
	return err
}

// Fill puts the jobs into empty lanes.
func (b *Bench) Fill(ctx context.Context, jobs []job.Job) error {
	if err := b.Raw.Purge(); err != nil {
		return err
	}
	defer runtime.GC()
	return b.Enqueue(ctx, jobs)
}
