package storage

import (
	"context"
	"errors"
	"io"
)

// Ranger is a source that gives parts of its inputs: what is elsewhere.
type Ranger interface {
	Source
	// Range opens length bytes of the input from offset on, -1 for all that follow. If version isn't "", the input must
	// still be that one: else the error is errChanged, or the piece begins at 0.
	Range(ctx context.Context, at Place, version string, offset, length int64) (Piece, error)
}

// Piece is what a Ranger gives of an input.
type Piece struct {
	io.ReadCloser
	Offset  int64  // where it begins: where it was asked to, or 0 when it is all
	All     bool   // it is the whole input: the server gives no parts, or no part of another version
	Size    int64  // of the whole input; -1 when nobody says
	Version string // what tells this version of the input from others; "" when nothing does
}

// errChanged is an input that isn't the one that we have begun to read.
var errChanged = errors.New("it has changed meanwhile")
