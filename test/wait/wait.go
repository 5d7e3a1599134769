// Package wait waits, in programs that look at Siren from outside.
package wait

import (
	"context"
	"fmt"
	"time"
)

// Until asks until it is true, for so long at most.
func Until(ctx context.Context, within time.Duration, what string, ok func() (bool, error)) error {
	for end := time.Now().Add(within); ; {
		asked := time.Now()
		done, err := ok()
		switch {
		case err != nil:
			return fmt.Errorf("wait for %s: %w", what, err)
		case done:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("waited %s for %s", within, what)
		}
		rest := 5 * time.Millisecond
		if took := time.Since(asked); took > 100*time.Millisecond {
			rest = took // a costly look, as by a command, leaves room
		}
		if err := Pause(ctx, rest); err != nil {
			return err
		}
	}
}

// Pause waits, but no longer than ctx lasts.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
