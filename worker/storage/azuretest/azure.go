// Package azuretest is a server for tests that speaks as Azure Blob Storage does, as far as Siren asks: whole and
// staged block blobs, conditions, ranges, and lists. Azure's own emulator, Azurite, is a program of Node.js, which our
// tests don't need otherwise.
package azuretest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Container is the one container of the server.
const Container = "media-test"

const account = "devaccount"

// Server is the server of a test.
type Server struct {
	URL    string
	mu     sync.Mutex
	blobs  map[string]object
	staged map[string][]byte // blocks, by blob and id
	writes int
	denied bool
}

type object struct {
	data []byte
	tag  string
	head http.Header // of its contents and metadata
}

// Use starts a server and points the environment of the test at it.
func Use(t testing.TB) *Server {
	t.Helper()
	s := &Server{blobs: map[string]object{}, staged: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	for name, value := range map[string]string{
		"AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": "bm90IGEgc2VjcmV0",
		"AZURE_STORAGE_DOMAIN": strings.TrimPrefix(server.URL, "http://"), "AZURE_STORAGE_PROTOCOL": "http",
		"AZURE_STORAGE_SAS_TOKEN": "", "AZURE_STORAGE_CONNECTION_STRING": "",
	} {
		t.Setenv(name, value)
	}
	return s
}

// Deny makes the server refuse everybody from now on.
func (s *Server) Deny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = true
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	name, container := strings.CutPrefix(r.URL.Path, "/"+account+"/"+Container)
	name = strings.TrimPrefix(name, "/")
	w.Header().Set("x-ms-version", r.Header.Get("x-ms-version"))
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "IncompleteBody")
	case s.denied:
		refuse(w, http.StatusForbidden, "AuthenticationFailed")
	case !container:
		refuse(w, http.StatusNotFound, "ContainerNotFound")
	case r.URL.Query().Get("comp") == "list":
		s.list(w, r.URL.Query().Get("prefix"))
	case r.Method == http.MethodPut:
		s.put(w, r, name, body)
	default:
		s.get(w, r, name)
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	query := r.URL.Query()
	if query.Get("comp") == "block" {
		s.staged[name+" "+query.Get("blockid")] = body
		w.WriteHeader(http.StatusCreated)
		return
	}
	if _, there := s.blobs[name]; there && r.Header.Get("If-None-Match") == "*" {
		refuse(w, http.StatusConflict, "BlobAlreadyExists")
		return
	}
	if query.Get("comp") == "blocklist" {
		var list struct {
			Latest []string `xml:"Latest"`
		}
		if err := xml.Unmarshal(body, &list); err != nil {
			refuse(w, http.StatusBadRequest, "InvalidXmlDocument")
			return
		}
		body = nil
		for _, id := range list.Latest {
			body = append(body, s.staged[name+" "+id]...)
			delete(s.staged, name+" "+id)
		}
	}
	s.writes++
	o := object{data: body, tag: fmt.Sprintf(`"0x%08X"`, s.writes), head: http.Header{}}
	for key, values := range r.Header {
		if strings.HasPrefix(key, "X-Ms-Meta-") {
			o.head[key] = values
		}
	}
	o.head.Set("Content-Type", r.Header.Get("X-Ms-Blob-Content-Type"))
	s.blobs[name] = o
	w.Header().Set("ETag", o.tag)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusCreated)
}

// list names all blobs below a prefix, in one page.
func (s *Server) list(w http.ResponseWriter, prefix string) {
	fmt.Fprint(w, `<?xml version="1.0"?><EnumerationResults><Blobs>`)
	for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		fmt.Fprint(w, `<Blob><Name>`)
		_ = xml.EscapeText(w, []byte(name))
		fmt.Fprintf(w, `</Name><Properties><Last-Modified>%s</Last-Modified><Content-Length>%d</Content-Length>`+
			`<Etag>%s</Etag></Properties></Blob>`, time.Now().UTC().Format(http.TimeFormat), len(s.blobs[name].data),
			s.blobs[name].tag)
	}
	fmt.Fprint(w, `</Blobs><NextMarker/></EnumerationResults>`)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, name string) {
	o, there := s.blobs[name]
	switch {
	case !there:
		refuse(w, http.StatusNotFound, "BlobNotFound")
		return
	case r.Method == http.MethodDelete:
		delete(s.blobs, name)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if tag := r.Header.Get("If-Match"); tag != "" && tag != o.tag {
		refuse(w, http.StatusPreconditionFailed, "ConditionNotMet")
		return
	}
	for key, values := range o.head {
		w.Header()[key] = values
	}
	w.Header().Set("ETag", o.tag)
	w.Header().Set("x-ms-blob-type", "BlockBlob")
	w.Header().Set("x-ms-creation-time", time.Now().UTC().Format(http.TimeFormat))
	if span := r.Header.Get("x-ms-range"); span != "" {
		r.Header.Set("Range", span)
	}
	http.ServeContent(w, r, "", time.Now(), bytes.NewReader(o.data))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>said by a test</Message></Error>`, code)
}
