package jobrecord

import (
	"time"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"

	"github.com/polyglot-media/siren/lanes/plain"
)

// MaxError bounds the text of an error in a record, in bytes.
const MaxError = 4 << 10

// NewFields returns the record of a job that nobody has run yet, as the field, value, … of its hash. The other fields
// are set by the scripts: started, ended, next, lease (ms), wait (ms), attempt, attempts, crashes, replay, worker,
// progress, outputs, warnings, reason, error, and for the ledger alone: nth (place among the jobs made in one call),
// since (when it was queued last, by Redis' clock), token, nonce (of the latest claim), moves (counts the changes) and
// override (of the latest Supersede or Cancel: its nonce, the state and the lane before).
func NewFields(d work.Delivery, now time.Time) []any {
	d.Job = d.Job.Bounded() // of a message that is no job, whose producer bounds nothing
	fields := []any{
		"state", string(job.Queued), "lane", d.Lane, "kind", d.Job.Kind, "enqueued", keyspace.Millis(FirstSeen(d, now)),
		"replay", d.Copy, "moves", 0,
	}
	if len(d.Job.Labels) > 0 {
		fields = append(fields, "labels", keyspace.Encode(d.Job.Labels))
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
	if d.Job.Preset != "" {
		fields = append(fields, "preset", d.Job.Preset)
	}
	if d.Job.Expanded {
		fields = append(fields, "expanded", 1)
	}
	if d.Job.Overwrite {
		fields = append(fields, "overwrite", 1)
	}
	if d.Job.Priority > 0 {
		fields = append(fields, "priority", d.Job.Priority)
	}
	if !d.Job.ExpiresAt.IsZero() {
		fields = append(fields, "expires", keyspace.Millis(d.Job.ExpiresAt))
	}
	if d.Job.DedupKey != "" {
		fields = append(fields, "dedup", d.Job.DedupKey)
	}
	if !d.ReadyAt.IsZero() {
		fields = append(fields, "ready", keyspace.Millis(d.ReadyAt))
	}
	if d.Error != "" {
		fields = append(fields, "error", plain.Clip(d.Error, MaxError))
	}
	if d.Bears != "" {
		fields = append(fields, "bears", d.Bears)
	}
	if d.Attempt > 1 {
		fields = append(fields, "attempt", d.Attempt)
	}
	if rest := d.Rest(); rest != nil {
		fields = append(fields, "rest", string(rest))
	}
	return fields
}

// FirstSeen returns when the job was enqueued, as far as its message says.
func FirstSeen(d work.Delivery, now time.Time) time.Time {
	switch {
	case !d.EnqueuedAt.IsZero():
		return d.EnqueuedAt
	case !d.ReadyAt.IsZero():
		return d.ReadyAt
	default:
		return now
	}
}

// recordOf reads a job's hash. A field that can't be read counts as absent, and one over its bounds is cut: a list must
// not break on one record, whoever has written it.
func recordOf(id string, h map[string]string) job.Record {
	r := job.Record{
		ID: id, State: job.State(h["state"]), Lane: h["lane"], Kind: h["kind"], Input: h["input"], Output: h["output"],
		Preset: h["preset"], Expanded: h["expanded"] != "", Overwrite: h["overwrite"] != "",
		Priority: int(keyspace.Number(h["priority"])), DedupKey: h["dedup"],
		EnqueuedAt: keyspace.Time(h["enqueued"]), ReadyAt: keyspace.Time(h["ready"]), NextAt: keyspace.Time(h["next"]),
		StartedAt: keyspace.Time(h["started"]), EndedAt: keyspace.Time(h["ended"]), ClaimedAt: claimed(h["token"]),
		LeaseUntil: keyspace.Time(h["lease"]), ExpiresAt: keyspace.Time(h["expires"]),
		Wait:     lanes.Duration(time.Duration(keyspace.Number(h["wait"])) * time.Millisecond),
		Attempt:  int(keyspace.Number(h["attempt"])),
		Attempts: int(keyspace.Number(h["attempts"])), Crashes: int(keyspace.Number(h["crashes"])),
		Copy:   int(keyspace.Number(h["replay"])),
		Worker: h["worker"], Reason: h["reason"], Error: plain.Clip(h["error"], MaxError), Bears: h["bears"],
	}
	keyspace.Decode(h["labels"], &r.Labels)
	keyspace.Decode(h["params"], &r.Params)
	keyspace.Decode(h["progress"], &r.Progress)
	keyspace.Decode(h["outputs"], &r.Outputs)
	keyspace.Decode(h["warnings"], &r.Warnings)
	keyspace.Decode(h["rest"], &r.Rest)
	r.Bound()
	return r
}

// claimed returns when the claim with that token was granted: tokens are in microseconds (claim.lua).
func claimed(token string) time.Time { return keyspace.FromMillis(keyspace.Number(token) / 1000) }
