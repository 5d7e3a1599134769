package storage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// ownerKey is the metadata entry of an S3 object that names the job that made it.
const ownerKey = "siren-job"

// s3Store keeps objects below s3:// prefixes. A put is all or nothing, and If-None-Match makes it create-if-absent, so
// the product goes straight to its final key with the job's id in the object's metadata.
type s3Store struct{ buckets *buckets }

func openS3(o Options) (func(Rules) Source, error) {
	b, err := newBuckets(o.S3, os.Getenv, o.Log)
	return func(Rules) Source { return s3Store{b} }, err
}

func (s s3Store) Open(ctx context.Context, at Place) (io.ReadCloser, int64, error) {
	b, err := s.buckets.open(ctx, at.Host)
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
	b, err := s.buckets.open(ctx, at.Host)
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
	b, err := s.buckets.open(ctx, at.Host)
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
	b, err := s.buckets.open(ctx, prefix.Host)
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
	b, err := s.buckets.open(ctx, at.Host)
	if err != nil {
		return err
	}
	return b.Delete(ctx, key(at))
}

func key(at Place) string { return strings.TrimPrefix(at.Path, "/") }

const pathStyleParam = "use_path_style"

// checkWithin bounds the search for changed credentials: without any in the file, the SDK asks the machine's cloud.
const checkWithin = 2 * time.Second

// buckets opens S3 buckets, each once: a bucket holds a client with its connections and credentials. What it was given
// by a service, such as a web identity, the SDK renews by itself, but it reads a file with credentials only once. So
// when that has changed, whoever asks next gets a bucket that was opened anew. Who has the former one goes on with it:
// it is never closed, and holds nothing but connections, which end when they have been idle.
type buckets struct {
	params    url.Values // of gocloud.dev's AWS configuration; the operator's, never a job's
	pathStyle bool       // bucket names in the path, not in the host
	secret    string     // path of the file with credentials; "": none, or the SDK's default one, which is read once
	log       *slog.Logger
	mu        sync.Mutex
	opened    map[string]openBucket
}

// openBucket is a bucket, and what the file with credentials was when it was opened.
type openBucket struct {
	*blob.Bucket
	secret digest
}

type digest [sha256.Size]byte

// newBuckets reads the operator's parameters. With an endpoint of its own, S3 is taken to be a MinIO-like: bucket names
// in the path, and any region.
func newBuckets(query string, env func(string) string, log *slog.Logger) (*buckets, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("S3 parameters %q: %w", query, err)
	}
	b := &buckets{params: params, log: log, opened: map[string]openBucket{}}
	if !params.Has("anonymous") {
		b.secret = env("AWS_SHARED_CREDENTIALS_FILE")
	}
	if params.Has("endpoint") || env("AWS_ENDPOINT_URL_S3") != "" || env("AWS_ENDPOINT_URL") != "" {
		b.pathStyle = true
		if !params.Has("region") && env("AWS_REGION") == "" && env("AWS_DEFAULT_REGION") == "" {
			params.Set("region", "us-east-1")
		}
	}
	if params.Has(pathStyleParam) {
		if b.pathStyle, err = strconv.ParseBool(params.Get(pathStyleParam)); err != nil {
			return nil, fmt.Errorf("S3 parameter %s: true or false, not %q", pathStyleParam, params.Get(pathStyleParam))
		}
		params.Del(pathStyleParam)
	}
	if _, err := aws.V2ConfigFromURLParams(context.Background(), params); err != nil {
		return nil, fmt.Errorf("S3 parameters: %w", err)
	}
	return b, nil
}

// open opens the bucket with the current credentials. It uses the former ones when the file is missing, as it may be
// for a moment while it is replaced, or holds none that can be used.
func (b *buckets) open(ctx context.Context, name string) (*blob.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	former, ok := b.opened[name]
	secret, there := b.credentials()
	if ok && (!there || secret == former.secret) {
		return former.Bucket, nil
	}
	bucket, err := b.reopen(ctx, name, ok)
	switch {
	case err != nil && ok:
		b.log.Warn("the new S3 credentials can't be used; still using the previous ones", slog.String("bucket", name),
			slog.Any("error", err))
		return former.Bucket, nil
	case err != nil:
		return nil, err
	case ok:
		b.log.Info("using the new S3 credentials", slog.String("bucket", name))
	}
	b.opened[name] = openBucket{bucket, secret}
	return bucket, nil
}

// credentials tells one content of the file with credentials from another. It is small, so it is read each time: a time
// stamp would miss changes in quick succession.
func (b *buckets) credentials() (secret digest, there bool) {
	if b.secret == "" {
		return secret, false
	}
	data, err := os.ReadFile(b.secret)
	if err != nil {
		return secret, false
	}
	return sha256.Sum256(data), true
}

// reopen opens the bucket, if asked to only when there are credentials for it.
func (b *buckets) reopen(ctx context.Context, name string, check bool) (*blob.Bucket, error) {
	config, err := aws.V2ConfigFromURLParams(ctx, b.params)
	if err != nil {
		return nil, fmt.Errorf("S3 configuration: %w", err)
	}
	if check {
		ctx, cancel := context.WithTimeout(ctx, checkWithin)
		defer cancel()
		if _, err := config.Credentials.Retrieve(ctx); err != nil {
			return nil, fmt.Errorf("S3 credentials: %w", err)
		}
	}
	config.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
		b.log.Debug(fmt.Sprintf(format, args...))
	})
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = b.pathStyle })
	bucket, err := s3blob.OpenBucket(ctx, client, name,
		&s3blob.Options{RequestChecksumCalculation: config.RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("open s3://%s/: %w", name, err)
	}
	return bucket, nil
}
