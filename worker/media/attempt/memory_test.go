package attempt

import (
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media/probe"
)

// The table of memory.go, and what follows from it.
func TestAffordable(t *testing.T) {
	const hd, uhd = 1920 * 1080, 3840 * 2160
	v := probe.Stream{Width: 3840, Height: 2160}
	for _, c := range []struct {
		memory        lanes.Bytes
		preset        string
		threads, out  int
		want          string
		wantedThreads int
	}{
		{2 << 30, "medium", 8, uhd, "medium", 1}, // with two threads it was killed
		{3 << 30, "medium", 2, uhd, "medium", 2},
		{2 << 30, "slow", 4, uhd, "medium", 1},
		{2 << 30, "medium", 4, hd, "medium", 4},
		{1 << 30, "medium", 4, uhd, "superfast", 1},
		{64 << 20, "slow", 4, uhd, "ultrafast", 1}, // the last that can be tried
		{0, "slow", 4, uhd, "slow", 4},
	} {
		a := &Attempt{}
		a.Task.Limits.Memory, a.Task.Limits.Threads = c.memory, c.threads
		if preset, threads := a.Affordable(c.preset, v, c.out); preset != c.want || threads != c.wantedThreads {
			t.Errorf("%s with %d threads in %s: %s with %d, want %s with %d", c.preset, c.threads, c.memory, preset,
				threads,
				c.want, c.wantedThreads)
		}
	}
	for _, measured := range []struct {
		preset  string
		threads int
		uhd, hd lanes.Bytes // MiB
	}{
		{"veryfast", 1, 1102, 517},
		{"veryfast", 4, 1816, 868},
		{"medium", 1, 1944, 790},
		{"medium", 2, 2336, 987},
		{"slow", 4, 2990, 1246},
	} {
		for _, p := range presets {
			if p.name != measured.preset {
				continue
			}
			for out, want := range map[int]lanes.Bytes{uhd: measured.uhd << 20, hd: measured.hd << 20} {
				if got := encodes(p.each, out, []int{out}, measured.threads); got < want || got > want*5/4 {
					t.Errorf("%s with %d threads, %d pixels: %s estimated, %s measured", p.name, measured.threads, out,
						got, want)
				}
			}
		}
	}
}

// A ladder of 1080p, 720p, 480p, 360p and 240p of one decoding.
func TestEncodesSeveralAsMeasured(t *testing.T) {
	ladder := []int{1920 * 1080, 1280 * 720, 854 * 480, 640 * 360, 426 * 240}
	for _, m := range []struct {
		preset, threads int
		in              int
		mib             lanes.Bytes
	}{
		{0, 1, 3840 * 2160, 557},
		{0, 2, 3840 * 2160, 874},
		{0, 1, 1920 * 1080, 422},
		{0, 2, 1920 * 1080, 718},
		{2, 1, 3840 * 2160, 859},
		{2, 2, 3840 * 2160, 1269},
		{2, 1, 1920 * 1080, 723},
		{2, 2, 1920 * 1080, 1114},
		{5, 1, 3840 * 2160, 1391},
		{5, 2, 3840 * 2160, 1805},
		{5, 1, 1920 * 1080, 1255},
		{5, 2, 1920 * 1080, 1649},
	} {
		p := presets[m.preset]
		if got := encodes(p.each, m.in, ladder, m.threads); got < m.mib<<20 || got > m.mib<<20*3/2 {
			t.Errorf("%s with %d threads of %d pixels: %s estimated, %d Mi measured", p.name, m.threads, m.in, got,
				m.mib)
		}
	}
}
