package media

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
)

// withoutKeys is a test on the S3 server that has to find its credentials elsewhere than in the environment.
func withoutKeys(t *testing.T) (folder string) {
	t.Helper()
	folder = useS3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	return folder
}

// s3Bench is a bench whose job reads the input and writes to S3, and what its handler logs.
func s3Bench(t *testing.T, folder string) (run func(name string) error, b *bench, log *bytes.Buffer) {
	t.Helper()
	b = newBench(t)
	log = &bytes.Buffer{}
	h, err := New(Options{Scratch: b.dir, Log: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	b.h = h
	base := "s3://" + testBucket + "/" + strings.ToLower(t.Name()) + "/"
	b.storage = append(b.storage, lanes.Storage{Prefix: base, Read: true, Write: true})
	input := b.put("still.png")
	return func(name string) error {
		t.Helper()
		_, err := b.run(lanes.Job{Kind: "probe", Input: input, Output: base + name + ".json"})
		if err == nil {
			_, err = os.Stat(filepath.Join(folder, strings.ToLower(t.Name()), name+".json"))
		}
		return err
	}, b, log
}

// A mounted Secret is replaced while the worker runs: the next job goes by the new one, and what runs goes on by the former.
func TestRotatedS3Secret(t *testing.T) {
	folder := withoutKeys(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key, secret string) {
		t.Helper()
		must(t, os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret), 0o600))
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	s3user(t, "create-user", "--access", "first", "--secret", "first-secret", "--role", "admin")
	s3user(t, "create-user", "--access", "second", "--secret", "second-secret", "--role", "admin")
	t.Cleanup(func() { s3user(t, "delete-user", "--access", "second") })
	write("first", "first-secret")
	run, b, log := s3Bench(t, folder)
	must(t, run("before"))
	former, err := b.h.buckets.open(t.Context(), testBucket)
	must(t, err)
	if again, err := b.h.buckets.open(t.Context(), testBucket); again != former || err != nil {
		t.Errorf("opened again without need: %v", err)
	}
	upload, err := former.NewWriter(t.Context(), "upload", nil)
	must(t, err)
	_, err = upload.Write(make([]byte, 6<<20)) // more than one part
	must(t, err)

	write("second", "second-secret")
	must(t, run("by the second"))
	_, err = upload.Write(make([]byte, 6<<20))
	must(t, err)
	if err := upload.Close(); err != nil {
		t.Errorf("an upload over the rotation: %v", err)
	}
	s3user(t, "delete-user", "--access", "first")
	must(t, run("without the first"))

	// The key stays and its secret changes, on the server first.
	s3user(t, "update-user", "--access", "second", "--secret", "third-secret")
	expect(t, run("too early"), lanes.Transient, "PermissionDenied")
	write("second", "third-secret")
	must(t, run("by the third"))

	// While the file is away or broken the worker goes on.
	must(t, os.Remove(file))
	must(t, run("without the file"))
	must(t, os.WriteFile(file, []byte("[default\naws_secret_access_key = third-secret\n"), 0o600))
	must(t, run("with a broken file"))
	write("second", "third-secret")
	must(t, run("at last"))
	if s := log.String(); strings.Contains(s, "-secret") || !strings.Contains(s, "can't be used") || !strings.Contains(s, "took the new S3 credentials") {
		t.Errorf("the log has a secret, or lacks what happened:\n%s", s)
	}
}

// A web identity, as a pod on EKS has one, is the SDK's own business: it reads the token anew when what it got for it has run out.
func TestWebIdentity(t *testing.T) {
	folder := withoutKeys(t)
	token := filepath.Join(t.TempDir(), "token")
	sts := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.FormValue("WebIdentityToken")
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>`+
			`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%[1]s-secret</SecretAccessKey><SessionToken></SessionToken><Expiration>%s</Expiration>`+
			`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, who, time.Now().UTC().Format(time.RFC3339))
	}))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": sts, "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/siren",
	} {
		t.Setenv(name, value)
	}
	run, _, _ := s3Bench(t, folder)
	for _, who := range []string{"monday", "tuesday"} {
		s3user(t, "create-user", "--access", who, "--secret", who+"-secret", "--role", "admin")
		must(t, os.WriteFile(token, []byte(who), 0o600))
		if err := run(who); err != nil {
			t.Errorf("on %s: %v", who, err)
		}
		s3user(t, "delete-user", "--access", who)
	}
}
