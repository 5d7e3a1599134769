package media

import (
	"errors"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/recipe"
	"github.com/polyglot-media/siren/worker/storage"
)

// Check refuses a job for everything that can be known without I/O: its kind, its params, and URLs outside of storage.
// The error is a work.JobError of kind BadInput or NotAllowed and names every problem. What Check accepts may still
// fail: only the worker sees symbolic links, addresses and contents. URLs are percent-decoded once: a % in a name is
// %25.
func Check(job job.Job, allowed []lanes.Storage) error {
	_, err := takeOrder(job, allowed)
	return err
}

// order is a job that passed Check, ready to be carried out.
type order struct {
	job           job.Job
	input, output storage.Place
	rules         storage.Rules
	recipe        recipe.Recipe
	strict        bool // an input that isn't all there, or is damaged, is refused
}

func takeOrder(j job.Job, allowed []lanes.Storage) (order, error) {
	o := order{job: j, rules: storage.NewRules(allowed)}
	if strings.Trim(j.ID, ".") == "" {
		return o, work.Fail(work.BadInput, fmt.Errorf("id %q: use a letter or a digit; the id names folders", j.ID))
	}
	kind, err := kinds.Find(j.Kind)
	if err != nil {
		return o, work.Fail(work.BadInput, err)
	}
	var inputErr, outputErr, paramsErr error
	o.input, inputErr = o.rules.Locate("input", j.Input, storage.Read)
	o.output, outputErr = o.rules.Locate("output", j.Output, storage.Write)
	if outputErr == nil {
		var values kinds.Values
		values, paramsErr = kind.Read(j.Params, o.output.Name())
		o.recipe, o.strict = recipe.Plan(kind.Name, values), values.Word("tolerate") == "none"
	}
	if inputErr == nil && outputErr == nil && o.input.String() == o.output.String() {
		outputErr = work.Fail(work.BadInput, fmt.Errorf("input and output are the same file, %s", o.input))
	}
	return o, together(inputErr, outputErr, paramsErr)
}

// together joins the errors' messages into one error; NotAllowed when any of them is.
func together(errs ...error) error {
	var texts []string
	kind := work.BadInput
	for _, err := range errs {
		if err == nil {
			continue
		}
		texts = append(texts, err.Error())
		if work.KindOf(err) == work.NotAllowed {
			kind = work.NotAllowed
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return work.Fail(kind, errors.New(strings.Join(texts, "; ")))
}
