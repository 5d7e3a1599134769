package sandbox

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/work"
)

// Bounds of what is worked on at all, whatever a slot's limits. Within them RLIMIT_AS decides.
const (
	MaxStreams = 64
	MaxPixels  = 1 << 27 // 134 million: 16k x 8k
)

// Formats are the containers that inputs may have: ffmpeg's names of demuxers that read one file and nothing else.
// Playlists (hls, concat, dash), text that is drawn (tty, subtitles), svg, devices and numbered pictures are not in it.
var Formats = strings.Join([]string{
	"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "mpegvideo", "avi", "flv", "asf", "ogg", "mxf", "ivf",
	"obu", "nut", "rm",
	"dv", "gif", "apng", "h264", "hevc", "m4v", "vc1", "av1", "mjpeg", "yuv4mpegpipe",
	"wav", "w64", "aiff", "caf", "au", "mp3", "aac", "flac", "ac3", "eac3", "dts", "truehd", "amr", "amrnb", "amrwb",
	"wv", "ape", "tta",
	"png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "jpegls_pipe", "j2k_pipe", "jpegxl_pipe", "psd_pipe",
	"exr_pipe",
}, ",")

// Guards returns the options before an input: what ffmpeg and ffprobe may open and how much they may read.
func Guards(l work.Limits) []string {
	args := []string{
		"-hide_banner", "-loglevel", logLevel,
		"-protocol_whitelist", "file", "-format_whitelist", Formats,
		"-max_streams", strconv.Itoa(MaxStreams), "-max_pixels", strconv.Itoa(MaxPixels),
	}
	if l.Memory > 0 {
		args = append(args, "-max_alloc", strconv.FormatInt(int64(l.Memory), 10))
	}
	return args
}

var pictureSize = regexp.MustCompile(`Picture size (\d+)x(\d+) (?:is invalid|exceeds)`)

// PictureTooLarge returns the error that a picture is over the bound, when that is among what a program said.
func PictureTooLarge(said string) error {
	if m := pictureSize.FindStringSubmatch(said); m != nil {
		return TooManyPixels(m[1], m[2])
	}
	return nil
}

func TooManyPixels(width, height string) error {
	return work.Fail(work.OverLimit, fmt.Errorf("the input's picture is %s x %s; at most %d million pixels are allowed",
		width, height, MaxPixels/1_000_000))
}
