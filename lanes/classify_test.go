package lanes

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestClassify(t *testing.T) {
	c, err := NewClassifier(example(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"no labels", nil, "standard"},
		{"labels that no selector wants", map[string]string{"tenant": "acme"}, "standard"},
		{"equality", map[string]string{"urgent": "true"}, "express"},
		{"equality with another value", map[string]string{"urgent": "yes"}, "standard"},
		{"set", map[string]string{"tier": "enterprise"}, "express"},
		{"outside the set", map[string]string{"tier": "free"}, "standard"},
		{"a lane below the default", map[string]string{"batch": "true"}, "bulk"},
		{"the more urgent of two", map[string]string{"batch": "true", "tier": "premium"}, "express"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Lane(tt.labels); got != tt.want {
				t.Errorf("Lane(%v) = %s, want %s", tt.labels, got, tt.want)
			}
		})
	}
}

func TestClassifySelectorForms(t *testing.T) {
	tests := []struct {
		selector   string
		match, not map[string]string
	}{
		{"a=b", map[string]string{"a": "b"}, map[string]string{"a": "c"}},
		{"a==b", map[string]string{"a": "b"}, nil},
		{"a!=b", nil, map[string]string{"a": "b"}},
		{"a", map[string]string{"a": ""}, nil},
		{"!a", nil, map[string]string{"a": ""}},
		{"a in (b, c)", map[string]string{"a": "c"}, map[string]string{"a": "d"}},
		{"a notin (b)", map[string]string{"a": "d"}, map[string]string{"a": "b"}},
		{"frames>100", map[string]string{"frames": "101"}, map[string]string{"frames": "100"}},
		{"a=b,c", map[string]string{"a": "b", "c": "x"}, map[string]string{"a": "b"}},
		{"example.com/tier=gold", map[string]string{"example.com/tier": "gold"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.selector, func(t *testing.T) {
			c, err := NewClassifier(&Policy{Lanes: []Lane{
				{Name: "picked", Match: []string{tt.selector}},
				{Name: "rest"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Lane(tt.match); got != "picked" {
				t.Errorf("Lane(%v) = %s", tt.match, got)
			}
			if got := c.Lane(tt.not); got != "rest" {
				t.Errorf("Lane(%v) = %s", tt.not, got)
			}
		})
	}
}

func TestNewClassifierNamesTheLane(t *testing.T) {
	_, err := NewClassifier(&Policy{Lanes: []Lane{{Name: "odd", Match: []string{"=x"}}}})
	if err == nil || !strings.HasPrefix(err.Error(), `lane "odd": selector "=x": `) {
		t.Errorf("NewClassifier = %v", err)
	}
}

// One classifier serves every connection of the gateway: the race detector watches.
func TestClassifierIsSafeForConcurrentUse(t *testing.T) {
	c, err := NewClassifier(example(t))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				if c.Lane(map[string]string{"batch": "true"}) != "bulk" {
					t.Error("lost its way")
				}
			}
		})
	}
	all.Wait()
}

func TestPlaceBoundsThePriority(t *testing.T) {
	p := example(t)
	p.Lanes[0].Priorities = 2
	c, err := NewClassifier(p)
	if err != nil {
		t.Fatal(err)
	}
	urgent := map[string]string{"urgent": "true"}
	for _, tt := range []struct {
		labels   map[string]string
		priority int
		lane     string
		err      string
	}{
		{urgent, 0, "express", ""},
		{urgent, 2, "express", ""},
		{urgent, 3, "express", `it is 3, and lane "express" allows 2 at most`},
		{nil, 1, "standard", `it is 1, and lane "standard" allows 0 at most`},
	} {
		lane, err := c.Place(tt.labels, tt.priority)
		if lane != tt.lane || (err == nil) != (tt.err == "") || err != nil &&
			(!errors.Is(err, ErrPriority) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("Place(%v, %d) = %s, %v; want %s and %q", tt.labels, tt.priority, lane, err, tt.lane, tt.err)
		}
	}
	if got := []int{
		p.Priority("express", 4), p.Priority("express", 1), p.Priority("standard", 4),
		p.Priority("gone", 4),
	}; !slices.Equal(got, []int{2, 1, 0, 0}) {
		t.Errorf("Priority: %v", got)
	}
}
