package app

import (
	"context"
	"io"
)

// Interruptible returns a reader of in whose reads end with ctx, as a question does at Ctrl-C: a terminal's own goes
// on. It is a terminal if in is one.
func Interruptible(ctx context.Context, in io.Reader) io.Reader { return interruptible{in, ctx} }

type interruptible struct {
	io.Reader
	ctx context.Context
}

// Fd returns the descriptor of the file that is read; of what isn't a file none that there is.
func (r interruptible) Fd() uintptr {
	if file, ok := r.Reader.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

// Read reads until ctx ends.
func (r interruptible) Read(p []byte) (int, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text := make([]byte, len(p)) // of its own: the read may outlive this call
		n, err := r.Reader.Read(text)
		done <- read{text[:n], err}
	}()
	select {
	case c := <-done:
		return copy(p, c.text), c.err
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}
