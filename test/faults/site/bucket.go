package site

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/test/wait"
)

// bucket is an S3 server with one bucket: versitygw, which worker/storage/s3test starts, too. It keeps objects as
// files, so they can be watched like those of a folder.
type bucket struct {
	cmd  *exec.Cmd
	url  string
	Dir  string // where the objects are
	done chan struct{}
}

const (
	BucketName   = "faults"
	bucketKey    = "AKIAEXAMPLE"
	bucketSecret = "notasecretreally"
	metadata     = "user.metadata" // the attribute of a file that has the object's metadata, as JSON
)

// BucketProgram returns the path of versitygw, which it fetches and builds when that hasn't been done.
func BucketProgram(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/polyglot-media/siren").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources (start this within them): %w", err)
	}
	tool := filepath.Join(strings.TrimSpace(string(root)), "worker", "storage", "testdata", "s3server")
	program, err := exec.CommandContext(ctx, "go", "-C", tool, "tool", "-n", "versitygw").Output()
	if err != nil {
		return "", fmt.Errorf("build versitygw, the S3 server for tests: %w", err)
	}
	return strings.TrimSpace(string(program)), nil
}

func startBucket(ctx context.Context, dir string) (*bucket, error) {
	program, err := BucketProgram(ctx)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	b := &bucket{url: "http://" + address, Dir: filepath.Join(dir, "s3", BucketName), done: make(chan struct{})}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log", "s3.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own copy
	b.cmd = exec.Command(program, "--port", address, "--quiet", "posix", filepath.Dir(b.Dir))
	b.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+bucketKey, "ROOT_SECRET_KEY="+bucketSecret)
	b.cmd.Stdout, b.cmd.Stderr = log, log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel sends the parent-death signal when the thread ends that started it
		defer close(b.done)
		err := b.cmd.Start()
		started <- err
		if err == nil {
			_ = b.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	err = wait.Until(ctx, time.Minute, "the S3 server", func() (bool, error) {
		select {
		case <-b.done:
			return false, fmt.Errorf("it ended: see %s", log.Name())
		default:
		}
		r, err := http.Get(b.url + "/")
		if err != nil {
			return false, nil
		}
		return true, r.Body.Close()
	})
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bucket) stop() {
	_ = b.cmd.Process.Kill()
	<-b.done
}

// environ returns what a worker needs to get at the bucket by this URL.
func environ(url string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + bucketKey,
		"AWS_SECRET_ACCESS_KEY=" + bucketSecret,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Owner returns the job that made an object, as its metadata says.
func (b *bucket) Owner(file string) (string, error) {
	value := make([]byte, 4<<10)
	n, err := unix.Getxattr(file, metadata, value)
	var names map[string]string
	if err == nil {
		err = json.Unmarshal(value[:n], &names)
	}
	if err != nil {
		return "", fmt.Errorf("read the metadata of %s: %w", file, err)
	}
	return names["siren-job"], nil
}
