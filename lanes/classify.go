package lanes

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
)

// Classifier finds a job's lane by its labels. It is made once per policy and safe for concurrent use.
type Classifier struct {
	rules    []rule
	fallback string
	highest  map[string]int // the highest priority that a job may have in its lane
}

type rule struct {
	lane     string
	selector labels.Selector
}

// NewClassifier compiles the policy's selectors. The policy must be valid.
func NewClassifier(p *Policy) (*Classifier, error) {
	c := &Classifier{fallback: p.DefaultLane(), highest: map[string]int{}}
	for _, l := range p.Lanes {
		c.highest[l.Name] = l.Priorities
		for _, m := range l.Match {
			s, err := labels.Parse(m)
			if err != nil {
				return nil, fmt.Errorf("lane %q: selector %q: %w", l.Name, m, err)
			}
			c.rules = append(c.rules, rule{l.Name, s})
		}
	}
	return c, nil
}

// Lane returns the most urgent lane with a selector that matches the labels; the default lane when none does.
func (c *Classifier) Lane(jobLabels map[string]string) string {
	set := labels.Set(jobLabels)
	for _, r := range c.rules {
		if r.selector.Matches(set) {
			return r.lane
		}
	}
	return c.fallback
}

// ErrPriority is a job with a higher priority than its lane allows.
var ErrPriority = errors.New("the priority is too high for the lane")

// Place returns the lane of a job with these labels, as Lane does; with ErrPriority when the job's priority is too high
// for it.
func (c *Classifier) Place(jobLabels map[string]string, priority int) (lane string, err error) {
	lane = c.Lane(jobLabels)
	if highest := c.highest[lane]; priority > highest {
		err = fmt.Errorf("%w: it is %d, and lane %q allows %d at most (its priorities in the policy)", ErrPriority,
			priority, lane, highest)
	}
	return lane, err
}
