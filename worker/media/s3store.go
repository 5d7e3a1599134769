package media

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

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

func (s s3Store) open(ctx context.Context, at location) (io.ReadCloser, int64, error) {
	b, err := s.buckets.open(ctx, at.host)
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

func (s s3Store) made(ctx context.Context, at location, job string) (int64, error) {
	b, err := s.buckets.open(ctx, at.host)
	if err != nil {
		return absent, err
	}
	attrs, err := b.Attributes(ctx, key(at))
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return absent, nil
	case err != nil:
		return absent, fmt.Errorf("look for output %s: %w", at, err)
	case attrs.Metadata[ownerKey] != job:
		return absent, outputExists(at)
	}
	return attrs.Size, nil
}

func (s s3Store) commit(ctx context.Context, at location, p product) (bool, int64, error) {
	b, err := s.buckets.open(ctx, at.host)
	if err != nil {
		return false, absent, err
	}
	file, err := os.Open(p.file)
	if err != nil {
		return false, absent, fmt.Errorf("scratch: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return false, absent, fmt.Errorf("scratch: %w", err)
	}
	err = b.Upload(ctx, key(at), file, &blob.WriterOptions{
		ContentType: p.mediaType,
		Metadata:    map[string]string{ownerKey: p.job.ID},
		IfNotExist:  !p.job.Overwrite,
	})
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		size, err := s.made(ctx, at, p.job.ID)
		if err == nil && size == absent {
			err = fmt.Errorf("output %s was there and is gone again; someone else removes objects there", at)
		}
		return err == nil, size, err
	}
	if err != nil {
		return false, absent, fmt.Errorf("store output %s: %w", at, err)
	}
	return false, info.Size(), nil
}

func key(at location) string { return strings.TrimPrefix(at.path, "/") }

const pathStyleParam = "use_path_style"

// buckets opens S3 buckets, each once: a bucket holds a client with its connections and credentials.
type buckets struct {
	params    url.Values // of gocloud.dev's AWS configuration; the operator's, never a job's
	pathStyle bool       // bucket names in the path, not in the host
	log       *slog.Logger
	mu        sync.Mutex
	opened    map[string]*blob.Bucket
}

// newBuckets reads the operator's parameters. With an endpoint of its own, S3 is taken to be a MinIO-like: bucket names
// in the path, and any region.
func newBuckets(query string, env func(string) string, log *slog.Logger) (*buckets, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("S3 parameters %q: %w", query, err)
	}
	b := &buckets{params: params, log: log, opened: map[string]*blob.Bucket{}}
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

func (b *buckets) open(ctx context.Context, name string) (*blob.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if opened, ok := b.opened[name]; ok {
		return opened, nil
	}
	config, err := aws.V2ConfigFromURLParams(ctx, b.params)
	if err != nil {
		return nil, fmt.Errorf("S3 configuration: %w", err)
	}
	config.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
		b.log.Debug(fmt.Sprintf(format, args...))
	})
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = b.pathStyle })
	bucket, err := s3blob.OpenBucket(ctx, client, name, &s3blob.Options{RequestChecksumCalculation: config.RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("open s3://%s/: %w", name, err)
	}
	b.opened[name] = bucket
	return bucket, nil
}
