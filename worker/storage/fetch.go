package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/polyglot-media/siren/lanes"
)

// Fetch opens an input, and copies it into a file that create makes unless it is a local one. It may have limit bytes
// (0: any number).
func Fetch(
	ctx context.Context, from Source, at Place, limit lanes.Bytes, create func() (*os.File, error),
) (*os.File, error) {
	content, size, err := from.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		_ = content.Close()
		return nil, empty(at)
	}
	if file, ok := content.(*os.File); ok {
		return file, nil
	}
	defer func() { _ = content.Close() }()
	if limit > 0 && size > int64(limit) {
		return nil, tooLarge(at, limit)
	}
	file, err := create()
	if err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	if err := copyIn(ctx, file, content, at, size, int64(limit)); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// copyIn writes the content into the file, at most limit bytes of it.
func copyIn(ctx context.Context, file *os.File, content io.Reader, at Place, size, limit int64) error {
	if limit > 0 {
		content = io.LimitReader(content, limit+1)
	}
	n, err := io.Copy(file, &stoppable{ctx, content})
	switch {
	case err != nil && errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the worker's scratch disk is full: %w", err)
	case err != nil:
		return fmt.Errorf("fetch input %s: %w", at, reasonIn(err))
	case limit > 0 && n > limit:
		return tooLarge(at, lanes.Bytes(limit))
	case n == 0:
		return empty(at)
	case size > 0 && n != size:
		return fmt.Errorf("fetch input %s: it ended after %d of %d bytes", at, n, size)
	}
	return nil
}

// stoppable ends a copy when its context ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
