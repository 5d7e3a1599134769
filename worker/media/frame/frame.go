// Package frame is ffmpeg's filters between the pictures that an input holds and those that a viewer is to see: whole
// frames and not fields, square pixels, a size, and colours that mean the same to every viewer. It runs nothing.
package frame

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/worker/media/probe"
)

// Deinterlaced returns the filters that make whole frames of fields.
func Deinterlaced(v probe.Stream) []string {
	if !v.Interlaced() {
		return nil
	}
	return []string{"bwdif=mode=send_frame:deint=all"}
}

// ToneMapped returns the filters that bring high dynamic range into what an ordinary screen shows (BT.709). A part of
// 100 cd/m² stays as it is, what is brighter is pressed together: white of 203 cd/m² becomes nine tenths of full
// signal.
func ToneMapped(v probe.Stream) []string {
	if !v.HDR() {
		return nil
	}
	return []string{
		"zscale=tin=" + v.Transfer + ":pin=bt2020:min=bt2020nc:t=linear:npl=100", "format=gbrpf32le",
		"zscale=p=bt709", "tonemap=mobius:desat=0", "zscale=t=bt709:m=bt709:r=tv", "format=yuv420p",
	}
}

// Decoder returns the options that choose the stream's decoder, before the input: ffmpeg's own of VP8 and VP9 don't see
// what is transparent.
func Decoder(v probe.Stream) []string {
	name := map[string]string{"vp8": "libvpx", "vp9": "libvpx-vp9"}[v.Codec]
	if name == "" || v.Tags.Alpha != "1" {
		return nil
	}
	return []string{"-c:" + strconv.Itoa(v.Index), name}
}

// ForVideo returns the filters that give frames the range and the matrix that their tags say (see tags), and put what
// is transparent in parts on black.
func ForVideo(v probe.Stream) []string {
	to := "scale=in_color_matrix=" + v.ReadBy(false) + ":out_color_matrix=" + v.ReadBy(false) + ":out_range=tv"
	switch {
	case v.HDR():
		return nil
	case v.SeeThrough():
		return []string{"format=yuva420p", "split[behind][front];[behind]lutyuv=y=16:u=128:v=128:a=255[black];" +
			"[black][front]overlay", "format=yuv420p"}
	case v.RGB(), v.Range == "pc", strings.HasPrefix(v.PixelFormat, "yuvj"):
		return []string{to, "format=yuv420p"}
	default:
		return []string{"format=yuv420p"}
	}
}

// Tags returns the options by which a video says what its colours mean.
func Tags(v probe.Stream) []string {
	primaries, matrix := "bt709", "bt709"
	switch v.ReadBy(false) {
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

// Colours returns the filters that make red, green and blue of frames, and keep what is transparent.
func Colours(v probe.Stream, still bool) []string {
	matrix := v.ReadBy(still)
	if v.RGB() {
		matrix = "bt601" // of which there is nothing to read, and swscale writes by it
	}
	format := "rgb24"
	if v.SeeThrough() {
		format = "rgba"
	}
	return []string{"scale=in_color_matrix=" + matrix, "format=" + format}
}

// ForPicture returns the filters that make what an encoder of pictures takes of red, green and blue. JPEG is read by
// BT.601 in full range, and by nothing else. PNG says what it means by them: as all pictures here, sRGB.
func ForPicture(v probe.Stream, format string) []string {
	switch format {
	case "png":
		return []string{"setparams=color_primaries=bt709:color_trc=iec61966-2-1"}
	case "webp":
		return []string{"format=bgra"}
	}
	to := []string{"scale=out_color_matrix=bt601:out_range=pc", "format=yuvj420p"}
	if v.SeeThrough() {
		return append([]string{onWhite}, to...)
	}
	return to
}

// Square returns the filters that make pixels square; the longer way is stretched.
func Square(v probe.Stream) []string {
	switch v.Aspect {
	case "", "1:1", "0:1", "N/A":
		return nil
	default:
		return []string{"scale=w='max(2,trunc(iw*sar/2)*2)':h=ih", "setsar=1"}
	}
}

// InFrame is the filter that fits frames of any size into one of width x height: a film may change its size midway, and
// its encoder can't.
func InFrame(width, height int) string {
	return fmt.Sprintf("scale=%[1]d:%[2]d:force_original_aspect_ratio=decrease,pad=%[1]d:%[2]d:-1:-1,setsar=1", width,
		height)
}

// Fit returns the filters that make pixels square and fit the picture into a box of width x height, 0 for any, keeping
// its shape and never enlarging it.
func Fit(v probe.Stream, width, height int) []string {
	filters := Square(v)
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
