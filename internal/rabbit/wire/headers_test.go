package wire

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestParseHeadersOfForeignClients(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	cases := []struct {
		name    string
		in      any
		readyAt time.Time
		attempt int
	}{
		{"int64", int64(1700000000123), at, maxCount},
		{"text", "1700000000123", at, maxCount},
		{"text with spaces", " 1700000000123 ", at, maxCount},
		{"text with a fraction", "1700000000123.7", at, maxCount},
		{"a small text", "3.7", time.Time{}, 3},
		{"bytes", []byte("1700000000123"), at, maxCount},
		{"float64", float64(1700000000123), at, maxCount},
		{"float32", float32(2), time.Time{}, 2},
		{"int32", int32(2), time.Time{}, 2},
		{"int16", int16(2), time.Time{}, 2},
		{"uint16", uint16(2), time.Time{}, 2},
		{"int8", int8(2), time.Time{}, 2},
		{"byte", byte(2), time.Time{}, 2},
		{"AMQP timestamp", time.Unix(1700000000, 0), time.Unix(1700000000, 0), 0},
		{"negative", int64(-5), time.Time{}, 0},
		{"zero", int64(0), time.Time{}, 0},
		{"beyond the year 9999", int64(math.MaxInt64), time.Time{}, maxCount},
		{"NaN", math.NaN(), time.Time{}, 0},
		{"infinite", math.Inf(1), time.Time{}, 0},
		{"huge", 1e300, time.Time{}, 0},
		{"words", "yesterday", time.Time{}, 0},
		{"bool", true, time.Time{}, 0},
		{"table", amqp.Table{"a": 1}, time.Time{}, 0},
		{"decimal", amqp.Decimal{Scale: 1, Value: 20}, time.Time{}, 0},
		{"absent", nil, time.Time{}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, _ := parseHeaders(amqp.Table{headerReadyAt: c.in, headerAttempt: c.in}, InLane, at)
			if !h.ReadyAt.Equal(c.readyAt) || h.Attempt != c.attempt {
				t.Errorf("readyAt %v, attempt %d; want %v, %d", h.ReadyAt, h.Attempt, c.readyAt, c.attempt)
			}
			if h.ReadyAt.Location() != time.UTC {
				t.Errorf("readyAt is in %v, not in UTC", h.ReadyAt.Location())
			}
		})
	}
}

// Whatever a foreign client sends: what is read makes sense, can be written again and reads the same.
func FuzzParseHeaders(f *testing.F) {
	f.Add("5", int64(5), 5.0, []byte("5"))
	f.Add("", int64(math.MinInt64), math.NaN(), []byte(nil))
	f.Add(strings.Repeat("é", 5000), int64(math.MaxInt64), 1e300, []byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, text string, n int64, x float64, raw []byte) {
		values := []any{text, n, x, raw, int32(n), float32(x), time.UnixMilli(n), nil}
		for i := range values {
			pick := func(j int) any { return values[(i+j)%len(values)] }
			in := amqp.Table{
				headerEnqueuedAt: pick(0), headerReadyAt: pick(1), headerDueAt: pick(2), headerDeadAt: pick(3),
				headerAttempt: pick(4), headerCopy: pick(5), headerAttempts: pick(6), headerPriority: pick(3),
				headerLane: pick(7), headerReason: pick(0), headerError: pick(1), "x-death": pick(2),
			}
			now := time.UnixMilli(1700000000123)
			where := []Place{InLane, InDelay, InDead}[i%3]
			h, _ := parseHeaders(in, where, now)
			for _, at := range []time.Time{h.EnqueuedAt, h.ReadyAt, h.DueAt, h.DeadAt} {
				if _, err := json.Marshal(at); err != nil {
					t.Errorf("time %v: %v", at, err)
				}
			}
			if h.Attempt < 0 || h.Copy < 0 || h.Priority < 0 {
				t.Errorf("a negative count: %+v", h)
			}
			for _, s := range []string{h.Lane, h.Reason, h.Error} {
				if len(s) > maxHeaderText || !utf8.ValidString(s) {
					t.Errorf("text of %d bytes, valid %v", len(s), utf8.ValidString(s))
				}
			}
			out := h.table(where)
			if err := out.Validate(); err != nil {
				t.Errorf("it can't be sent: %v", err)
			}
			if again, odd := parseHeaders(out, where, now); !reflect.DeepEqual(again, h) || odd != nil {
				t.Errorf("read %+v, written and read again %+v, odd %v", h, again, odd)
			}
		}
	})
}

// docs/jobs.md says which headers are read where, and that is what is read: no other header of a stranger's message is
// believed.
func TestHeadersAsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/jobs.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[Place][]string{}
	for row := range strings.Lines(string(page)) {
		cells := strings.Split(row, "|")
		if len(cells) != 7 || !strings.Contains(cells[2]+cells[3]+cells[4], "read") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		for i, where := range []Place{InLane, InDelay, InDead} {
			if strings.TrimSpace(cells[2+i]) == "read" {
				documented[where] = append(documented[where], name)
			}
		}
	}
	now := time.UnixMilli(1700000000000)
	h := Headers{now, now, 2, 1, "bulk", 3, "no", now, "failed", now}
	all := amqp.Table{}
	places := []Place{InLane, InDelay, InDead}
	for _, where := range places {
		maps.Copy(all, h.table(where))
	}
	for _, where := range places {
		h, _ := parseHeaders(all, where, now)
		if read, want := slices.Sorted(maps.Keys(h.table(where))), slices.Sorted(slices.Values(
			documented[where])); !slices.Equal(read, want) {
			t.Errorf("%s %v are read, and docs/jobs.md says %v", where, read, want)
		}
	}
	all[headerAttempt] = int64(1)
	if h, _ := parseHeaders(all, InLane, now); h.Error != "" {
		t.Errorf("the error %q is believed of a job that was never attempted", h.Error)
	}
}

// A time in another unit, or of a clock that nobody set, is no time; one a little ahead is.
func TestOddTimes(t *testing.T) {
	now := time.UnixMilli(1700000000123)
	for name, c := range map[string]struct {
		in  any
		odd bool
	}{
		"seconds":           {now.Unix(), true},
		"microseconds":      {now.UnixMicro(), true},
		"nanoseconds":       {now.UnixNano(), true},
		"negative":          {int64(-1), true},
		"an AMQP timestamp": {time.Unix(now.Unix(), 0), false},
		"an odd timestamp":  {time.Unix(-1, 0), true},
		"none":              {int64(0), false},
		"words":             {"yesterday", false},
		"before 2020":       {earliest.UnixMilli() - 1, true},
		"a slow clock":      {now.Add(-time.Hour).UnixMilli(), false},
		"a fast clock":      {now.Add(23 * time.Hour).UnixMilli(), false},
		"two days ahead":    {now.Add(48 * time.Hour).UnixMilli(), true},
	} {
		h, odd := parseHeaders(amqp.Table{headerReadyAt: c.in, headerEnqueuedAt: now.UnixMilli()}, InLane, now)
		if got := len(odd) == 1 && odd[0] == headerReadyAt && h.ReadyAt.IsZero(); got != c.odd || len(odd) > 1 ||
			!h.EnqueuedAt.Equal(now) {
			t.Errorf("%s: readyAt %v, odd %v", name, h.ReadyAt, odd)
		}
	}
	// A delayed job is due now rather than in years.
	for _, in := range []int64{now.Unix(), now.UnixMicro(), now.AddDate(1, 0, 0).UnixMilli()} {
		if h, _ := parseHeaders(amqp.Table{headerDueAt: in}, InDelay, now); !h.DueAt.IsZero() {
			t.Errorf("dueAt %d: it waits until %v", in, h.DueAt)
		}
	}
}

// A delayed message that names a lane which can't be a routing key goes to the default lane, and doesn't cost the
// forwarder its connection.
func TestImpossibleLane(t *testing.T) {
	h, _ := parseHeaders(amqp.Table{headerLane: strings.Repeat("l", 256)}, InDelay, time.Now())
	if h.Lane != "" {
		t.Errorf("a lane of %d bytes", len(h.Lane))
	}
}
