package media

import (
	"log/slog"

	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/scratch"
	"github.com/polyglot-media/siren/worker/storage"
)

// Options says where a Handler finds what it needs. The zero value works on a machine with ffmpeg on its PATH.
type Options struct {
	// paths or names of what the worker runs; each one's own name when empty
	Programs attempt.Programs
	Self     string // the binary whose `run-limited` is RunLimited; this process's own when empty
	// folder that holds the folder of attempts; the system's temporary folder when empty. Several workers may share it
	Scratch string
	Storage storage.Options
	Version string       // Siren's, for manifests
	Log     *slog.Logger // slog.Default() when nil
}

// Handler runs media jobs. It is safe for concurrent use.
type Handler struct {
	options Options
	scratch *scratch.Folders
	stores  *storage.Stores
	// the programs that make outputs, with their versions
	versions func() []string
}
