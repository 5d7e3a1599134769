package operators

import (
	"hash/fnv"
	"slices"

	"github.com/polyglot-media/siren/lanes/job"
)

// poison is the reason that poisonous jobs are dead for.
const poison = "poison"

// mostReplayed is how many dead jobs are run again at a time.
const mostReplayed = 3

// letters is what is known of siren.dead.
type letters struct {
	last []job.Record    // as they were listed last
	seen map[string]bool // every job that had one
	// The jobs that were run again. A letter of theirs may go at any time, and come back.
	replayed map[string]bool
}

func newLetters() letters { return letters{seen: map[string]bool{}, replayed: map[string]bool{}} }

// listed takes in a list of all letters.
func (l *letters) listed(all []job.Record) {
	l.last = all
	for _, r := range all {
		if r.ID != "" {
			l.seen[r.ID] = true
		}
	}
}

// least returns how many there are at least: nobody takes one away of a job that isn't run again.
func (l *letters) least() (n int) {
	for id := range l.seen {
		if !l.replayed[id] {
			n++
		}
	}
	return n
}

// choose returns some of the jobs that were dead when they were listed last, poisonous ones first, and takes them for
// run again. Of the others it leaves every second one alone for good.
func (l *letters) choose() (ids []string) {
	for _, poisonous := range []bool{true, false} {
		for _, r := range l.last {
			if r.ID == "" || (r.Reason == poison) != poisonous || !poisonous && !second(r.ID) {
				continue
			}
			if len(ids) < mostReplayed && !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
				l.replayed[r.ID] = true
			}
		}
	}
	l.last = nil
	return ids
}

// second reports whether a job is one of every two.
func second(id string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return h.Sum32()%2 == 0
}
