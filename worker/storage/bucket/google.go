package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"google.golang.org/api/googleapi"
)

// Google opens buckets of Google Cloud Storage by Google's default credentials: the file that
// GOOGLE_APPLICATION_CREDENTIALS names, or the machine's or pod's own identity. STORAGE_EMULATOR_HOST leads to an
// emulator, which wants none.
func Google(env func(string) string, log *slog.Logger) *Opener {
	emulated := env("STORAGE_EMULATOR_HOST") != ""
	return opener(cloud{
		name: "Google Cloud Storage", secret: env("GOOGLE_APPLICATION_CREDENTIALS"),
		credentials: "GOOGLE_APPLICATION_CREDENTIALS, or the pod's identity",
		open: func(ctx context.Context, name string, check bool) (*blob.Bucket, error) {
			return openGoogle(ctx, name, check, emulated)
		},
		fault: googleFault, said: googleSaid, version: googleVersion, pin: googlePin,
	}, log)
}

func openGoogle(ctx context.Context, name string, check, emulated bool) (*blob.Bucket, error) {
	client := gcp.NewAnonymousHTTPClient(gcp.DefaultTransport())
	if !emulated {
		// It renews its tokens long after the job that opened the bucket.
		found, err := gcp.DefaultCredentials(context.WithoutCancel(ctx))
		if err != nil {
			return nil, fmt.Errorf("credentials of Google Cloud Storage: %w", err)
		}
		if check {
			if _, err := found.TokenSource.Token(); err != nil {
				return nil, fmt.Errorf("credentials of Google Cloud Storage: %w", err)
			}
		}
		if client, err = gcp.NewHTTPClient(gcp.DefaultTransport(), found.TokenSource); err != nil {
			return nil, fmt.Errorf("credentials of Google Cloud Storage: %w", err)
		}
	}
	bucket, err := gcsblob.OpenBucket(context.WithoutCancel(ctx), client, name, nil)
	if err != nil {
		return nil, fmt.Errorf("open gs://%s/: %w", name, err)
	}
	var google *storage.Client
	if bucket.As(&google) { // its own way is to retry until the job's time is up
		google.SetRetry(storage.WithMaxAttempts(4))
	}
	return bucket, nil
}

// googleFault reads the status: gocloud.dev takes 403 for an object that isn't there.
func googleFault(err error) Fault {
	if errors.Is(err, storage.ErrBucketNotExist) {
		return NoBucket
	}
	e := (*googleapi.Error)(nil)
	if !errors.As(err, &e) {
		return Other
	}
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Forbidden
	case http.StatusPreconditionFailed:
		return Changed
	}
	return Other
}

func googleSaid(err error) string {
	if e := (*googleapi.Error)(nil); errors.As(err, &e) && e.Message != "" {
		return fmt.Sprintf("%d: %s", e.Code, e.Message)
	}
	return ""
}

func googleVersion(as func(any) bool) string {
	var r *storage.Reader
	if !as(&r) || r.Attrs.Generation == 0 {
		return ""
	}
	return strconv.FormatInt(r.Attrs.Generation, 10)
}

func googlePin(as func(any) bool, version string) {
	var object **storage.ObjectHandle
	generation, err := strconv.ParseInt(version, 10, 64)
	if err == nil && as(&object) {
		*object = (*object).If(storage.Conditions{GenerationMatch: generation})
	}
}
