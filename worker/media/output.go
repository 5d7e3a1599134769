package media

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/attempt"
	"github.com/polyglot-media/siren/worker/storage"
)

// made is the result of a job that made its output already; nil when nothing is there.
func (o order) made(ctx context.Context, out storage.Store) (*work.Result, error) {
	if o.output.Folder {
		m, err := out.MadeFolder(ctx, o.output, o.job.ID)
		if m == nil || err != nil {
			return nil, err
		}
		return o.folder(*m, true), nil
	}
	size, err := out.Made(ctx, o.output, o.job.ID)
	if size == storage.Absent || err != nil {
		return nil, err
	}
	return o.file(size, true), nil
}

// commit stores what the attempt made.
func (h *Handler) commit(
	ctx context.Context, o order, out storage.Store, a *attempt.Attempt, files []attempt.File,
) (*work.Result, error) {
	if o.output.Folder {
		done, m, err := out.CommitFolder(ctx, o.output, storage.Folder{
			Manifest: h.manifest(o, a, files), Open: a.Dir.OpenMade, Job: o.job, Attempt: a.Task.Attempt,
		})
		if err != nil {
			return nil, err
		}
		return o.folder(*m, done), nil
	}
	made, err := a.Dir.OpenMade(files[0].Name)
	if err != nil {
		return nil, fmt.Errorf("open what was made: %w", err)
	}
	defer func() { _ = made.Close() }()
	done, size, err := out.Commit(ctx, o.output, storage.Product{
		File: made, MediaType: o.recipe.MediaType, Job: o.job, Attempt: a.Task.Attempt,
	})
	if err != nil {
		return nil, err
	}
	return o.file(size, done), nil
}

// file is the result of a job whose output is a single file.
func (o order) file(size int64, already bool) *work.Result {
	return &work.Result{
		Outputs:     []job.Output{{URL: o.job.Output, Bytes: size, Type: o.recipe.MediaType}},
		AlreadyDone: already,
	}
}

// folder is the result of a job whose output is a folder: its main file, and the manifest, with the size of all.
func (o order) folder(m job.Manifest, already bool) *work.Result {
	r := &work.Result{AlreadyDone: already}
	for _, f := range m.Files {
		if f.Name == m.Main {
			r.Outputs = append(r.Outputs, job.Output{URL: o.job.Output + m.Main, Bytes: f.Bytes, Type: f.Type})
		}
	}
	r.Outputs = append(r.Outputs, job.Output{
		URL: o.job.Output + job.ManifestName, Bytes: m.Bytes(), Type: "application/json",
	})
	return r
}

// manifest says what is in the folder, but for the files' sizes and sums.
func (h *Handler) manifest(o order, a *attempt.Attempt, files []attempt.File) job.Manifest {
	m := job.Manifest{
		Job: o.job.ID, Kind: o.job.Kind, Preset: o.job.Preset, Params: o.job.Params, Input: o.input.String(),
		MadeBy: h.versions(), Main: o.recipe.Main, Warnings: a.Warnings,
	}
	for _, f := range files {
		m.Files = append(m.Files, job.ManifestFile{Name: f.Name, Type: f.MediaType, About: f.Facts})
	}
	return m
}

// versions asks the programs who they are.
func versions(o Options) []string {
	all := []string{"siren " + o.Version}
	if out, err := exec.Command(o.Programs.FFmpeg, "-version").Output(); err == nil {
		words := strings.Fields(string(out)) // ffmpeg version 5.1.9-0+deb12u1 Copyright …
		if len(words) > 2 {
			all = append(all, "ffmpeg "+words[2])
		}
	}
	return all
}
