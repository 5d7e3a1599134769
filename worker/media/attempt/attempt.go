// Package attempt is one run of one job: it looks at the input, and runs programs on it under the slot's limits. It
// knows how to run them and what their ends mean, not what is to be made: that is worker/media/recipe.
package attempt

import (
	"fmt"
	"slices"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/scratch"
	"github.com/polyglot-media/siren/worker/storage"
)

// Programs are the paths of what an attempt runs. A worker may be without libvips' programs: "".
type Programs struct{ FFmpeg, FFprobe, Vips, VipsHeader string }

// Attempt is one run of one job: what its kind needs to make the output.
type Attempt struct {
	Programs Programs
	Task     work.Task
	Dir      *scratch.Folder // empty at first, and removed at the end
	Box      sandbox.Box
	From     storage.Place
	Parts    Parts // of the input, where not all of it is here; nil: it is
	Info     probe.Input
	// of an input that isn't all there: how much of it there is, in words
	cut      string
	Strict   bool   // such a one, or one that is damaged, is refused
	jumps    bool   // the input's times do
	strayed  bool   // a damaged packet claimed channels that the sound hasn't; see Again
	channels string // the filter that takes the sound's own, once one has
	Warnings []string
	fraction float64 // of the job that is done, as reported
}

// Warn notes what is wrong with the input, for the job's owner. The same isn't said twice.
func (a *Attempt) Warn(format string, args ...any) {
	const most = 10
	if text := fmt.Sprintf(format, args...); len(a.Warnings) < most && !slices.Contains(a.Warnings, text) {
		a.Warnings = append(a.Warnings, text)
	}
}

// InputFile is the name of an input in the scratch folder, where it was fetched.
const InputFile = "input"

// File is a file that an attempt made, in its scratch folder.
type File struct {
	Name      string // there, and below an output that is a folder
	MediaType string
	Facts     any // about its contents, for the manifest of a folder
}
