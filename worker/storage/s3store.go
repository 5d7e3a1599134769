package storage

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/polyglot-media/siren/worker/storage/bucket"
)

// ownerKey is the metadata entry of an S3 object that names the job that made it.
const ownerKey = "siren-job"

// s3Store keeps objects below s3:// prefixes. A put is all or nothing, and If-None-Match makes it create-if-absent, so
// the product goes straight to its final key with the job's id in the object's metadata.
type s3Store struct{ buckets *bucket.Opener }

func openS3(o Options) (func(Rules) Source, error) {
	b, err := bucket.New(o.S3, os.Getenv, o.Log)
	return func(Rules) Source { return s3Store{b} }, err
}

func (s s3Store) Open(ctx context.Context, at Place) (io.ReadCloser, int64, error) {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return nil, 0, err
	}
	r, err := b.NewReader(ctx, key(at), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, 0, missing(at)
	} else if err != nil {
		return nil, 0, fmt.Errorf("open input %s: %w", at, err)
	}
	return r, r.Size(), nil
}

func (s s3Store) Made(ctx context.Context, at Place, job string) (int64, error) {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return Absent, err
	}
	attrs, err := b.Attributes(ctx, key(at))
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return Absent, nil
	case err != nil:
		return Absent, fmt.Errorf("look for output %s: %w", at, err)
	case attrs.Metadata[ownerKey] != job:
		return Absent, outputExists(at)
	}
	return attrs.Size, nil
}

func (s s3Store) Commit(ctx context.Context, at Place, p Product) (bool, int64, error) {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return false, Absent, err
	}
	info, err := p.File.Stat()
	if err != nil {
		return false, Absent, fmt.Errorf("scratch: %w", err)
	}
	err = b.Upload(ctx, key(at), p.File, &blob.WriterOptions{
		ContentType: p.MediaType,
		Metadata:    map[string]string{ownerKey: p.Job.ID},
		IfNotExist:  !p.Job.Overwrite,
	})
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		size, err := s.Made(ctx, at, p.Job.ID)
		if err == nil && size == Absent {
			err = fmt.Errorf("output %s was there and is gone again; someone else removes objects there", at)
		}
		return err == nil, size, err
	}
	if err != nil {
		return false, Absent, fmt.Errorf("store output %s: %w", at, err)
	}
	return false, info.Size(), nil
}

// Readable asks for an object that surely isn't there: "not found" is said only to who may read. Who may not list
// either gets the same refusal.
func (s s3Store) Readable(ctx context.Context, prefix Rule) error {
	b, err := s.buckets.Open(ctx, prefix.Host)
	if err != nil {
		return err
	}
	below := strings.TrimPrefix(prefix.Path, "/")
	_, err = b.Attributes(ctx, below+".siren-doctor-"+strings.ToLower(rand.Text()[:10]))
	if gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	// "Not found" may be the bucket's.
	if _, err := b.List(&blob.ListOptions{Prefix: below}).Next(ctx); gcerrors.Code(err) == gcerrors.NotFound {
		return err
	}
	return nil
}

// Remove deletes the object: attempts leave nothing beside it.
func (s s3Store) Remove(ctx context.Context, at Place, _ ...string) error {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return err
	}
	return b.Delete(ctx, key(at))
}

func key(at Place) string { return strings.TrimPrefix(at.Path, "/") }
