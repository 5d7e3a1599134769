package main

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/bench/yardstick"
)

func TestNoops(t *testing.T) {
	for _, lane := range []string{expressLane, standardLane} {
		for _, j := range noops(lane, 2) {
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
	q, ok := p.Pool(pool)
	if lane, n := q.Shoulders(); !ok || q.Slots != poolSlots || lane != expressLane || n != 1 {
		t.Errorf("pool %s is %+v", pool, q)
	}
}
