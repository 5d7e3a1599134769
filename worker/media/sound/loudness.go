package sound

import (
	"math"
	"strconv"
	"strings"
)

// Loudness is what a sound is like by EBU R 128 and ITU-R BS.1770. What can't be said is -Inf: all of silence, the
// integrated loudness of less than 0.4 s, the short-term one and the range of less than 3 s.
type Loudness struct {
	Seconds    float64
	Integrated float64 // LUFS
	Threshold  float64 // LUFS; what is quieter doesn't count for it
	Range      float64 // LU
	Peak       float64 // dBTP
	Momentary  float64 // the loudest 0.4 s, LUFS
	ShortTerm  float64 // the loudest 3 s, LUFS
}

var nothing = math.Inf(-1)

// Metered are the filters by which ffmpeg prints ten times a second what a Meter reads. A single channel counts as one,
// as other meters have it: by two loudspeakers it is 3 LU louder.
var Metered = []string{"ebur128=peak=true:metadata=1", "ametadata=mode=print:file=-"}

// Meter reads what Metered print, of sound of any length.
type Meter struct {
	line     []byte
	loudness Loudness
	// of the blocks of 0.4 s above the absolute threshold
	energy float64
	blocks int
}

// NewMeter returns a meter that has heard nothing.
func NewMeter() *Meter {
	l := Loudness{
		Integrated: nothing, Threshold: nothing, Range: nothing, Peak: nothing, Momentary: nothing,
		ShortTerm: nothing,
	}
	return &Meter{loudness: l}
}

func (m *Meter) Write(p []byte) (int, error) {
	const longest = 200
	for _, c := range p {
		if c == '\n' {
			m.take(string(m.line))
			m.line = m.line[:0]
		} else if len(m.line) < longest {
			m.line = append(m.line, c)
		}
	}
	return len(p), nil
}

// Seconds returns how much it has heard.
func (m *Meter) Seconds() float64 { return m.loudness.Seconds }

const (
	absolute = -70     // LUFS: what is quieter is silence (BS.1770, annex 1)
	unfilled = -120.69 // which ebur128 says before it has heard enough
)

// take takes a line: frame:4 pts:17640 pts_time:0.4, or lavfi.r128.M=-27.072.
func (m *Meter) take(line string) {
	if _, at, ok := strings.Cut(line, "pts_time:"); ok {
		if t, err := strconv.ParseFloat(strings.TrimSpace(at), 64); err == nil && t >= 0 {
			m.loudness.Seconds = t + 0.1
		}
		return
	}
	name, text, _ := strings.Cut(strings.TrimPrefix(line, "lavfi.r128."), "=")
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	l := &m.loudness
	switch {
	case name == "M" && v > unfilled:
		l.Momentary = max(l.Momentary, v)
		if v >= absolute {
			m.energy, m.blocks = m.energy+math.Pow(10, v/10), m.blocks+1
		}
	case name == "S" && v > unfilled:
		l.ShortTerm = max(l.ShortTerm, v)
	case name == "I" && v > absolute:
		l.Integrated = v
	case name == "LRA":
		l.Range = v
	case strings.HasPrefix(name, "true_peaks_ch") && v > 0:
		l.Peak = max(l.Peak, 20*math.Log10(v))
	}
}

// Loudness returns what it has heard.
func (m *Meter) Loudness() Loudness {
	l := m.loudness
	if m.blocks > 0 {
		l.Threshold = 10*math.Log10(m.energy/float64(m.blocks)) - 10
	}
	if l.ShortTerm == nothing {
		l.Range = nothing
	}
	return l
}

// Silent reports whether there is nothing to hear.
func (l Loudness) Silent() bool {
	return l.Peak < absolute || l.Seconds >= 1 && l.Integrated == nothing
}
