// Package gcstest starts a server for tests that speaks as Google Cloud Storage does: fake-gcs-server, which honours
// the conditions of uploads and reads. See workertest.
package gcstest

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// Bucket is the one bucket of the server.
const Bucket = "media-test"

var server struct {
	sync.Once
	workertest.Server
	err error
}

// Use points the environment of the test at the server.
func Use(t testing.TB) {
	t.Helper()
	server.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("the Google Cloud Storage server for tests: %v", server.err)
	}
	t.Setenv("STORAGE_EMULATOR_HOST", server.Address)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
}

func start() error {
	return server.Start("gcsserver", "fake-gcs-server", nil, func(address string) []string {
		_, port, _ := net.SplitHostPort(address)
		return []string{
			"-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-public-host", address,
			"-external-url", "http://" + address, "-log-level", "error",
		}
	}, func(address string) (*http.Response, error) {
		return http.Post("http://"+address+"/storage/v1/b?project=test", "application/json",
			strings.NewReader(fmt.Sprintf(`{"name":%q}`, Bucket)))
	})
}

// Stop ends the server.
func Stop() { server.Stop() }
