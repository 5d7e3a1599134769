package operators

import (
	"slices"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
)

// Every letter that was seen must be there, but for those of jobs that are run again. Those are the poisonous ones, and
// one of every two others.
func TestLetters(t *testing.T) {
	l := newLetters()
	var stays, goes string // one of each half
	for _, id := range []string{"j0001-bulk", "j0002-bulk", "j0003-bulk", "j0004-bulk", "j0005-bulk", "j0006-bulk"} {
		if second(id) {
			goes = id
		} else {
			stays = id
		}
	}
	l.listed([]job.Record{
		{ID: stays, Reason: "bad input"},
		{ID: goes, Reason: "bad input"},
		{ID: "j0009-trial", Reason: poison},
		{ID: "j0009-trial", Reason: "dead already"},
		{Reason: "no id"},
	})
	if n := l.least(); n != 3 {
		t.Errorf("at least %d, want those of 3 jobs", n)
	}
	if ids := l.choose(); !slices.Equal(ids, []string{"j0009-trial", goes}) {
		t.Errorf("%v are run again", ids)
	}
	if n := l.least(); n != 1 {
		t.Errorf("at least %d, want 1: the others are run again", n)
	}
	if ids := l.choose(); len(ids) > 0 {
		t.Errorf("%v are run again, and nobody has seen their letters since", ids)
	}
	l.listed([]job.Record{{ID: stays, Reason: "bad input"}, {ID: goes, Reason: "bad input"}})
	if ids := l.choose(); !slices.Equal(ids, []string{goes}) || l.least() != 1 {
		t.Errorf("%v are run again, and at least %d there; want %s, which has died again, and 1", ids, l.least(), goes)
	}
	var many []job.Record
	for range 2 * mostReplayed {
		many = append(many, job.Record{ID: "j" + job.Record{}.ID + string(rune('a'+len(many))), Reason: poison})
	}
	l.listed(many)
	if ids := l.choose(); len(ids) != mostReplayed {
		t.Errorf("%d are run again at a time", len(ids))
	}
}
