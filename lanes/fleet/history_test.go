package fleet

import (
	"reflect"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

func TestPointOfSnapshot(t *testing.T) {
	at := time.Unix(1000, 0)
	got := Snapshot{
		At: at, Budget: 10, Others: 2,
		Lanes: []LaneStatus{{
			Name: "express", Ready: 1, Busy: 2, OldestWait: 3, P95Wait: 4, Started: 6, InTime: 5, Slots: 9,
		}},
		Pools: []PoolStatus{
			{Name: "general", Replicas: 4, Ready: 3, Busy: 2, Starting: 1, Wanted: 5, Target: 6},
			{Name: "batch", Replicas: 1},
		},
	}.Point()
	want := Point{
		At:    at,
		Lanes: map[string]LanePoint{"express": {Ready: 1, Busy: 2, OldestWait: 3, P95Wait: 4, Started: 6, InTime: 5}},
		Pools: map[string]PoolPoint{
			"general": {Ready: 3, Busy: 2, Starting: 1, Wanted: 5, Target: 6}, "batch": {},
		},
		Workers: 7, Budget: 10,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMerge(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	lane := func(ready, busy int, oldest, p95 lanes.Duration, started, inTime int) map[string]LanePoint {
		return map[string]LanePoint{"bulk": {ready, busy, oldest, p95, started, inTime}}
	}
	tests := []struct {
		name   string
		points []Point
		want   Point
	}{
		{
			"one stays as it is",
			[]Point{{At: at(0), Lanes: lane(3, 2, 5, 4, 7, 6), Pools: map[string]PoolPoint{}, Workers: 4, Budget: 9}},
			Point{At: at(0), Lanes: lane(3, 2, 5, 4, 7, 6), Pools: map[string]PoolPoint{}, Workers: 4, Budget: 9},
		},
		{
			"waits the longest, counts the mean, starts and budget the last",
			[]Point{
				{At: at(0), Lanes: lane(10, 4, 8, 1, 9, 9), Workers: 4, Budget: 9},
				{At: at(10), Lanes: lane(20, 6, 2, 6, 5, 4), Workers: 6, Budget: 8},
			},
			Point{At: at(0), Lanes: lane(15, 5, 8, 6, 5, 4), Pools: map[string]PoolPoint{}, Workers: 5, Budget: 8},
		},
		{
			"what was there for a moment shows",
			[]Point{{Lanes: lane(0, 0, 0, 0, 0, 0)}, {Lanes: lane(1, 0, 0, 0, 0, 0)}, {Lanes: lane(0, 0, 0, 0, 0, 0)}},
			Point{Lanes: lane(1, 0, 0, 0, 0, 0), Pools: map[string]PoolPoint{}},
		},
		{
			"a lane and a pool count in the points that have them",
			[]Point{
				{Lanes: lane(8, 0, 0, 0, 3, 2), Pools: map[string]PoolPoint{"general": {9, 8, 7, 6, 5}}},
				{Pools: map[string]PoolPoint{"batch": {1, 1, 1, 1, 1}}},
			},
			Point{
				Lanes: lane(8, 0, 0, 0, 3, 2),
				Pools: map[string]PoolPoint{"general": {9, 8, 7, 6, 5}, "batch": {1, 1, 1, 1, 1}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Merge(tt.points); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
