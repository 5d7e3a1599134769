package doctor

import (
	"fmt"
	"strings"
)

// Severity says how much a finding matters. They are in order: the worst is the largest.
type Severity int

// The severities of findings.
const (
	OK      Severity = iota // as it should be
	Note                    // worth knowing; it also says what couldn't be looked at, and what that would need
	Warning                 // works now, and will not always
	Error                   // doesn't work, or loses what must not be lost
)

var severityNames = []string{"ok", "note", "warning", "error"}

// String returns ok, note, warning or error.
func (s Severity) String() string { return severityNames[min(max(s, OK), Error)] }

// MarshalText writes it as String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a severity; there are %s", text, strings.Join(severityNames, ", "))
}

// Finding is one thing that was looked at, and what is to be done about it.
type Finding struct {
	Check    string   `json:"check"` // what was looked at, as broker.version; the part before the dot is its area
	Severity Severity `json:"severity"`
	What     string   `json:"what"`          // what was found
	Why      string   `json:"why,omitempty"` // why it matters; nothing when it is as it should be
	Fix      string   `json:"fix,omitempty"` // a command or a setting
}

// Area returns what the finding is about: the part of Check before the dot.
func (f Finding) Area() string {
	area, _, _ := strings.Cut(f.Check, ".")
	return area
}

// Check makes the findings of one check, which it names. What isn't OK says what was found, why it matters, and the
// fix.
type Check string

// OK finds that all is as it should be.
func (c Check) OK(what string) Finding { return Finding{Check: string(c), What: what} }

// Note finds something worth knowing.
func (c Check) Note(what, why, fix string) Finding { return Finding{string(c), Note, what, why, fix} }

// Warning finds something that works now, and will not always.
func (c Check) Warning(what, why, fix string) Finding {
	return Finding{string(c), Warning, what, why, fix}
}

// Error finds something that doesn't work.
func (c Check) Error(what, why, fix string) Finding {
	return Finding{string(c), Error, what, why, fix}
}

// Worst returns the severity of the worst of them; OK without any.
func Worst(all []Finding) Severity {
	worst := OK
	for _, f := range all {
		worst = max(worst, f.Severity)
	}
	return worst
}
