// Package sound is ffmpeg's filters for the channels and the loudness of sound, what its meter says, and how sound is
// drawn. It runs nothing.
package sound

import "github.com/polyglot-media/siren/worker/media/probe"

// mostNamed is how many channels without names ffmpeg takes for those of the usual layout: 2.1, 4.0, 5.0, 5.1, 6.1 and
// 7.1. What it makes of more is no layout that anybody uses.
const mostNamed = 8

// Named reports whether it is known, or taken for known, what each channel is.
func Named(s probe.Stream) bool { return s.Layout != "" || s.Channels <= mostNamed }

// Layout returns the filters that give a sound the channels that are wanted: "stereo", "mono" or "5.1", at most. An AAC
// or Opus of surround sound in an unusual layout isn't played by browsers.
func Layout(s probe.Stream, want string) []string {
	var filters []string
	channels := s.Channels
	if !Named(s) { // nobody knows what is where
		filters, channels = append(filters, "pan=stereo|c0=c0|c1=c1"), 2
	}
	if to := layouts[min(Channels(s, want), 3)]; channels > Channels(s, want) || channels > 2 {
		filters = append(filters, "aformat=channel_layouts="+to)
	}
	return filters
}

// layouts are the names of what Layout makes, by the number of channels; 3 is any more.
var layouts = map[int]string{1: "mono", 2: "stereo", 3: "5.1"}

// Channels returns how many channels Layout makes.
func Channels(s probe.Stream, want string) int {
	switch {
	case want == "mono", s.Channels == 1:
		return 1
	case want == "5.1" && s.Channels > 5 && Named(s):
		return 6
	default:
		return 2
	}
}
