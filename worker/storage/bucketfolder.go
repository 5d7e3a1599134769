package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/bucket"
)

// attemptKey and sumKey are the metadata entries of a folder's objects that name the attempt that wrote them, and their
// SHA-256.
const (
	attemptKey = "siren-attempt"
	sumKey     = "siren-sha256"
)

// MadeFolder reads the manifest, and whether all files are still what it says: without that there is no output,
// whatever lies there.
func (s bucketStore) MadeFolder(ctx context.Context, at Place, id string) (*job.Manifest, error) {
	m, err := made(ctx, s, at, id)
	if m == nil || err != nil {
		return nil, err
	}
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return nil, err
	}
	var other atomic.Bool
	err = each(ctx, m.Files, func(ctx context.Context, f *job.ManifestFile) error {
		attrs, err := b.Attributes(ctx, key(at.within(f.Name)))
		if err != nil && s.buckets.Fault(err) == bucket.NoObject || err == nil && attrs.Metadata[sumKey] != f.SHA256 {
			other.Store(true)
			return nil
		}
		return err
	})
	if err != nil {
		return nil, s.trouble("look for output", at, err)
	}
	if other.Load() {
		return nil, nil
	}
	return m, nil
}

// CommitFolder puts the folder's files under their keys, create-if-absent, and then the manifest. The first file goes
// before the others, so a job whose folder is another's is refused at once, and two jobs never mix.
//
// What an earlier attempt of the same job left is replaced. It may still be at it, when it is cut off from its claim
// and doesn't know: it gives up where it meets a file of a later one.
func (s bucketStore) CommitFolder(ctx context.Context, at Place, f Folder) (bool, *job.Manifest, error) {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return false, nil, err
	}
	var old *job.Manifest
	if f.Job.Overwrite {
		if old, err = s.takeManifest(ctx, b, at); err != nil {
			return false, nil, err
		}
	} else if m, err := s.MadeFolder(ctx, at, f.Job.ID); m != nil || err != nil {
		return m != nil, m, err
	}
	c := &folderCommit{Folder: f, store: s, bucket: b, at: at}
	if err := c.write(ctx); err != nil {
		return false, nil, err
	}
	c.removeOthers(ctx, old)
	return false, &c.Manifest, nil
}

// takeManifest takes away the manifest of what a job is to overwrite, so that the folder isn't taken for whole while it
// is neither the old one nor the new, and returns it; nil when none of ours is there. It refuses a folder that isn't
// wholly an output of Siren's.
func (s bucketStore) takeManifest(ctx context.Context, b *blob.Bucket, at Place) (*job.Manifest, error) {
	old, err := readManifest(ctx, s, at)
	if err != nil && work.KindOf(err) != work.BadInput {
		return nil, err
	}
	if err := s.replaceable(ctx, b, at, old); err != nil {
		return nil, err
	}
	err = b.Delete(ctx, key(at.within(job.ManifestName)))
	if err != nil && s.buckets.Fault(err) != bucket.NoObject {
		return nil, s.trouble("overwrite output", at, err)
	}
	return old, nil
}

// replaceable refuses to replace a folder in which there is an object that neither its manifest lists nor a commit of a
// folder has written, as one that was interrupted may have. Most folders cost the listing alone, a request for each
// thousand objects.
func (s bucketStore) replaceable(ctx context.Context, b *blob.Bucket, at Place, old *job.Manifest) error {
	ours := map[string]bool{key(at.within(job.ManifestName)): true}
	if old != nil {
		for _, f := range old.Files {
			ours[key(at.within(f.Name))] = true
		}
	}
	below := key(at) + "/"
	list := b.List(&blob.ListOptions{Prefix: below})
	const most = 10_000
	for unlisted := 0; ; {
		o, err := list.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.trouble("list what is in output", at, err)
		case ours[o.Key], o.Size == 0 && strings.HasSuffix(o.Key, "/"): // a console's mark of a folder
			continue
		}
		attrs, err := b.Attributes(ctx, o.Key)
		if err != nil && s.buckets.Fault(err) == bucket.NoObject {
			continue // gone since
		} else if err != nil {
			return s.trouble("look for output", at, err)
		}
		if unlisted++; attrs.Metadata[attemptKey] == "" || unlisted > most {
			return strange(at, strings.TrimPrefix(o.Key, below))
		}
	}
}

// folderCommit is one attempt's commit of a folder.
type folderCommit struct {
	Folder
	store  bucketStore
	bucket *blob.Bucket
	at     Place
}

func (c *folderCommit) write(ctx context.Context) error {
	files := c.Manifest.Files
	for i := range files[:1] {
		if err := c.file(ctx, &files[i]); err != nil {
			return err
		}
	}
	if err := each(ctx, files[1:], c.file); err != nil {
		return err
	}
	return c.put(ctx, job.ManifestFile{Name: job.ManifestName, Type: "application/json"}, bytes.NewReader(c.text()))
}

// each does something to files, some at a time.
func each(ctx context.Context, files []job.ManifestFile, do func(context.Context, *job.ManifestFile) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range files {
		g.Go(func() error { return do(ctx, &files[i]) })
	}
	return g.Wait()
}

// file writes a file of the folder.
func (c *folderCommit) file(ctx context.Context, about *job.ManifestFile) error {
	file, err := c.sum(about)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return c.put(ctx, *about, file)
}

// put writes an object below the folder's key. One of an earlier attempt of the same job is replaced.
func (c *folderCommit) put(ctx context.Context, about job.ManifestFile, content io.ReadSeeker) error {
	at := c.at.within(about.Name)
	options := &blob.WriterOptions{
		ContentType: about.Type, IfNotExist: !c.Job.Overwrite,
		Metadata: map[string]string{ownerKey: c.Job.ID, attemptKey: c.Attempt, sumKey: about.SHA256},
	}
	err := c.bucket.Upload(ctx, key(at), content, options)
	if err != nil && c.store.buckets.Fault(err) == bucket.Changed {
		if err := c.mayReplace(ctx, at); err != nil {
			return err
		}
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
		options.IfNotExist = false
		err = c.bucket.Upload(ctx, key(at), content, options)
	}
	if err != nil {
		return c.store.trouble("store output", at, err)
	}
	return nil
}

// mayReplace refuses to replace what isn't of an earlier attempt of the job.
func (c *folderCommit) mayReplace(ctx context.Context, at Place) error {
	attrs, err := c.bucket.Attributes(ctx, key(at))
	switch {
	case err != nil:
		return c.store.trouble("look for output", at, err)
	case attrs.Metadata[ownerKey] != c.Job.ID:
		return outputExists(at)
	case later(attrs.Metadata[attemptKey], c.Attempt):
		return work.Fail(work.Interrupted, fmt.Errorf("output %s: a later attempt at the job is writing it", c.at))
	}
	return nil
}

// later reports whether attempt a began after b. Their names grow: they are the claim's number, or of a time when no
// claim could be had.
func later(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// removeOthers removes the files of an overwritten folder that the new one doesn't have.
func (c *folderCommit) removeOthers(ctx context.Context, old *job.Manifest) {
	if old == nil {
		return
	}
	for _, f := range old.Files {
		ours := func(g job.ManifestFile) bool { return g.Name == f.Name }
		if !slices.ContainsFunc(c.Manifest.Files, ours) {
			_ = c.bucket.Delete(ctx, key(c.at.within(f.Name)))
		}
	}
}
