package job

import (
	"testing"

	"github.com/polyglot-media/siren/internal/enumtest"
)

func TestFinal(t *testing.T) {
	enumtest.Want(t, "State", "Final", State.Final, map[State]bool{
		Queued: false, Running: false, Retrying: false, Completed: true, Dead: true, Cancelled: true, Missing: true,
	})
	enumtest.Want(t, "State", "Failed", State.Failed, map[State]bool{
		Queued: false, Running: false, Retrying: false, Completed: false, Dead: true, Cancelled: true, Missing: true,
	})
}
