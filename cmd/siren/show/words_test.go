package show

import (
	"testing"
	"time"
)

func TestClip(t *testing.T) {
	for s, want := range map[string]string{"short": "short", "fünf!": "fünf!", "longer": "long…", "a\nb": "a b"} {
		if got := Clip(s, 5); got != want {
			t.Errorf("Clip(%q) = %q, not %q", s, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7 * time.Millisecond: "7ms", 3249 * time.Millisecond: "3.2s", 75 * time.Second: "75s",
		4*time.Minute + 10*time.Second: "4m10s", 185 * time.Minute: "3h5m",
	} {
		if got := Short(d); got != want {
			t.Errorf("Short(%s) = %q, not %q", d, got, want)
		}
	}
}
