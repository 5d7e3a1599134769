package attempt

import (
	"slices"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media/probe"
)

// The table of memory.go, and what follows from it.
func TestAffordable(t *testing.T) {
	const hd, uhd = 1920 * 1080, 3840 * 2160
	v := probe.Stream{Width: 3840, Height: 2160}
	for _, c := range []struct {
		codec         string
		memory        lanes.Bytes
		speed         string
		threads, out  int
		want          string
		wantedThreads int
	}{
		{"h264", 2 << 30, "medium", 8, uhd, "medium", 1}, // with two threads it was killed
		{"h264", 3 << 30, "medium", 2, uhd, "medium", 2},
		{"h264", 2 << 30, "slow", 4, uhd, "medium", 1},
		{"h264", 2 << 30, "medium", 4, hd, "medium", 4},
		{"h264", 1 << 30, "medium", 4, uhd, "superfast", 1},
		{"h264", 64 << 20, "slow", 4, uhd, "ultrafast", 1}, // the last that can be tried
		{"h264", 0, "slow", 4, uhd, "slow", 4},
		{"hevc", 2 << 30, "medium", 4, uhd, "medium", 1},
		{"hevc", 1 << 30, "medium", 2, hd, "medium", 2},
		{"vp9", 2 << 30, "slow", 4, uhd, "slow", 4},
		{"vp9", 700 << 20, "medium", 4, hd, "medium", 1},
		{"vp9", 64 << 20, "slow", 4, hd, "slow", 1},     // no speed of its takes less
		{"av1", 2 << 30, "medium", 4, uhd, "medium", 1}, // SVT-AV1 takes more than twice of that for two
		{"av1", 2 << 30, "medium", 4, hd, "medium", 4},
	} {
		a := &Attempt{}
		a.Task.Limits.Memory, a.Task.Limits.Threads = c.memory, c.threads
		in := v
		if c.codec != "h264" && c.out == hd {
			in = probe.Stream{Width: 1920, Height: 1080}
		}
		if speed, threads := a.Affordable(c.codec, c.speed, in, c.out); speed != c.want || threads != c.wantedThreads {
			t.Errorf("%s, %s with %d threads in %s: %s with %d, want %s with %d", c.codec, c.speed, c.threads, c.memory,
				speed, threads, c.want, c.wantedThreads)
		}
	}
	for _, measured := range []struct {
		codec, speed string
		threads      int
		uhd, hd      lanes.Bytes // MiB; 0: it wasn't
	}{
		{"h264", "veryfast", 1, 1102, 517},
		{"h264", "veryfast", 4, 1816, 868},
		{"h264", "medium", 1, 1944, 790},
		{"h264", "medium", 2, 2336, 987},
		{"h264", "slow", 4, 2990, 1246},
		{"hevc", "ultrafast", 1, 1441, 0},
		{"hevc", "veryfast", 1, 1844, 755},
		{"hevc", "veryfast", 4, 2159, 930},
		{"hevc", "medium", 1, 2000, 808},
		{"hevc", "medium", 2, 2057, 845},
		{"hevc", "medium", 4, 2359, 986},
		{"hevc", "slow", 1, 2095, 879},
		{"vp9", "medium", 1, 1443, 592},
		{"vp9", "ultrafast", 1, 0, 595},
		{"vp9", "ultrafast", 2, 0, 714},
		{"vp9", "medium", 4, 1731, 814},
		{"av1", "ultrafast", 1, 1441, 860},
		{"av1", "veryfast", 4, 3677, 0},
		{"av1", "medium", 1, 1614, 923},
		{"av1", "medium", 2, 4309, 1864},
		{"av1", "medium", 4, 4430, 1931},
		{"av1", "slow", 2, 4943, 0},
	} {
		encoder := encoders[measured.codec]
		i := slices.IndexFunc(encoder.speeds, func(s speed) bool { return s.name == measured.speed })
		for out, want := range map[int]lanes.Bytes{uhd: measured.uhd << 20, hd: measured.hd << 20} {
			got := encoder.encodes(encoder.speeds[i].each, out, []int{out}, measured.threads)
			if want > 0 && (got < want || got > want*5/4) {
				t.Errorf("%s, %s with %d threads, %d pixels: %s estimated, %s measured", measured.codec, measured.speed,
					measured.threads, out, got, want)
			}
		}
	}
}

// A ladder of 1080p, 720p, 480p, 360p and 240p of one decoding.
func TestEncodesSeveralAsMeasured(t *testing.T) {
	ladder := []int{1920 * 1080, 1280 * 720, 854 * 480, 640 * 360, 426 * 240}
	for _, m := range []struct {
		speed, threads int
		in             int
		mib            lanes.Bytes
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
		p := encoders["h264"].speeds[m.speed]
		if got := encoders["h264"].encodes(p.each, m.in, ladder, m.threads); got < m.mib<<20 || got > m.mib<<20*3/2 {
			t.Errorf("%s with %d threads of %d pixels: %s estimated, %d Mi measured", p.name, m.threads, m.in, got,
				m.mib)
		}
	}
}
