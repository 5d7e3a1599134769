package democmd

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// Load is what a trial enqueues: transcodes at once, enough to keep every lower slot busy, and express thumbnails on
// top, one at a time.
type Load struct {
	Standard, Bulk, Express int
	Every                   time.Duration // an express job
	// how long the transcodes take together, where nothing else runs; 0: their clips are as short as can be
	Busy   time.Duration
	Settle time.Duration // how long the fleet may take to shrink back
	Rest   time.Duration // between bursts of a demo that is kept
}

// Everyday is the load of `siren demo`.
func Everyday() Load {
	return Load{
		Standard: 14, Bulk: 10, Express: 24, Every: 400 * time.Millisecond,
		Busy: 14 * time.Second, Settle: 30 * time.Second, Rest: 15 * time.Second,
	}
}

// mostSlots is how many transcodes run at once with lanes, where there are cores for them.
const mostSlots = 4

// shortestClip is what a clip has at least: verify wants a second of every output.
const shortestClip = 2 * time.Second

// clipLength returns how long the clips are, so that the transcodes take as long as they should: a second of clip takes
// one core so long.
func (l Load) clipLength(takes time.Duration, cores int) time.Duration {
	if l.Busy == 0 || takes <= 0 {
		return shortestClip
	}
	each := l.Busy * time.Duration(min(cores, mostSlots)) / time.Duration(l.Standard+l.Bulk)
	length := time.Duration(float64(time.Second) * each.Seconds() / takes.Seconds())
	return min(max(length, shortestClip), 2*time.Minute)
}

// clips is how many different sources there are.
const clips = 3

// makeClips makes test pictures with a tone, as long as the load needs them on this machine; or copies the video that
// was given.
func (d *Demo) makeClips(ctx context.Context) error {
	if d.Input != "" {
		for i := range clips {
			if _, err := ffmpeg(ctx, "-i", d.Input, "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy",
				d.clip(i)); err != nil {
				return err
			}
		}
		return nil
	}
	const sample = 4 // seconds
	if err := makeClip(ctx, d.clip(0), 0, sample*time.Second); err != nil {
		return err
	}
	took, err := ffmpeg(ctx, "-threads", "1", "-i", d.clip(0), "-vf", "scale=-2:240", "-c:v", "libx264", "-crf", "26",
		"-threads", "1", "-c:a", "aac", "-f", "null", "-")
	if err != nil {
		return err
	}
	length := d.Load.clipLength(took/sample, runtime.GOMAXPROCS(0))
	for i := range clips { // of 80, 100 and 120 %
		if err := makeClip(ctx, d.clip(i), i, length*time.Duration(4+i)/5); err != nil {
			return err
		}
	}
	return nil
}

func makeClip(ctx context.Context, path string, i int, length time.Duration) error {
	_, err := ffmpeg(ctx,
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=640x360:rate=25:duration=%.2f", length.Seconds()),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:duration=%.2f", 330*(i+1), length.Seconds()),
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", path)
	return err
}

// ffmpeg runs it and returns how long it took: on a machine that is busy with other things, longer.
func ffmpeg(ctx context.Context, args ...string) (time.Duration, error) {
	c := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"},
		args...)...)
	began := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("make a clip with ffmpeg: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return time.Since(began), nil
}

func (d *Demo) clip(i int) string {
	return filepath.Join(d.dir, "in", fmt.Sprintf("clip%d.mp4", i%clips))
}

// burst returns the transcodes.
func (t *trial) burst() (jobs []job.Job) {
	for i := range t.Load.Standard {
		jobs = append(jobs, t.transcode("standard", i, map[string]string{"customer": "c" + strconv.Itoa(i%4)}))
	}
	for i := range t.Load.Bulk {
		jobs = append(jobs, t.transcode("bulk", i, map[string]string{"batch": "true"}))
	}
	return jobs
}

func (t *trial) transcode(name string, i int, labels map[string]string) job.Job {
	return job.Job{
		ID: fmt.Sprintf("%s-%02d", name, i), Kind: "transcode", Labels: labels,
		Input: "file://" + t.clip(i), Output: fmt.Sprintf("file://%s/out/%s-%02d.mp4", t.dir(), name, i),
		Params: []byte(`{"height": 240, "crf": 26}`),
	}
}

func (t *trial) thumbnail(i int) job.Job {
	return job.Job{
		ID: fmt.Sprintf("express-%02d", i), Kind: "thumbnail", Labels: map[string]string{"tier": "premium"},
		Input: "file://" + t.clip(i), Output: fmt.Sprintf("file://%s/out/express-%02d.jpg", t.dir(), i),
		Params: []byte(`{"at": "10%", "width": 320}`),
	}
}
