package lanes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes/plain"
)

// Tuning is a live override of one field of the policy. It ends by itself, or when somebody removes it. A scheduled one
// begins later, and may repeat; what is immediate is in force since it was made.
type Tuning struct {
	Field  string          `json:"field"` // lanes.express.reserve, pools.general.max, budget
	Value  json.RawMessage `json:"value"` // as the policy file has it, in JSON
	By     string          `json:"by"`
	Reason string          `json:"reason,omitempty"`
	At     time.Time       `json:"at"`
	Until  time.Time       `json:"until,omitzero"`     // zero: until somebody removes it
	Name   string          `json:"schedule,omitempty"` // of the schedule that it belongs to; "": it is immediate
	When   *When           `json:"when,omitempty"`     // of a schedule
}

// ID is what the tuning is removed by, and replaced: its field, and that of a schedule with the schedule's name, as in
// pools.general.min@friday.
func (t Tuning) ID() string {
	if t.Name == "" {
		return t.Field
	}
	return t.Field + "@" + t.Name
}

// Tunings is what is overridden now. Revision grows with every change, and is 0 for a store that has never had any.
type Tunings struct {
	Revision int64    `json:"revision"`
	All      []Tuning `json:"tunings"` // in the order in which they were made
}

// IdleTuning is a tuning that isn't in force, and why.
type IdleTuning struct {
	Tuning
	Why string `json:"why"`
}

// tunable returns pointers to what can be tuned of a lane while it runs, by the names that the policy has for them.
// Slots and shoulders can't be tuned: a worker's memory is fixed when it starts.
func (l *Lane) tunable() map[string]any {
	return map[string]any{
		"reserve": &l.Reserve, "startWithin": &l.StartWithin, "promote": &l.Promote, "maxRuntime": &l.MaxRuntime,
		"retry": &l.Retry, "priorities": &l.Priorities, "paused": &l.Paused, "queueType": &l.QueueType,
	}
}

func (q *Pool) tunable() map[string]any {
	return map[string]any{"min": &q.Min, "max": &q.Max, "hold": &q.Hold, "frozen": &q.Frozen}
}

// BudgetField is the field of the budget.
const BudgetField = "budget"

// LaneField names a field of a lane as a tuning does, and PoolField one of a pool.
func LaneField(lane, field string) string { return "lanes." + lane + "." + field }
func PoolField(pool, field string) string { return "pools." + pool + "." + field }

// FindTuning returns the tuning with that ID; false when there is none.
func FindTuning(all []Tuning, id string) (Tuning, bool) {
	i := slices.IndexFunc(all, func(t Tuning) bool { return t.ID() == id })
	if i < 0 {
		return Tuning{}, false
	}
	return all[i], true
}

// Active reports whether the tuning hasn't ended at now.
func (t Tuning) Active(now time.Time) bool { return t.Until.IsZero() || now.Before(t.Until) }

// Spelled returns the value as a person writes it: 4, 30s, after=20m,to=standard, none.
func (t Tuning) Spelled() string { return Spell(t.Value) }

// Spell returns a field's JSON value as a person writes it.
func Spell(value json.RawMessage) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(value)
	}
	switch v := v.(type) {
	case nil:
		return "none"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprintf("%s=%v", name, v[name]))
		}
		return strings.Join(parts, ",")
	default:
		return fmt.Sprint(v)
	}
}

// Field returns the value of a tunable field, in JSON. The error says that there is no such field, lane or pool.
func (p *Policy) Field(name string) (json.RawMessage, error) {
	f, err := p.tunable(name)
	if err != nil {
		return nil, err
	}
	return json.Marshal(f)
}

// one returns the field with that name.
func one(name, of string, fields map[string]any) (any, error) {
	if f, ok := fields[name]; ok {
		return f, nil
	}
	names := slices.Sorted(maps.Keys(fields))
	return nil, fmt.Errorf("%q of a %s can't be tuned%s; what can: %s", name, of, plain.Suggest(name, names),
		strings.Join(names, ", "))
}

// tunable returns a pointer to a tunable field.
func (p *Policy) tunable(name string) (any, error) {
	if name == BudgetField {
		return &p.Budget, nil
	}
	kind, rest, _ := strings.Cut(name, ".")
	owner, field, ok := strings.Cut(rest, ".")
	switch {
	case kind == "lanes" && ok:
		i := slices.IndexFunc(p.Lanes, func(l Lane) bool { return l.Name == owner })
		if i < 0 {
			return nil, fmt.Errorf("no lane %q%s", owner, plain.Suggest(owner, p.LaneNames()))
		}
		return one(field, "lane", p.Lanes[i].tunable())
	case kind == "pools" && ok:
		i := slices.IndexFunc(p.Pools, func(q Pool) bool { return q.Name == owner })
		if i < 0 {
			return nil, fmt.Errorf("no pool %q%s", owner, plain.Suggest(owner, p.PoolNames()))
		}
		return one(field, "pool", p.Pools[i].tunable())
	}
	return nil, fmt.Errorf("%q is not a tunable field: write %s, %s or %s", name, LaneField("LANE", "FIELD"),
		PoolField("POOL", "FIELD"), BudgetField)
}

// ErrNotAValue is that a tuning's value isn't what its field can be.
var ErrNotAValue = errors.New("is not a valid value")

func (t Tuning) notAValue(err error) error {
	why := err.Error()
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		why = "it must be " + kindName(wrong.Type.Kind())
	}
	return fmt.Errorf("%s: %s %w: %s", t.Field, t.Value, ErrNotAValue, why)
}

// With returns the policy with all the tunings applied, in their order. The error is the first tuning's that can't be
// applied, or Problems: the rules that the outcome breaks.
func (p *Policy) With(tunings ...Tuning) (*Policy, error) {
	tuned, err := p.clone()
	if err != nil {
		return nil, err
	}
	for _, t := range tunings {
		field, err := tuned.tunable(t.Field)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(t.Value))
		d.DisallowUnknownFields()
		if err := d.Decode(field); err != nil {
			return nil, t.notAValue(err)
		}
	}
	asked := make([]string, len(tunings))
	for i, t := range tunings {
		value, err := tuned.Field(t.Field)
		if err != nil {
			return nil, err
		}
		asked[i] = string(value)
	}
	tuned.Default()
	for i, t := range tunings { // a zero stands for the default, and says the opposite
		if value, _ := tuned.Field(t.Field); string(value) != asked[i] {
			return nil, fmt.Errorf("%s: %s isn't what would be in force, but the default %s: say that, or something "+
				"else", t.Field, Spell(json.RawMessage(asked[i])), Spell(value))
		}
	}
	return tuned, tuned.validateFields().err()
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// clone returns a deep copy.
func (p *Policy) clone() (*Policy, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("copy the policy: %w", err)
	}
	var c Policy
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("copy the policy: %w", err)
	}
	return &c, nil
}
