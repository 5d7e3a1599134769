package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/job"
)

// A thousand messages that were jobs once, each broken in another way. The worker lives on, and each is accounted for:
// it is in the dead letters as it came, or it still was a job and has come to its end.
func TestMalformedMessages(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	s.staffed()
	before := s.workers()
	clip := s.put("clip.mp4")
	const n = 1000
	random := rand.New(rand.NewPCG(5, 1))
	sent := make([]amqp.Publishing, n)
	s.broker(func(ch *amqp.Channel) {
		s.must(ch.Confirm(false))
		var last *amqp.DeferredConfirmation
		for i := range sent {
			j := job.Job{
				ID: fmt.Sprintf("m-%04d", i), Kind: "probe", Labels: map[string]string{"tier": "std"}, Input: clip,
				Output: s.output(fmt.Sprintf("m-%04d.json", i)), Params: []byte(`{}`),
				ExpiresAt: time.Now().Add(time.Hour).UTC(), DedupKey: "k",
			}
			body, err := job.Encode(j)
			s.must(err)
			sent[i] = breakMessage(random, amqp.Publishing{
				MessageId: j.ID, ContentType: "application/json",
				Body: body,
			})
			last, err = ch.PublishWithDeferredConfirm("siren.jobs", "standard", false, false, sent[i])
			s.must(err)
		}
		last.Wait()
	})
	s.awaitNone("all of them to be settled", time.Minute, func() (int, string) {
		waiting := s.ready(laneQueue("standard"))
		look, err := s.pools()
		if err != nil {
			return n, err.Error()
		}
		busy, delayed := look["general"].Busy, s.delayed()
		return waiting + busy + delayed, fmt.Sprintf("%d wait, %d run, %d are put off", waiting, busy, delayed)
	})

	letters := map[string]int{}
	s.broker(func(ch *amqp.Channel) {
		for {
			d, ok, err := ch.Get(deadQueue, true)
			s.must(err)
			if !ok {
				return
			}
			letters[string(d.Body)]++
		}
	})
	dead, ran := 0, 0
	for _, m := range sent {
		if letters[string(m.Body)] > 0 {
			letters[string(m.Body)]--
			dead++
			continue
		}
		job, _, err := job.Decode(m.Body, m.MessageId)
		if err != nil {
			t.Errorf("no job (%v), and not in the dead letters: id %q, body %q", err, m.MessageId, m.Body)
			continue
		}
		if r, err := s.client.Get(t.Context(), job.ID); err != nil || !r.State.Final() {
			t.Errorf("job %s came to no end: %+v, %v; body %q", job.ID, r, err, m.Body)
		}
		ran++
	}
	for body, left := range letters {
		if left > 0 {
			t.Errorf("%d dead letters that nobody sent: %q", left, body)
		}
	}
	t.Logf("of %d messages %d are dead letters, %d were jobs all the same", n, dead, ran)
	if dead < n/2 || ran == 0 {
		t.Error("the mutations don't tell: too many, or none, are still jobs")
	}
	s.completed(s.enqueue("probe", "--input", clip, "--output", s.output("after.json")), 30*time.Second)
	if after := s.workers(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("workers before %v, after %v", before, after)
	}
}

// delayed returns how many jobs wait for their next attempt.
func (s *site) delayed() (n int) {
	s.t.Helper()
	var all []fleet.LaneStatus
	r := s.siren("", "lanes", "-o", "json")
	s.unmarshal(r.out, &all)
	for _, l := range all {
		n += l.Retrying
	}
	return n
}

// breakMessage changes a valid message in one to three ways.
func breakMessage(r *rand.Rand, m amqp.Publishing) amqp.Publishing {
	for range 1 + r.IntN(4) {
		breakOnce(r, &m)
	}
	return m
}

func breakOnce(r *rand.Rand, m *amqp.Publishing) {
	cut := func() int { return r.IntN(len(m.Body) + 1) }
	switch r.IntN(16) {
	case 0:
		m.Body = m.Body[:cut()]
	case 1:
		m.Body = bytes.Clone(m.Body)
		for range 1 + r.IntN(8) {
			if len(m.Body) > 0 {
				m.Body[r.IntN(len(m.Body))] ^= 1 << r.IntN(8)
			}
		}
	case 2:
		at := cut()
		m.Body = append(append(bytes.Clone(m.Body[:at]), "\xff\x00\xc3"...), m.Body[at:]...)
	case 3:
		m.Body = append(bytes.Clone(m.Body), m.Body...)
	case 4:
		m.Body = []byte(odd[r.IntN(len(odd))])
	case 5:
		m.Body = bytes.Replace(m.Body, []byte(`"id":"`+m.MessageId), []byte(`"id":"../../`+m.MessageId), 1)
	case 6:
		m.Body = bytes.Replace(m.Body, []byte(`"id"`), []byte(`"ID"`), 1)
		m.MessageId = ""
	case 7:
		m.Body = retype(r, m.Body)
	case 8:
		m.Body = bytes.Replace(m.Body, []byte(`"probe"`), []byte(`"transcribe"`), 1)
	case 9:
		m.Body = bytes.Replace(m.Body, []byte(`file:///`), []byte(`file:///../../../etc/`), 1)
	case 10:
		m.Body = append(bytes.Clone(m.Body), bytes.Repeat([]byte(" "), job.MaxMessage)...)
	case 11:
		m.Headers = amqp.Table{
			"attempt": "many", "replay": int64(-1 << 62), "readyAt": amqp.Table{"a": []any{nil, 1.5}},
			"enqueuedAt": float64(1e300), "x-death": []any{"?"},
			"dueAt": []byte{0xff}, "error": strings.Repeat("é", 9000), "lane": nil,
		}
	case 12:
		m.Headers = amqp.Table{
			"attempt": int64(1 << 62), "attempts": int64(-3), "reason": "\xff\xfe",
			"deadAt": time.Unix(-1, 0),
		}
	case 13:
		m.Priority, m.ContentType, m.ContentEncoding, m.Type, m.Expiration = 255, "application/x-nonsense", "gzip", "?",
			""
	case 14:
		m.MessageId = strings.Repeat("i", 255)
	default:
		m.Body = bytes.Replace(m.Body, []byte(`"expiresAt":"`), []byte(`"expiresAt":"0`), 1)
	}
}

var odd = []string{
	"", "null", "[]", "{}", `"job"`, "3", "true", `{"id":null}`, `{"id":{}}`, `[{"id":"x"}]`,
	`{"id":"x","kind":"probe"`, "<job/>", "id: x\nkind: probe\n",
	`{"id":"` + strings.Repeat("x", 65) + `","kind":"probe"}`, `{"version":99,"id":"v","kind":"probe"}`,
	strings.Repeat("[", 20000), `{"a":` + strings.Repeat(`{"a":`, 9000),
}

// retype gives one field of the job another type.
func retype(r *rand.Rand, body []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	names := []string{
		"id", "kind", "labels", "input", "output", "params", "expiresAt", "dedupKey", "version",
		"priority",
	}
	values := []any{
		nil, 7, -1.5, true, "", "text",
		[]any{1, "a"},
		map[string]any{"a": map[string]any{}},
		strings.Repeat("x", 3000),
	}
	fields[names[r.IntN(len(names))]] = values[r.IntN(len(values))]
	out, err := json.Marshal(fields)
	if err != nil {
		return body
	}
	return out
}
