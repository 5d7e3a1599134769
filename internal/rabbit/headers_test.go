package rabbit

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

	"github.com/polyglot-media/siren/lanes"
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
			h, _ := parseHeaders(amqp.Table{headerReadyAt: c.in, headerAttempt: c.in}, inLane, at)
			if !h.readyAt.Equal(c.readyAt) || h.attempt != c.attempt {
				t.Errorf("readyAt %v, attempt %d; want %v, %d", h.readyAt, h.attempt, c.readyAt, c.attempt)
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
				headerAttempt: pick(4), headerReplay: pick(5), headerAttempts: pick(6), headerPriority: pick(3),
				headerLane: pick(7), headerReason: pick(0), headerError: pick(1), "x-death": pick(2),
			}
			now := time.UnixMilli(1700000000123)
			where := []place{inLane, inDelay, inDead}[i%3]
			h, _ := parseHeaders(in, where, now)
			for _, at := range []time.Time{h.enqueuedAt, h.readyAt, h.dueAt, h.deadAt} {
				if _, err := json.Marshal(at); err != nil {
					t.Errorf("time %v: %v", at, err)
				}
			}
			if h.attempt < 0 || h.replay < 0 || h.attempts < 0 || h.priority < 0 {
				t.Errorf("a negative count: %+v", h)
			}
			for _, s := range []string{h.lane, h.reason, h.error} {
				if len(s) > maxHeaderText || !utf8.ValidString(s) {
					t.Errorf("text of %d bytes, valid %v", len(s), utf8.ValidString(s))
				}
			}
			out := h.table()
			if err := out.Validate(); err != nil {
				t.Errorf("it can't be sent: %v", err)
			}
			if again, odd := parseHeaders(out, where, now); !reflect.DeepEqual(again, h) || odd != nil {
				t.Errorf("read %+v, written and read again %+v, odd %v", h, again, odd)
			}
		}
	})
}

// docs/jobs.md says which headers are read where, and that is what is read: no other header of a stranger's message is believed.
func TestHeadersAsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/jobs.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[place][]string{}
	for row := range strings.Lines(string(page)) {
		cells := strings.Split(row, "|")
		if len(cells) != 7 || !strings.Contains(cells[2]+cells[3]+cells[4], "read") {
			continue
		}
		name := strings.Trim(cells[1], " `")
		for i, where := range []place{inLane, inDelay, inDead} {
			if strings.TrimSpace(cells[2+i]) == "read" {
				documented[where] = append(documented[where], name)
			}
		}
	}
	now := time.UnixMilli(1700000000000)
	all := headers{now, now, now, now, 2, 1, 2, 3, "bulk", "failed", "no"}.table()
	for where := range believed {
		h, _ := parseHeaders(all, where, now)
		if read, want := slices.Sorted(maps.Keys(h.table())), slices.Sorted(slices.Values(documented[where])); !slices.Equal(read, want) {
			t.Errorf("%s %v are read, and docs/jobs.md says %v", where, read, want)
		}
	}
	all[headerAttempt] = int64(1)
	if h, _ := parseHeaders(all, inLane, now); h.error != "" {
		t.Errorf("the error %q is believed of a job that was never attempted", h.error)
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
		h, odd := parseHeaders(amqp.Table{headerReadyAt: c.in, headerEnqueuedAt: now.UnixMilli()}, inLane, now)
		if got := len(odd) == 1 && odd[0] == headerReadyAt && h.readyAt.IsZero(); got != c.odd || len(odd) > 1 || !h.enqueuedAt.Equal(now) {
			t.Errorf("%s: readyAt %v, odd %v", name, h.readyAt, odd)
		}
	}
	// A delayed job is due now rather than in years.
	for _, in := range []int64{now.Unix(), now.UnixMicro(), now.AddDate(1, 0, 0).UnixMilli()} {
		if h, _ := parseHeaders(amqp.Table{headerDueAt: in}, inDelay, now); !h.dueAt.IsZero() {
			t.Errorf("dueAt %d: it waits until %v", in, h.dueAt)
		}
	}
}

// A delayed message that names a lane which can't be a routing key goes to the default lane, and doesn't cost the forwarder its connection.
func TestImpossibleLane(t *testing.T) {
	h, _ := parseHeaders(amqp.Table{headerLane: strings.Repeat("l", 256)}, inDelay, time.Now())
	if h.lane != "" {
		t.Errorf("a lane of %d bytes", len(h.lane))
	}
}

func TestQueueArguments(t *testing.T) {
	policy := &lanes.Policy{Lanes: []lanes.Lane{{Name: "bulk"}, {Name: "long", MaxRuntime: lanes.Duration(2 * time.Hour)}}}
	policy.Default()
	quorum := &lanes.Policy{Broker: lanes.Broker{QueueType: lanes.Quorum}}
	quorum.Default()
	old, modern := queueRules{policy: quorum}, queueRules{policy: quorum, broker: ReleaseOf("4.0.5")}
	rules := queueRules{policy: policy, broker: ReleaseOf("4.3.6")}
	bulk, long := lanes.Queue{Lane: "bulk", Type: lanes.Quorum}, lanes.Queue{Lane: "long", Type: lanes.Quorum}
	net := func(t amqp.Table) amqp.Table {
		t["x-dead-letter-exchange"], t["x-dead-letter-routing-key"] = "", "siren.dead"
		return t
	}
	for _, c := range []struct {
		name      string
		got, want amqp.Table
	}{
		{"classic lane", rules.lane(lanes.Queue{Lane: "bulk", Type: lanes.Classic}), net(amqp.Table{"x-queue-type": "classic", "x-max-priority": int32(9)})},
		{"classic delay", rules.delay(), amqp.Table{"x-queue-type": "classic", "x-single-active-consumer": true}},
		{"quorum lane on 3.x", old.lane(bulk), net(amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32)})},
		{"quorum lane on 4.x", rules.lane(bulk), net(amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32), "x-consumer-timeout": int64(1_800_000)})},
		{"a lane of long jobs", rules.lane(long), net(amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32), "x-consumer-timeout": int64(7_500_000)})},
		{"quorum delay on 3.x", old.delay(), amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32), "x-single-active-consumer": true}},
		{"quorum dead letters on 4.x", modern.plain(lanes.Quorum), amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(math.MaxInt32), "x-consumer-timeout": int64(1_800_000)}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	for text, want := range map[string]Release{"3.10.8": {3, 10}, "4.0.5": {4, 0}, "4.3.6": {4, 3}, "4.1.0-rc.1": {4, 1}, "4": {4, 0}, "": {}, "unknown": {}} {
		if got := ReleaseOf(text); got != want {
			t.Errorf("version %q: %v, want %v", text, got, want)
		}
	}
}

func TestMismatchWording(t *testing.T) {
	for reason, want := range map[string]string{
		"PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'siren.lane.bulk' in vhost '/': received the value '2147483647' of type 'signedint' but current is none": `queue "siren.lane.bulk" exists with x-delivery-limit none, but the policy asks for 2147483647; until then RabbitMQ 4.0 and newer dead-letter a job that was delivered 20 times over: rabbitmqctl set_policy`,
		"PRECONDITION_FAILED - inequivalent arg 'x-consumer-timeout' for queue 'siren.lane.bulk' in vhost '/': received '1800000' but current is '3600000'":                           `exists with x-consumer-timeout 3600000, but the policy asks for 1800000; lower the lane's maxRuntime or broker.consumerTimeout`,
		"PRECONDITION_FAILED - something new": `exists with other arguments than the policy asks for (PRECONDITION_FAILED - something new); ` + "`siren lanes migrate bulk --to …` to the other queue type",
	} {
		err := mismatch("queue", "siren.lane.bulk", &amqp.Error{Code: amqp.PreconditionFailed, Reason: reason})
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}
