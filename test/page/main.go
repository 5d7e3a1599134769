// Command page runs a fleet with a gateway, fills it with jobs, and drives the gateway's web page in Chromium:
// drive.mjs says what it looks at. scripts/page installs what it needs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/test/browser"
)

func main() {
	siren := flag.String("siren", "bin/siren", "the binary that runs the fleet")
	here := flag.String("page", "test/page", "the folder with drive.mjs")
	shots := flag.String("shots", "", "a folder for pictures of what failed; none are made when empty")
	large := flag.Bool("scale", false, "say how fast a large fleet's page is instead; a gigabyte, and some minutes")
	workers := flag.Int("workers", 10_000, "how many workers that one has")
	records := flag.Int("records", 1_000_000, "how many jobs")
	flag.Parse()
	var err error
	if *large {
		err = runScale(context.Background(), *siren, *here, scale{*workers, *records})
	} else {
		err = run(context.Background(), *siren, *here, *shots)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// tokens is who is let in by the second gateway.
var tokens = browser.Tokens{
	"read":    {Subject: "reader", Roles: []auth.Role{auth.Reader}},
	"operate": {Subject: "operator", Roles: []auth.Role{auth.Operator}},
	"acme":    {Subject: "acme", Tenant: "acme", Roles: []auth.Role{auth.Producer}},
}

// order is what drive.mjs is told.
type order struct {
	Open    string            `json:"open"`    // the gateway that lets everybody do everything
	Guarded string            `json:"guarded"` // the one that asks for a token
	Done    string            `json:"done"`    // a completed job
	Dead    string            `json:"dead"`
	Hostile string            `json:"hostile"` // one whose data is meant to do harm
	Shots   string            `json:"shots"`
	Job     map[string]string `json:"job"` // input and output of one that works, before its labels
}

func run(ctx context.Context, siren, here, shots string) error {
	fleet, err := browser.Start(ctx, siren)
	if err != nil {
		return err
	}
	defer fleet.Stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	o := order{Shots: shots, Job: map[string]string{
		"input": "file://" + fleet.Dir + "/clip.mp4", "output": "file://" + fleet.Dir + "/out",
	}}
	if o.Open, err = fleet.Gateway(ctx, auth.Anybody{Name: "tester"}); err != nil {
		return err
	}
	if o.Guarded, err = fleet.Gateway(ctx, tokens); err != nil {
		return err
	}
	if err := o.fill(fleet.Dir); err != nil {
		return err
	}
	return browser.Drive(ctx, filepath.Join(here, "drive.mjs"), o)
}

// harm is text that would do something if it were taken for more than text.
const harm = `"><img src=x onerror="window.harmed=1"><b id=harm>`

// fill enqueues jobs, and waits until those that should have ended.
func (o *order) fill(dir string) error {
	job := func(id, input string, labels map[string]string) map[string]any {
		return map[string]any{
			"id": id, "kind": "thumbnail", "input": "file://" + dir + "/" + input,
			"output": "file://" + dir + "/out/" + id + ".jpg", "labels": labels,
		}
	}
	o.Done, o.Dead, o.Hostile = "page-done", "page-dead", "page-hostile"
	jobs := []any{
		job(o.Done, "clip.mp4", map[string]string{"urgent": "true", "customer": "acme"}),
		job(o.Dead, "missing.mp4", map[string]string{"customer": "globex"}),
		job(o.Hostile, "missing-<b id=harm>.mp4", map[string]string{"customer": harm, "שלום": "مرحبا"}),
	}
	if err := o.post("/v1/jobs", jobs); err != nil {
		return err
	}
	for range 600 {
		if o.ended(o.Done) && o.ended(o.Dead) && o.ended(o.Hostile) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the jobs haven't ended within a minute")
}

func (o *order) post(path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for range 100 { // until the scaler has said what the policy is
		r, err := http.Post(o.Open+path, "application/json", bytes.NewReader(text))
		if err != nil {
			return err
		}
		said, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode < 300 {
			return nil
		}
		err = fmt.Errorf("POST %s: %s: %s", path, r.Status, said)
		if r.StatusCode != http.StatusServiceUnavailable && r.StatusCode != http.StatusNotFound {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the gateway takes no jobs")
}

// ended reports whether a job has ended.
func (o *order) ended(id string) bool {
	r, err := http.Get(o.Open + "/v1/jobs/" + id)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	var job struct {
		State string `json:"state"`
	}
	return json.NewDecoder(r.Body).Decode(&job) == nil && (job.State == "completed" || job.State == "dead")
}
