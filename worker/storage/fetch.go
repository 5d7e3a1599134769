package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
)

// Fetch opens an input, and copies it into a file that create makes unless it is a local one. It may have limit bytes
// (0: any number).
func Fetch(
	ctx context.Context, from Source, at Place, limit lanes.Bytes, create func() (*os.File, error),
) (*os.File, error) {
	if remote, ok := from.(Ranger); ok {
		d := download{from: remote, at: at, limit: int64(limit)}
		return d.fetch(ctx, create)
	}
	content, size, err := from.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		_ = content.Close()
		return nil, empty(at)
	}
	return content.(*os.File), nil
}

const (
	maxResumes = 10 // of one download
	maxVain    = 3  // in a row that get no further
)

// pause is the first wait after a break; each one is twice that before, and at most fifty times the first.
var pause = 100 * time.Millisecond

// download copies an input into a file. Where its connection breaks it goes on, if the server gives parts and says that
// the input is the same; else it starts over.
type download struct {
	from    Ranger
	at      Place
	limit   int64 // bytes; 0: any number
	file    *os.File
	here    int64 // bytes in the file
	size    int64 // of the input; -1 when nobody says
	version string
}

func (d *download) fetch(ctx context.Context, create func() (*os.File, error)) (*os.File, error) {
	piece, err := d.from.Range(ctx, d.at, "", 0, -1)
	if err != nil {
		return nil, err
	}
	if err = d.begin(piece); err == nil {
		d.file, err = create()
	}
	if err != nil {
		_ = piece.Close()
		return nil, err
	}
	if err := d.all(ctx, piece); err != nil {
		_ = d.file.Close()
		return nil, err
	}
	return d.file, nil
}

// begin notes what the first piece says of the input.
func (d *download) begin(p Piece) error {
	switch d.size, d.version, d.here = p.Size, p.Version, 0; {
	case d.size == 0:
		return empty(d.at)
	case d.limit > 0 && d.size > d.limit:
		return tooLarge(d.at, lanes.Bytes(d.limit))
	}
	return nil
}

// all copies the piece and, as long as it breaks and that helps, what comes after it.
func (d *download) all(ctx context.Context, piece Piece) error {
	furthest, vain := int64(0), 0
	broken, err := d.add(ctx, piece)
	for resumes := 0; broken && resumes < maxResumes; resumes++ {
		if d.here > furthest {
			furthest, vain = d.here, 0
		} else if vain++; vain == maxVain {
			break
		}
		if wait(ctx, resumes) != nil {
			break
		}
		broken, err = d.again(ctx)
	}
	return err
}

// again resumes the download and copies what comes.
func (d *download) again(ctx context.Context) (broken bool, err error) {
	piece, err := d.resume(ctx)
	if err != nil {
		return work.KindOf(err) == work.Transient, err
	}
	return d.add(ctx, piece)
}

// wait lets a server recover, longer each time.
func wait(ctx context.Context, resumes int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(pause<<resumes, 50*pause)):
		return nil
	}
}

// resume opens what isn't here yet, or all when the input isn't certain to be the same.
func (d *download) resume(ctx context.Context) (Piece, error) {
	offset := d.here
	if d.version == "" {
		offset = 0
	}
	p, err := d.from.Range(ctx, d.at, d.version, offset, -1)
	if err == nil && p.Offset > 0 && d.size >= 0 && p.Size >= 0 && p.Size != d.size {
		_ = p.Close()
		err = errChanged
	}
	if errors.Is(err, errChanged) {
		p, err = d.from.Range(ctx, d.at, "", 0, -1)
	}
	if err == nil && p.Offset == 0 {
		if err = d.begin(p); err == nil {
			err = d.file.Truncate(0)
		}
	}
	if err == nil {
		_, err = d.file.Seek(p.Offset, io.SeekStart)
	}
	if err != nil && p.ReadCloser != nil {
		_ = p.Close()
	}
	return p, err
}

// add copies a piece to the file's end. Broken is one that may go on with another connection.
func (d *download) add(ctx context.Context, p Piece) (broken bool, err error) {
	defer func() { _ = p.Close() }()
	in := &stoppable{ctx: ctx, r: p}
	content := io.Reader(in)
	if d.limit > 0 {
		content = io.LimitReader(content, d.limit+1-d.here)
	}
	n, err := io.Copy(d.file, content)
	d.here += n
	switch {
	case err != nil && errors.Is(err, syscall.ENOSPC):
		return false, fmt.Errorf("the worker's scratch disk is full: %w", err)
	case err != nil:
		return in.err != nil && ctx.Err() == nil, fmt.Errorf("fetch input %s: %w", d.at, reasonIn(err))
	case d.limit > 0 && d.here > d.limit:
		return false, tooLarge(d.at, lanes.Bytes(d.limit))
	case d.here == 0:
		return false, empty(d.at)
	case d.size > 0 && d.here != d.size:
		return true, fmt.Errorf("fetch input %s: it ended after %d of %d bytes", d.at, d.here, d.size)
	}
	return false, nil
}

// stoppable ends a copy when its context ends, and keeps why reading failed.
type stoppable struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
