package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/scaler"
)

// lookAgain is how often the policy file is read. Kubernetes itself takes up to a minute and a half to show a changed ConfigMap.
const lookAgain = 2 * time.Second

// followPolicy reads the policy file until ctx ends and applies it whenever it has changed. One that can't be applied is
// refused, with an error in the log and in the metrics, and the policy in force stays.
func followPolicy(ctx context.Context, file string, log *slog.Logger, metrics *scaler.Metrics, apply func(*lanes.Policy) error) error {
	seen, _ := os.ReadFile(file)
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		text, err := os.ReadFile(file)
		if err != nil || bytes.Equal(text, seen) { // a ConfigMap's file may be away for a moment
			continue
		}
		seen = text
		p, err := lanes.Parse(text)
		if err == nil {
			err = apply(p)
		}
		if ctx.Err() != nil {
			return nil
		}
		metrics.Refused(err != nil)
		if err != nil {
			log.Error("the changed policy is refused; the one in force stays", "file", file, "error", err)
			continue
		}
		log.Info("the changed policy is in force", "file", file)
	}
}
