package lanes

import (
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
)

// Classifier finds a job's lane by its labels. It is made once per policy and safe for concurrent use.
type Classifier struct {
	rules    []rule
	fallback string
}

type rule struct {
	lane     string
	selector labels.Selector
}

// NewClassifier compiles the policy's selectors. The policy must be valid.
func NewClassifier(p *Policy) (*Classifier, error) {
	c := &Classifier{fallback: p.DefaultLane()}
	for _, l := range p.Lanes {
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

// Lane is the most urgent lane with a selector that matches the labels; the default lane when none does.
func (c *Classifier) Lane(jobLabels map[string]string) string {
	set := labels.Set(jobLabels)
	for _, r := range c.rules {
		if r.selector.Matches(set) {
			return r.lane
		}
	}
	return c.fallback
}
