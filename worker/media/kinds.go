package media

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/storage"
)

// kinds is every kind of job there is. A new kind is a file of its own and a line here.
var kinds = map[string]kind{
	"probe":     {about: "what the input is, as ffprobe's JSON (format and streams)", plan: planProbe},
	"thumbnail": {about: "one picture of a video, jpg or webp", plan: planThumbnail, uses: thumbnailUses},
	"transcode": {about: "the video as H.264 and AAC in an mp4 that plays while it loads", plan: planTranscode, uses: transcodeUses},
}

// kind is how a job of one kind is planned. plan reads the params and the output's name, does no I/O, and notes
// problems in p; the recipe counts only when there were none.
type kind struct {
	about string
	plan  func(p *params, output string) recipe
	// uses is ffmpeg's options for outputs of every sort that the kind makes; nil: it needs ffprobe alone. Examine reads out of them what ffmpeg must have.
	uses func() [][]string
}

// recipe is a planned job: what it makes, and how. make returns the name of the output file in the scratch folder.
type recipe struct {
	mediaType string
	make      func(ctx context.Context, a *attempt) (string, error)
}

// Kind describes one kind of job, for help texts and completion.
type Kind struct {
	Name   string
	About  string
	Params []string // names of its params, sorted
}

// Kinds lists the kinds of job that Check accepts, by name.
func Kinds() []Kind {
	var list []Kind
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		p := &params{kind: name}
		kinds[name].plan(p, "")
		list = append(list, Kind{Name: name, About: kinds[name].about, Params: slices.Sorted(slices.Values(p.known))})
	}
	return list
}

// Check refuses a job for everything that can be known without I/O: its kind, its params, and URLs outside of storage.
// The error is a lanes.JobError of kind BadInput or NotAllowed and names every problem. What Check accepts may still
// fail: only the worker sees symbolic links, addresses and contents. URLs are percent-decoded once: a % in a name is %25.
func Check(job lanes.Job, allowed []lanes.Storage) error {
	_, err := takeOrder(job, allowed)
	return err
}

// order is a job that passed Check, ready to be carried out.
type order struct {
	job           lanes.Job
	input, output storage.Place
	rules         storage.Rules
	recipe        recipe
}

func takeOrder(job lanes.Job, allowed []lanes.Storage) (order, error) {
	o := order{job: job, rules: storage.NewRules(allowed)}
	if strings.Trim(job.ID, ".") == "" {
		return o, lanes.Fail(lanes.BadInput, fmt.Errorf("id %q: use a letter or a digit; the id names folders", job.ID))
	}
	k, ok := kinds[job.Kind]
	if !ok {
		names := slices.Sorted(maps.Keys(kinds))
		return o, lanes.Fail(lanes.BadInput, fmt.Errorf("no kind %q; there are %s%s", clip(job.Kind), strings.Join(names, ", "), lanes.Suggest(job.Kind, names)))
	}
	var inputErr, outputErr, paramsErr error
	o.input, inputErr = o.rules.Locate("input", job.Input, storage.Read)
	o.output, outputErr = o.rules.Locate("output", job.Output, storage.Write)
	p := readParams(job.Kind, job.Params)
	if outputErr == nil {
		o.recipe = k.plan(p, path.Base(o.output.Path))
		paramsErr = lanes.Fail(lanes.BadInput, p.err())
	}
	if inputErr == nil && outputErr == nil && o.input.String() == o.output.String() {
		outputErr = lanes.Fail(lanes.BadInput, fmt.Errorf("input and output are the same file, %s", o.input))
	}
	return o, together(inputErr, outputErr, paramsErr)
}

// together is one error with the text of all; NotAllowed when any of them is.
func together(errs ...error) error {
	var texts []string
	kind := lanes.BadInput
	for _, err := range errs {
		if err == nil {
			continue
		}
		texts = append(texts, err.Error())
		if lanes.KindOf(err) == lanes.NotAllowed {
			kind = lanes.NotAllowed
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return lanes.Fail(kind, errors.New(strings.Join(texts, "; ")))
}

func (o order) result(size int64, already bool) lanes.Result {
	return lanes.Result{
		Outputs:     []lanes.Output{{URL: o.job.Output, Bytes: size, Type: o.recipe.mediaType}},
		AlreadyDone: already,
	}
}

// Uses is ffmpeg's options for outputs of every sort that the kinds make: a doctor reads out of them what ffmpeg must have.
func Uses() (all [][]string) {
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if uses := kinds[name].uses; uses != nil {
			all = append(all, uses()...)
		}
	}
	return all
}
