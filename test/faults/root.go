package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/polyglot-media/siren/test/binary"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/faults/site"
)

// asRoot runs this program once more as root, unless it is that.
func asRoot(o options) (code int, done bool, err error) {
	var args []string
	if !cluster.Root() && o.siren == "" {
		dir, err := os.MkdirTemp("", "siren-faults-build-")
		if err != nil {
			return 0, false, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path, err := build(context.Background(), dir)
		if err != nil {
			return 0, false, err
		}
		args = []string{"-siren", path}
	}
	code, done = cluster.AsRoot(args, nil)
	return code, done, nil
}

// build builds in the folder all that there may be no network for later, and returns the path of siren.
func build(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "siren")
	if err := binary.Build(ctx, path); err != nil {
		return "", err
	}
	if _, err := site.BucketProgram(ctx); err != nil {
		return "", fmt.Errorf("prepare: %w", err)
	}
	return path, nil
}
