package media

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The S3 server of the tests is versitygw, a real gateway with real conditional puts (multipart ones too, which the
// in-memory fake we looked at, gofakes3, answers without looking at the condition). It is a tool of a module of its own
// (testdata/s3server), so its hundred dependencies stay out of ours; go builds it once and keeps it.
var s3server struct {
	sync.Once
	cmd     *exec.Cmd
	program string
	dir     string // of the buckets
	users   string // folder of those whom s3user made
	url     string
	err     error
}

const (
	testBucket = "media-test"
	testKey    = "AKIAEXAMPLE"
	testSecret = "notasecretreally"
)

// useS3 points the AWS environment of the test at the server, which has one bucket, testBucket.
func useS3(t testing.TB) (folder string) {
	t.Helper()
	s3server.Do(startS3)
	if s3server.err != nil {
		t.Fatalf("the S3 server for tests: %v", s3server.err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": s3server.url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": testKey, "AWS_SECRET_ACCESS_KEY": testSecret,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return filepath.Join(s3server.dir, testBucket)
}

func startS3() {
	path, err := exec.Command("go", "-C", "testdata/s3server", "tool", "-n", "versitygw").Output()
	if err != nil {
		s3server.err = fmt.Errorf("build versitygw: %w", err)
		return
	}
	s3server.program = strings.TrimSpace(string(path))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s3server.err = err
		return
	}
	address := l.Addr().String()
	_ = l.Close()
	s3server.dir, s3server.err = os.MkdirTemp("", "siren-s3-")
	if s3server.err != nil {
		return
	}
	if s3server.err = os.Mkdir(filepath.Join(s3server.dir, testBucket), 0o755); s3server.err != nil {
		return
	}
	if s3server.users, s3server.err = os.MkdirTemp("", "siren-s3-users-"); s3server.err != nil {
		return
	}
	s3server.url = "http://" + address
	s3server.cmd = exec.Command(os.Args[0], "end-with",
		s3server.program, "--port", address, "--iam-dir", s3server.users, "--iam-cache-disable", "--quiet", "posix", s3server.dir)
	s3server.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+testKey, "ROOT_SECRET_KEY="+testSecret)
	if s3server.err = s3server.cmd.Start(); s3server.err != nil {
		return
	}
	for range 200 {
		if r, err := http.Get(s3server.url + "/"); err == nil {
			_ = r.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s3server.err = fmt.Errorf("it doesn't answer at %s", s3server.url)
}

func stopS3() {
	if s3server.cmd != nil && s3server.cmd.Process != nil {
		_ = s3server.cmd.Process.Kill()
		_ = s3server.cmd.Wait()
	}
	for _, dir := range []string{s3server.dir, s3server.users} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// s3user changes the server's users: create-user, update-user and delete-user, with --access, --secret and --role.
func s3user(t testing.TB, args ...string) {
	t.Helper()
	output(t, s3server.program, append([]string{"admin", "--access", testKey, "--secret", testSecret, "--endpoint-url", s3server.url}, args...)...)
}
