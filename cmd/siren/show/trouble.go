package show

import (
	"errors"
	"io"
)

// Gist returns what there is to say of an error: one in its chain with a method Gist is all that there is to say.
func Gist(err error) error {
	var gist interface {
		error
		Gist()
	}
	if errors.As(err, &gist) {
		return gist
	}
	return err
}

// Trouble is what keeps something that is followed from being seen: it is said when it begins and when it becomes
// another one, and not at each attempt.
type Trouble struct {
	out  io.Writer
	said string
}

// NewTrouble says it to the writer.
func NewTrouble(out io.Writer) *Trouble { return &Trouble{out: out} }

// Say says what an attempt failed with, unless the one before failed with the same; nil is an attempt that did not
// fail.
func (t *Trouble) Say(err error) {
	if err == nil {
		t.said = ""
		return
	}
	if text := Gist(err).Error(); text != t.said {
		t.said = text
		Warn(t.out, text+"; retrying")
	}
}
