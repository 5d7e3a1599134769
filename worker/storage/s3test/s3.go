// Package s3test starts an S3 server for tests: versitygw, a real gateway with real conditional puts (multipart ones
// too, which the in-memory fake we looked at, gofakes3, answers without looking at the condition). It is a tool of a
// module of its own (worker/storage/testdata/s3server), so its hundred dependencies stay out of ours; go builds it once
// and keeps it.
package s3test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Bucket is the one bucket of the server.
const Bucket = "media-test"

const (
	key    = "AKIAEXAMPLE"
	secret = "notasecretreally"
)

var server struct {
	sync.Once
	cmd     *exec.Cmd
	program string
	dir     string // of the buckets
	users   string // folder of those whom User made
	url     string
	err     error
}

// Use points the AWS environment of the test at the server, and returns the folder of its bucket.
func Use(t testing.TB) (folder string) {
	t.Helper()
	server.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("the S3 server for tests: %v", server.err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": key,
		"AWS_SECRET_ACCESS_KEY":     secret,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return filepath.Join(server.dir, Bucket)
}

func start() error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/polyglot-media/siren").Output()
	if err != nil {
		return fmt.Errorf("find the sources: %w", err)
	}
	tool := filepath.Join(strings.TrimSpace(string(root)), "worker", "storage", "testdata", "s3server")
	path, err := exec.Command("go", "-C", tool, "tool", "-n", "versitygw").Output()
	if err != nil {
		return fmt.Errorf("build versitygw: %w", err)
	}
	server.program = strings.TrimSpace(string(path))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	_ = l.Close()
	if server.dir, err = os.MkdirTemp("", "siren-s3-"); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(server.dir, Bucket), 0o755); err != nil {
		return err
	}
	if server.users, err = os.MkdirTemp("", "siren-s3-users-"); err != nil {
		return err
	}
	server.url = "http://" + address
	server.cmd = exec.Command(os.Args[0], "end-with", server.program, "--port", address, "--iam-dir", server.users,
		"--iam-cache-disable", "--quiet", "posix", server.dir)
	server.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+key, "ROOT_SECRET_KEY="+secret)
	if err := server.cmd.Start(); err != nil {
		return err
	}
	for range 200 {
		if r, err := http.Get(server.url + "/"); err == nil {
			_ = r.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("it doesn't answer at %s", server.url)
}

// Main runs the server in the process that was started to be it; TestMain calls it first. There it doesn't return, and
// it ends with the tests however they end.
func Main() {
	if len(os.Args) < 3 || os.Args[1] != "end-with" {
		return
	}
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	fmt.Fprintln(os.Stderr, errors.Join(err, syscall.Exec(os.Args[2], os.Args[2:], os.Environ())))
	os.Exit(126)
}

// Stop ends the server and takes its files away.
func Stop() {
	if server.cmd != nil && server.cmd.Process != nil {
		_ = server.cmd.Process.Kill()
		_ = server.cmd.Wait()
	}
	for _, dir := range []string{server.dir, server.users} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// User changes the server's users: create-user, update-user and delete-user, with --access, --secret and --role.
func User(t testing.TB, args ...string) {
	t.Helper()
	args = append([]string{"admin", "--access", key, "--secret", secret, "--endpoint-url", server.url}, args...)
	if out, err := exec.Command(server.program, args...).CombinedOutput(); err != nil {
		t.Fatalf("versitygw %v: %v: %s", args, err, out)
	}
}
