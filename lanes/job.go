package lanes

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// MaxMessage is the largest wire form of a job, in bytes. A job names its media; it doesn't carry it.
const MaxMessage = 64 << 10

// WireVersion is the version of the wire form that this code writes. Reading takes an absent version for 1.
const WireVersion = 1

// Job is one unit of media work, as its producer wrote it. The wire form is this struct as JSON.
type Job struct {
	Version   int               `json:"version,omitempty"`
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Labels    map[string]string `json:"labels,omitempty"`
	Input     string            `json:"input,omitempty"`
	Output    string            `json:"output,omitempty"`
	Params    json.RawMessage   `json:"params,omitempty"` // an object; the job's kind says which fields
	Overwrite bool              `json:"overwrite,omitempty"`
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ErrNoID is a message that names no job: neither its body nor its AMQP message_id.
var ErrNoID = errors.New("no id")

// Encode is the wire form of the job. It fails when the job isn't valid or too large.
func Encode(j Job) ([]byte, error) {
	j.Version = WireVersion
	if err := j.Check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", j.ID, err)
	}
	if len(body) > MaxMessage {
		return nil, fmt.Errorf("job %s is %d bytes on the wire, over the limit of %d: put large data into the input and name its URL", j.ID, len(body), MaxMessage)
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
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return job, nil, fmt.Errorf("the message is not a JSON object: %w", err)
	}
	if fields == nil {
		return job, nil, errors.New("the message is null, not a JSON object")
	}
	for name := range fields {
		if !slices.Contains(wireFields, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	if err := json.Unmarshal(body, &job); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			err = fmt.Errorf("field %q must not be a %s", wrong.Field, wrong.Value)
		}
		return job, unknown, err
	}
	if job.ID == "" {
		job.ID = messageID
	}
	return job, unknown, job.Check()
}

var wireFields = []string{"version", "id", "kind", "labels", "input", "output", "params", "overwrite"}

// Check says what keeps the job from being run by anyone. Whether a kind exists and its params fit is the handler's to say.
func (j Job) Check() error {
	switch {
	case j.ID == "":
		return ErrNoID
	case !idForm.MatchString(j.ID):
		return fmt.Errorf("id %q must be 1 to 64 of the characters A-Z a-z 0-9 . _ -", clip(j.ID, 80))
	case j.Version != 0 && j.Version != WireVersion:
		return fmt.Errorf("version %d of the wire form is not known here; this Siren reads version %d", j.Version, WireVersion)
	case j.Kind == "":
		return errors.New("kind is missing: what is to be done with the input?")
	case len(j.Params) > 0 && !isObject(j.Params):
		return errors.New("params must be a JSON object")
	}
	return nil
}

func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return bytes.Equal(raw, []byte("null")) || len(raw) > 0 && raw[0] == '{'
}

// clip is s cut to n bytes, for messages.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// idAlphabet is Crockford's base 32 in lower case: it sorts like the bytes it encodes.
var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a job id that sorts by time: 48 bits of milliseconds and 80 random bits, 26 characters (a ULID's content).
func NewID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails (crypto/rand)
	return idAlphabet.EncodeToString(b[:])
}

// ValidID is whether id may name a job.
func ValidID(id string) bool { return idForm.MatchString(id) }
