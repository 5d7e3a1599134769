package storage

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

func TestFetchOverHTTP(t *testing.T) {
	b := newBench(t)
	clip := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	mux := http.NewServeMux()
	mux.HandleFunc("/clip.mp4", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(clip) })
	mux.HandleFunc("/half.mp4", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(clip)))
		_, _ = w.Write(clip[:len(clip)/2])
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(clip)
		}
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "99999999")
	})
	mux.HandleFunc("/503", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/403", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("/to/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Error("the referer was sent on")
		}
		http.Redirect(w, r, "http://"+strings.TrimPrefix(r.URL.Path, "/to/"), http.StatusFound)
	})
	server := serve(t, mux)
	mux.HandleFunc("/again/", func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimPrefix(r.URL.Path, "/again")
		http.Redirect(w, r, server+rest, http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, server+"/round", http.StatusFound)
	})
	address := strings.TrimPrefix(server, "http://")
	b.storage = append(b.storage, lanes.Storage{Prefix: server + "/", Read: true},
		lanes.Storage{Prefix: "http://10.1.2.3/", Read: true},
		lanes.Storage{Prefix: "http://[::ffff:127.0.0.1]/", Read: true},
		lanes.Storage{Prefix: "http://169.254.169.254/", Read: true},
		lanes.Storage{Prefix: "http://localhost/", Read: true})
	for _, c := range []struct {
		name, input string
		guarded     bool
		want        work.ErrorKind
		says        string
	}{
		{"fetched", server + "/clip.mp4?signature=secret", false, "", ""},
		{"five redirects", server + "/again/again/again/again/again/clip.mp4", false, "", ""},
		{"too many redirects", server + "/round", false, work.BadInput, "more than 5 redirects"},
		{"missing", server + "/none", false, work.BadInput, "doesn't exist"},
		{"forbidden", server + "/403?signature=secret", false, work.BadInput, "403 Forbidden"},
		{"server trouble", server + "/503", false, work.Transient, "503"},
		{"cut off", server + "/half.mp4", false, work.Transient, "EOF"},
		{"empty", server + "/empty", false, work.BadInput, "is empty"},
		{
			"too large by its word", server + "/large", false, work.OverLimit,
			"larger than a slot's scratch space of 4Mi",
		},
		{
			"too large without a word", server + "/endless", false, work.OverLimit,
			"larger than a slot's scratch space of 4Mi",
		},
		{"nobody there", "http://10.1.2.3/x", false, work.NotAllowed, "10.1.2.3 is a private address"},
		{"redirect outside storage", server + "/to/example.com/x", false, work.NotAllowed, "outside the storage"},
		{"redirect to private", server + "/to/10.1.2.3/x", false, work.NotAllowed, "10.1.2.3 is a private address"},
		{
			"redirect to the cloud's metadata", server + "/to/169.254.169.254/latest/meta-data", false, work.NotAllowed,
			"169.254.169.254 is a link-local address",
		},
		{"loopback", server + "/clip.mp4", true, work.NotAllowed, "127.0.0.1 is a loopback address"},
		{"loopback by name", "http://localhost/x", true, work.NotAllowed, "is a loopback address"},
		{"loopback in IPv6", "http://[::ffff:127.0.0.1]/x", true, work.NotAllowed, "is a loopback address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := NewRules(b.storage)
			web := webSource{rules: rules, allow: func(a netip.AddrPort) bool {
				return !c.guarded && a.String() == address
			}}
			at, err := rules.Locate("input", c.input, Read)
			workertest.Must(t, err)
			scratch := filepath.Join(t.TempDir(), "input")
			file, err := Fetch(t.Context(), web, at, 4<<20, func() (*os.File, error) {
				return os.OpenFile(scratch, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			})
			if c.want == "" {
				workertest.Must(t, err)
				workertest.Must(t, file.Close())
				if got, err := os.ReadFile(scratch); !bytes.Equal(got, clip) {
					t.Errorf("%d bytes: %v", len(got), err)
				}
				return
			}
			workertest.Expect(t, err, c.want, c.says)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the query is in the message: %s", err)
			}
		})
	}
}
