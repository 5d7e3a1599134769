package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/polyglot-media/siren/lanes"
)

// source is where inputs come from.
type source interface {
	// open opens the input. Its size is -1 when nobody says. A *os.File is used where it is, anything else is copied.
	open(ctx context.Context, at location) (content io.ReadCloser, size int64, err error)
}

// store is where outputs go to. Nothing is visible at the output's URL before commit has all of it, and commit never
// replaces what is there unless the job says so.
type store interface {
	source
	// made is the size of the output when this job made it already, absent when nothing is there. What another
	// job made is lanes.OutputExists.
	made(ctx context.Context, at location, job string) (size int64, err error)
	// commit makes the product visible, create-if-absent. When the same job was faster (another attempt), done is
	// true and size is that output's; what another job made is lanes.OutputExists.
	commit(ctx context.Context, at location, p product) (done bool, size int64, err error)
}

// absent is the size of an output that isn't there.
const absent = -1

// product is a finished output file on its way into storage.
type product struct {
	file      *os.File // read from where it stands
	mediaType string
	job       lanes.Job
	attempt   string
}

func (h *Handler) store(at location, r rules) store {
	if at.scheme == "s3" {
		return s3Store{h.buckets}
	}
	return fileStore{r}
}

func (h *Handler) source(at location, r rules) source {
	if at.scheme == "http" || at.scheme == "https" {
		return webSource{rules: r, allow: h.allowAddress}
	}
	return h.store(at, r)
}

func outputExists(at location) error {
	return lanes.Fail(lanes.OutputExists, fmt.Errorf(
		"output %s is there already, and not by this job; choose another name, or set overwrite on the job", at))
}

// fetch opens the input, and copies it into the scratch folder unless it is a local file.
func (a *attempt) fetch(ctx context.Context, from source) (*os.File, error) {
	content, size, err := from.open(ctx, a.from)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		_ = content.Close()
		return nil, empty(a.from)
	}
	if file, ok := content.(*os.File); ok {
		return file, nil
	}
	defer func() { _ = content.Close() }()
	limit := int64(a.task.Limits.Scratch)
	if limit > 0 && size > limit {
		return nil, tooLarge(a.from, lanes.Bytes(limit))
	}
	return a.copyIn(ctx, content, size, limit)
}

// copyIn writes the content into the scratch folder, at most limit bytes of it (0: any number), and opens that file.
func (a *attempt) copyIn(ctx context.Context, content io.Reader, size, limit int64) (*os.File, error) {
	file, err := a.box.Folder.OpenFile("input", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	if limit > 0 {
		content = io.LimitReader(content, limit+1)
	}
	n, err := io.Copy(file, &stoppable{ctx, content})
	switch {
	case err != nil && errors.Is(err, syscall.ENOSPC):
		err = fmt.Errorf("the worker's scratch disk is full: %w", err)
	case err != nil:
		err = fmt.Errorf("fetch input %s: %w", a.from, plain(err))
	case limit > 0 && n > limit:
		err = tooLarge(a.from, lanes.Bytes(limit))
	case n == 0:
		err = empty(a.from)
	case size > 0 && n != size:
		err = fmt.Errorf("fetch input %s: it ended after %d of %d bytes", a.from, n, size)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func empty(at location) error {
	return lanes.Fail(lanes.BadInput, fmt.Errorf("input %s is empty (0 bytes)", at))
}

func tooLarge(at location, limit lanes.Bytes) error {
	return lanes.Fail(lanes.OverLimit, fmt.Errorf("input %s is larger than a slot's scratch space of %s", at, limit))
}

func missing(at location) error {
	return lanes.Fail(lanes.BadInput, fmt.Errorf("input %s doesn't exist", at))
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
