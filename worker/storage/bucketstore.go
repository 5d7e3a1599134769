package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gocloud.dev/blob"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/bucket"
)

// ownerKey is the metadata entry of an object that names the job that made it.
const ownerKey = "siren-job"

// bucketStore keeps objects below s3://, gs:// and azblob:// prefixes. A put is all or nothing, and a condition makes
// it create-if-absent, so the product goes straight to its final key with the job's id in the object's metadata.
type bucketStore struct{ buckets *bucket.Opener }

func openS3(o Options) (func(Rules) Source, error) {
	b, err := bucket.S3(o.S3, os.Getenv, o.Log)
	return func(Rules) Source { return bucketStore{b} }, err
}

func openGoogle(o Options) (func(Rules) Source, error) {
	b := bucket.Google(os.Getenv, o.Log)
	return func(Rules) Source { return bucketStore{b} }, nil
}

func openAzure(o Options) (func(Rules) Source, error) {
	b := bucket.Azure(o.Log)
	return func(Rules) Source { return bucketStore{b} }, nil
}

func (s bucketStore) Open(ctx context.Context, at Place) (io.ReadCloser, int64, error) {
	p, err := s.Range(ctx, at, "", 0, -1)
	return p.ReadCloser, p.Size, err
}

// Range opens a part of an object (see Ranger).
func (s bucketStore) Range(ctx context.Context, at Place, version string, offset, length int64) (Piece, error) {
	r, err := s.buckets.Read(ctx, at.Host, key(at), version, offset, length)
	if err == nil {
		p := Piece{
			ReadCloser: r, Offset: offset, All: offset == 0 && length < 0, Size: r.Size(),
			Version: s.buckets.Version(r),
		}
		if version != "" && p.Version != version { // a server that doesn't know the condition
			_ = r.Close()
			return Piece{}, fmt.Errorf("open input %s: %w", at, errChanged)
		}
		return p, nil
	}
	switch s.buckets.Fault(err) {
	case bucket.NoObject:
		err = missing(at)
	case bucket.NoBucket:
		err = work.Fail(work.BadInput, s.trouble("open input", at, err))
	case bucket.Changed:
		err = fmt.Errorf("open input %s: %w", at, errChanged)
	default:
		err = s.trouble("open input", at, err)
	}
	return Piece{}, err
}

// trouble says of a failed request what was done, and what to do.
func (s bucketStore) trouble(doing string, at Place, err error) error {
	return fmt.Errorf("%s %s: %w", doing, at, s.buckets.Explain(at.Host, err))
}

func (s bucketStore) Made(ctx context.Context, at Place, job string) (int64, error) {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return Absent, err
	}
	attrs, err := b.Attributes(ctx, key(at))
	switch {
	case err != nil && s.buckets.Fault(err) == bucket.NoObject:
		return Absent, nil
	case err != nil:
		return Absent, s.trouble("look for output", at, err)
	case attrs.Metadata[ownerKey] != job:
		return Absent, outputExists(at)
	}
	return attrs.Size, nil
}

func (s bucketStore) Commit(ctx context.Context, at Place, p Product) (bool, int64, error) {
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
	if err == nil {
		return false, info.Size(), nil
	}
	// Whatever went wrong, the output may be there by now: ours, if it was an answer that was lost.
	size, lookErr := s.Made(ctx, at, p.Job.ID)
	switch {
	case lookErr == nil && size != Absent:
		return true, size, nil
	case s.buckets.Fault(err) != bucket.Changed:
		return false, Absent, s.trouble("store output", at, err)
	case lookErr == nil:
		lookErr = fmt.Errorf("output %s was there and is gone again; someone else removes objects there", at)
	}
	return false, Absent, lookErr
}

// Readable asks for an object that surely isn't there: "not found" is said only to who may read. Who may not list
// either gets the same refusal.
func (s bucketStore) Readable(ctx context.Context, prefix Rule) error {
	b, err := s.buckets.Open(ctx, prefix.Host)
	if err != nil {
		return err
	}
	below := strings.TrimPrefix(prefix.Path, "/")
	_, err = b.Attributes(ctx, below+".siren-doctor-"+strings.ToLower(rand.Text()[:10]))
	if err == nil {
		return nil
	}
	if s.buckets.Fault(err) != bucket.NoObject {
		return s.buckets.Explain(prefix.Host, err)
	}
	// "Not found" may be the bucket's.
	_, err = b.List(&blob.ListOptions{Prefix: below}).Next(ctx)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if f := s.buckets.Fault(err); f == bucket.NoObject || f == bucket.NoBucket {
		return s.buckets.Explain(prefix.Host, err)
	}
	return nil
}

// Remove deletes the object: attempts leave nothing beside it.
func (s bucketStore) Remove(ctx context.Context, at Place, _ ...string) error {
	b, err := s.buckets.Open(ctx, at.Host)
	if err != nil {
		return err
	}
	return b.Delete(ctx, key(at))
}

func key(at Place) string { return strings.TrimPrefix(at.Path, "/") }
