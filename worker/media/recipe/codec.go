package recipe

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// compression is what the encoder of a video is to do, in words that all encoders share.
type compression struct {
	codec   string // h264, hevc, vp9 or av1
	speed   string // ultrafast to slow
	crf     int    // on the codec's own scale; used when bitrate is 0
	bitrate int    // bits per second
	most    int    // cap on that; 0: none, or what follows from bitrate
	passes  int    // how often the video is read
	threads int    // 0: as many as the machine has cores
	gop     int    // frames from one key frame to the next, at most, where they can't be asked for by time
}

// keySeconds is how far a viewer who seeks is from a key frame, at most.
const keySeconds = 2

// passLog is the name of the file, in the scratch folder, by which the first pass tells the second.
const passLog = "pass"

// largest is how large a picture of the codec may be for what plays it, in pixels. H.264: level 5.2 (ITU-T H.264, table
// A-1), of 36,864 blocks of 16 x 16. The others: level 6 of HEVC, which those of VP9 and AV1 are near.
func largest(codec string) int {
	if codec == "h264" {
		return 36_864 * 256
	}
	return 8192 * 4320
}

// args returns ffmpeg's options of the encoder for one pass, from 1. Every group of pictures is closed: whatever
// follows a key frame needs nothing before it.
func (c compression) args(pass int) []string {
	switch c.codec {
	case "hevc":
		return c.x265(pass)
	case "vp9":
		return c.vp9(pass)
	case "av1":
		return c.av1()
	default:
		return slices.Concat([]string{"-c:v", "libx264", "-preset", c.speed}, keysByTime(), c.vbv(), c.logged(pass))
	}
}

// x265 has its threads and its log of passes in options of its own. A picture in the high tier is refused by what plays
// the main one, so its level rises instead.
func (c compression) x265(pass int) []string {
	own := "log-level=error:open-gop=0:high-tier=0"
	if c.threads > 0 {
		own += fmt.Sprintf(":pools=%d:frame-threads=%d", c.threads, min(max(1, c.threads/2), 4))
	}
	if c.passes > 1 {
		own += fmt.Sprintf(":pass=%d:stats=%s", pass, passLog)
	}
	return slices.Concat([]string{"-c:v", "libx265", "-preset", c.speed, "-forced-idr", "1", "-x265-params", own},
		keysByTime(), c.vbv())
}

// vp9 holds a rate in one pass by libvpx's constant bit rate alone: its variable one and its constrained quality were
// 60 % over, on noise at 300 kbit/s. A quality is capped by the same, with a floor on the quantiser.
func (c compression) vp9(pass int) []string {
	deadline, effort := "good", map[string]int{
		"ultrafast": 8, "superfast": 6, "veryfast": 5, "faster": 4, "fast": 3, "medium": 2, "slow": 1,
	}[c.speed]
	if effort > 5 { // of what is made while it is watched, and can't be read twice
		deadline = "realtime"
		if c.passes > 1 {
			deadline, effort = "good", 5
		}
	}
	args := []string{
		"-c:v", "libvpx-vp9", "-deadline", deadline, "-cpu-used", strconv.Itoa(effort), "-row-mt", "1",
	}
	constant := func(rate int) []string {
		r := strconv.Itoa(rate)
		return []string{"-b:v", r, "-minrate", r, "-maxrate", r, "-bufsize", strconv.Itoa(2 * rate)}
	}
	crf := strconv.Itoa(c.crf)
	switch {
	case c.bitrate == 0 && c.most == 0:
		args = append(args, "-crf", crf, "-b:v", "0")
	case c.bitrate == 0:
		args = append(append(args, "-qmin", crf), constant(c.most)...)
	case c.passes == 1:
		args = append(args, constant(c.bitrate)...)
	default:
		args = append(args, "-b:v", strconv.Itoa(c.bitrate))
		if c.most > 0 {
			args = append(args, "-maxrate", strconv.Itoa(c.most))
		}
	}
	return slices.Concat(args, keysByTime(), c.logged(pass))
}

// av1 counts its key frames in frames: SVT-AV1 takes none at a time. It isn't pinned to the machine's first cores,
// where those of all other jobs would be.
func (c compression) av1() []string {
	own := "pin=0"
	if c.threads > 0 {
		own += fmt.Sprintf(":lp=%d", c.threads)
	}
	preset := map[string]int{
		"ultrafast": 12, "superfast": 11, "veryfast": 10, "faster": 9, "fast": 8, "medium": 7, "slow": 5,
	}[c.speed]
	args := []string{
		"-c:v", "libsvtav1", "-preset", strconv.Itoa(preset), "-g", strconv.Itoa(c.gop), "-flags", "+cgop",
		"-svtav1-params", own,
	}
	if c.bitrate > 0 {
		return append(args, "-b:v", strconv.Itoa(c.bitrate))
	}
	return append(args, c.vbv()...)
}

// keysByTime returns the options that ask for a key frame whenever it is time for one.
func keysByTime() []string {
	return []string{"-force_key_frames", fmt.Sprintf("expr:gte(t,n_forced*%d)", keySeconds)}
}

// keysByCount returns how many frames of a video are between two such.
func keysByCount(rate float64) int { return max(1, int(math.Round(keySeconds*rate))) }

// vbv returns the options of a quality or a bit rate that a player's buffer of two seconds bounds.
func (c compression) vbv() (args []string) {
	most := c.most
	if c.bitrate > 0 {
		args = []string{"-b:v", strconv.Itoa(c.bitrate)}
		if most == 0 {
			most = c.bitrate * c.passes
		}
	} else {
		args = []string{"-crf", strconv.Itoa(c.crf)}
	}
	if most == 0 {
		return args
	}
	return append(args, "-maxrate", strconv.Itoa(most), "-bufsize", strconv.Itoa(2*most))
}

// logged returns the options by which ffmpeg itself keeps the log of passes.
func (c compression) logged(pass int) []string {
	if c.passes < 2 {
		return nil
	}
	return []string{"-pass", strconv.Itoa(pass), "-passlogfile", passLog}
}

// soundEncoder returns the options of a sound's encoder, and the bit rate that suits as many channels when none is
// asked for.
func soundEncoder(codec string, rate, channels int) []string {
	encoder, each := "aac", 64_000
	if codec == "opus" {
		encoder, each = "libopus", 48_000
	}
	if rate == 0 {
		rate = each * max(2, channels)
	}
	return []string{"-c:a", encoder, "-b:a", strconv.Itoa(rate)}
}

// muxer returns the options of a container, which plays while it loads.
func muxer(container string) []string {
	switch container {
	case kinds.MP4:
		return []string{"-movflags", "+faststart", "-f", "mp4"}
	default:
		return []string{"-cues_to_front", "1", "-f", container}
	}
}
