package main

import (
	"testing"
	"time"
)

func TestTableAligns(t *testing.T) {
	tab := newTable(col("LANE"), num("READY"))
	tab.add("express", "7")
	tab.add("\x1b[31mbulk\x1b[0m", "1200")
	const want = "LANE     READY\nexpress      7\n\x1b[31mbulk\x1b[0m      1200\n"
	if got := tab.String(); got != want {
		t.Errorf("got\n%q\nnot\n%q", got, want)
	}
}

// What a stranger wrote can't move the cursor, and doesn't break a line.
func TestTableIsHarmless(t *testing.T) {
	tab := newTable(col("KIND"))
	tab.add("a\x1b[2J\x1b]0;title\x07b\nc\u009bd")
	if got, want := tab.String(), "KIND\na [2J ]0;title b c d\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestClip(t *testing.T) {
	for s, want := range map[string]string{"short": "short", "fünf!": "fünf!", "longer": "long…", "a\nb": "a b"} {
		if got := clip(s, 5); got != want {
			t.Errorf("clip(%q) = %q, not %q", s, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7 * time.Millisecond: "7ms", 3249 * time.Millisecond: "3.2s", 75 * time.Second: "75s",
		4*time.Minute + 10*time.Second: "4m10s", 185 * time.Minute: "3h5m",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%s) = %q, not %q", d, got, want)
		}
	}
}
