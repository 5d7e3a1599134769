package storage

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/storage/azuretest"
	"github.com/polyglot-media/siren/worker/storage/gcstest"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// A part is of the version that was asked for, or refused, in every cloud.
func TestPartsAreOfOneVersion(t *testing.T) {
	onEveryStore(t, func(t *testing.T, g *ground) {
		if strings.HasPrefix(g.base, "file:") {
			return // files are used where they are
		}
		at, store := g.at("clip.bin"), g.store.(bucketStore)
		commit := func(attempt, content string) {
			_, _, err := store.Commit(t.Context(), at, g.product("one", attempt, content, true))
			workertest.Must(t, err)
		}
		commit("a1", "0123456789")
		first, err := store.Range(t.Context(), at, "", 0, 4)
		workertest.Must(t, err)
		data, err := io.ReadAll(first)
		workertest.Must(t, err)
		workertest.Must(t, first.Close())
		if string(data) != "0123" || first.Size != 10 || first.Version == "" || first.All {
			t.Fatalf("%q: %+v", data, first)
		}
		rest, err := store.Range(t.Context(), at, first.Version, 4, -1)
		workertest.Must(t, err)
		if data, err := io.ReadAll(rest); string(data) != "456789" || err != nil || rest.Offset != 4 {
			t.Errorf("the rest: %q, %v", data, err)
		}
		workertest.Must(t, rest.Close())
		commit("a2", "abcdefghij")
		if _, err := store.Range(t.Context(), at, first.Version, 4, -1); !errors.Is(err, errChanged) {
			t.Errorf("a part of another version: %v", err)
		}
	})
}

// What an operator has to do is said, and a job isn't told that its input is missing when nobody was let in.
func TestTroubleWithClouds(t *testing.T) {
	at := func(base, name string, want Access) (Place, Rules) {
		rules := NewRules([]lanes.Storage{{Prefix: base, Read: true, Write: true}})
		at, err := rules.Locate("input", base+name, want)
		workertest.Must(t, err)
		return at, rules
	}
	for _, c := range []struct {
		name, base string
		use        func(t *testing.T)
		in, out    work.ErrorKind
		says       string
	}{
		{
			"s3 without the bucket", "s3://none-such/", func(t *testing.T) { s3test.Use(t) },
			work.BadInput, work.Transient, "there is no bucket none-such: create it",
		},
		{
			"gs without the bucket", "gs://none-such/", func(t *testing.T) { gcstest.Use(t) },
			work.BadInput, work.Transient, "", // Google says of both that there is no object
		},
		{
			"azblob without the container", "azblob://none-such/", func(t *testing.T) { azuretest.Use(t) },
			work.BadInput, work.Transient, "there is no bucket none-such: create it",
		},
		{"s3 with a wrong key", "s3://" + s3test.Bucket + "/", func(t *testing.T) {
			s3test.Use(t)
			t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		}, work.Transient, work.Transient, "check the credentials (AWS_SHARED_CREDENTIALS_FILE"},
		{"gs with a wrong key", "gs://media-test/", func(t *testing.T) {
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"error":{"code":403,"message":"denied","errors":[{"reason":"forbidden"}]}}`)
			}))
			t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(server, "http://"))
		}, work.Transient, work.Transient, "check the credentials (GOOGLE_APPLICATION_CREDENTIALS"},
		{
			"azblob with a wrong key", "azblob://media-test/", func(t *testing.T) { azuretest.Use(t).Deny() },
			work.Transient, work.Transient, "check the credentials (AZURE_STORAGE_ACCOUNT",
		},
		{"azblob without an account", "azblob://media-test/", func(t *testing.T) {
			t.Setenv("AZURE_STORAGE_ACCOUNT", "")
			t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "")
		}, work.Transient, work.Transient, "set AZURE_STORAGE_ACCOUNT"},
		{"gs without credentials", "gs://media-test/", func(t *testing.T) {
			t.Setenv("STORAGE_EMULATOR_HOST", "")
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")
		}, work.Transient, work.Transient, "GOOGLE_APPLICATION_CREDENTIALS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.use(t)
			stores, err := New(Options{Log: slog.New(slog.DiscardHandler)})
			workertest.Must(t, err)
			in, rules := at(c.base, "clip.mp4", Read)
			_, _, err = stores.Source(in, rules).Open(t.Context(), in)
			workertest.Expect(t, err, c.in, c.says)
			out, rules := at(c.base, "out.json", Write)
			g := &ground{bench: newBench(t)}
			_, _, err = stores.Store(out, rules).Commit(t.Context(), out, g.product("one", "a1", "{}", false))
			workertest.Expect(t, err, c.out, c.says)
			prefix := Rule{Location: out.Location, Read: true}
			prefix.Path = "/"
			if err := stores.Store(out, rules).Readable(t.Context(), prefix); err == nil {
				t.Error("it is said to be readable")
			}
		})
	}
}
