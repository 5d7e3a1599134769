package job

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
)

// MaxMessage is the largest wire form of a job, in bytes. A job names its media; it doesn't carry it.
const MaxMessage = 64 << 10

// WireVersion is the version of the wire form that this code writes. Reading takes an absent version for 1.
const WireVersion = 1

// Job is one unit of media work, as its producer wrote it. The wire form is this struct as JSON.
type Job struct {
	Version int               `json:"version,omitempty"`
	ID      string            `json:"id"`
	Kind    string            `json:"kind,omitempty"`   // left out, it is the preset's
	Preset  string            `json:"preset,omitempty"` // of the policy, with its version: web@3
	Labels  map[string]string `json:"labels,omitempty"`
	Input   string            `json:"input,omitempty"`
	Output  string            `json:"output,omitempty"`
	Params  json.RawMessage   `json:"params,omitempty"` // an object; the job's kind says which fields
	// Expanded says that Kind and Params have what Preset stands for: nobody looks that up any more.
	Expanded  bool `json:"expanded,omitempty"`
	Overwrite bool `json:"overwrite,omitempty"`
	// inside its lane, 0 (ordinary) to MaxPriority; a higher one starts first
	Priority  int       `json:"priority,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // not started by then, it is dead-lettered as expired
	// DedupKey makes a second job with the same key, within DedupWindow of the first (an hour when it says nothing),
	// that first one. It is the client that sees to it: a message that is there already is a job.
	DedupKey    string         `json:"dedupKey,omitempty"`
	DedupWindow lanes.Duration `json:"dedupWindow,omitempty"`
}

// DefaultDedupWindow is how long a DedupKey is remembered when the job doesn't say.
const DefaultDedupWindow = time.Hour

// maxDedupKey is the longest DedupKey, in bytes.
const maxDedupKey = 256

// maxID is the longest id, and the longest kind.
const maxID = 64

var idForm = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._-]{1,%d}$`, maxID))

// ErrNoID is a message that names no job: neither its body nor its AMQP message_id.
var ErrNoID = errors.New("no id")

// Encode returns the wire form of the job. It fails when the job isn't valid or is too large.
func Encode(j Job) ([]byte, error) {
	j.Version = WireVersion
	if err := j.Check(); err != nil {
		return nil, err
	}
	body, err := plain.JSON(j)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.ID, err)
	}
	if len(body) > MaxMessage {
		return nil, fmt.Errorf("job %s is %d bytes on the wire, over the limit of %d: put large data into the input "+
			"and name its URL", j.ID, len(body), MaxMessage)
	}
	return body, nil
}

// Decode reads a job's wire form. messageID (the AMQP property) stands in for a missing id. The names of unknown
// top-level fields are returned, to be counted. An error means that the message can never run; the returned job then
// carries what could be read, its ID at least where there is one.
func Decode(body []byte, messageID string) (job Job, unknown []string, err error) {
	job.ID = messageID
	if len(body) > MaxMessage {
		return job, nil, fmt.Errorf("the message is %d bytes, over the limit of %d", len(body), MaxMessage)
	}
	if !utf8.Valid(body) {
		return job, nil, errors.New("the message is not UTF-8, so it is not JSON")
	}
	var fields map[string]json.RawMessage
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(body, &fields); {
	case errors.As(err, &wrong):
		return job, nil, fmt.Errorf("the message must be a JSON object, not a JSON %s", wrong.Value)
	case err != nil:
		return job, nil, fmt.Errorf("the message is not JSON: %w", err)
	case fields == nil:
		return job, nil, errors.New("the message must be a JSON object, not null")
	}
	unknown, err = job.read(fields)
	if job.ID == "" {
		job.ID = messageID
	}
	if err == nil {
		err = job.Check()
	}
	return job, unknown, err
}

// read takes the fields in, by their exact names: encoding/json would also take "ID" for "id", which other readers of
// the same message don't. The error is about the first wrong one.
func (j *Job) read(fields map[string]json.RawMessage) (unknown []string, err error) {
	known := map[string]struct {
		field any
		must  string
	}{
		"version":     {&j.Version, "a whole number"},
		"id":          {&j.ID, "a string"},
		"kind":        {&j.Kind, "a string"},
		"labels":      {&j.Labels, "an object of strings"},
		"input":       {&j.Input, "a string"},
		"output":      {&j.Output, "a string"},
		"preset":      {&j.Preset, "a string"},
		"params":      {&j.Params, "an object"},
		"expanded":    {&j.Expanded, "true or false"},
		"overwrite":   {&j.Overwrite, "true or false"},
		"priority":    {&j.Priority, "a whole number"},
		"expiresAt":   {&j.ExpiresAt, "a time, as in 2026-12-24T18:00:00Z"},
		"dedupKey":    {&j.DedupKey, "a string"},
		"dedupWindow": {&j.DedupWindow, "a duration, as in 30m"},
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, ok := known[name]
		if !ok {
			unknown = append(unknown, name)
		} else if wrong := json.Unmarshal(fields[name], f.field); wrong != nil && err == nil {
			err = fmt.Errorf("field %q must be %s", name, f.must)
		}
	}
	return unknown, err
}

// Check says what keeps the job from being run by anyone. Whether a kind exists and its params fit is the handler's to
// say.
func (j Job) Check() error {
	switch {
	case j.ID == "":
		return ErrNoID
	case !ValidID(j.ID):
		return fmt.Errorf("id %q must be 1 to 64 of the characters A-Z a-z 0-9 . _ - (not . or .. alone)",
			plain.Clip(j.ID, 80))
	case j.Version != 0 && j.Version != WireVersion:
		return fmt.Errorf("unknown version %d of the wire form; this Siren reads version %d", j.Version,
			WireVersion)
	case j.Kind == "" && (j.Preset == "" || j.Expanded):
		return errors.New("kind is missing: what is to be done with the input? Give a kind, or a preset")
	case j.Expanded && j.Preset == "":
		return errors.New("expanded is for a job with a preset: leave it out")
	case len(j.Params) > 0 && !isObject(j.Params):
		return errors.New("params must be a JSON object")
	case j.Priority < 0 || j.Priority > lanes.MaxPriority:
		return fmt.Errorf("priority %d must be 0 to %d", j.Priority, lanes.MaxPriority)
	case len(j.DedupKey) > maxDedupKey:
		return fmt.Errorf("dedupKey has %d bytes, over the limit of %d: use a hash of it", len(j.DedupKey), maxDedupKey)
	case j.DedupWindow < 0:
		return fmt.Errorf("dedupWindow %s must be above 0", j.DedupWindow)
	case j.DedupWindow > 0 && j.DedupKey == "":
		return errors.New("dedupWindow needs a dedupKey")
	}
	return j.checkBounds()
}

func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return bytes.Equal(raw, []byte("null")) || len(raw) > 0 && raw[0] == '{'
}

// idAlphabet is Crockford's base 32 in lower case: it sorts like the bytes it encodes.
var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a job id that sorts by time: 48 bits of milliseconds and 80 random bits, 26 characters (a ULID's
// content).
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails (crypto/rand)
	return idAlphabet.EncodeToString(b[:])
}

// IDOf makes the id of a message that isn't a job, of the form of NewID's: the same one whenever the message comes, for
// the id that it bears, if any, and its body decide.
func IDOf(bears string, body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", bears)
	h.Write(body)
	return idAlphabet.EncodeToString(h.Sum(nil)[:16])
}

// ValidID reports whether id may name a job. It also names a folder of the job's attempts, so it can't be . or ..
func ValidID(id string) bool { return idForm.MatchString(id) && id != "." && id != ".." }
