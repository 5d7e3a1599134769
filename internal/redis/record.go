package redis

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

// maxError bounds the text of an error in a record, in bytes.
const maxError = 4 << 10

// newFields is the record of a job that nobody has run yet, as the field, value, … of its hash. The other fields are
// set by the scripts: started, ended, next, lease (ms), wait (ms), attempts, crashes, replay, worker, progress, outputs,
// reason, error, and for the ledger alone: nth (place among the jobs made in one call), since (when it was queued last, by Redis' clock), token, nonce (of the latest claim), moves (counts the changes) and override (of
// the latest Supersede or Cancel: its nonce, the state and the lane before).
func newFields(d lanes.Delivery, now time.Time) []any {
	d.Job = d.Job.Bounded() // of a message that is no job, whose producer bounds nothing
	fields := []any{
		"state", string(lanes.Queued), "lane", d.Lane, "kind", d.Job.Kind, "enqueued", millis(firstSeen(d, now)),
		"replay", d.Replay, "moves", 0,
	}
	if len(d.Job.Labels) > 0 {
		fields = append(fields, "labels", encode(d.Job.Labels))
	}
	if d.Job.Input != "" {
		fields = append(fields, "input", d.Job.Input)
	}
	if d.Job.Output != "" {
		fields = append(fields, "output", d.Job.Output)
	}
	if len(d.Job.Params) > 0 {
		fields = append(fields, "params", string(d.Job.Params))
	}
	if d.Job.Overwrite {
		fields = append(fields, "overwrite", 1)
	}
	if d.Job.Priority > 0 {
		fields = append(fields, "priority", d.Job.Priority)
	}
	if !d.Job.ExpiresAt.IsZero() {
		fields = append(fields, "expires", millis(d.Job.ExpiresAt))
	}
	if d.Job.DedupKey != "" {
		fields = append(fields, "dedup", d.Job.DedupKey)
	}
	if !d.ReadyAt.IsZero() {
		fields = append(fields, "ready", millis(d.ReadyAt))
	}
	if d.Error != "" {
		fields = append(fields, "error", lanes.Clip(d.Error, maxError))
	}
	if d.Bears != "" {
		fields = append(fields, "bears", d.Bears)
	}
	return fields
}

// firstSeen is when the job was enqueued, as far as its message says.
func firstSeen(d lanes.Delivery, now time.Time) time.Time {
	switch {
	case !d.EnqueuedAt.IsZero():
		return d.EnqueuedAt
	case !d.ReadyAt.IsZero():
		return d.ReadyAt
	default:
		return now
	}
}

// recordOf reads a job's hash. A field that can't be read counts as absent, and one over its bounds is cut: a list must not break on one record,
// whoever has written it.
func recordOf(id string, h map[string]string) lanes.Record {
	r := lanes.Record{
		ID: id, State: lanes.State(h["state"]), Lane: h["lane"], Kind: h["kind"], Input: h["input"], Output: h["output"],
		Overwrite: h["overwrite"] != "", Priority: int(number(h["priority"])), EnqueuedAt: at(h["enqueued"]), ReadyAt: at(h["ready"]), StartedAt: at(h["started"]), EndedAt: at(h["ended"]),
		NextAt: at(h["next"]), LeaseUntil: at(h["lease"]), ExpiresAt: at(h["expires"]), DedupKey: h["dedup"],
		Wait:     lanes.Duration(time.Duration(number(h["wait"])) * time.Millisecond),
		Attempts: int(number(h["attempts"])), Crashes: int(number(h["crashes"])), Replay: int(number(h["replay"])),
		Worker: h["worker"], Reason: h["reason"], Error: lanes.Clip(h["error"], maxError), Bears: h["bears"],
	}
	decode(h["labels"], &r.Labels)
	decode(h["params"], &r.Params)
	decode(h["progress"], &r.Progress)
	decode(h["outputs"], &r.Outputs)
	r.Bound()
	return r
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func at(ms string) time.Time { return fromMillis(number(ms)) }

func encode(v any) string {
	text, _ := json.Marshal(v) // of values that always can be
	return string(text)
}

func decode(text string, into any) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), into)
	}
}
