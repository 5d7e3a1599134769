package probe

import (
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/plain"
)

// known reports whether ffmpeg can decode the stream, as far as ffprobe says. Of sound that is announced and never
// comes, or that it can't parse, ffprobe knows no rate and no channels.
func (s Stream) known() bool {
	if s.locked() {
		return false
	}
	if s.Type == "audio" && (s.Channels == 0 || s.SampleRate == 0) {
		return false
	}
	return s.Codec != "" && s.Codec != "unknown" && s.Codec != "none" && !slices.Contains(undecoded, s.Codec)
}

// undecoded are the codecs of sound that ffmpeg 5.1 to 7.1 names and can't decode.
var undecoded = []string{"ac4", "mpegh_3d_audio"}

// Passed returns the tracks of sound that players would rather take than the one that Best returns, and that ffmpeg
// can't decode.
func (i Input) Passed(best Stream) (all []Stream) {
	for _, s := range i.Streams {
		preferred := s.Disposition.Default > best.Disposition.Default ||
			s.Disposition.Default == best.Disposition.Default && s.Index < best.Index
		if s.Type == "audio" && !s.known() && (best.Type == "" || preferred) {
			all = append(all, s)
		}
	}
	return all
}

// Undecodable says why ffmpeg can't decode the stream.
func (s Stream) Undecodable() string {
	if s.locked() {
		return "it is encrypted"
	}
	name := s.Codec
	if name == "" || name == "unknown" || name == "none" {
		name = strings.Trim(s.Tag, "[]0")
	}
	switch {
	case s.Codec != "" && !slices.Contains(undecoded, s.Codec) && s.Codec != "unknown" && s.Codec != "none":
		return "there is nothing in it, or nothing that can be read"
	case name == "":
		return "ffmpeg doesn't know its codec"
	default:
		return "ffmpeg can't decode " + plain.Clip(name, 20)
	}
}

// Late reports whether a sound begins after the pictures. A start that is far off is a mistake in the file.
func (i Input) Late(s Stream) bool {
	late := float64(s.Start - i.Format.Start)
	return late > 0.02 && late < float64(i.Format.Duration)
}

// Deep reports whether a sound has more than 16 bits a sample to lose.
func (s Stream) Deep() bool {
	exact := strings.HasPrefix(s.Codec, "pcm_") ||
		slices.Contains([]string{"flac", "alac", "wavpack", "ape", "tta", "truehd", "mlp"}, s.Codec)
	return exact && max(s.Bits, int(s.RawBits)) > 16
}

// Cover returns the picture that goes with a sound, of those that its containers take.
func (i Input) Cover() (Stream, bool) {
	for _, s := range i.Streams {
		if s.Disposition.AttachedPicture != 0 && (s.Codec == "mjpeg" || s.Codec == "png") {
			return s, true
		}
	}
	return Stream{}, false
}
