// Package part finds the bytes of a film that a picture at a place is made from, so that no more than these have to be
// fetched. It reads the tables that mp4, mov, Matroska and WebM files have for that.
//
// It knows containers, and nothing of where the bytes are or how the picture is made. Of anything that it isn't sure
// about (a container without such tables, one that is written piece by piece, a codec that takes zeros for a picture)
// it says ErrUnsure: then all has to be fetched. It reads a little more than it needs: what a reader looks at before it
// seeks, and what it reads ahead.
package part

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrUnsure is a film of which no part can be told to be enough.
var ErrUnsure = errors.New("no part of the film is certain to be enough")

// Input is a film that is elsewhere.
type Input interface {
	io.ReaderAt // fetches what it reads
	Size() int64
	Fill(offset, length int64) error // fetches what is missing
}

// Film is a film of which parts can be fetched.
type Film interface {
	// Around fetches what is needed for pictures from a place on, in seconds after the film's beginning.
	Around(seconds float64, frames int) error
}

// Smallest is the size, in bytes, from which on it is worth it to fetch parts.
const Smallest = 16 << 20

const (
	early    = 0.5     // seconds by which a reader may seek before the place that is wanted
	late     = 1.0     // seconds, and
	ahead    = 30      // frames, that it may read after what it needs
	headed   = 25      // frames that it looks at before it seeks
	headMost = 6 << 20 // bytes that it reads for that
	tableMax = 32 << 20
)

// Open fetches what readers look at first: the tables, and the first frames.
func Open(in Input) (Film, error) {
	if in.Size() < Smallest {
		return nil, ErrUnsure
	}
	var head [8]byte
	if _, err := in.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	switch {
	case string(head[4:]) == "ftyp":
		return openBoxes(in)
	case binary.BigEndian.Uint32(head[:]) == idEBML:
		return openMatroska(in)
	}
	return nil, ErrUnsure
}

// unsure is ErrUnsure with a reason, for whoever looks into it.
func unsure(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsure, fmt.Sprintf(format, args...))
}

// fetch reads length bytes at the offset.
func fetch(in Input, offset, length int64) ([]byte, error) {
	if length > tableMax || offset < 0 || length < 0 || offset+length > in.Size() {
		return nil, unsure("a table of %d bytes at %d", length, offset)
	}
	if err := in.Fill(offset, length); err != nil {
		return nil, err
	}
	data := make([]byte, length)
	_, err := in.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data, err
}

// spans fetches runs of bytes, those that are near each other in one.
type spans struct {
	in       Input
	from, to int64
	bytes    int64
}

const near = 256 << 10

func (s *spans) add(offset, length int64) error {
	if offset < 0 || length < 0 || offset+length > s.in.Size() {
		return unsure("%d bytes at %d of %d", length, offset, s.in.Size())
	}
	s.bytes += length
	if s.to > s.from && offset >= s.from && offset <= s.to+near {
		s.to = max(s.to, offset+length)
		return nil
	}
	err := s.end()
	s.from, s.to = offset, offset+length
	return err
}

func (s *spans) end() error {
	if s.bytes > s.in.Size()/2 {
		return unsure("it is most of the film")
	}
	return s.in.Fill(s.from, s.to-s.from)
}
