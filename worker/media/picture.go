package media

import (
	"fmt"
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
// 100 cd/m² stays as it is, what is brighter is pressed together: white of 203 cd/m² becomes nine tenths of full signal.
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

// fit returns the filters that make pixels square and fit the picture into a box of width x height, 0 for any, keeping
// its shape and never enlarging it. Both sides become multiples of even.
func fit(v stream, width, height, even int) []string {
	filters := v.square()
	if width == 0 && height == 0 {
		if even > 1 {
			filters = append(filters,
				fmt.Sprintf("scale=w='max(%[1]d,trunc(iw/%[1]d)*%[1]d)':h='max(%[1]d,trunc(ih/%[1]d)*%[1]d)'", even))
		}
		return filters
	}
	w, h := "iw", "ih"
	if width > 0 {
		w = fmt.Sprintf("'min(%d,iw)'", width)
	}
	if height > 0 {
		h = fmt.Sprintf("'min(%d,ih)'", height)
	}
	return append(filters, fmt.Sprintf("scale=w=%s:h=%s:force_original_aspect_ratio=decrease:force_divisible_by=%d", w,
		h, even), "setsar=1")
}
