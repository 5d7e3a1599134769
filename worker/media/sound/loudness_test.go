package sound

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestMeterReadsWhatEbur128Prints(t *testing.T) {
	m := NewMeter()
	said := func(text string) { // in pieces, as they come through a pipe
		for part := range strings.SplitSeq(text, "0") {
			_, _ = m.Write([]byte(part))
			_, _ = m.Write([]byte("0"))
		}
	}
	said("frame:0    pts:0       pts_time:0\nlavfi.r128.M=-120.691\nlavfi.r128.S=-120.691\nlavfi.r128.I=-70.000\n" +
		"lavfi.r128.LRA=0.000\nlavfi.r128.true_peaks_ch0=0.000\n")
	if l := m.Loudness(); !math.IsInf(l.Integrated, -1) || !math.IsInf(l.Peak, -1) || !math.IsInf(l.Momentary, -1) ||
		!math.IsInf(l.Threshold, -1) || !math.IsInf(l.Range, -1) {
		t.Errorf("of nothing it says %+v", l)
	}
	said("frame:1 pts:4800 pts_time:0.1\nlavfi.r128.M=-20.000\nlavfi.r128.I=-20.000\n" +
		"lavfi.r128.true_peaks_ch0=0.500\nlavfi.r128.true_peaks_ch1=0.250\nframe:2 pts:9600 pts_time:0.2\n" +
		"lavfi.r128.M=-30.000\nlavfi.r128.I=nan\nlavfi.r128.S=-25.000\nlavfi.r128.LRA=4.000\n" +
		"lavfi.r128.true_peaks_ch0=inf\n")
	want := "{0.3 -20 -32.6 4 -6.0 -20 -25}"
	l := m.Loudness()
	got := fmt.Sprintf("{%.1f %.0f %.1f %.0f %.1f %.0f %.0f}", l.Seconds, l.Integrated, l.Threshold, l.Range, l.Peak,
		l.Momentary, l.ShortTerm)
	if got != want {
		t.Errorf("it says %s, want %s", got, want)
	}
}

// What a stranger's file makes ffmpeg print never makes a number that isn't one, nor fills the memory.
func FuzzMeter(f *testing.F) {
	f.Add("frame:1 pts_time:1e308\nlavfi.r128.M=nan\nlavfi.r128.I=-inf\nlavfi.r128.true_peaks_ch0=1e-320\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := NewMeter()
		_, _ = m.Write([]byte(text))
		l := m.Loudness()
		for _, v := range []float64{l.Seconds, l.Integrated, l.Threshold, l.Range, l.Peak, l.Momentary, l.ShortTerm} {
			if math.IsNaN(v) || math.IsInf(v, 1) {
				t.Fatalf("%+v", l)
			}
		}
		if cap(m.line) > 1000 {
			t.Fatalf("it keeps %d bytes", cap(m.line))
		}
	})
}

func TestGain(t *testing.T) {
	target := Target{LUFS: -16, Ceiling: -1}
	if g := target.Gain(Loudness{Integrated: -26, Peak: -12}); g != (Gain{DB: 10}) {
		t.Errorf("with room above the peaks: %+v", g)
	}
	g := target.Gain(Loudness{Integrated: -26, Peak: -6})
	if g != (Gain{DB: 10, Limit: -1}) {
		t.Errorf("without: %+v", g)
	}
	if _, ok := target.Again(g, Loudness{Integrated: -16.1, Peak: -1}); !ok {
		t.Error("on target, and again")
	}
	if g, ok := target.Again(g, Loudness{Integrated: -17, Peak: -1.5}); ok || g.DB != 11 || g.Limit != -1 {
		t.Errorf("too quiet: %+v, %t", g, ok)
	}
	if g, ok := target.Again(Gain{DB: 3}, Loudness{Integrated: -16, Peak: -0.5}); ok || g.DB != 3 || g.Limit >= -1.5 {
		t.Errorf("peaks that the encoder added: %+v, %t", g, ok)
	}
	if g, _ := target.Again(g, Loudness{Integrated: -600, Peak: -1}); g.DB > 60 {
		t.Errorf("no end: %+v", g)
	}
	if got := strings.Join(Gain{DB: 2.5}.Filters(44_100), ","); got != "volume=2.5000dB" {
		t.Errorf("filters %s", got)
	}
	if got := strings.Join(Gain{DB: 2.5, Limit: -1}.Filters(44_100), ","); got !=
		"volume=2.5000dB,aresample=176400,alimiter=level=false:latency=true:limit=0.8913,aresample=44100" {
		t.Errorf("filters %s", got)
	}
}
