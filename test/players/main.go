// Command players makes films with the worker's own pipeline and has the programs of viewers read them: m3u8-parser
// the playlists of hls jobs, Chromium, with hls.js where that is needed, the films, each from beginning to end and in
// each size. scripts/players installs what it needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/polyglot-media/siren/test/browser"
	"github.com/polyglot-media/siren/worker/media"
)

func main() {
	siren := flag.String("siren", "bin/siren", "the binary that runs programs under limits")
	here := flag.String("players", "test/players", "the folder with play.mjs")
	keep := flag.String("keep", "", "a new folder for the films, which stay there; a temporary one when empty")
	flag.Parse()
	if err := run(context.Background(), *siren, *here, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "players:", err)
		os.Exit(1)
	}
}

// run makes the films, serves them and has them played.
func run(ctx context.Context, siren, here, keep string) (err error) {
	dir := keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "siren-players-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if siren, err = filepath.Abs(siren); err != nil {
		return err
	}
	h, err := media.New(media.Options{
		Self: siren, Scratch: filepath.Join(dir, "scratch"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: site(here, filepath.Join(dir, "made")), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	base := "http://" + listener.Addr().String()

	maker := maker{handler: h, in: filepath.Join(dir, "in"), out: filepath.Join(dir, "made"), base: base + "/made/"}
	for _, folder := range []string{maker.in, maker.out} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	order := struct {
		Page  string `json:"page"`
		Films []seen `json:"films"`
	}{Page: base + "/page.html"}
	for _, f := range films {
		s, err := maker.make(ctx, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		order.Films = append(order.Films, s)
	}
	return browser.Drive(ctx, filepath.Join(here, "play.mjs"), order)
}

// site serves the page, the player and what was made.
func site(here, made string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/made/", http.StripPrefix("/made/", http.FileServer(http.Dir(made))))
	for path, file := range map[string]string{
		"/page.html": "page.html",
		"/hls.js":    "../browser/node_modules/hls.js/dist/hls.min.js",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(here, file))
		})
	}
	return mux
}
