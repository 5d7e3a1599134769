package plain

import (
	"errors"
	"testing"
)

func TestTrouble(t *testing.T) {
	for text, want := range map[string]string{
		"dial tcp 10.0.0.2:5672: connect: connection refused": "dial tcp 10.0.0.2:5672: connect: connection refused",
		"read tcp 10.0.0.1:40000->10.0.0.2:5672: i/o timeout": "read tcp 10.0.0.2:5672: i/o timeout",
		"a: write tcp [fe80::1%eth0]:1->[::1]:2: reset; b":    "a: write tcp [::1]:2: reset; b",
	} {
		if got := Trouble(errors.New(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
