package storage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/storage/gcstest"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// The test binary doubles as a worker to be killed while it commits.
func TestMain(m *testing.M) {
	workertest.Main()
	if w := (workOrder{}); workertest.Ordered(&w) {
		w.carryOut()
		return
	}
	code := m.Run()
	s3test.Stop()
	gcstest.Stop()
	os.Exit(code)
}

// workOrder is what a worker process of the tests is told to do.
type workOrder struct {
	Job     job.Job
	Attempt string
	Storage []lanes.Storage
	Commit  string // this file
}

// carryOut runs such a process.
func (w workOrder) carryOut() {
	r := NewRules(w.Storage)
	at, err := r.Locate("output", w.Job.Output, Write)
	if err == nil {
		var file *os.File
		if file, err = os.Open(w.Commit); err != nil {
			panic(err)
		}
		_, _, err = fileStore{r}.Commit(context.Background(), at, Product{File: file, Job: w.Job, Attempt: w.Attempt})
	}
	fmt.Println(err)
}

func open(t testing.TB, name string) *os.File {
	t.Helper()
	file, err := os.Open(name)
	workertest.Must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// bench is an output folder and what is allowed.
type bench struct {
	t       testing.TB
	out     string
	storage []lanes.Storage
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, out: filepath.Join(t.TempDir(), "out")}
	workertest.Must(t, os.Mkdir(b.out, 0o755))
	b.storage = []lanes.Storage{{Prefix: "file://" + b.out + "/", Read: true, Write: true}}
	return b
}

func (b *bench) output(name string) string { return "file://" + filepath.Join(b.out, name) }

func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	workertest.Must(t, err)
	s := &http.Server{Handler: handler}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}
