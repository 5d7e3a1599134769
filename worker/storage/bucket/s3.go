package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

const pathStyleParam = "use_path_style"

// simple is how buckets of S3 are opened.
type simple struct {
	params    url.Values // of gocloud.dev's AWS configuration; the operator's, never a job's
	pathStyle bool       // bucket names in the path, not in the host
	log       *slog.Logger
}

// S3 reads the operator's parameters. With an endpoint of its own, S3 is taken to be a MinIO-like: bucket names
// in the path, and any region.
func S3(query string, env func(string) string, log *slog.Logger) (*Opener, error) {
	s, err := simpleStorage(query, env, log)
	if err != nil {
		return nil, err
	}
	c := cloud{
		name: "S3", credentials: "AWS_SHARED_CREDENTIALS_FILE, or the pod's identity", open: s.open,
		fault: s3Fault, said: s3Said, version: s3Version, pin: s3Pin,
	}
	if !s.params.Has("anonymous") {
		c.secret = env("AWS_SHARED_CREDENTIALS_FILE")
	}
	return opener(c, log), nil
}

func simpleStorage(query string, env func(string) string, log *slog.Logger) (simple, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return simple{}, fmt.Errorf("S3 parameters %q: %w", query, err)
	}
	s := simple{params: params, log: log}
	if params.Has("endpoint") || env("AWS_ENDPOINT_URL_S3") != "" || env("AWS_ENDPOINT_URL") != "" {
		s.pathStyle = true
		if !params.Has("region") && env("AWS_REGION") == "" && env("AWS_DEFAULT_REGION") == "" {
			params.Set("region", "us-east-1")
		}
	}
	if params.Has(pathStyleParam) {
		if s.pathStyle, err = strconv.ParseBool(params.Get(pathStyleParam)); err != nil {
			return s, fmt.Errorf("S3 parameter %s: true or false, not %q", pathStyleParam, params.Get(pathStyleParam))
		}
		params.Del(pathStyleParam)
	}
	if _, err := aws.V2ConfigFromURLParams(context.Background(), params); err != nil {
		return s, fmt.Errorf("S3 parameters: %w", err)
	}
	return s, nil
}

func (s simple) open(ctx context.Context, name string, check bool) (*blob.Bucket, error) {
	config, err := aws.V2ConfigFromURLParams(ctx, s.params)
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
		s.log.Debug(fmt.Sprintf(format, args...))
	})
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = s.pathStyle })
	bucket, err := s3blob.OpenBucket(ctx, client, name,
		&s3blob.Options{RequestChecksumCalculation: config.RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("open s3://%s/: %w", name, err)
	}
	return bucket, nil
}

func s3Fault(err error) Fault {
	if e := smithy.APIError(nil); errors.As(err, &e) {
		switch e.ErrorCode() {
		case "NoSuchBucket":
			return NoBucket
		case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
			return Forbidden
		}
	}
	if e := (*awshttp.ResponseError)(nil); errors.As(err, &e) && e.HTTPStatusCode() == http.StatusPreconditionFailed {
		return Changed
	}
	return Other
}

func s3Said(err error) string {
	if e := smithy.APIError(nil); errors.As(err, &e) {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	return ""
}

func s3Version(as func(any) bool) string {
	var r s3.GetObjectOutput
	if !as(&r) || r.ETag == nil {
		return ""
	}
	return *r.ETag
}

func s3Pin(as func(any) bool, version string) {
	var in *s3.GetObjectInput
	if as(&in) {
		in.IfMatch = &version
	}
}
