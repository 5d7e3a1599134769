package media

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/scratch"
	"github.com/polyglot-media/siren/worker/storage"
)

// Options says where a Handler finds what it needs. The zero value works on a machine with ffmpeg on its PATH.
type Options struct {
	FFmpeg  string // path or name of ffmpeg; "ffmpeg" when empty
	FFprobe string // path or name of ffprobe; "ffprobe" when empty
	Self    string // the binary whose `run-limited` is RunLimited; this process's own when empty
	// folder that holds the folder of attempts; the system's temporary folder when empty. Several workers may share it
	Scratch string
	Storage storage.Options
	Log     *slog.Logger // slog.Default() when nil
}

// Handler runs media jobs. It is safe for concurrent use.
type Handler struct {
	options Options
	scratch *scratch.Folders
	stores  *storage.Stores
}

// attempt is one run of one job: what its kind needs to make the output.
type attempt struct {
	h    *Handler
	task work.Task
	dir  *scratch.Folder // empty at first, and removed at the end
	box  sandbox.Box
	from storage.Place
	info inspection
	// of an input that isn't all there: how much of it there is, in words
	cut      string
	strict   bool // such a one, or one that is damaged, is refused
	warnings []string
}

// warn notes what is wrong with the input, for the job's owner. The same isn't said twice.
func (a *attempt) warn(format string, args ...any) {
	const most = 10
	if text := fmt.Sprintf(format, args...); len(a.warnings) < most && !slices.Contains(a.warnings, text) {
		a.warnings = append(a.warnings, text)
	}
}
