package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/work"
)

// Folder is a finished output of several files on its way into storage. It is whole or not there, as a single file is,
// and what says so is its manifest, which is written last.
type Folder struct {
	Manifest job.Manifest                        // its files lack their sizes and sums
	Open     func(name string) (*os.File, error) // opens a file of it to be read
	Job      job.Job
	Attempt  string
}

// sum opens a file of the folder, and completes what the manifest says of it.
func (f *Folder) sum(about *job.ManifestFile) (*os.File, error) {
	file, err := f.Open(about.Name)
	if err != nil {
		return nil, fmt.Errorf("open what was made: %w", err)
	}
	about.SHA256, about.Bytes, err = sumOf(file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("scratch: %w", err)
	}
	return file, nil
}

func sumOf(content io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, content)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// text is the manifest as it is kept.
func (f *Folder) text() []byte {
	text, _ := json.MarshalIndent(f.Manifest, "", "  ") // of values that all can be
	return append(text, '\n')
}

// made returns the manifest of a folder that is the job's, nil when there is none. One that is another's is
// work.OutputExists.
func made(ctx context.Context, s Source, at Place, id string) (*job.Manifest, error) {
	m, err := readManifest(ctx, s, at)
	switch {
	case errors.Is(err, errMissing):
		return nil, nil
	case err == nil && m.Job == id:
		return m, nil
	case err == nil || work.KindOf(err) == work.BadInput:
		return nil, outputExists(at)
	default:
		return nil, err
	}
}

// readManifest reads the manifest of a folder. What lies there under its name may be anybody's: the error is
// work.BadInput when it is none of ours, and no name in it leads out of the folder.
func readManifest(ctx context.Context, s Source, at Place) (*job.Manifest, error) {
	const most = 64 << 20
	content, _, err := s.Open(ctx, at.within(job.ManifestName))
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	m := &job.Manifest{}
	err = json.NewDecoder(io.LimitReader(content, most)).Decode(m)
	leadsOut := func(f job.ManifestFile) bool {
		return !fs.ValidPath(f.Name) || slices.Contains(strings.Split(f.Name, "/"), location.Reserved)
	}
	if err != nil || !job.ValidID(m.Job) || slices.ContainsFunc(m.Files, leadsOut) {
		return nil, work.Fail(work.BadInput, fmt.Errorf("%s isn't a manifest of Siren's", at.within(job.ManifestName)))
	}
	return m, nil
}

// strange is the error of a folder that isn't wholly an output of Siren's.
func strange(at Place, name string) error {
	return work.Fail(work.OutputExists, fmt.Errorf("output %s has %s in it, which isn't of a folder that Siren made, "+
		"so it isn't replaced: choose another name, or take that away", at, plain.Clip(name, 60)))
}

// within returns the place of a file in the folder.
func (p Place) within(name string) Place {
	p.Location = p.Within(name)
	return p
}
