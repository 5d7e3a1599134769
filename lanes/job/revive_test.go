package job

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRevived(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	set := func(pairs ...string) map[string]json.RawMessage {
		m := map[string]json.RawMessage{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = json.RawMessage(pairs[i+1])
		}
		return m
	}
	for _, c := range []struct {
		name, body string
		set        map[string]json.RawMessage
		want, err  string
	}{
		{
			name: "nothing to change", body: "{\"id\": \"a\",\n \"kind\":\"probe\"}",
			want: "{\"id\": \"a\",\n \"kind\":\"probe\"}",
		},
		{
			name: "a param", body: `{"id":"a","params":{"crf":23,"fps":5}}`, set: set("crf", "30"),
			want: `{"id":"a","params":{"crf":30,"fps":5}}`,
		},
		{
			name: "a param where there were none", body: `{"id":"a"}`, set: set("at", `"5%"`),
			want: `{"id":"a","params":{"at":"5%"}}`,
		},
		{
			name: "params of null", body: `{"id":"a","params":null}`, set: set("at", "3"),
			want: `{"id":"a","params":{"at":3}}`,
		},
		{
			name: "a param away", body: `{"id":"a","params":{"crf":23,"fps":5}}`, set: set("crf", "null"),
			want: `{"id":"a","params":{"fps":5}}`,
		},
		{
			name: "a param under its old name",
			body: `{"id":"a","kind":"transcode","params":{"preset":"slow","fps":5}}`,
			set:  set("speed", `"fast"`), want: `{"id":"a","kind":"transcode","params":{"fps":5,"speed":"fast"}}`,
		},
		{
			name: "unknown fields and URLs stay", body: `{"id":"a","input":"https://x/?a=1&b=<2>","shape":[1]}`,
			set: set("fps", "1"), want: `{"id":"a","input":"https://x/?a=1&b=<2>","params":{"fps":1},"shape":[1]}`,
		},
		{name: "expired, as RFC 3339", body: `{"id":"a","expiresAt":"1970-01-01T00:01:00Z"}`, want: `{"id":"a"}`},
		{name: "not expired yet", body: `{"id":"a","expiresAt":1000001}`, want: `{"id":"a","expiresAt":1000001}`},
		{
			name: "nobody knows when it expires", body: `{"id":"a","expiresAt":"soon"}`,
			want: `{"id":"a","expiresAt":"soon"}`,
		},
		{name: "no job", body: `nonsense`, err: "no job"},
		{
			name: "too large", body: `{"id":"a"}`, set: set("at", `"`+strings.Repeat("x", MaxMessage)+`"`),
			err: "over the limit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Revived([]byte(c.body), c.set, now)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// Whatever a job's message is, what is revived of it is a job with the same id, and one that doesn't expire at once.
func FuzzRevived(f *testing.F) {
	f.Add([]byte(`{"id":"a","kind":"probe","params":{"crf":23},"expiresAt":"1970-01-01T00:01:00Z","zeta":[1]}`),
		[]byte(`30`))
	f.Add([]byte(`{"id":"a","kind":"probe","params":null,"expiresAt":"2999-01-01T00:00:00Z"}`), []byte(`null`))
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, body, value []byte) {
		job, _, err := Decode(body, "")
		if err != nil || !json.Valid(value) {
			return
		}
		revived, err := Revived(body, map[string]json.RawMessage{"crf": value}, now)
		if err != nil {
			return // too large, with the param
		}
		again, _, err := Decode(revived, "")
		if err != nil {
			t.Fatalf("not a job any more: %v\n%s\n%s", err, body, revived)
		}
		if again.ID != job.ID || again.Kind != job.Kind || !again.ExpiresAt.IsZero() && !now.Before(again.ExpiresAt) {
			t.Errorf("%s\nbecame\n%s", body, revived)
		}
	})
}
