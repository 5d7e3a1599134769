// Package gcstest starts a server for tests that speaks as Google Cloud Storage does: fake-gcs-server, which honours
// the conditions of uploads and reads. It is a tool of a module of its own (worker/storage/testdata/gcsserver), so its
// dependencies stay out of ours; go builds it once and keeps it. It runs as s3test's does: see s3test.Main.
package gcstest

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

// Bucket is the one bucket of the server.
const Bucket = "media-test"

var server struct {
	sync.Once
	cmd     *exec.Cmd
	address string
	err     error
}

// Use points the environment of the test at the server.
func Use(t testing.TB) {
	t.Helper()
	server.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("the Google Cloud Storage server for tests: %v", server.err)
	}
	t.Setenv("STORAGE_EMULATOR_HOST", server.address)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
}

func start() error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/polyglot-media/siren").Output()
	if err != nil {
		return fmt.Errorf("find the sources: %w", err)
	}
	tool := filepath.Join(strings.TrimSpace(string(root)), "worker", "storage", "testdata", "gcsserver")
	path, err := exec.Command("go", "-C", tool, "tool", "-n", "fake-gcs-server").Output()
	if err != nil {
		return fmt.Errorf("build fake-gcs-server: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server.address = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(server.address)
	server.cmd = exec.Command(os.Args[0], "end-with", strings.TrimSpace(string(path)), "-backend", "memory", "-scheme",
		"http", "-host", "127.0.0.1", "-port", port, "-public-host", server.address,
		"-external-url", "http://"+server.address, "-log-level", "error")
	server.cmd.Env = os.Environ()
	if err := server.cmd.Start(); err != nil {
		return err
	}
	for range 200 {
		r, err := http.Post("http://"+server.address+"/storage/v1/b?project=test", "application/json",
			strings.NewReader(fmt.Sprintf(`{"name":%q}`, Bucket)))
		if err == nil {
			_ = r.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("it doesn't answer at %s", server.address)
}

// Stop ends the server.
func Stop() {
	if server.cmd != nil && server.cmd.Process != nil {
		_ = server.cmd.Process.Kill()
		_ = server.cmd.Wait()
	}
}
