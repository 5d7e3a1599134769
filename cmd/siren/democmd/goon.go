package democmd

import (
	"context"
	"fmt"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/lanes/job"
)

// goOn has burst after burst run, with a rest between, until ctx ends: for whoever looks at the web page.
func (t *trial) goOn(ctx context.Context, a *app.App) error {
	fmt.Fprintf(a.Out, "\nLook at the lanes: %s\nMore jobs come until Ctrl-C, which ends everything.\n", t.url)
	for round := 1; ; round++ {
		if err := t.another(ctx, round); err != nil && ctx.Err() == nil {
			return fmt.Errorf("go on with more jobs: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(t.Load.Rest):
		}
	}
}

// another enqueues a burst of transcodes with thumbnails on top, and waits until all of them have ended. The first
// round has a job that dies, so that there is a dead letter to look at.
func (t *trial) another(ctx context.Context, round int) error {
	burst := t.burst()
	if round == 1 {
		missing := t.transcode("missing", 0, map[string]string{"customer": "c0"})
		missing.Input = "file://" + t.dir() + "/missing.mp4"
		burst = append(burst, missing)
	}
	var ids []string
	for i := range burst {
		burst[i] = again(burst[i], round)
		ids = append(ids, burst[i].ID)
	}
	for _, r := range t.client.EnqueueBatch(ctx, burst) {
		if r.Err != nil {
			return r.Err
		}
	}
	for i := range t.Load.Express {
		j := again(t.thumbnail(i), round)
		if _, err := t.client.Enqueue(ctx, j); err != nil {
			return err
		}
		ids = append(ids, j.ID)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(t.Load.Every):
		}
	}
	for _, err := range t.ledger.Watch(ctx, ids...) {
		if err != nil {
			return err
		}
	}
	return nil
}

// again returns a job as another one that makes the same output anew.
func again(j job.Job, round int) job.Job {
	j.ID, j.Overwrite = fmt.Sprintf("%s-again-%d", j.ID, round), true
	return j
}
