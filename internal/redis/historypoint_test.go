package redis //nolint:testpackage // a point's form is nobody else's

import (
	"reflect"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func somePoint() fleet.Point {
	return fleet.Point{
		At: time.UnixMilli(1_800_000_000_000).UTC(), Workers: 7, Budget: 10,
		Lanes: map[string]fleet.LanePoint{
			"express": {
				Ready: 1, Busy: 2, OldestWait: lanes.Duration(3 * time.Second), P95Wait: lanes.Duration(time.Hour),
				Started: 5, InTime: 4,
			},
			"bulk": {}, "Größe": {Ready: 1 << 40},
		},
		Pools: map[string]fleet.PoolPoint{"general": {Ready: 1, Busy: 2, Starting: 3, Wanted: 4, Target: 5}},
	}
}

func TestPointPacked(t *testing.T) {
	for name, p := range map[string]fleet.Point{
		"full": somePoint(),
		"empty": {
			At: time.UnixMilli(0).UTC(), Lanes: map[string]fleet.LanePoint{}, Pools: map[string]fleet.PoolPoint{},
		},
	} {
		packed, err := packPoint(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpackPoint(string(packed), Of{}); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, p)
		}
		for n := range packed { // as much of it as there may be: it isn't a point, or a whole one
			if got, err := unpackPoint(string(packed[:n]), Of{}); err == nil && !reflect.DeepEqual(got, p) {
				t.Errorf("%s cut to %d bytes: %+v", name, n, got)
			}
		}
	}
}

func TestPointOfOneLane(t *testing.T) {
	packed, err := packPoint(somePoint())
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[Of][2]int{
		{}: {3, 1}, {Lane: "express"}: {1, 0}, {Pool: "general"}: {0, 1}, {Lane: "express", Pool: "general"}: {1, 1},
		{Lane: "general"}: {0, 0},
	} {
		if p, err := unpackPoint(string(packed), of); err != nil || [2]int{len(p.Lanes), len(p.Pools)} != want {
			t.Errorf("of %+v: %+v, %v", of, p, err)
		}
	}
}

// FuzzPoint reads what nobody wrote.
func FuzzPoint(f *testing.F) {
	packed, err := packPoint(somePoint())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(packed))
	f.Add("")
	f.Fuzz(func(t *testing.T, packed string) {
		p, err := unpackPoint(packed, Of{})
		if err != nil {
			return
		}
		again, err := packPoint(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unpackPoint(string(again), Of{}); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v; want %+v", got, err, p)
		}
	})
}
