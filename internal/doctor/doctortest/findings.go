// Package doctortest is what the tests of doctor's rooms ask of findings. No process of Siren's has it.
package doctortest

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
)

// Findings are what an examination found.
type Findings []doctor.Finding

// Of returns the findings of a check.
func (all Findings) Of(check string) (found Findings) {
	for _, f := range all {
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

// Want fails the test unless a finding of the check has that severity and says the text, and has what a person needs.
func (all Findings) Want(t testing.TB, check string, severity doctor.Severity, says string) {
	t.Helper()
	for _, f := range all.Of(check) {
		if f.Severity == severity && strings.Contains(f.What+"\n"+f.Why+"\n"+f.Fix, says) {
			return
		}
	}
	t.Errorf("no finding %s (%s) says %q:\n%+v", check, severity, says, all.Of(check))
}

// WellFormed fails the test unless whatever isn't as it should be says why it matters and what to do, and nothing shows
// the password "secret".
func (all Findings) WellFormed(t testing.TB) {
	t.Helper()
	for _, f := range all {
		if f.What == "" || f.Severity > doctor.OK && (f.Why == "" || f.Fix == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if strings.Contains(f.What+f.Why+f.Fix, "secret") {
			t.Errorf("shows a password: %+v", f)
		}
	}
}
