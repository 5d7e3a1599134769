// Command upload serves a page on which people upload a picture, film or sound and see what a job makes of it:
// uploads.go is what it does with files, and gateway.go what it asks of Siren.
package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

//go:embed index.html
var page []byte

func main() {
	if len(os.Args) != 2 {
		log.Fatal("say which folder uploads and results go into; the policy's storage has to allow it")
	}
	address, err := url.Parse(cmp.Or(os.Getenv("SIREN_GATEWAY"), "http://127.0.0.1:8080"))
	if err != nil {
		log.Fatal(err)
	}
	if address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		log.Fatalf("SIREN_GATEWAY=%s: write a URL, as in http://127.0.0.1:8080", address)
	}
	handler, err := newHandler(os.Args[1], gateway{address, os.Getenv("SIREN_TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDRESS"), "127.0.0.1:8090"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open http://" + listener.Addr().String())
	server := http.Server{Handler: handler, ReadTimeout: 10 * time.Minute}
	log.Fatal(server.Serve(listener))
}

// newHandler makes the page with what it needs. Uploads go into the folder's in/, results into its out/.
func newHandler(folder string, g gateway) (http.Handler, error) {
	folder, err := filepath.Abs(folder)
	u := uploads{in: filepath.Join(folder, "in"), out: filepath.Join(folder, "out"), gateway: g}
	err = errors.Join(err, os.MkdirAll(u.in, 0o755), os.MkdirAll(u.out, 0o755))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src 'self' data:")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("POST /uploads", u.add)
	mux.HandleFunc("GET /jobs/{id}/events", g.events)
	mux.HandleFunc("GET /results/{name}", u.result)
	return http.NewCrossOriginProtection().Handler(mux), err
}
