package storage

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/bucket"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// withoutKeys starts a test on the S3 server that has to find its credentials elsewhere than in the environment.
func withoutKeys(t *testing.T) (folder string) {
	t.Helper()
	folder = s3test.Use(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	return folder
}

// s3Bench returns how to put an object into the bucket as a job does, and what is logged meanwhile.
func s3Bench(t *testing.T, folder string) (run func(name string) error, b *bucket.Opener, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	stores, err := New(Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	workertest.Must(t, err)
	base := "s3://" + s3test.Bucket + "/" + strings.ToLower(t.Name()) + "/"
	rules := NewRules([]lanes.Storage{{Prefix: base, Read: true, Write: true}})
	made := filepath.Join(t.TempDir(), "made")
	workertest.Must(t, os.WriteFile(made, []byte("{}"), 0o600))
	at, err := rules.Locate("output", base+"x.json", Write)
	workertest.Must(t, err)
	return func(name string) error {
		t.Helper()
		at, err := rules.Locate("output", base+strings.ReplaceAll(name, " ", "%20")+".json", Write)
		workertest.Must(t, err)
		store := stores.Store(at, rules)
		if size, err := store.Made(t.Context(), at, name); err != nil || size != Absent {
			return fmt.Errorf("before: %d, %w", size, err)
		}
		if _, _, err := store.Commit(t.Context(), at,
			Product{
				File: open(t, made), MediaType: "application/json", Job: job.Job{ID: name},
				Attempt: "1",
			}); err != nil {
			return err
		}
		_, err = os.Stat(filepath.Join(folder, strings.ToLower(t.Name()), name+".json"))
		return err
	}, stores.Store(at, rules).(bucketStore).buckets, log
}

// A mounted Secret is replaced while the worker runs: the next job goes by the new one, and what runs goes on by the
// former.
func TestRotatedS3Secret(t *testing.T) {
	folder := withoutKeys(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key, secret string) {
		t.Helper()
		workertest.Must(t, os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = "+
			"%s\naws_secret_access_key = %s\n",
			key, secret), 0o600))
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	s3test.User(t, "create-user", "--access", "first", "--secret", "first-secret", "--role", "admin")
	s3test.User(t, "create-user", "--access", "second", "--secret", "second-secret", "--role", "admin")
	t.Cleanup(func() { s3test.User(t, "delete-user", "--access", "second") })
	write("first", "first-secret")
	run, b, log := s3Bench(t, folder)
	workertest.Must(t, run("before"))
	former, err := b.Open(t.Context(), s3test.Bucket)
	workertest.Must(t, err)
	if again, err := b.Open(t.Context(), s3test.Bucket); again != former || err != nil {
		t.Errorf("opened again without need: %v", err)
	}
	upload, err := former.NewWriter(t.Context(), "upload", nil)
	workertest.Must(t, err)
	_, err = upload.Write(make([]byte, 6<<20)) // more than one part
	workertest.Must(t, err)

	write("second", "second-secret")
	workertest.Must(t, run("by the second"))
	_, err = upload.Write(make([]byte, 6<<20))
	workertest.Must(t, err)
	if err := upload.Close(); err != nil {
		t.Errorf("an upload over the rotation: %v", err)
	}
	s3test.User(t, "delete-user", "--access", "first")
	workertest.Must(t, run("without the first"))

	// The key stays and its secret changes, on the server first.
	s3test.User(t, "update-user", "--access", "second", "--secret", "third-secret")
	workertest.Expect(t, run("too early"), work.Transient, "check the credentials")
	write("second", "third-secret")
	workertest.Must(t, run("by the third"))

	// While the file is away or broken the worker goes on.
	workertest.Must(t, os.Remove(file))
	workertest.Must(t, run("without the file"))
	workertest.Must(t, os.WriteFile(file, []byte("[default\naws_secret_access_key = third-secret\n"), 0o600))
	workertest.Must(t, run("with a broken file"))
	write("second", "third-secret")
	workertest.Must(t, run("at last"))
	if s := log.String(); strings.Contains(s, "-secret") || !strings.Contains(s, "can't be used") ||
		!strings.Contains(s, "using the new credentials") {
		t.Errorf("the log has a secret, or lacks what happened:\n%s", s)
	}
}

// A web identity, as a pod on EKS has one, is the SDK's own business: it reads the token anew when what it got for it
// has run out.
func TestWebIdentity(t *testing.T) {
	folder := withoutKeys(t)
	token := filepath.Join(t.TempDir(), "token")
	sts := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.FormValue("WebIdentityToken")
		fmt.Fprintf(w,
			`<AssumeRoleWithWebIdentityResponse `+
				`xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>`+
				`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%[1]s-secret</SecretAccessKey><SessionToken>`+
				`</SessionToken><Expiration>%s</Expiration>`+
				`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, who,
			time.Now().UTC().Format(time.RFC3339))
	}))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": sts, "AWS_WEB_IDENTITY_TOKEN_FILE": token,
		"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/siren",
	} {
		t.Setenv(name, value)
	}
	run, _, _ := s3Bench(t, folder)
	for _, who := range []string{"monday", "tuesday"} {
		s3test.User(t, "create-user", "--access", who, "--secret", who+"-secret", "--role", "admin")
		workertest.Must(t, os.WriteFile(token, []byte(who), 0o600))
		if err := run(who); err != nil {
			t.Errorf("on %s: %v", who, err)
		}
		s3test.User(t, "delete-user", "--access", who)
	}
}
