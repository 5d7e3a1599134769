package redis

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// written is a heartbeat that has all there is.
var written = fleet.Heartbeat{
	Worker: "general-1", Pool: "general", At: time.Unix(1, 5).UTC(), Began: time.Unix(2, 0).UTC(), Version: "1.2",
	Revision: 7, Slots: 2, Shoulder: 1, Subscribed: true, Host: "node-1", Cores: 8, Computing: 1.25, Parked: true,
	Retired: true, Draining: true,
	Running: []fleet.Run{{
		Job: "a", Lane: "express", Shoulder: true, Since: time.Unix(3, 0).UTC(), Predicted: lanes.Duration(time.Minute),
	}, {Job: "b"}},
	Lanes: map[string]fleet.LaneWork{"express": {
		Started: 5, Finished: 4, Failed: 1, Service: lanes.Duration(90 * time.Second), LastReady: time.Unix(4, 0).UTC(),
		OddTimes: 2, OddAt: time.Unix(5, 0).UTC(), First: 5, Waits: []int64{1, 20, 0},
	}, "standard": {}},
}

// Every field of a heartbeat is read as it was written, and none of it by encoding/json.
func TestHeartbeatsAreReadAsWritten(t *testing.T) {
	for _, v := range []any{written, written.Running[0], written.Lanes["express"]} {
		for i, f := 0, reflect.ValueOf(v); i < f.NumField(); i++ {
			if f.Field(i).IsZero() {
				t.Errorf("%T: the test's has no %s", v, f.Type().Field(i).Name)
			}
		}
	}
	for _, hb := range []fleet.Heartbeat{written, {}, {Worker: "w", Lanes: map[string]fleet.LaneWork{}}} {
		body := keyspace.Encode(hb)
		var want fleet.Heartbeat
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		c, got := &cursor{text: body, names: map[string]string{}}, fleet.Heartbeat{}
		if c.heartbeat(&got); c.odd || c.at != len(body) || !reflect.DeepEqual(got, want) {
			t.Errorf("odd: %t, read to %d of %d\n%+v, want\n%+v", c.odd, c.at, len(body), got, want)
		}
	}
}

// Whatever is on the roster is read as encoding/json reads it.
func FuzzHeartbeat(f *testing.F) {
	f.Add(keyspace.Encode(written))
	for _, body := range []string{
		"", "{", "{}", "null", `{"worker":"w","worker":"v"}`, `{"lanes":{"a":{},"a":{"started":1}}}`, `{"slots":1e2}`,
		`{"Worker":"w"}`, `{"worker":"\u0077"}`, `{"running":[],"running":[{}]}`, `{"computing":0x1}`, `{"slots":01}`,
		`{"at":"2026-01-02T3:04:05Z"}`, `{"slots":-0,"cores":-5} `, `{"lanes":{"a":{"waits":[1],"waits":[]}}}`, `{,}`,
		`{"worker":"w",}`, `{"lanes":{"a":{"service":5}}}`, `{"new":{"a":[1]},"slots":2}`, `{"worker":"\xff"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var want fleet.Heartbeat
		wrong := json.Unmarshal([]byte(body), &want)
		got, err := decodeHeartbeat(body, map[string]string{})
		if (err == nil) != (wrong == nil) || err == nil && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%q\nis read as %#v, %v\nby encoding/json as %#v, %v", body, got, err, want, wrong)
		}
	})
}

// BenchmarkDecodeHeartbeat is a worker of five lanes.
func BenchmarkDecodeHeartbeat(b *testing.B) {
	hb := written
	hb.Lanes = map[string]fleet.LaneWork{}
	for i := range 5 {
		hb.Lanes[fmt.Sprint("lane-", i)] = fleet.LaneWork{
			Started: 1000, Finished: 999, Service: lanes.Duration(time.Hour), LastReady: time.Unix(4, 0).UTC(),
			First: 1000, Waits: make([]int64, fleet.RecentWaits),
		}
	}
	body, names := keyspace.Encode(hb), map[string]string{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeHeartbeat(body, names); err != nil {
			b.Fatal(err)
		}
	}
}
