package jobrecord_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/jobrecord"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// hostile returns a message that is over every bound of a job.
func hostile() job.Job {
	j := job.Job{
		ID: "hostile", Kind: strings.Repeat("k", 60_000), Input: strings.Repeat("i", 60_000),
		Output: strings.Repeat("o", 60_000),
		Params: []byte(`{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`),
		Labels: map[string]string{},
	}
	for i := range 3300 {
		j.Labels[fmt.Sprintf("l%04d", i)] = strings.Repeat("v", 1000)
	}
	return j
}

// What is recorded of a message that is no job is bounded, and so is what is read of a record that somebody else has
// written.
func TestRecordsAreBounded(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	d := redistest.Delivery("hostile", "bulk")
	d.Job = hostile()
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, d, "w", work.Granted),
		work.Outcome{State: job.Dead, Reason: "not a job", Error: "no"}))
	stored := 0
	for _, value := range raw.HGetAll(t.Context(), "siren:job:hostile").Val() {
		stored += len(value)
	}
	if stored > 64<<10 {
		t.Errorf("%d bytes are stored of it", stored)
	}

	labels, err := json.Marshal(hostile().Labels)
	redistest.Must(t, err)
	redistest.Must(t, raw.HSet(t.Context(), "siren:job:older", "state", "queued", "lane", "bulk", "kind",
		hostile().Kind, "input", hostile().Input,
		"params", string(hostile().Params), "labels", string(labels), "error", strings.Repeat("e", 60_000), "enqueued",
		time.Now().UnixMilli()).Err())
	redistest.Must(t, raw.ZAdd(t.Context(), "siren:jobs",
		goredis.Z{Score: float64(time.Now().UnixMilli()), Member: "older"}).Err())
	page, err := l.List(t.Context(), jobrecord.Filter{})
	redistest.Must(t, err)
	if len(page.Records) != 2 {
		t.Fatalf("%d records in the list", len(page.Records))
	}
	for _, r := range page.Records {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil || len(text) > 60<<10 {
			t.Errorf("%s takes %d bytes in a list, %v", r.ID, len(text), err)
		}
		if r.Job().Check() == nil {
			t.Errorf("%s would run by a part of what it says", r.ID)
		}
	}
}

// A malformed message is found under the id that it bears, as long as no job has that id; it never touches one that
// does.
func TestFindByBorneID(t *testing.T) {
	l, raw := redistest.FreshLedger(t)
	bad := redistest.Delivery("record-of-a", "bulk")
	bad.Bears, bad.Err = "a", errors.New("no job")
	if _, err := l.Find(t.Context(), "a"); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("before it came: %v", err)
	}
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, bad, "w", work.Granted),
		work.Outcome{State: job.Dead, Reason: "not a job", Error: "no"}))
	r, err := l.Find(t.Context(), "a")
	if err != nil || r.ID != "record-of-a" || r.Bears != "a" || r.Reason != "not a job" {
		t.Errorf("found %+v, %v", r, err)
	}
	if _, err := l.Get(t.Context(), "a"); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("it is taken for the job itself: %v", err)
	}
	ttl := raw.PTTL(t.Context(), "siren:bears:a").Val()
	if record := raw.PTTL(t.Context(), "siren:job:record-of-a").Val(); ttl <= 0 || ttl > record+time.Second {
		t.Errorf("it is kept for %s, its record for %s", ttl, record)
	}
	redistest.Must(t, l.Close(t.Context(), redistest.Claim(t, l, redistest.Delivery("a", "bulk"), "w", work.Granted),
		work.Outcome{State: job.Completed}))
	if r, err := l.Find(t.Context(), "a"); err != nil || r.ID != "a" || r.State != job.Completed {
		t.Errorf("with a job of that id: %+v, %v", r, err)
	}
	redistest.Must(t, raw.Del(t.Context(), "siren:job:a", "siren:job:record-of-a").Err())
	if r, err := l.Find(t.Context(), "a"); !errors.Is(err, redislink.ErrNotFound) {
		t.Errorf("when its record is gone: %+v, %v", r, err)
	}
}
