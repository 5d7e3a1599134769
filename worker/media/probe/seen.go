package probe

import (
	"math"
	"slices"
	"strings"
)

// Interlaced reports whether the pictures are kept as fields.
func (v Stream) Interlaced() bool { return slices.Contains([]string{"tt", "bb", "tb", "bt"}, v.Fields) }

// HDR reports whether the brightness is of high dynamic range: by PQ or HLG (ITU-R BT.2100).
func (v Stream) HDR() bool { return v.Transfer == "smpte2084" || v.Transfer == "arib-std-b67" }

// ReadBy returns what makes colours of the stream's brightness and two differences, as the scale filter calls it. A
// video that doesn't say is read as every player reads it: by its size. Still pictures are of BT.601.
func (v Stream) ReadBy(still bool) string {
	switch v.Matrix {
	case "bt709", "smpte240m", "fcc":
		return v.Matrix
	case "bt2020nc", "bt2020c":
		if v.HDR() {
			return "bt709" // after toneMapped
		}
		return "bt2020"
	case "smpte170m", "bt470bg":
		return "bt601"
	}
	if v.HDR() || !still && (v.Width >= 1280 || v.Height > 576) {
		return "bt709"
	}
	return "bt601"
}

// SeeThrough reports whether parts of the picture may be transparent. Of JPEG none are: where ffmpeg says so, the
// fourth channel was the black of CMYK.
func (v Stream) SeeThrough() bool {
	if v.Tags.Alpha == "1" {
		return true
	}
	if strings.Contains(v.Codec, "jpeg") && v.Codec != "jpeg2000" {
		return false
	}
	for _, with := range []string{
		"yuva", "ayuv", "vuya", "uyva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "yaf", "pal8",
	} {
		if strings.HasPrefix(v.PixelFormat, with) {
			return true
		}
	}
	return false
}

// RGB reports whether the picture is kept as red, green and blue.
func (v Stream) RGB() bool {
	return strings.HasPrefix(v.PixelFormat, "gbr") || strings.Contains(v.PixelFormat, "rgb") ||
		strings.Contains(v.PixelFormat, "bgr") || v.PixelFormat == "pal8"
}

// shown returns the size of the pictures as a viewer is to see them: upright, with square pixels.
func (v Stream) shown() (width, height float64) {
	width, height = float64(v.Width), float64(v.Height)
	if aspect, err := Ratio(v.Aspect); err == nil {
		width *= aspect
	}
	if v.turned()%180 == 90 {
		return height, width
	}
	return width, height
}

// turned returns by how many degrees clockwise a picture is turned to be upright, in quarters.
func (v Stream) turned() int {
	for _, s := range v.SideData {
		if s.Rotation != 0 {
			return (360 - int(math.Round(s.Rotation/90))*90%360) % 360
		}
	}
	return 0
}

// dolbyVision reports whether there is Dolby Vision in it, beside what other players see.
func (v Stream) dolbyVision() bool {
	return slices.ContainsFunc(v.SideData, func(s sideData) bool { return s.Type == "DOVI configuration record" })
}

// Fitted returns the size of the pictures in a box of width x height, 0 for any, and of at most that many pixels. They
// keep their shape and aren't enlarged; both sides are even.
func (v Stream) Fitted(width, height, pixels int) (int, int) {
	w, h := v.shown()
	scale := 1.0
	if width > 0 {
		scale = min(scale, float64(width)/w)
	}
	if height > 0 {
		scale = min(scale, float64(height)/h)
	}
	scale = min(scale, math.Sqrt(float64(pixels)/(w*h)))
	even := func(x float64) int { return max(2, 2*int(math.Floor(x*scale/2+0.25))) }
	return even(w), even(h)
}

// mostRate is how many frames a second an output has, unless its job says otherwise.
const mostRate = 60

// Base is the rate of which all frame times are multiples; 0 when ffprobe doesn't know it.
func (v Stream) Base() float64 {
	base, _ := Ratio(v.BaseRate)
	return base
}

// Rate returns the frame rate to write, and whether the input is steady at it. Recordings of browsers, screens and
// phones aren't: their clock may tick a thousand times a second, and no player takes that for a frame rate.
func (v Stream) Rate() (rate float64, steady bool) {
	base := v.Base()
	average, err := Ratio(v.FrameRate)
	switch {
	case base <= 0:
		return mostRate, false
	case err != nil: // a live recording: no file says how many frames there are
		return min(base, mostRate), base <= mostRate
	default:
		return min(base, mostRate), math.Abs(base-average) < base/50
	}
}
