package tokencmd

import (
	"testing"
	"time"
)

func TestExpiresAt(t *testing.T) {
	now := time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "1d": now.AddDate(0, 0, 1), "90d": now.AddDate(0, 0, 90), "2160h": now.Add(2160 * time.Hour),
		"1h30m": now.Add(90 * time.Minute),
	} {
		if at, err := expiresAt(text, now); err != nil || !at.Equal(want) {
			t.Errorf("%q: %v, %v", text, at, err)
		}
	}
	for _, wrong := range []string{"0", "0d", "-1d", "-1h", "d", "1.5d", "90", "1d12h", "99999999999d", "forever"} {
		if at, err := expiresAt(wrong, now); err == nil {
			t.Errorf("%q: %v", wrong, at)
		}
	}
}
