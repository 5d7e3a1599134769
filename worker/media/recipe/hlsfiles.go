package recipe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"

	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/media/hls"
)

// rendition is what was made in one folder.
type rendition struct {
	folder   string
	begin    []byte // its initialization segment
	codec    string
	segments []hls.Segment
	rates    hls.Rates
}

// segmentForm is what segments are called: nothing else that a playlist names is looked at.
var segmentForm = regexp.MustCompile(`^\d{3,6}\.m4s$`)

// readRendition reads what ffmpeg made in a folder, and joins so many segments to one.
func readRendition(a *attempt.Attempt, folder string, together int) (r rendition, err error) {
	r.folder = folder
	list, err := readMade(a, path.Join(folder, mediaList))
	if err != nil {
		return r, err
	}
	if r.segments, err = hls.Segments(list); err != nil {
		return r, err
	}
	for i, s := range r.segments {
		if !segmentForm.MatchString(s.Name) {
			return r, fmt.Errorf("ffmpeg named a segment %q", s.Name)
		}
		info, err := a.Dir.Stat(path.Join(folder, s.Name))
		if err != nil {
			return r, err
		}
		if !info.Mode().IsRegular() {
			return r, fmt.Errorf("%s is not a regular file", s.Name)
		}
		r.segments[i].Bytes = info.Size()
	}
	if err := r.join(a, together); err != nil {
		return r, fmt.Errorf("join segments: %w", err)
	}
	r.rates = hls.Measure(r.segments)
	media := hls.Media(r.segments, initSegment)
	if err := a.Dir.WriteFile(path.Join(folder, mediaList), []byte(media), 0o600); err != nil {
		return r, fmt.Errorf("write a media playlist: %w", err)
	}
	if r.begin, err = readMade(a, path.Join(folder, initSegment)); err != nil {
		return r, err
	}
	if r.codec, err = hls.Codec(r.begin); err != nil {
		return r, fmt.Errorf("%s: %w", folder, err)
	}
	return r, nil
}

// join joins so many segments to one, and sound that is left over to the segment before it.
func (r *rendition) join(a *attempt.Attempt, together int) error {
	groups := slices.Collect(slices.Chunk(r.segments, together))
	if last := len(groups) - 1; r.folder == soundFolder && hls.Leftover(r.segments) {
		groups = append(groups[:last-1], r.segments[last-1:])
	}
	var joined []hls.Segment
	for i, g := range groups {
		s, err := r.joinOne(a, g)
		if err != nil {
			return err
		}
		if name := fmt.Sprintf("%03d.m4s", i); name != s.Name { // what had that name is a part of another now
			if err := a.Dir.Rename(path.Join(r.folder, s.Name), path.Join(r.folder, name)); err != nil {
				return err
			}
			s.Name = name
		}
		joined = append(joined, s)
	}
	r.segments = joined
	return nil
}

// joinOne puts all segments at the end of the first, in its file.
func (r *rendition) joinOne(a *attempt.Attempt, segments []hls.Segment) (hls.Segment, error) {
	all := segments[0]
	if len(segments) == 1 {
		return all, nil
	}
	f, err := a.Dir.OpenFile(path.Join(r.folder, all.Name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return all, err
	}
	for _, s := range segments[1:] {
		if err := move(a, path.Join(r.folder, s.Name), f); err != nil {
			return all, errors.Join(err, f.Close())
		}
		all.Seconds, all.Bytes = all.Seconds+s.Seconds, all.Bytes+s.Bytes
	}
	return all, f.Close()
}

// move moves the content of a file that ffmpeg made.
func move(a *attempt.Attempt, name string, to io.Writer) error {
	f, err := a.Dir.OpenMade(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return errors.Join(err, f.Close(), a.Dir.Remove(name))
}

// listFrames writes the playlist of the key frames, and returns what it asks of a network.
func (r rendition) listFrames(a *attempt.Attempt) (hls.Rates, error) {
	var keys []hls.KeyFrame
	seconds := 0.0
	for _, s := range r.segments {
		f, err := a.Dir.OpenMade(path.Join(r.folder, s.Name))
		if err != nil {
			return hls.Rates{}, err
		}
		more, err := hls.KeyFrames(s.Name, f, s.Bytes)
		if err := errors.Join(err, f.Close()); err != nil {
			return hls.Rates{}, fmt.Errorf("find the key frames: %w", err)
		}
		keys, seconds = append(keys, more...), seconds+s.Seconds
	}
	scale := hls.Timescale(r.begin)
	if len(keys) == 0 || scale == 0 {
		return hls.Rates{}, fmt.Errorf("find the key frames: there are %d in %s, in units of 1/%v s", len(keys),
			r.folder, scale)
	}
	frames := hls.Frames(keys, scale, seconds)
	text := hls.FramesOnly(keys, frames, initSegment)
	if err := a.Dir.WriteFile(path.Join(r.folder, framesList), []byte(text), 0o600); err != nil {
		return hls.Rates{}, fmt.Errorf("write a playlist of key frames: %w", err)
	}
	return hls.Measure(frames), nil
}

// readMade reads a small file that ffmpeg made.
func readMade(a *attempt.Attempt, name string) ([]byte, error) {
	f, err := a.Dir.OpenMade(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 8 << 20
	return io.ReadAll(io.LimitReader(f, most))
}

// files returns the files of the rendition; its playlist has the facts.
func (r rendition) files(mediaType string, facts any) []attempt.File {
	all := []attempt.File{
		{Name: path.Join(r.folder, mediaList), MediaType: playlistType, Facts: facts},
		{Name: path.Join(r.folder, initSegment), MediaType: mediaType},
	}
	for _, s := range r.segments {
		all = append(all, attempt.File{Name: path.Join(r.folder, s.Name), MediaType: mediaType})
	}
	return all
}
