package advise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes"
)

// Change is a field of the policy, and what it becomes: values as a tuning has them.
type Change struct {
	Field string          `json:"field"` // pools.general.min, pools.general.shoulder, lanes.express.reserve
	From  json.RawMessage `json:"from"`
	To    json.RawMessage `json:"to"`
}

func changed(field string, from, to any) Change {
	value := func(v any) json.RawMessage {
		text, _ := json.Marshal(v) // numbers, and maps of them
		return text
	}
	return Change{field, value(from), value(to)}
}

// String says it as a person writes it.
func (c Change) String() string {
	return fmt.Sprintf("%s %s → %s", c.Field, lanes.Spell(c.From), lanes.Spell(c.To))
}

// Says names changes.
func Says(changes []Change) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.String()
	}
	return strings.Join(texts, ", ")
}

// Changes returns what is different in a policy that steps have made of another.
func Changes(from, to *lanes.Policy) (all []Change) {
	all = append(all, changed(lanes.BudgetField, from.Budget, to.Budget))
	for i, l := range from.Lanes {
		all = append(all, changed(lanes.LaneField(l.Name, "reserve"), l.Reserve, to.Lanes[i].Reserve))
	}
	for i, q := range from.Pools {
		n := to.Pools[i]
		all = append(all, changed(lanes.PoolField(q.Name, "slots"), q.Slots, n.Slots),
			changed(lanes.PoolField(q.Name, "shoulder"), q.Shoulder, n.Shoulder),
			changed(lanes.PoolField(q.Name, "min"), q.Min, n.Min),
			changed(lanes.PoolField(q.Name, "max"), q.Max, n.Max))
	}
	return slices.DeleteFunc(all, Change.nothing)
}

func (c Change) nothing() bool { return bytes.Equal(c.From, c.To) }

// step is a policy that differs from another in one respect.
type step struct {
	policy  *lanes.Policy
	changes []Change
}

// steps returns those from a policy that may gain something, given what it made of the load. wants, where it isn't "",
// is the lane for which it is looked: then only those that add something for it.
func steps(p *lanes.Policy, o Outcome, wants string) (all []step) {
	for i := range p.Pools {
		all = append(all, poolSteps(p, o, i, wants)...)
	}
	return all
}

// poolSteps returns the steps that change a pool.
func poolSteps(p *lanes.Policy, o Outcome, i int, wants string) (all []step) {
	q := p.Pools[i]
	late, urgent := false, ""
	for _, l := range p.Lanes { // the most urgent first
		if slices.Contains(q.Lanes, l.Name) {
			late = late || !o.lane(l.Name).Met
			if urgent == "" {
				urgent = l.Name
			}
		}
	}
	if wants != "" && !slices.Contains(q.Lanes, wants) {
		return nil
	}
	b := builder{p: p, at: i}
	for _, n := range mins(q, late, wants == "") {
		b.add("min", q.Min, n, func(q *lanes.Pool) { q.Min = n })
	}
	if late {
		for _, n := range []int{q.Max + max(1, q.Max/4), 2 * q.Max} {
			n = min(n, p.Budget)
			b.add("max", q.Max, n, func(q *lanes.Pool) { q.Max = n })
		}
	} else if wants == "" {
		for _, n := range []int{q.Max * 3 / 4, q.Max * 7 / 8} {
			n = max(1, q.Min, n)
			b.add("max", q.Max, n, func(q *lanes.Pool) { q.Max = n })
		}
	}
	b.shoulders(urgent, wants == "")
	if wants == "" && o.Peak < p.Budget { // else larger workers would be a larger budget
		for _, n := range []int{1, 2, 4} {
			b.slots(n)
		}
	}
	return b.steps
}

// mins returns other least numbers of workers: fewer ones, and more where jobs are late.
func mins(q lanes.Pool, late, fewer bool) (all []int) {
	if fewer {
		all = append(all, 0, q.Min/2, q.Min*3/4, q.Min-1)
	}
	if late {
		all = append(all, q.Min+1, q.Min+max(1, q.Max/8), q.Min+max(1, q.Max/4), 2*q.Min, q.Max)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(n int) bool { return n < 0 || n > q.Max || n == q.Min })
}

// builder makes the steps that change a pool.
type builder struct {
	p     *lanes.Policy
	at    int
	steps []step
}

// add adds the step of a field of the pool, if it is one that a policy may take.
func (b *builder) add(field string, from, to any, change func(*lanes.Pool)) {
	b.put([]Change{changed(lanes.PoolField(b.p.Pools[b.at].Name, field), from, to)}, func(p *lanes.Policy) {
		change(&p.Pools[b.at])
	})
}

func (b *builder) put(changes []Change, change func(*lanes.Policy)) {
	changes = slices.DeleteFunc(changes, Change.nothing)
	p, err := b.p.With()
	if err != nil || len(changes) == 0 {
		return
	}
	change(p)
	if p.Validate() == nil {
		b.steps = append(b.steps, step{p, changes})
	}
}

// shoulders adds those of the shoulder for the pool's most urgent lane, where others share the pool, and of what is
// kept free on it.
func (b *builder) shoulders(urgent string, fewer bool) {
	q := b.p.Pools[b.at]
	has, n := q.Shoulders()
	if len(q.Lanes)+len(q.Guests) < 2 || has != "" && has != urgent {
		return
	}
	ns := []int{n + 1}
	if fewer {
		ns = append(ns, n-1)
	}
	for _, to := range ns {
		if to < 0 || to > 2 {
			continue
		}
		var shoulder map[string]int
		if to > 0 {
			shoulder = map[string]int{urgent: to}
		}
		b.add("shoulder", q.Shoulder, shoulder, func(q *lanes.Pool) { q.Shoulder = shoulder })
	}
	if n == 0 {
		return
	}
	l, _ := b.p.Lane(urgent)
	for _, to := range []int{l.Reserve + 1, 2*l.Reserve + 2, l.Reserve - 1} {
		if to < 0 || to < l.Reserve && !fewer {
			continue
		}
		b.put([]Change{changed(lanes.LaneField(urgent, "reserve"), l.Reserve, to)}, func(p *lanes.Policy) {
			p.Lanes[p.Rank(urgent)].Reserve = to
		})
	}
}

// slots adds the step to workers of so many slots, of which there are as many fewer.
func (b *builder) slots(n int) {
	q := b.p.Pools[b.at]
	part := func(workers int) int { return (workers*q.Slots + n - 1) / n }
	field := func(name string) string { return lanes.PoolField(q.Name, name) }
	if n == q.Slots {
		return
	}
	b.put([]Change{
		changed(field("slots"), q.Slots, n), changed(field("min"), q.Min, part(q.Min)),
		changed(field("max"), q.Max, part(q.Max)),
	}, func(p *lanes.Policy) {
		o := &p.Pools[b.at]
		o.Slots, o.Min, o.Max = n, part(q.Min), part(q.Max)
	})
}
