package gateway

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes"
)

// compare compares two values; where they are the same the first of the further comparisons that isn't 0 decides.
func compare[T cmp.Ordered](x, y T, then ...int) int {
	return cmp.Or(append([]int{cmp.Compare(x, y)}, then...)...)
}

func join(words, more string) string {
	if words == "" {
		return more
	}
	return words + ", " + more
}

// selectorOf refuses what isn't a selector of labels.
func selectorOf(text string) error {
	if _, err := labels.Parse(text); err != nil {
		return invalid("selector %q: %w", text, err)
	}
	return nil
}

// lane returns the policy in force, which has to have the lane, unless it is "".
func (g *Gateway) lane(ctx context.Context, name string) (lanes.Effective, error) {
	e, err := operate.InForce(ctx, g.Board)
	if err == nil && name != "" {
		err = operate.RequireLane(e, name, false)
	}
	return e, err
}
