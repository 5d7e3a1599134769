package operators

import (
	"slices"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
)

// Who says that a queue is empty, or proposes to delete it, says 0. Who doesn't know says nothing.
func TestAboutQueue(t *testing.T) {
	const queue = "siren.lane.former.quorum"
	const of = "queue " + queue + " is of a lane, or a type, that the policy doesn't have any more"
	for name, c := range map[string]struct {
		found doctor.Finding
		said  []int
	}{
		"jobs":    {doctor.Finding{What: of + ", and 3 jobs wait in it", Fix: "nothing while it shrinks"}, []int{3}},
		"one job": {doctor.Finding{What: of + ", and 1 job waits in it"}, []int{1}},
		"empty":   {doctor.Finding{What: of + "; it is empty"}, []int{0}},
		"a fix":   {doctor.Finding{What: "whatever", Fix: "rabbitmqctl delete_queue --if-empty " + queue}, []int{0}},
		"unknown": {doctor.Finding{What: of + "; whether it is empty isn't known: it says 0 jobs"}, nil},
		"its kin": {doctor.Finding{
			What: "queue siren.lane.former is of a lane; it is empty", Fix: "delete_queue siren.lane.former",
		}, nil},
		"no queue": {doctor.Finding{What: "all 11 queues are declared, and 3 jobs wait"}, nil},
	} {
		if said := aboutQueue(doctor.Report{Findings: []doctor.Finding{c.found}}, queue); !slices.Equal(said, c.said) {
			t.Errorf("%s: it says %v, want %v", name, said, c.said)
		}
	}
}
