package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// images is where the pictures of the web page are.
const images = "docs/img"

// The fleet of these pictures is busy for so long before they are taken, so that the charts have something to show.
const busyFor = 150 * time.Second

// mostBytes is what a picture of the page may have.
const mostBytes = 150_000

// shot is a picture of a view. It is taken in light and in dark.
type shot struct {
	Name   string `json:"name"`
	View   string `json:"view"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

var shots = []shot{
	{"overview", "", 1280, 860}, {"lane", "lanes/standard", 1280, 860}, {"phone", "", 390, 844},
}

// makePage makes the pictures of the web page: of a fleet of this machine that transcodes and makes thumbnails.
func makePage(ctx context.Context, _ string) error {
	if err := do(ctx, "scripts/browser"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "siren-pictures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := do(ctx, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
		"testsrc2=size=640x360:rate=25:duration=8", "-pix_fmt", "yuv420p", dir+"/clip.mp4"); err != nil {
		return err
	}
	s := siren{dir}
	up := s.command(ctx, "up", "--media", dir, "--drain-timeout", "0s", "--log-level", "warn")
	up.Env = append(up.Env, "SIREN_USER=anna")
	said, err := up.StdoutPipe()
	if err != nil {
		return err
	}
	if err := up.Start(); err != nil {
		return err
	}
	defer func() { _ = up.Process.Signal(os.Interrupt); _ = up.Wait() }()
	url, err := urlIn(said)
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	if err := s.awaitWorkers(ctx); err != nil {
		return err
	}
	if err := s.keepBusy(ctx, url, busyFor); err != nil {
		return err
	}
	return takeShots(ctx, url, dir)
}

// urlIn returns the URL of the page that `siren up` says.
func urlIn(r io.Reader) (string, error) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if url := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); url != "" {
			return url, nil
		}
	}
	return "", errors.New("siren up says no address of its page")
}

// keepBusy has more bulk jobs wait than can run, now and then a wave of standard ones, and a thumbnail every other
// second.
func (s siren) keepBusy(ctx context.Context, url string, lasting time.Duration) error {
	if err := s.post(ctx, url, "transcode", "bulk", 60, map[string]string{"batch": "true"}); err != nil {
		return err
	}
	waves := []int{2, 7, 1, 9, 3, 5} // jobs, each half a minute
	for turn, end := 0, time.Now().Add(lasting); time.Now().Before(end); turn++ {
		if wave := turn / 15; turn%15 == 5 {
			customer := map[string]string{"customer": []string{"acme", "globex", "initech"}[wave%3]}
			name := fmt.Sprintf("holiday-%d", wave+1)
			if err := s.post(ctx, url, "transcode", name, waves[wave%len(waves)], customer); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("poster-%d", turn+1)
		if err := s.post(ctx, url, "thumbnail", name, 1, map[string]string{"urgent": "true"}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
	return nil
}

// post enqueues n jobs through the gateway.
func (s siren) post(ctx context.Context, url, kind, name string, n int, labels map[string]string) error {
	var jobs []job.Job
	for i := range n {
		j := job.Job{
			ID: fmt.Sprintf("%s-%02d", name, i+1), Kind: kind, Labels: labels, Input: "file://" + s.dir + "/clip.mp4",
			Output: fmt.Sprintf("file://%s/out/%s-%d.jpg", s.dir, name, i),
		}
		if kind == "transcode" {
			j.Output = strings.TrimSuffix(j.Output, ".jpg") + ".mp4"
			j.Params = json.RawMessage(`{"height": 240}`)
		}
		jobs = append(jobs, j)
	}
	body, err := json.Marshal(jobs)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/jobs", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		said, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("enqueue: %s: %s", answer.Status, said)
	}
	return nil
}

// takeShots takes all pictures of the page, and makes them small.
func takeShots(ctx context.Context, url, dir string) error {
	order, err := json.Marshal(map[string]any{"url": url, "into": dir, "shots": shots})
	if err != nil {
		return err
	}
	if err := do(ctx, "node", "test/page/shoot.mjs", string(order)); err != nil {
		return err
	}
	taken, err := filepath.Glob(dir + "/*.png")
	if err != nil {
		return err
	}
	for _, path := range taken {
		to := filepath.Join(images, filepath.Base(path))
		if err := do(ctx, "vips", "pngsave", path, to, "--palette", "--Q", "100", "--effort", "10", "--compression",
			"9", "--strip"); err != nil {
			return err
		}
		is, err := os.Stat(to)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d bytes\n", to, is.Size())
		if is.Size() > mostBytes {
			return fmt.Errorf("%s has %d bytes, over %d", to, is.Size(), mostBytes)
		}
	}
	return nil
}

// do runs a command, and says what it said if it fails.
func do(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
