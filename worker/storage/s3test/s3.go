// Package s3test starts an S3 server for tests: versitygw, a real gateway with real conditional puts (multipart ones
// too, which the in-memory fake we looked at, gofakes3, answers without looking at the condition). See workertest.
package s3test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// Bucket is the one bucket of the server.
const Bucket = "media-test"

const (
	key    = "AKIAEXAMPLE"
	secret = "notasecretreally"
)

var server struct {
	sync.Once
	workertest.Server
	dir   string // of the buckets
	users string // folder of those whom User made
	err   error
}

// Use points the AWS environment of the test at the server, and returns the folder of its bucket.
func Use(t testing.TB) (folder string) {
	t.Helper()
	server.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("the S3 server for tests: %v", server.err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://" + server.Address, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": key,
		"AWS_SECRET_ACCESS_KEY":     secret,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return filepath.Join(server.dir, Bucket)
}

func start() (err error) {
	if server.dir, err = os.MkdirTemp("", "siren-s3-"); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(server.dir, Bucket), 0o755); err != nil {
		return err
	}
	if server.users, err = os.MkdirTemp("", "siren-s3-users-"); err != nil {
		return err
	}
	return server.Start("s3server", "versitygw", []string{"ROOT_ACCESS_KEY=" + key, "ROOT_SECRET_KEY=" + secret},
		func(address string) []string {
			return []string{
				"--port", address, "--iam-dir", server.users, "--iam-cache-disable", "--quiet", "posix", server.dir,
			}
		}, func(address string) (*http.Response, error) { return http.Get("http://" + address + "/") })
}

// Stop ends the server and takes its files away.
func Stop() {
	server.Stop()
	for _, dir := range []string{server.dir, server.users} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// User changes the server's users: create-user, update-user and delete-user, with --access, --secret and --role.
func User(t testing.TB, args ...string) {
	t.Helper()
	args = append([]string{"admin", "--access", key, "--secret", secret, "--endpoint-url", "http://" + server.Address},
		args...)
	if out, err := exec.Command(server.Program, args...).CombinedOutput(); err != nil {
		t.Fatalf("versitygw %v: %v: %s", args, err, out)
	}
}
