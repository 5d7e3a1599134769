// Package bucket opens S3 buckets by the operator's parameters, with credentials that may change while a worker runs.
// It doesn't know what is put into them.
package bucket

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

const pathStyleParam = "use_path_style"

// checkWithin bounds the search for changed credentials: without any in the file, the SDK asks the machine's cloud.
const checkWithin = 2 * time.Second

// Opener opens S3 buckets, each once: a bucket holds a client with its connections and credentials. What it was given
// by a service, such as a web identity, the SDK renews by itself, but it reads a file with credentials only once. So
// when that has changed, whoever asks next gets a bucket that was opened anew. Who has the former one goes on with it:
// it is never closed, and holds nothing but connections, which end when they have been idle.
type Opener struct {
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

// New reads the operator's parameters. With an endpoint of its own, S3 is taken to be a MinIO-like: bucket names
// in the path, and any region.
func New(query string, env func(string) string, log *slog.Logger) (*Opener, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("S3 parameters %q: %w", query, err)
	}
	b := &Opener{params: params, log: log, opened: map[string]openBucket{}}
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

// Open opens the bucket with the current credentials. It uses the former ones when the file is missing, as it may be
// for a moment while it is replaced, or holds none that can be used.
func (b *Opener) Open(ctx context.Context, name string) (*blob.Bucket, error) {
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
func (b *Opener) credentials() (secret digest, there bool) {
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
func (b *Opener) reopen(ctx context.Context, name string, check bool) (*blob.Bucket, error) {
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
