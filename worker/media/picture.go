package media

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// This file is what stands between the pictures that an input holds and those that a viewer is to see: whole frames and
// not fields, square pixels, a size, and colours that mean the same to every viewer.

// deinterlaced returns the filters that make whole frames of fields.
func (v stream) deinterlaced() []string {
	switch v.Fields {
	case "tt", "bb", "tb", "bt":
		return []string{"bwdif=mode=send_frame:deint=all"}
	default:
		return nil
	}
}

// hdr reports whether the brightness is of high dynamic range: by PQ or HLG (ITU-R BT.2100).
func (v stream) hdr() bool { return v.Transfer == "smpte2084" || v.Transfer == "arib-std-b67" }

// toneMapped returns the filters that bring high dynamic range into what an ordinary screen shows (BT.709). A part of
// 100 cd/m² stays as it is, what is brighter is pressed together: white of 203 cd/m² becomes nine tenths of full
// signal.
func (v stream) toneMapped() []string {
	if !v.hdr() {
		return nil
	}
	return []string{
		"zscale=tin=" + v.Transfer + ":pin=bt2020:min=bt2020nc:t=linear:npl=100", "format=gbrpf32le",
		"zscale=p=bt709", "tonemap=mobius:desat=0", "zscale=t=bt709:m=bt709:r=tv", "format=yuv420p",
	}
}

// matrix is what makes colours of the stream's brightness and two differences, as the scale filter calls it. A video
// that doesn't say is read as every player reads it: by its size. Still pictures are of BT.601.
func (v stream) matrix(still bool) string {
	switch v.Matrix {
	case "bt709", "smpte240m", "fcc":
		return v.Matrix
	case "bt2020nc", "bt2020c":
		if v.hdr() {
			return "bt709" // after toneMapped
		}
		return "bt2020"
	case "smpte170m", "bt470bg":
		return "bt601"
	}
	if v.hdr() || !still && (v.Width >= 1280 || v.Height > 576) {
		return "bt709"
	}
	return "bt601"
}

// seeThrough reports whether parts of the picture may be transparent.
func (v stream) seeThrough() bool {
	if v.Tags.Alpha == "1" {
		return true
	}
	for _, with := range []string{"yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8"} {
		if strings.HasPrefix(v.PixelFormat, with) {
			return true
		}
	}
	return false
}

// rgb reports whether the picture is kept as red, green and blue.
func (v stream) rgb() bool {
	return strings.HasPrefix(v.PixelFormat, "gbr") || strings.Contains(v.PixelFormat, "rgb") ||
		strings.Contains(v.PixelFormat, "bgr") || v.PixelFormat == "pal8"
}

// decoder returns the options that choose the stream's decoder, before the input: ffmpeg's own of VP8 and VP9 don't see
// what is transparent.
func (v stream) decoder() []string {
	name := map[string]string{"vp8": "libvpx", "vp9": "libvpx-vp9"}[v.Codec]
	if name == "" || v.Tags.Alpha != "1" {
		return nil
	}
	return []string{"-c:" + strconv.Itoa(v.Index), name}
}

// forVideo returns the filters that give frames the range and the matrix that their tags say (see tags), and put what
// is transparent in parts on black.
func (v stream) forVideo() []string {
	to := "scale=in_color_matrix=" + v.matrix(false) + ":out_color_matrix=" + v.matrix(false) + ":out_range=tv"
	switch {
	case v.hdr():
		return nil
	case v.seeThrough():
		return []string{"format=yuva420p", "split[behind][front];[behind]lutyuv=y=16:u=128:v=128:a=255[black];" +
			"[black][front]overlay", "format=yuv420p"}
	case v.rgb(), v.Range == "pc", strings.HasPrefix(v.PixelFormat, "yuvj"):
		return []string{to, "format=yuv420p"}
	default:
		return []string{"format=yuv420p"}
	}
}

// tags returns the options by which a video says what its colours mean.
func (v stream) tags() []string {
	primaries, matrix := "bt709", "bt709"
	switch v.matrix(false) {
	case "bt601":
		primaries, matrix = "smpte170m", "smpte170m"
		if v.Matrix == "bt470bg" || v.Matrix == "" && v.Height%288 == 0 { // of 625 lines
			primaries, matrix = "bt470bg", "bt470bg"
		}
	case "bt2020":
		primaries, matrix = "bt2020", "bt2020nc"
	}
	transfer := "bt709"
	if primaries == "smpte170m" {
		transfer = "smpte170m"
	}
	return []string{"-color_range", "tv", "-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer}
}

// onWhite puts a picture that is transparent in parts on white.
const onWhite = "split[behind][front];[behind]lutrgb=r=255:g=255:b=255:a=255[white];" +
	"[white][front]overlay=format=rgb,format=rgb24"

// colours returns the filters that make red, green and blue of frames, and keep what is transparent.
func (v stream) colours(still bool) []string {
	matrix := v.matrix(still)
	if v.rgb() {
		matrix = "bt601" // of which there is nothing to read, and swscale writes by it
	}
	format := "rgb24"
	if v.seeThrough() {
		format = "rgba"
	}
	return []string{"scale=in_color_matrix=" + matrix, "format=" + format}
}

// forPicture returns the filters that make what an encoder of pictures takes of red, green and blue. JPEG is read by
// BT.601 in full range, and by nothing else.
func (v stream) forPicture(format string) []string {
	if format != "jpg" {
		return []string{"format=bgra"}
	}
	to := []string{"scale=out_color_matrix=bt601:out_range=pc", "format=yuvj420p"}
	if v.seeThrough() {
		return append([]string{onWhite}, to...)
	}
	return to
}

// square returns the filters that make pixels square; the longer way is stretched.
func (v stream) square() []string {
	switch v.Aspect {
	case "", "1:1", "0:1", "N/A":
		return nil
	default:
		return []string{"scale=w='max(2,trunc(iw*sar/2)*2)':h=ih", "setsar=1"}
	}
}

// shown returns the size of the pictures as a viewer is to see them: upright, with square pixels.
func (v stream) shown() (width, height float64) {
	width, height = float64(v.Width), float64(v.Height)
	if aspect, err := ratio(v.Aspect); err == nil {
		width *= aspect
	}
	if v.turned()%180 == 90 {
		return height, width
	}
	return width, height
}

// turned returns by how many degrees clockwise a picture is turned to be upright, in quarters.
func (v stream) turned() int {
	for _, s := range v.SideData {
		if s.Rotation != 0 {
			return (360 - int(math.Round(s.Rotation/90))*90%360) % 360
		}
	}
	return 0
}

// dolbyVision reports whether there is Dolby Vision in it, beside what other players see.
func (v stream) dolbyVision() bool {
	return slices.ContainsFunc(v.SideData, func(s sideData) bool { return s.Type == "DOVI configuration record" })
}

// fitted returns the size of the pictures in a box of width x height, 0 for any, and of at most that many pixels. They
// keep their shape and aren't enlarged; both sides are even.
func (v stream) fitted(width, height, pixels int) (int, int) {
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

// inFrame is the filter that fits frames of any size into one of width x height: a film may change its size midway, and
// its encoder can't.
func inFrame(width, height int) string {
	return fmt.Sprintf("scale=%[1]d:%[2]d:force_original_aspect_ratio=decrease,pad=%[1]d:%[2]d:-1:-1,setsar=1", width,
		height)
}

// fit returns the filters that make pixels square and fit the picture into a box of width x height, 0 for any, keeping
// its shape and never enlarging it.
func (v stream) fit(width, height int) []string {
	filters := v.square()
	if width == 0 && height == 0 {
		return filters
	}
	w, h := "iw", "ih"
	if width > 0 {
		w = fmt.Sprintf("'min(%d,iw)'", width)
	}
	if height > 0 {
		h = fmt.Sprintf("'min(%d,ih)'", height)
	}
	return append(filters, "scale=w="+w+":h="+h+":force_original_aspect_ratio=decrease", "setsar=1")
}
