package site

import (
	"errors"
	"syscall"
	"testing"
)

// A command may fail and say so. It may not panic, be typed wrongly, or go on once it is told to stop.
func TestWrongEnd(t *testing.T) {
	killed, interrupted := errors.New("signal: killed"), errors.New("signal: interrupt")
	for name, c := range map[string]struct {
		ran   Ran
		told  bool
		wrong bool
	}{
		"done":                 {ran: Ran{}},
		"failed":               {ran: Ran{Code: 5, Problem: errors.New("exit status 5"), Err: "RabbitMQ is away"}},
		"stopped":              {ran: Ran{Code: 1, Problem: errors.New("exit status 1")}, told: true},
		"stopped at once":      {ran: Ran{Code: -1, Problem: interrupted, signal: syscall.SIGINT}, told: true},
		"stopped by none":      {ran: Ran{Code: -1, Problem: interrupted, signal: syscall.SIGINT}, wrong: true},
		"a panic":              {ran: Ran{Code: 2, Err: "panic: runtime error: index out of range"}, wrong: true},
		"a deadlock":           {ran: Ran{Code: 2, Err: "fatal error: all goroutines are asleep"}, wrong: true},
		"an unknown flag":      {ran: Ran{Code: 2, Err: "unknown flag: --wiat"}, wrong: true},
		"can't be stopped":     {ran: Ran{Code: -1, Problem: killed}, told: true, wrong: true},
		"killed by a stranger": {ran: Ran{Code: -1, Problem: killed}, wrong: true},
	} {
		if got := wrongEnd(c.ran, c.told); (got != "") != c.wrong {
			t.Errorf("%s: %q", name, got)
		}
	}
}
