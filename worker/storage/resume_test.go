package storage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// noise returns bytes of which no two parts are alike.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
	return data
}

// fetchFrom fetches from a server of a test on loopback.
func fetchFrom(t *testing.T, url string) ([]byte, error) {
	t.Helper()
	rules := NewRules([]lanes.Storage{{Prefix: url[:strings.LastIndex(url, "/")+1], Read: true}})
	at, err := rules.Locate("input", url, Read)
	workertest.Must(t, err)
	return fetch(t, webSource{rules: rules, allow: func(netip.AddrPort) bool { return true }}, at)
}

func fetch(t *testing.T, from Source, at Place) ([]byte, error) {
	t.Helper()
	scratch := filepath.Join(t.TempDir(), "input")
	file, err := Fetch(t.Context(), from, at, 64<<20, func() (*os.File, error) {
		return os.OpenFile(scratch, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	})
	if err != nil {
		return nil, err
	}
	workertest.Must(t, file.Close())
	data, err := os.ReadFile(scratch)
	workertest.Must(t, err)
	return data, nil
}

// A download that breaks goes on where it was, if the server says that the file is the same and gives parts of it;
// else it starts over, and never puts two versions together.
func TestDownloadGoesOn(t *testing.T) {
	old := noise(1, 3<<20)
	long := time.Now().Add(-time.Hour)
	serveContent := func(tag string, changed time.Time, data func(n int) []byte) http.Handler {
		n := 0
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content := data(n)
			n++
			if tag == "own" {
				w.Header().Set("ETag", fmt.Sprintf(`"%x"`, content[:8]))
			} else if tag != "" {
				w.Header().Set("ETag", tag)
			}
			http.ServeContent(w, r, "clip.mp4", changed, bytes.NewReader(content))
		})
	}
	same := func(int) []byte { return old }
	other := noise(2, 3<<20)
	after := func(n int) []byte {
		if n == 0 {
			return old
		}
		return other
	}
	noRanges := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(old)))
		_, _ = w.Write(old)
	})
	deaf := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // knows Range, but not If-Range
		w.Header().Set("ETag", fmt.Sprintf(`"%s"`, strings.Repeat("x", len(r.Header.Get("Range")))))
		r.Header.Del("If-Range")
		http.ServeContent(w, r, "clip.mp4", time.Time{}, bytes.NewReader(old))
	})
	for _, c := range []struct {
		name    string
		handler http.Handler
		cuts    int
		want    []byte
		asks    []string
	}{
		{
			"by its ETag", serveContent(`"x"`, time.Time{}, same), 2, old,
			[]string{"", `bytes=1000000- "x"`, `bytes=2000000- "x"`},
		},
		{
			"by its age", serveContent("", long, same), 1, old,
			[]string{"", "bytes=1000000- " + long.UTC().Format(http.TimeFormat)},
		},
		{"a weak ETag is none", serveContent(`W/"x"`, time.Time{}, same), 1, old, []string{"", ""}},
		{"changed a moment ago", serveContent("", time.Now(), same), 1, old, []string{"", ""}},
		{"nothing says that it is the same", serveContent("", time.Time{}, same), 1, old, []string{"", ""}},
		{
			"another file by now", serveContent("own", time.Time{}, after), 1, other,
			[]string{"", fmt.Sprintf(`bytes=1000000- "%x"`, old[:8])},
		},
		{"a server without ranges", noRanges, 1, old, []string{"", `bytes=1000000- "x"`}},
		{"a server without If-Range", deaf, 1, old, []string{"", `bytes=1000000- ""`, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &workertest.Cutter{Handler: c.handler, Most: 1000000, Cuts: c.cuts}
			got, err := fetchFrom(t, serve(t, server)+"/clip.mp4")
			workertest.Must(t, err)
			if !bytes.Equal(got, c.want) {
				t.Errorf("%d bytes came, and not those of the one file", len(got))
			}
			if fmt.Sprintf("%q", server.Asks) != fmt.Sprintf("%q", c.asks) {
				t.Errorf("asked for %q, want %q", server.Asks, c.asks)
			}
		})
	}
}

// A server whose answers always break is given up after a number of them, sooner where nothing more comes.
func TestDownloadGivesUp(t *testing.T) {
	clip := noise(1, 1<<20)
	for _, c := range []struct {
		name string
		most int
		tag  string
		want int
	}{
		{"nothing more comes", 1000, "", 1 + maxVain},
		{"always a little more", 1000, `"x"`, 1 + maxResumes},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func(before time.Duration) { pause = before }(pause)
			pause = time.Millisecond
			server := &workertest.Cutter{Most: c.most, Cuts: 1000, Handler: http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					if c.tag != "" {
						w.Header().Set("ETag", c.tag)
					}
					http.ServeContent(w, r, "clip.mp4", time.Time{}, bytes.NewReader(clip))
				})}
			_, err := fetchFrom(t, serve(t, server)+"/clip.mp4")
			workertest.Expect(t, err, work.Transient, "EOF")
			if len(server.Asks) != c.want {
				t.Errorf("asked %d times, want %d", len(server.Asks), c.want)
			}
		})
	}
}

// Where a download goes on, redirects are followed by the same rules as at first.
func TestDownloadGoesOnWithinTheRules(t *testing.T) {
	clip := noise(1, 2<<20)
	asks := 0
	server := &workertest.Cutter{Most: 1000000, Cuts: 1, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if asks++; asks > 1 {
				http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
				return
			}
			w.Header().Set("ETag", `"x"`)
			http.ServeContent(w, r, "clip.mp4", time.Time{}, bytes.NewReader(clip))
		})}
	_, err := fetchFrom(t, serve(t, server)+"/clip.mp4")
	workertest.Expect(t, err, work.NotAllowed, "outside the storage")
}

// Downloads from a bucket go on as well, if the object is the same.
func TestDownloadFromBucketGoesOn(t *testing.T) {
	s3test.Use(t)
	gate := s3test.Gate(t)
	stores, err := New(Options{})
	workertest.Must(t, err)
	rules := NewRules([]lanes.Storage{{Prefix: "s3://" + s3test.Bucket + "/", Read: true}})
	at, err := rules.Locate("input", "s3://"+s3test.Bucket+"/resumed.bin", Read)
	workertest.Must(t, err)
	store := stores.Source(at, rules).(bucketStore)
	b, err := store.buckets.Open(t.Context(), s3test.Bucket)
	workertest.Must(t, err)
	old, later := noise(1, 3<<20), noise(2, 3<<20)
	for _, c := range []struct {
		name    string
		between []byte // what it is replaced with at the break
		want    []byte
		asks    int
	}{{"the same", nil, old, 2}, {"another one", later, later, 3}} {
		t.Run(c.name, func(t *testing.T) {
			workertest.Must(t, b.WriteAll(t.Context(), "resumed.bin", old, nil))
			gate.Most, gate.Cuts, gate.Asks = 1000000, 1, nil
			gate.Cut = func() {
				if c.between != nil {
					workertest.Must(t, b.WriteAll(t.Context(), "resumed.bin", c.between, nil))
				}
			}
			got, err := fetch(t, store, at)
			workertest.Must(t, err)
			if !bytes.Equal(got, c.want) {
				t.Errorf("%d bytes came, and not those of the one object", len(got))
			}
			if len(gate.Asks) != c.asks || !strings.HasPrefix(gate.Asks[1], "bytes=1000000-") {
				t.Errorf("asked for %q", gate.Asks)
			}
		})
	}
}
