package lanes

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a policy, with the path of the field it is about.
type Problem struct {
	Path    string `json:"path"`    // lanes[2].promote.to
	Message string `json:"message"` // no lane "standrad"; did you mean "standard"?
}

// Problems is every problem of a policy at once. It is an error when it isn't empty.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.Path + ": " + q.Message
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// err returns p as an error; nil when there is no problem.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// unrelated returns those of found that aren't about a field that p couldn't read, nor about what is inside it or
// around it.
func (p Problems) unrelated(found Problems) Problems {
	return slices.DeleteFunc(found, func(f Problem) bool {
		return slices.ContainsFunc(p, func(q Problem) bool { return within(q.Path, f.Path) || within(f.Path, q.Path) })
	})
}

// within reports whether path is outer or a part of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
