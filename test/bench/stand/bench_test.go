package stand

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/bench/yardstick"
)

func TestNoops(t *testing.T) {
	for _, lane := range []string{ExpressLane, StandardLane} {
		for _, j := range Noops(lane, 2) {
			if n := len(yardstick.WireForm(j)); n != wireSize {
				t.Errorf("a no-op job of lane %s has %d bytes, want %d", lane, n, wireSize)
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	p, err := lanes.Parse([]byte(strings.ReplaceAll(policyYAML, "@DIR@", t.TempDir())))
	if err != nil {
		t.Fatal(err)
	}
	q, ok := p.Pool(Pool)
	if lane, n := q.Shoulders(); !ok || q.Slots != PoolSlots || lane != ExpressLane || n != 1 {
		t.Errorf("pool %s is %+v", Pool, q)
	}
}
