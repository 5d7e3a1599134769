package redis

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// decodeHeartbeat reads a heartbeat as Beat wrote it. What workers write, it reads itself, ten times as fast as
// encoding/json: of ten thousand workers, thousands have news each second. Anything else it leaves to that.
func decodeHeartbeat(body string, names map[string]string) (hb fleet.Heartbeat, err error) {
	c := &cursor{text: body, names: names}
	c.heartbeat(&hb)
	if c.odd || c.at != len(body) {
		hb = fleet.Heartbeat{}
		err = json.Unmarshal([]byte(body), &hb)
	}
	return hb, err
}

// cursor walks through JSON as encoding/json writes it: without blanks. It is odd once it met something else.
type cursor struct {
	text  string
	at    int
	odd   bool
	names map[string]string // see shared
}

// is skips the byte if it comes next, and reports whether it did.
func (c *cursor) is(b byte) bool {
	if c.at < len(c.text) && c.text[c.at] == b {
		c.at++
		return true
	}
	return false
}

func (c *cursor) must(b byte) {
	if !c.is(b) {
		c.odd = true
	}
}

// object calls member for each member of an object, with the cursor before its value.
func (c *cursor) object(member func(key string)) {
	c.must('{')
	for more := !c.is('}'); more && !c.odd; {
		key := c.string()
		c.must(':')
		member(key)
		if more = c.is(','); !more {
			c.must('}')
		}
	}
}

// array calls element for each element of an array.
func (c *cursor) array(element func()) {
	c.must('[')
	for more := !c.is(']'); more && !c.odd; {
		element()
		if more = c.is(','); !more {
			c.must(']')
		}
	}
}

// string reads a text of plain ASCII.
func (c *cursor) string() string {
	c.must('"')
	from := c.at
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return c.text[from : c.at-1]
		case b < ' ' || b == '\\' || b > '~':
			c.odd = true
			return ""
		}
	}
	c.odd = true
	return ""
}

// word reads a number, true or false.
func (c *cursor) word() string {
	from := c.at
	for c.at < len(c.text) && c.text[c.at] != ',' && c.text[c.at] != '}' && c.text[c.at] != ']' {
		c.at++
	}
	return c.text[from:c.at]
}

func (c *cursor) int() int64 {
	word := c.word()
	n, digits := int64(0), word
	if len(word) > 1 && word[0] == '-' {
		digits = word[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || len(digits) > 1 && digits[0] == '0' {
		c.odd = true
		return 0
	}
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			c.odd = true
			return 0
		}
		n = 10*n + int64(d)
	}
	if len(digits) < len(word) {
		return -n
	}
	return n
}

func (c *cursor) bool() bool {
	word := c.word()
	c.odd = c.odd || word != "true" && word != "false"
	return word == "true"
}

func (c *cursor) float() float64 {
	word := c.word()
	f, err := strconv.ParseFloat(word, 64)
	c.odd = c.odd || err != nil || !json.Valid([]byte(word))
	return f
}

func (c *cursor) time() (t time.Time) {
	c.odd = t.UnmarshalText([]byte(c.string())) != nil || c.odd
	return t
}

func (c *cursor) duration() lanes.Duration {
	d, err := time.ParseDuration(c.string())
	c.odd = c.odd || err != nil
	return lanes.Duration(d)
}

// name reads a name that many heartbeats have.
func (c *cursor) name() string { return c.shared(c.string()) }

// shared returns a copy of the name that all share who have the same one: it doesn't keep the heartbeat's text.
func (c *cursor) shared(name string) string {
	known, ok := c.names[name]
	if !ok {
		known = strings.Clone(name)
		c.names[known] = known
	}
	return known
}

func (c *cursor) heartbeat(hb *fleet.Heartbeat) {
	c.object(func(key string) {
		switch key {
		case "worker":
			hb.Worker = c.string()
		case "pool":
			hb.Pool = c.name()
		case "at":
			hb.At = c.time()
		case "began":
			hb.Began = c.time()
		case "version":
			hb.Version = c.name()
		case "revision":
			hb.Revision = c.int()
		case "slots":
			hb.Slots = int(c.int())
		case "shoulder":
			hb.Shoulder = int(c.int())
		case "running":
			c.odd = c.odd || hb.Running != nil
			hb.Running = make([]fleet.Run, 0, 2)
			c.array(func() { hb.Running = append(hb.Running, c.run()) })
		case "lanes":
			c.odd = c.odd || hb.Lanes != nil
			hb.Lanes = map[string]fleet.LaneWork{}
			c.object(func(lane string) { hb.Lanes[c.shared(lane)] = c.laneWork() })
		case "subscribed":
			hb.Subscribed = c.bool()
		case "host":
			hb.Host = c.name()
		case "cores":
			hb.Cores = int(c.int())
		case "computing":
			hb.Computing = c.float()
		case "parked":
			hb.Parked = c.bool()
		case "retired":
			hb.Retired = c.bool()
		case "draining":
			hb.Draining = c.bool()
		default:
			c.odd = true
		}
	})
}

func (c *cursor) run() (r fleet.Run) {
	c.object(func(key string) {
		switch key {
		case "job":
			r.Job = c.string()
		case "lane":
			r.Lane = c.name()
		case "shoulder":
			r.Shoulder = c.bool()
		case "since":
			r.Since = c.time()
		case "predicted":
			r.Predicted = c.duration()
		default:
			c.odd = true
		}
	})
	return r
}

func (c *cursor) laneWork() (w fleet.LaneWork) {
	c.object(func(key string) {
		switch key {
		case "started":
			w.Started = c.int()
		case "finished":
			w.Finished = c.int()
		case "failed":
			w.Failed = c.int()
		case "service":
			w.Service = c.duration()
		case "lastReady":
			w.LastReady = c.time()
		case "oddTimes":
			w.OddTimes = c.int()
		case "oddAt":
			w.OddAt = c.time()
		case "first":
			w.First = c.int()
		case "waits":
			w.Waits = make([]int64, 0, fleet.RecentWaits)
			c.array(func() { w.Waits = append(w.Waits, c.int()) })
		default:
			c.odd = true
		}
	})
	return w
}
