package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/s3test"
)

// The test binary doubles as a worker to be killed while it commits.
func TestMain(m *testing.M) {
	s3test.Main()
	if job := os.Getenv("SIREN_TEST_WORKER"); job != "" {
		beWorker(job)
		return
	}
	code := m.Run()
	s3test.Stop()
	os.Exit(code)
}

// workOrder is what a worker process of the tests is told to do.
type workOrder struct {
	Job     job.Job
	Attempt string
	Storage []lanes.Storage
	Commit  string // this file
}

// beWorker runs such a process.
func beWorker(text string) {
	var w workOrder
	err := json.Unmarshal([]byte(text), &w)
	if err != nil {
		panic(err)
	}
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

func startWorker(t *testing.T, w workOrder) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(w)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIREN_TEST_WORKER="+string(text))
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	return cmd
}

func kill9(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	must(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
}

func open(t testing.TB, name string) *os.File {
	t.Helper()
	file, err := os.Open(name)
	must(t, err)
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
	must(t, os.Mkdir(b.out, 0o755))
	b.storage = []lanes.Storage{{Prefix: "file://" + b.out + "/", Read: true, Write: true}}
	return b
}

func (b *bench) output(name string) string { return "file://" + filepath.Join(b.out, name) }

func names(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, err error, want work.ErrorKind, says string) {
	t.Helper()
	t.Logf("%s: %v", work.KindOf(err), err)
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := work.KindOf(err); got != want {
		t.Errorf("kind %q, want %q", got, want)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("doesn't say %q", says)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
		t.Errorf("isn't one readable line: %q", err)
	}
}

func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &http.Server{Handler: handler}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}
