package attempt

import "github.com/polyglot-media/siren/worker/media/probe"

// Sound returns the input's sound: the default track, or else the first, of those that can be decoded. It warns when
// that isn't the one that players take.
func (a *Attempt) Sound() (probe.Stream, error) {
	s, err := a.Info.Best("audio", a.From)
	if err != nil {
		return s, err
	}
	for _, p := range a.Info.Passed(s) {
		a.Warn("sound track %d of input %s is left out, and track %d taken: %s", p.Index, a.From, s.Index,
			p.Undecodable())
	}
	return s, nil
}

// Soundtrack returns the sound of a film, which may have none. It warns when there is some that can't be decoded.
func (a *Attempt) Soundtrack() (probe.Stream, bool) {
	s, err := a.Sound()
	if err != nil {
		for _, p := range a.Info.Passed(probe.Stream{}) {
			a.Warn("the sound of input %s is left out (track %d): %s", a.From, p.Index, p.Undecodable())
		}
	}
	return s, err == nil
}
