package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Revived returns the wire form of a dead job that is to run again. It changes only the params in set, where null
// removes one, and drops an expiresAt that is over. Everything else stays as it came, unknown fields included; body
// itself is returned when there is nothing to change. body must be a job's.
func Revived(body []byte, set map[string]json.RawMessage, now time.Time) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("the message is no job: %w", err)
	}
	over := expired(fields["expiresAt"], now)
	if len(set) == 0 && !over {
		return body, nil
	}
	if over {
		delete(fields, "expiresAt")
	}
	if len(set) > 0 {
		params := map[string]json.RawMessage{}
		if raw := fields["params"]; len(raw) > 0 {
			if err := json.Unmarshal(raw, &params); err != nil || params == nil {
				params = map[string]json.RawMessage{}
			}
		}
		var kind string
		_ = json.Unmarshal(fields["kind"], &kind) // of a job, which has one or a preset
		for name, value := range set {
			maps.DeleteFunc(params, func(p string, _ json.RawMessage) bool { // under its old name, too
				return kinds.Current(kind, p) == kinds.Current(kind, name)
			})
			if string(value) != "null" {
				params[name] = value
			}
		}
		raw, err := plain.JSON(params)
		if err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
		fields["params"] = raw
	}
	return wireForm(fields)
}

// wireForm returns the wire form of a job with those fields.
func wireForm(fields map[string]json.RawMessage) ([]byte, error) {
	body, err := plain.JSON(fields)
	if err == nil && len(body) > MaxMessage {
		err = fmt.Errorf("the job would be %d bytes on the wire, over the limit of %d", len(body), MaxMessage)
	}
	return body, err
}

// expired reports whether an expiresAt is over.
func expired(raw json.RawMessage, now time.Time) bool {
	var at time.Time
	if len(raw) == 0 || json.Unmarshal(raw, &at) != nil {
		return false
	}
	return !at.IsZero() && !now.Before(at)
}
