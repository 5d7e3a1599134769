package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

const (
	block    = 64 << 10 // the least that is fetched
	maxAhead = 8        // blocks that are fetched at once for who reads on and on
)

// Sparse is an input elsewhere of which only what is read is fetched, each part once. The parts are where they belong
// in a file of the whole's size, in which the rest is zeros. It isn't safe for concurrent use.
type Sparse struct {
	ctx    context.Context // of the attempt: io.ReaderAt has none
	down   download
	here   []bool // block by block
	next   int64  // block after the last that was fetched
	ahead  int64  // blocks that the next read fetches if it goes on there
	parts  bool   // the server gives parts, and says of which version
	bytes  int64  // fetched
	broken int    // connections
}

// OpenSparse opens an input of which only parts may be wanted; its first bytes are fetched. Of a server that gives no
// parts all is: see Complete. What is fetched may have limit bytes (0: any number).
func OpenSparse(
	ctx context.Context, from Ranger, at Place, limit lanes.Bytes, create func() (*os.File, error),
) (*Sparse, error) {
	s := &Sparse{ctx: ctx, down: download{from: from, at: at}}
	piece, err := from.Range(ctx, at, "", 0, block)
	if err != nil && work.KindOf(err) == work.Transient { // some have no part of what is empty
		piece, err = from.Range(ctx, at, "", 0, -1)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = piece.Close() }()
	s.parts = !piece.All && piece.Size > 0 && piece.Version != ""
	s.down.size, s.down.version = piece.Size, piece.Version
	if s.down.size == 0 {
		return nil, empty(at)
	}
	if s.down.file, err = create(); err != nil {
		return nil, err
	}
	s.down.limit = int64(limit)
	if s.parts {
		s.here = make([]bool, (piece.Size+block-1)/block)
		if err = s.down.file.Truncate(piece.Size); err == nil {
			_, err = s.add(piece, 0, block)
		}
	} else if err = s.down.begin(piece); err == nil && piece.All {
		err = s.down.all(ctx, piece)
	} else if err == nil {
		_, err = s.down.again(ctx) // nobody says how long it is, or of which version
	}
	if err != nil {
		_ = s.down.file.Close()
		return nil, err
	}
	return s, nil
}

// File returns the file.
func (s *Sparse) File() *os.File { return s.down.file }

// Size returns the size of the whole.
func (s *Sparse) Size() int64 { return s.down.size }

// Fetched returns how many bytes of it are here.
func (s *Sparse) Fetched() int64 { return s.bytes }

// Complete reports whether nothing is missing.
func (s *Sparse) Complete() bool {
	for _, here := range s.here {
		if !here {
			return false
		}
	}
	return true
}

// ReadAt reads what is at the offset, and fetches it before if it must (io.ReaderAt).
func (s *Sparse) ReadAt(p []byte, offset int64) (int, error) {
	if s.parts && offset < s.down.size {
		n := int64(len(p))
		if first := offset / block; first == s.next || (offset+n-1)/block == s.next {
			s.ahead = min(max(1, 2*s.ahead), maxAhead)
			n = max(n, (s.next+s.ahead)*block-offset)
		} else if !s.here[first] {
			s.ahead = 1
		}
		if err := s.Fill(offset, n); err != nil {
			return 0, err
		}
	}
	return s.down.file.ReadAt(p, offset)
}

// Fill fetches what is missing of length bytes from offset on.
func (s *Sparse) Fill(offset, length int64) error {
	if !s.parts || length <= 0 {
		return nil
	}
	last := min(int64(len(s.here)), (offset+length+block-1)/block)
	for b := max(0, offset) / block; b < last; b++ {
		if s.here[b] {
			continue
		}
		end := b
		for end < last && !s.here[end] {
			end++
		}
		if err := s.fetch(b*block, min(end*block, s.down.size)); err != nil {
			return err
		}
		b = end - 1
	}
	return nil
}

// Rest fetches all that is missing; all of it anew when the input has changed meanwhile.
func (s *Sparse) Rest() error {
	if !s.parts {
		return nil
	}
	if limit := s.down.limit; limit > 0 && s.down.size > limit {
		return tooLarge(s.down.at, lanes.Bytes(limit))
	}
	err := s.Fill(0, s.down.size)
	if !errors.Is(err, errChanged) {
		return err
	}
	s.down.version, s.down.here = "", 0
	s.parts, s.here = false, nil
	piece, err := s.down.resume(s.ctx)
	if err != nil {
		return err
	}
	return s.down.all(s.ctx, piece)
}

// fetch fetches the bytes from one offset to another, of which none is here. Where the connection breaks it goes on.
func (s *Sparse) fetch(from, to int64) error {
	if limit := s.down.limit; limit > 0 && s.bytes+to-from > limit {
		return tooLarge(s.down.at, lanes.Bytes(limit))
	}
	for vain := 0; ; {
		piece, err := s.down.from.Range(s.ctx, s.down.at, s.down.version, from, to-from)
		before := from
		if err == nil && (piece.All || piece.Size != s.down.size) {
			err = errChanged
		} else if err == nil {
			from, err = s.add(piece, from, to)
		}
		if piece.ReadCloser != nil {
			_ = piece.Close()
		}
		if err == nil && from == to {
			return nil
		}
		if vain++; from > before {
			vain = 0
		}
		s.broken++
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		if errors.Is(err, errChanged) || errors.Is(err, syscall.ENOSPC) || work.KindOf(err) != work.Transient ||
			vain == maxVain || s.broken > maxResumes || wait(s.ctx, vain) != nil {
			return fmt.Errorf("fetch a part of input %s: %w", s.down.at, reasonIn(err))
		}
	}
}

// add copies what comes to its place in the file, and returns where the next block begins that isn't here as a whole.
func (s *Sparse) add(piece io.Reader, from, to int64) (int64, error) {
	to = min(to, s.down.size)
	data := make([]byte, block)
	for from < to {
		want := min(block, to-from)
		n, err := io.ReadFull(&stoppable{ctx: s.ctx, r: piece}, data[:want])
		if int64(n) < want {
			return from, err
		}
		if _, err := s.down.file.WriteAt(data[:n], from); err != nil {
			return from, err
		}
		s.here[from/block] = true
		s.next = from/block + 1
		s.bytes += want
		from += want
	}
	return from, nil
}
