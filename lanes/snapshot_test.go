package lanes

import (
	"testing"
)

func TestObjective(t *testing.T) {
	tests := []struct {
		name string
		l    LaneStatus
		want bool
	}{
		{"nothing started, nothing waits", LaneStatus{StartWithin: 10}, true},
		{"95 of 100 in time", LaneStatus{StartWithin: 10, Started: 100, InTime: 95}, true},
		{"94 of 100", LaneStatus{StartWithin: 10, Started: 100, InTime: 94}, false},
		{"one waits too long now", LaneStatus{StartWithin: 10, Started: 100, InTime: 100, OldestWait: 11}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.l.Objective(); got != tt.want {
				t.Errorf("Objective() = %v", got)
			}
		})
	}
}
