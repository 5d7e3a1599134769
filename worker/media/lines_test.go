package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// Over a line that is slow and breaks, both ways, jobs make what they make of files that are here, and make it once;
// what has come already doesn't come again.
func TestJobsOverLinesThatBreak(t *testing.T) {
	s3test.Use(t)
	base := fmt.Sprintf("lines-%d/", time.Now().UnixNano())
	bucket, err := blob.OpenBucket(t.Context(), "s3://"+s3test.Bucket+"?use_path_style=true")
	workertest.Must(t, err)
	t.Cleanup(func() { _ = bucket.Close() })
	gate := s3test.Gate(t)
	b := newBench(t)
	url := "s3://" + s3test.Bucket + "/" + base
	b.storage = append(b.storage, lanes.Storage{Prefix: url, Read: true, Write: true})
	for name, args := range map[string]string{
		"film.mp4": "testsrc2=s=320x180:r=25:d=2,noise=alls=60:allf=t -c:v libx264 -preset ultrafast -crf 12 -g 25 " +
			"-pix_fmt yuv420p -movflags +faststart",
		"long.mp4": "testsrc2=s=320x180:r=25:d=10,noise=alls=60:allf=t -c:v libx264 -preset ultrafast -crf 8 -g 25 " +
			"-pix_fmt yuv420p -movflags +faststart", // over 16 MiB: parts are enough
		"noise.mka": "anoisesrc=d=95:r=48000:a=0.3 -ac 2 -c:a mp2 -b:a 320k", // as wav it takes 18 MB: stored in parts
	} {
		output(t, "ffmpeg", append(append([]string{"-v", "error", "-f", "lavfi", "-i"}, strings.Fields(args)...),
			filepath.Join(b.in, name))...)
		data, err := os.ReadFile(filepath.Join(b.in, name))
		workertest.Must(t, err)
		workertest.Must(t, bucket.WriteAll(t.Context(), base+name, data, nil))
	}

	for _, c := range []struct {
		name, kind, input, output, params string
		once                              int     // bytes that come of the input before its line breaks, twice
		read                              float64 // how much of the input comes at most, by its size
		take                              int     // bytes of the output that are stored, before its line breaks
		unanswered                        bool    // it is all stored, and each answer is lost
		objects                           int
	}{
		{"transcode", "transcode", "film.mp4", "out.mp4", `{"speed": "ultrafast"}`, 500_000, 1.1, 10_000, false, 1},
		{"in parts", "audio", "noise.mka", "out.wav", ``, 1 << 20, 1.1, 1 << 20, false, 1},
		{"of a part", "thumbnail", "long.mp4", "out.jpg", `{"at": "50%"}`, 100_000, 0.5, 5_000, false, 1},
		{"unanswered", "audio", "noise.mka", "mono.wav", `{"channels": "mono"}`, 1 << 20, 1.1, 0, true, 1},
		{"a folder", "sprite", "film.mp4", "out/", `{"count": 4}`, 500_000, 1.1, 2_000, false, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(from, to string) work.Result {
				t.Helper()
				r, err := b.run(job.Job{
					Kind: c.kind, Input: from + c.input, Output: to + c.output, Params: paramsJSON(c.params),
				})
				workertest.Must(t, err)
				return r
			}
			run("file://"+b.in+"/", "file://"+b.out+"/")
			gate.Pace, gate.Most, gate.Cuts, gate.Take, gate.Lost = 32<<20, c.once, 2, c.take, 1
			if c.unanswered {
				gate.Lost = 0
				gate.Deaf = func(r *http.Request) bool { // to what makes the object, however often it is tried
					return r.Method == http.MethodPost && r.ContentLength > 0 ||
						r.Method == http.MethodPut && !r.URL.Query().Has("partNumber")
				}
			}
			gate.Sent.Store(0)
			began := time.Now()
			made := run(url, url)
			info, err := os.Stat(filepath.Join(b.in, c.input))
			workertest.Must(t, err)
			read := float64(gate.Sent.Load()) / float64(info.Size())
			t.Logf("%.0f %% of %d bytes came in %.1f s", 100*read, info.Size(), time.Since(began).Seconds())
			if gate.Cuts > 0 || gate.Lost > 0 || made.AlreadyDone != c.unanswered {
				t.Errorf("%d answers and %d requests are yet to break; %+v", gate.Cuts, gate.Lost, made)
			}
			if read > c.read {
				t.Errorf("%.0f %% of the input came, want at most %.0f %%", 100*read, 100*c.read)
			}
			gate.Pace, gate.Deaf = 0, nil
			objects := 0
			for all := bucket.List(&blob.ListOptions{Prefix: base + c.output}); ; objects++ {
				o, err := all.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				workertest.Must(t, err)
				got, err := bucket.ReadAll(t.Context(), o.Key)
				workertest.Must(t, err)
				want, err := os.ReadFile(filepath.Join(b.out, strings.TrimPrefix(o.Key, base)))
				workertest.Must(t, err)
				if filepath.Base(o.Key) != job.ManifestName && !bytes.Equal(got, want) {
					t.Errorf("%s has %d bytes, and not the %d that it should have", o.Key, len(got), len(want))
				}
			}
			if objects != c.objects {
				t.Errorf("%d objects were made, want %d", objects, c.objects)
			}
		})
	}
}

// What an operator has to mend is said by the job's error. A bucket for the input that isn't there is the job's own
// fault, and final at once; all else may be put right while the job is tried again.
func TestJobsWithoutTheirBucket(t *testing.T) {
	s3test.Use(t)
	b := newBench(t)
	clip, out := b.put("clip.mp4"), b.output("x.json")
	b.storage = append(b.storage, lanes.Storage{Prefix: "s3://" + s3test.Bucket + "/", Read: true, Write: true},
		lanes.Storage{Prefix: "s3://none-such/", Read: true, Write: true})
	for _, c := range []struct {
		name, input, output, secret string
		want                        work.ErrorKind
		says                        string
	}{
		{"no bucket to read", "s3://none-such/a.mp4", out, "", work.BadInput, "no bucket none-such: create it, or"},
		{"no bucket to write", clip, "s3://none-such/x.json", "", work.Transient, "no bucket none-such: create it, or"},
		{
			"a wrong key to read", "s3://" + s3test.Bucket + "/a.mp4", out, "wrong", work.Transient,
			"check the credentials (AWS_SHARED_CREDENTIALS_FILE",
		},
		{
			"a wrong key to write", clip, "s3://" + s3test.Bucket + "/x.json", "wrong", work.Transient,
			"check the credentials (AWS_SHARED_CREDENTIALS_FILE",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.secret != "" {
				t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
			}
			h, err := New(Options{Scratch: b.dir, Log: slog.New(slog.DiscardHandler)})
			workertest.Must(t, err)
			b := *b
			b.h = h
			_, err = b.run(job.Job{Kind: "probe", Input: c.input, Output: c.output})
			workertest.Expect(t, err, c.want, c.says)
		})
	}
}
