package work

import (
	"testing"

	"github.com/polyglot-media/siren/internal/enumtest"
)

func TestPermanent(t *testing.T) {
	enumtest.Want(t, "ErrorKind", "Permanent", ErrorKind.Permanent, map[ErrorKind]bool{
		BadInput: true, NotAllowed: true, OutputExists: true, OverLimit: true, Expired: true, Transient: false,
		TimedOut: false, Interrupted: false,
	})
}
