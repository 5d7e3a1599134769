package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
)

// A job that every worker would refuse isn't sent, and leaves no record; another one of the same batch is.
func TestWrongJobsAreNotSent(t *testing.T) {
	o := options()
	o.AnyKind = false
	c := newClient(t, o)
	thumbnail := func(id, params string) job.Job {
		return job.Job{
			ID: id, Kind: "thumbnail", Input: "file:///in/a.mp4", Output: "file:///out/a.jpg",
			Params: []byte(params),
		}
	}
	wrongKind := thumbnail("refused-kind", ``)
	wrongKind.Kind = "thumbnial"
	wrongEnding := thumbnail("refused-ending", ``)
	wrongEnding.Output = "file:///out/a.gif"
	nowhere := thumbnail("refused-nowhere", ``)
	nowhere.Output = ""
	strange := thumbnail("refused-strange", ``)
	strange.Input = "gopher://host/a.mp4"
	says := []string{
		"output is missing: give a URL",
		"input: ",
		`no kind "thumbnial"; there are ` + strings.Join(kinds.Names(), ", ") + `; did you mean "thumbnail"?`,
		`thumbnail: no param "widht" (thumbnail takes at, format, height, quality, tolerate, width); ` +
			`did you mean "width"?`,
		`thumbnail: width must be a whole number, not 99.5; quality must be a number from 1 to 100, not 101`,
		`thumbnail: the output must end in .jpg, .jpeg, .png, .webp or .avif, not "a.gif"; or set format`,
	}
	jobs := []job.Job{
		nowhere, strange,
		wrongKind, thumbnail("refused-param", `{"widht": 100}`),
		thumbnail("refused-range", `{"quality": 101, "width": 99.5}`), wrongEnding,
		thumbnail("refused-not", `{"at": "25%", "width": 100}`),
	}
	outcomes := c.EnqueueBatch(within(t, time.Minute), jobs)
	for i, want := range says {
		if err := outcomes[i].Err; err == nil || !strings.HasPrefix(err.Error(), want) ||
			work.KindOf(err) != work.BadInput {
			t.Errorf("%s: %v, want %s", jobs[i].ID, err, want)
		}
		if _, err := c.Get(t.Context(), jobs[i].ID); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s has a record: %v", jobs[i].ID, err)
		}
	}
	if err := outcomes[len(says)].Err; err != nil {
		t.Error(err)
	}
}
