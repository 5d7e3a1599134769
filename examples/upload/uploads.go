package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const largest = 256 << 20 // bytes of an upload, as in index.html

// kinds is the job for what a browser calls an upload, and the ending of its result. The worker looks at what it is.
var kinds = map[string]struct{ kind, ending string }{
	"image": {"image", ".webp"}, "video": {"transcode", ".mp4"}, "audio": {"audio", ".mp3"},
}

// types are the media types of results, by ending.
var types = map[string]string{".webp": "image/webp", ".mp4": "video/mp4", ".mp3": "audio/mpeg"}

// uploads are files in one folder, and what became of them in another.
type uploads struct {
	in, out string
	gateway gateway
}

// add keeps what is uploaded, and enqueues a job.
func (u uploads) add(w http.ResponseWriter, r *http.Request) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), "/")
	job, known := kinds[media]
	name := rand.Text() // nothing of what the visitor calls it
	input, result := filepath.Join(u.in, name), name+job.ending
	switch {
	case !known:
		http.Error(w, "this is no picture, film or sound", http.StatusUnsupportedMediaType)
		return
	case r.ContentLength > largest:
		http.Error(w, fmt.Sprintf("this is larger than %d MB", largest>>20), http.StatusRequestEntityTooLarge)
		return
	}
	if err := save(input, http.MaxBytesReader(w, r.Body, largest)); err != nil {
		http.Error(w, "the upload broke off, or is too large", http.StatusBadRequest)
		return
	}
	id, err := u.gateway.enqueue(r.Context(), name, map[string]any{
		"kind": job.kind, "labels": map[string]string{"urgent": "true"},
		"input": "file://" + input, "output": "file://" + filepath.Join(u.out, result),
	})
	if err != nil {
		_ = os.Remove(input)
		log.Print("a job wasn't enqueued: ", err) // its words are for whoever runs this, with paths of the server
		http.Error(w, "this can't be worked on at the moment; try it again later", http.StatusBadGateway)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"job": id, "result": "results/" + result, "media": media})
}

// save keeps a file whole, or not at all.
func save(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// result serves a result, and nothing else of the folder.
func (u uploads) result(w http.ResponseWriter, r *http.Request) {
	name := filepath.Base(r.PathValue("name"))
	media, known := types[filepath.Ext(name)]
	if !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, os.DirFS(u.out), name)
}
