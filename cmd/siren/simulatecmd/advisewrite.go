package simulatecmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/cmd/siren/yamledit"
	"github.com/polyglot-media/siren/internal/sim/advise"
	"github.com/polyglot-media/siren/lanes"
)

// mayWrite refuses a file that is there and not to be written over.
func (s *adviser) mayWrite() error {
	if s.write == "" || s.force {
		return nil
	}
	switch _, err := os.Stat(s.write); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--write: %w", err)
	default:
		return fmt.Errorf("--write: %s is there already: name another file, or say --force", s.write)
	}
}

// writePolicy writes the policy that is advised, and returns the file's name.
func (s *adviser) writePolicy(was, is *lanes.Policy) (string, error) {
	text, err := s.text(was, is)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.write, text, 0o644); err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	return s.write, nil
}

// text returns the policy that is advised: the file that it began with, changed in place; where there was none, or its
// layout doesn't allow that, all of the policy.
func (s *adviser) text(was, is *lanes.Policy) ([]byte, error) {
	if s.policy == "" {
		return []byte(show.YAML(is)), nil
	}
	text, err := os.ReadFile(s.policy)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	var fields []lanes.Tuning
	for _, c := range advise.Changes(was, is) {
		fields = append(fields, lanes.Tuning{Field: c.Field, Value: c.To})
	}
	changed, err := yamledit.Set(text, fields, is)
	if err != nil {
		s.app.Warn("%s: %v; %s has all of the policy, without the comments", s.policy, err, s.write)
		return []byte(show.YAML(is)), nil
	}
	return changed, nil
}
