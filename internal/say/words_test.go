package say

import (
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7 * time.Millisecond: "7ms", 3249 * time.Millisecond: "3.2s", 75 * time.Second: "75s",
		4*time.Minute + 10*time.Second: "4m10s", 185 * time.Minute: "3h5m",
		30 * time.Minute: "30m", time.Hour: "1h", time.Hour + 500*time.Millisecond: "1h", 48 * time.Hour: "48h",
		time.Hour + 5*time.Second: "1h", 119 * time.Minute: "1h59m",
	} {
		if got := Short(d); got != want {
			t.Errorf("Short(%s) = %q, not %q", d, got, want)
		}
	}
}
