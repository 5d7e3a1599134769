package app

import (
	"context"
	"io"
	"os"
)

// Interruptible returns the stream that people type into so that a read of it ends with ctx, as a question does at
// Ctrl-C. What isn't a file is returned as it is.
func Interruptible(ctx context.Context, in io.Reader) io.Reader {
	if file, ok := in.(*os.File); ok {
		return typed{file, ctx}
	}
	return in
}

type typed struct {
	*os.File
	ctx context.Context
}

// Read reads until ctx ends.
func (t typed) Read(p []byte) (int, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text := make([]byte, len(p)) // of its own: the read may outlive this call
		n, err := t.File.Read(text)
		done <- read{text[:n], err}
	}()
	select {
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	case r := <-done:
		return copy(p, r.text), r.err
	}
}
