package storage

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// openSparse opens a file of a server of a test.
func openSparse(t *testing.T, handler http.Handler, limit lanes.Bytes) (*Sparse, *workertest.Cutter, error) {
	t.Helper()
	server, _ := handler.(*workertest.Cutter)
	if server == nil {
		server = &workertest.Cutter{Handler: handler}
	}
	url := serve(t, server) + "/"
	rules := NewRules([]lanes.Storage{{Prefix: url, Read: true}})
	at, err := rules.Locate("input", url+"film.mp4", Read)
	workertest.Must(t, err)
	s, err := OpenSparse(t.Context(), webSource{rules: rules, allow: func(netip.AddrPort) bool { return true }}, at,
		limit, func() (*os.File, error) { return os.Create(filepath.Join(t.TempDir(), "input")) })
	if err == nil {
		t.Cleanup(func() { _ = s.File().Close() })
	}
	return s, server, err
}

// whole returns what is in the file.
func whole(t *testing.T, s *Sparse) []byte {
	t.Helper()
	data, err := os.ReadFile(s.File().Name())
	workertest.Must(t, err)
	return data
}

func tagged(data func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := data()
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, content[:8]))
		http.ServeContent(w, r, "film.mp4", time.Time{}, bytes.NewReader(content))
	})
}

// What is read is fetched, once; the rest is zeros, until it is asked for.
func TestSparseFetchesWhatIsRead(t *testing.T) {
	film := noise(1, 8<<20+5)
	s, server, err := openSparse(t, tagged(func() []byte { return film }), 2<<20)
	workertest.Must(t, err)
	p := make([]byte, 100)
	for range 3 {
		for _, at := range []int64{0, 5<<20 + 17, int64(len(film)) - 100} {
			if n, err := s.ReadAt(p, at); n != 100 || err != nil || !bytes.Equal(p, film[at:at+100]) {
				t.Errorf("at %d: %d, %v, or other bytes", at, n, err)
			}
		}
	}
	for server.Sent.Load() < s.Fetched() && t.Context().Err() == nil {
		time.Sleep(time.Millisecond) // the server counts what it has sent a moment after it is here
	}
	if server.Sent.Load() > 4*block || s.Fetched() != server.Sent.Load() || s.Complete() {
		t.Errorf("%d bytes were sent, %d are here", server.Sent.Load(), s.Fetched())
	}
	if got := whole(t, s); len(got) != len(film) || !bytes.Equal(got[1<<20:2<<20], make([]byte, 1<<20)) {
		t.Errorf("the file has %d bytes", len(got))
	}
	// Who reads on and on gets more at once.
	asked := len(server.Asks)
	for at := int64(1 << 20); at < 1<<20+500<<10; at += 1000 {
		if _, err := s.ReadAt(p, at); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(server.Asks) - asked; n > 5 {
		t.Errorf("%d requests for 500 kB", n)
	}
	workertest.Expect(t, s.Fill(2<<20, 2<<20), work.OverLimit, "larger than a slot's scratch space")
	workertest.Expect(t, s.Rest(), work.OverLimit, "larger than a slot's scratch space")
}

// What is missing can be had at last, each part once, over connections that break.
func TestSparseBecomesWhole(t *testing.T) {
	film := noise(1, 4<<20)
	server := &workertest.Cutter{Handler: tagged(func() []byte { return film }), Most: 1 << 20, Cuts: 2}
	s, _, err := openSparse(t, server, 0)
	workertest.Must(t, err)
	workertest.Must(t, s.Fill(2<<20, 100))
	workertest.Must(t, s.Rest())
	if !s.Complete() || !bytes.Equal(whole(t, s), film) {
		t.Error("it isn't the film")
	}
	if server.Sent.Load() > int64(len(film))+4*block {
		t.Errorf("%d bytes were sent of %d", server.Sent.Load(), len(film))
	}
}

// Two versions are never put together: the later one is fetched as a whole.
func TestSparseChanges(t *testing.T) {
	film, other := noise(1, 4<<20), noise(2, 3<<20)
	now := film
	s, _, err := openSparse(t, tagged(func() []byte { return now }), 0)
	workertest.Must(t, err)
	now = other
	workertest.Expect(t, s.Fill(2<<20, 100), work.Transient, "it has changed meanwhile")
	workertest.Must(t, s.Rest())
	if !bytes.Equal(whole(t, s), other) {
		t.Error("it isn't the other film")
	}
}

// A server that gives no parts, or doesn't say which version they are of, sends all of it.
func TestSparseOfAServerWithoutParts(t *testing.T) {
	film := noise(1, 1<<20)
	for name, handler := range map[string]http.HandlerFunc{
		"no ranges": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"x"`)
			_, _ = w.Write(film)
		},
		"no version": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "film.mp4", time.Time{}, bytes.NewReader(film))
		},
		"a fault of ranges": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(film)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := openSparse(t, handler, 0)
			workertest.Must(t, err)
			if !s.Complete() || !bytes.Equal(whole(t, s), film) {
				t.Error("it isn't the film")
			}
		})
	}
	empty := func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "film.mp4", time.Time{}, bytes.NewReader(nil))
	}
	_, _, err := openSparse(t, http.HandlerFunc(empty), 0)
	workertest.Expect(t, err, work.BadInput, "is empty")
}
