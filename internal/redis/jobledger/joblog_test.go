package jobledger_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

func TestJobLog(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	if _, err := l.Log(t.Context(), "job"); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("no log: %v, want ErrNotFound", err)
	}
	tests := []struct{ name, text, want string }{
		{"short", "ffmpeg: no such file\n", "ffmpeg: no such file\n"},
		{"empty", "", ""},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("x", 100) + strings.Repeat("y", 8<<10), strings.Repeat("y", 8<<10)},
		{"cut in a letter", strings.Repeat("é", 5000) + "!", strings.Repeat("é", 4095) + "!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			redistest.Must(t, l.KeepLog(t.Context(), "job", tt.text))
			got, err := l.Log(t.Context(), "job")
			if err != nil || got != tt.want || !utf8.ValidString(got) {
				t.Errorf("%d bytes of log, %v; want %d", len(got), err, len(tt.want))
			}
		})
	}
	if ttl := raw.TTL(t.Context(), "siren:log:job").Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
		t.Errorf("kept for %s, want 24h", ttl)
	}
}

// Only the call that finds out waits.
func TestJobLogWhileAway(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	redistest.Must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	l := redistest.LedgerOn(redistest.Open(t, "redis://"+silent.Addr().String()))
	for i, within := range []time.Duration{20 * time.Second, 1500 * time.Millisecond} {
		start := time.Now()
		if err := l.KeepLog(t.Context(), "job", "text"); !errors.Is(err, lanes.ErrAway) || time.Since(start) > within {
			t.Errorf("call %d: %v after %s, want ErrAway within %s", i, err, time.Since(start), within)
		}
	}
}
