package storage

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/workertest"
)

// Whatever the allowlist accepts is below one of its prefixes, for every reader of the URL; and what the file store
// then opens is never a file outside.
func FuzzLocate(f *testing.F) {
	dir := f.TempDir()
	in := filepath.Join(dir, "in")
	workertest.Must(f, os.MkdirAll(filepath.Join(in, "sub"), 0o755))
	workertest.Must(f, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644))
	workertest.Must(f, os.WriteFile(filepath.Join(in, "sub", "open"), []byte("open"), 0o644))
	workertest.Must(f, os.Symlink("../../secret", filepath.Join(in, "sub", "link")))
	workertest.Must(f, os.Symlink("..", filepath.Join(in, "up")))
	workertest.Must(f, os.Symlink("/", filepath.Join(in, "root")))
	rules := NewRules([]lanes.Storage{
		{Prefix: "file://" + in + "/", Read: true},
		{Prefix: "s3://bucket/pre/", Read: true},
		{Prefix: "https://host.example/pub/", Read: true},
	})
	for _, seed := range []string{
		"file://@/sub/open", "file://@/sub/link", "file://@/up/secret", "file://@/root/etc/passwd",
		"file://@/../secret", "file://@/%2e%2e/secret", "file://@/sub/..%2f..%2fsecret",
		"file://@//secret", "file://localhost@/sub/open", "file://@/sub/open?x", "s3://bucket/pre/../x",
		"s3://bucket/pre/x?region=y", "s3://Bucket/pre/x", "https://host.example/pub/a?b#c",
		"https://host.example:443/pub/../x", "https://u@host.example/pub/x", "https://host.example./pub/x",
		"HTTPS://HOST.example/pub/x", "s3://bucket/pre/__0x2e__", `file://@/sub\..\..\secret`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		raw = strings.ReplaceAll(raw, "@", in)
		at, err := rules.Locate("input", raw, Read)
		if err != nil {
			return
		}
		prefix := map[string]string{"file": in + "/", "s3": "/pre/", "https": "/pub/"}[at.Scheme]
		if prefix == "" || !strings.HasPrefix(at.Path, prefix) || filepath.Clean(at.Path) != at.Path ||
			at.Path == prefix {
			t.Fatalf("%q was accepted as %q", raw, at.Path)
		}
		if host := map[string]string{
			"file": "", "s3": "bucket",
			"https": "host.example:443",
		}[at.Scheme]; at.Host != host {
			t.Fatalf("%q was accepted with host %q", raw, at.Host)
		}
		if strings.ContainsAny(at.String(), "?#@") {
			t.Fatalf("%q is shown as %q", raw, at)
		}
		if back, err := rules.Locate("input", at.String(), Read); err != nil || back.Path != at.Path ||
			back.Host != at.Host {
			t.Fatalf("%q is shown as %q, which is %+v, %v", raw, at, back, err)
		}
		if at.Scheme != "file" {
			return
		}
		content, _, err := fileStore{rules}.Open(t.Context(), at)
		if err != nil {
			return
		}
		defer func() { _ = content.Close() }()
		if got, _ := io.ReadAll(content); string(got) != "open" {
			t.Fatalf("%q led to %q", raw, got)
		}
	})
}
