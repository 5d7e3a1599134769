package fleet

import (
	"testing"

	"github.com/polyglot-media/siren/internal/enumtest"
)

func TestTrouble(t *testing.T) {
	enumtest.Want(t, "Reason", "Trouble", Reason.Trouble, map[Reason]bool{
		Steady: false, Busy: false, Backlog: false, Reserve: false, Floor: false, Ceiling: false, Budget: false,
		Holding: false,
		Parking: false, Retiring: false, Rollout: false, Stuck: true, Stale: true, Paused: false, Frozen: false,
		Foreign: true,
	})
}
