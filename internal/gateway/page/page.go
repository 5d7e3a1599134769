// Package page is the web page of the gateway: what a browser needs of it, held in the binary. The page itself is in
// web, in TypeScript; dist is what bundle makes of it.
//
// All that the page shows it asks of the gateway's API. Nothing here knows what a lane is.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

//go:generate go run ./bundle

//go:embed dist
var dist embed.FS

// file is a file as it is sent.
type file struct {
	kind          string // its media type
	plain, zipped []byte
	tag           string // its ETag
	forever       bool   // its name says what is in it
}

// kinds is the media types by how a file's name ends.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".txt": "text/plain; charset=utf-8",
}

// Handler serves the page at /, with its files. The page may show pictures and films
// from the given origins, such as https://media.example.com, besides its own.
func Handler(origins ...string) http.Handler {
	files, index := load(origins)
	policy := policyOf(origins)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
			return
		}
		f, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		switch {
		case ok:
			f.send(w, r)
		case r.URL.Path == "/" || r.URL.Path == "/index.html":
			index.send(w, r)
		default:
			http.Error(w, "there is nothing here; the page is at /", http.StatusNotFound)
		}
	})
}

// policyOf returns the Content-Security-Policy: everything comes from here, but for pictures and films.
func policyOf(origins []string) string {
	media := strings.Join(append([]string{"'self'"}, known(origins)...), " ")
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"img-src " + media + " data:; media-src " + media + "; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// known returns what of the origins is one: nothing else gets into a header.
func known(origins []string) (all []string) {
	for _, o := range origins {
		if origin, err := Origin(o); err == nil {
			all = append(all, origin)
		}
	}
	return all
}

// Origin returns the origin that a text names, such as https://media.example.com.
func Origin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsAny(u.Host, " ;,'\"*") {
		return "", fmt.Errorf("%q is no origin: write one as https://media.example.com", text)
	}
	return u.Scheme + "://" + u.Host, nil
}

// load returns the page's files by the names under which they are asked for, and the one that answers all else.
func load(origins []string) (files map[string]file, index file) {
	files = map[string]file{}
	read := func(name string) []byte {
		content, err := fs.ReadFile(dist, "dist/"+name)
		if err != nil {
			panic(err) // it is in the binary
		}
		return content
	}
	text := read("index.html")
	for _, name := range []string{"page.js", "page.css"} {
		content := read(name)
		ext := path.Ext(name)
		hashed := strings.TrimSuffix(name, ext) + "-" + print(content) + ext
		files[hashed] = newFile(ext, content, true)
		text = bytes.ReplaceAll(text, []byte(name), []byte(hashed))
	}
	shown := html.EscapeString(strings.Join(known(origins), " "))
	text = bytes.ReplaceAll(text, []byte(`name="origins" content=""`), []byte(`name="origins" content="`+shown+`"`))
	files["licences.txt"] = newFile(".txt", read("licences.txt"), false)
	return files, newFile(".html", text, false)
}

// print returns a few letters that stand for the content.
func print(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:6])
}

func newFile(ext string, content []byte, forever bool) file {
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = z.Write(content) // to memory
	_ = z.Close()
	return file{kinds[ext], content, zipped.Bytes(), `"` + print(content) + `"`, forever}
}

// send answers with the file, or that it is the one that the browser has.
func (f file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache")
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if zips(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever has gone away needs no answer
	}
}

// zips reports whether somebody who accepts these encodings takes gzip.
func zips(accepts string) bool {
	for e := range strings.SplitSeq(accepts, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(e), ";")
		if name == "gzip" {
			return strings.TrimSpace(q) != "q=0"
		}
	}
	return false
}
