package attempt

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/worker/media/probe"
)

// unfiltered is what ffmpeg says, and then ends, when sound comes in channels that its filters don't take, or can't
// make others of. A file that has only such sound is read by its channels' numbers (see sound.Layout); here a damaged
// packet claims them.
var unfiltered = regexp.MustCompile(`Error reinitializing filters`)

// Again reports whether the job failed because a damaged packet of sound claims channels that the sound hasn't, and can
// be made once more: from now on the sound's own channels are taken by their numbers, whatever a packet says. What was
// made is removed.
func (a *Attempt) Again() (bool, error) {
	if !a.strayed || a.Strict || a.channels != "" {
		return false, nil
	}
	s, err := a.Info.Best("audio", a.From)
	if err != nil {
		return false, err
	}
	a.channels = byNumber(s)
	a.Warn("input %s is damaged: parts of its sound claim other channels than the rest", a.From)
	return true, a.clear()
}

// byNumber returns the filter that takes the channels of a sound by their numbers.
func byNumber(s probe.Stream) string {
	layout := s.Layout
	if layout == "" || strings.Contains(layout, " ") { // such as "3 channels (FL+FR+LFE)"
		layout = fmt.Sprintf("%dc", s.Channels)
	}
	filter := "pan=" + layout
	for n := range s.Channels {
		filter += fmt.Sprintf("|c%d=c%d", n, n)
	}
	return filter
}

// ownChannels puts the filter before those of sound, if there is one to put.
func (a *Attempt) ownChannels(options []string) []string {
	at := slices.Index(options, "-af")
	if a.channels == "" || at < 0 {
		return options
	}
	options = slices.Clone(options)
	options[at+1] = a.channels + "," + options[at+1]
	return options
}

// clear removes what was made in the scratch folder.
func (a *Attempt) clear() error {
	made, err := fs.ReadDir(a.Dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	for _, m := range made {
		if m.Name() == InputFile {
			continue
		}
		if err := a.Dir.RemoveAll(m.Name()); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return nil
}
