package system_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	goredis "github.com/redis/go-redis/v9"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes/job"
)

// What a stranger's messages say can't widen, colour, turn round or break what people see of all jobs; headers that
// aren't a producer's aren't believed, and nobody sees the signature of a URL but who exports the letters.
func TestHostileMessages(t *testing.T) {
	s := newSite(t, oneWorker)
	s.buried = 3
	s.scaler()
	clip := s.put("clip.mp4")
	labels := map[string]string{}
	for i := range 3300 {
		labels[fmt.Sprintf("l%04d", i)] = "v"
	}
	huge, err := json.Marshal(map[string]any{
		"id": "huge", "kind": "probe\u202e\u009b8m", "labels": labels,
		"params": json.RawMessage(`{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`),
	})
	s.must(err)
	odd := amqp.Table{
		"readyAt": time.Now().Unix(), "enqueuedAt": time.Now().Unix(), "error": "\x1b[8mI wrote this",
		"lane": "nowhere", "reason": "failed",
	}
	s.throw("bulk", huge, nil)
	s.throw("bulk", []byte(`{"id":"cut","kind":"pro`), nil, "cut")
	s.throw("bulk", s.wire(job.Job{ID: "odd", Kind: "probe", Input: clip, Output: s.output("odd.json")}), odd)
	s.throw("bulk", s.wire(job.Job{
		ID: "signed", Kind: "probe",
		Input: "https://example.com/a.mp4?X-Amz-Signature=s3cr3t", Output: s.output("signed.json"),
	}), nil)

	r := s.completed("odd", 20*time.Second)
	if age := time.Since(r.EnqueuedAt); r.Error != "" || !r.ReadyAt.IsZero() || r.Wait != 0 || age > time.Hour {
		t.Errorf("%+v: its producer's headers are believed", r)
	}
	s.await("doctor to name the lane", 20*time.Second, func() (bool, string) {
		r := s.siren("", "doctor", "-o", "json")
		return strings.Contains(r.out, "lane bulk: 1 message came with a time that can't be meant"), r.String()
	})
	s.await("three dead letters", 20*time.Second, func() (bool, string) {
		return s.ready(deadQueue) == 3, s.siren("", "dead", "list").String()
	})
	s.plant()

	for _, command := range []string{
		"jobs", "jobs -o wide", "jobs -o json", "jobs -o yaml", "jobs -o name", "dead list -o wide",
		"dead list -o json", "dead list --from-queue -o json", "dead summary",
		"jobs get huge", "jobs get signed -o json", "dead show huge", "dead show cut -o json", "dead show signed",
		"explain job cut", "explain job signed",
		"jobs get planted", "jobs logs planted",
	} {
		args := strings.Fields(command)
		r := s.siren("", args...)
		if r.code != 0 || len(r.out) > 200<<10 {
			t.Errorf("%v: exit code %d, %d bytes; %s", args, r.code, len(r.out), r.err)
		}
		all := r.out + r.err
		if i := strings.IndexFunc(all, func(c rune) bool {
			return c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c))
		}); i >= 0 || strings.Contains(all, "s3cr3t") {
			t.Errorf("%v: %q", args, all)
		}
		if args[len(args)-1] == "json" && !json.Valid([]byte(r.out)) {
			t.Errorf("%v is no JSON", args)
		}
	}
	for _, id := range []string{"huge", "cut"} { // found by the id that the message bears
		r := s.siren("", "jobs", "get", id, "-o", "json")
		var record job.Record
		s.unmarshal(r.out, &record)
		if record.Bears != id || record.ID == id || record.Reason != "not a job" ||
			!strings.Contains(r.err, "malformed") {
			t.Errorf("jobs get %s: %s", id, r)
		}
	}
	if r := s.siren("", "dead", "export", "-"); strings.Count(r.out, "s3cr3t") == 0 {
		t.Errorf("dead export doesn't have the URL as it is: %s", r)
	}
}

// wire returns a job's wire form.
func (s *site) wire(j job.Job) []byte {
	s.t.Helper()
	body, err := job.Encode(j)
	s.must(err)
	return body
}

// throw publishes any message with any headers.
func (s *site) throw(key string, body []byte, headers amqp.Table, id ...string) {
	s.t.Helper()
	s.broker(func(ch *amqp.Channel) {
		s.must(ch.Confirm(false))
		sent, err := ch.PublishWithDeferredConfirm("siren.jobs", key, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Headers: headers, MessageId: strings.Join(id, ""), Body: body,
		})
		s.must(err)
		sent.Wait()
	})
}

// plant writes a record as an older Siren would have kept it, and what its programs are said to have said.
func (s *site) plant() {
	s.t.Helper()
	o, err := goredis.ParseURL(s.redis.URL)
	s.must(err)
	raw := goredis.NewClient(o)
	defer raw.Close()
	ctx := s.t.Context()
	s.must(raw.HSet(ctx, "siren:job:planted", "state", "retrying", "lane", "bulk\x1b[8m", "kind", "\u202egpj", "input",
		"https://me:s3cr3t@h/a?sig=s3cr3t",
		"labels", `{"a\u001b[8m":"\u2066\u200b"}`, "params",
		`{"a":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}`, "error",
		"no https://h/?s3cr3t\x1b]0;title\x07",
		"enqueued", time.Now().UnixMilli()).Err())
	s.must(raw.ZAdd(ctx, "siren:jobs", goredis.Z{Score: float64(time.Now().UnixMilli()), Member: "planted"}).Err())
	s.must(raw.Set(ctx, "siren:log:planted", "attempt 1\n\x1b[2J\u009b8m https://h/?sig=s3cr3t\n", time.Minute).Err())
}
