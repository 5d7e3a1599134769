package hls

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestLadder(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height float64
		top           string
		want          string
	}{
		{"full HD", 1920, 1080, "1080p", "240p 426x240, 360p 640x360, 480p 854x480, 720p 1280x720, 1080p 1920x1080"},
		{
			"4K, but no more than full HD", 3840, 2160, "1080p",
			"240p 426x240, 360p 640x360, 480p 854x480, 720p 1280x720, 1080p 1920x1080",
		},
		{"4K", 3840, 2160, "2160p", "240p 426x240, 360p 640x360, 480p 854x480, 720p 1280x720, 1080p 1920x1080, " +
			"1440p 2560x1440, 2160p 3840x2160"},
		{"upright", 1080, 1920, "720p", "240p 240x426, 360p 360x640, 480p 480x854, 720p 720x1280"},
		{"wide", 1280, 544, "1080p", "240p 426x182, 360p 640x272, 480p 854x362, 720p 1280x544"},
		{
			"wider than its top", 2560, 1080, "1080p",
			"240p 426x180, 360p 640x270, 480p 854x360, 720p 1280x540, 1080p 1920x810",
		},
		{"of an old television", 640, 480, "1080p", "240p 320x240, 360p 480x360, 480p 640x480"},
		{"as its own 480p", 854, 480, "1080p", "240p 426x240, 360p 640x360, 480p 854x480"},
		{"as its own 480p, upright", 480, 854, "1080p", "240p 240x426, 360p 360x640, 480p 480x854"},
		{"a hair above 240p", 428, 240, "1080p", "240p 428x240"},
		{
			"of whole macroblocks", 1920, 1088, "1080p",
			"240p 424x240, 360p 636x360, 480p 848x480, 720p 1270x720, 1080p 1920x1088",
		},
		{"between two sizes", 640, 400, "1080p", "240p 384x240, 400p 640x400"},
		{"very small", 64, 48, "1080p", "48p 64x48"},
		{"smaller than that", 1, 1, "1080p", "2p 2x2"},
		{"odd", 321, 243, "1080p", "242p 320x242"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, r := range Ladder(c.width, c.height, c.top, 25) {
				got = append(got, fmt.Sprintf("%s %dx%d", r.Name, r.Width, r.Height))
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	for _, s := range sides { // what people call by that name is given its bits
		wide := even(float64(s.side)*16/9+1, 1)
		for _, size := range [][2]int{{wide, s.side}, {s.side, wide}} {
			rungs := Ladder(float64(size[0]), float64(size[1]), "2160p", 30)
			if r := rungs[len(rungs)-1]; r.Most != s.most || r.Name != fmt.Sprintf("%dp", s.side) {
				t.Errorf("%dx%d: %+v, want at most %d", size[0], size[1], r, s.most)
			}
		}
	}
	slow, fast := Ladder(640, 360, "1080p", 30_000./1001), Ladder(640, 360, "1080p", 50)
	if slow[0].Most >= fast[0].Most {
		t.Errorf("at 50 frames a second no more than at 30: %d, %d", fast[0].Most, slow[0].Most)
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		name                string
		base, average, want float64
	}{
		{"steady", 25, 25, 25},
		{"of a television", 30_000. / 1001, 30_000. / 1001, 30_000. / 1001},
		{"of a game", 120, 120, 60},
		{"of a fast camera", 240, 239.9, 60},
		{"a screen's recording on a clock of 1 ms", 1000, 29.7, 30_000. / 1001},
		{"a phone's, which varies", 60, 24.1, 30},
		{"with a gap", 25, 12.3, 25},
		{"with a long gap", 24, 1.5, 24},
		{"of 50 frames a second, with a gap", 50, 30, 50},
		{"of 50 frames a second, half of them doubled", 50, 25, 25},
		{"a phone's, of 30 at most", 30, 27, 30},
		{"a live recording that doesn't say", 1000, 0, 30},
		{"nobody knows anything", 0, 0, 30},
		{"slides", 1, 1, 5},
		{"one picture in ten seconds", 0.1, 0.1, 5},
		{"a survey camera", 2, 2, 6},
	} {
		if got := Rate(c.base, c.average); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: Rate(%v, %v) = %v, want %v", c.name, c.base, c.average, got, c.want)
		}
	}
}
