// Package intake reads jobs as people and programs write them, and refuses those that can never work: before they are
// enqueued, and with the words that a worker would have.
package intake

import (
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/media"
)

// Read reads a job's wire form, as job.Decode does, and refuses fields that nobody knows. A job that has no id gets the
// fresh one.
func Read(text []byte, fresh string) (job.Job, error) {
	j, unknown, err := job.Decode(text, fresh)
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("no such field: %s", strings.Join(unknown, ", "))
	}
	return j, err
}

// Check refuses a job that can never work under the policy.
func Check(j job.Job, p *lanes.Policy) error {
	if err := j.Check(); err != nil {
		return err
	}
	j, err := j.Expand(p)
	if err != nil {
		return err
	}
	return media.Check(j, p.Storage)
}
