package job

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, body, messageID string
		want                  Job
		unknown               []string
		err                   string // "": none
	}{
		{
			name: "a whole job",
			body: `{"version":1,"id":"j-1","kind":"transcode","labels":{"tier":"premium"},"input":"s3://uploads/a",` +
				`"output":"s3://out/b","params":{"crf":23},"overwrite":true}`,
			want: Job{
				Version: 1, ID: "j-1", Kind: "transcode", Labels: map[string]string{"tier": "premium"},
				Input: "s3://uploads/a", Output: "s3://out/b", Params: []byte(`{"crf":23}`), Overwrite: true,
			},
		},
		{name: "as little as possible", body: `{"id":"j","kind":"probe"}`, want: Job{ID: "j", Kind: "probe"}},
		{
			name: "the message's id stands in", body: `{"kind":"probe"}`, messageID: "m",
			want: Job{ID: "m", Kind: "probe"},
		},
		{
			name: "an empty id is none", body: `{"id":"","kind":"probe"}`, messageID: "m",
			want: Job{ID: "m", Kind: "probe"},
		},
		{
			name: "a null id is none", body: `{"id":null,"kind":"probe"}`, messageID: "m",
			want: Job{ID: "m", Kind: "probe"},
		},
		{
			name: "the body's id wins", body: `{"id":"j","kind":"probe"}`, messageID: "m",
			want: Job{ID: "j", Kind: "probe"},
		},
		{
			name: "null fields are left out", body: `{"id":"j","kind":"probe","labels":null,"input":null}`,
			want: Job{ID: "j", Kind: "probe"},
		},
		{
			name: "null params", body: `{"id":"j","kind":"probe","params":null}`,
			want: Job{ID: "j", Kind: "probe", Params: []byte("null")},
		},
		{name: "white space", body: " {\n \"id\" : \"j\" , \"kind\":\"probe\" }\n ", want: Job{ID: "j", Kind: "probe"}},
		{
			name: "unknown fields, sorted", body: `{"id":"j","kind":"probe","zeta":1,"alpha":{"id":"x"}}`,
			want: Job{ID: "j", Kind: "probe"}, unknown: []string{"alpha", "zeta"},
		},
		{
			// encoding/json alone would take "ID" for "id": then a gateway that checks "id" and a worker that runs "ID"
			// would speak of different jobs.
			name: "names are exact", body: `{"id":"j","kind":"probe","ID":"other","Kind":"transcode","OVERWRITE":true}`,
			want: Job{ID: "j", Kind: "probe"}, unknown: []string{"ID", "Kind", "OVERWRITE"},
		},
		{name: "of two the last", body: `{"id":"a","kind":"probe","id":"b"}`, want: Job{ID: "b", Kind: "probe"}},

		{name: "no id", body: `{"kind":"probe"}`, want: Job{Kind: "probe"}, err: "no id"},
		{
			name: "a bad id", body: `{"id":"a/b","kind":"probe"}`, want: Job{ID: "a/b", Kind: "probe"},
			err: `id "a/b" must be 1 to 64 of the characters A-Z a-z 0-9 . _ - (not . or .. alone)`,
		},
		{
			name: "an id that is a way up", body: `{"id":"..","kind":"probe"}`, want: Job{ID: "..", Kind: "probe"},
			err: `id ".." must be 1 to 64 of the characters A-Z a-z 0-9 . _ - (not . or .. alone)`,
		},
		{
			name: "a bad message id", body: `{"kind":"probe"}`, messageID: "a b", want: Job{ID: "a b", Kind: "probe"},
			err: `id "a b" must be 1 to 64 of the characters A-Z a-z 0-9 . _ - (not . or .. alone)`,
		},
		{
			name: "a huge id isn't repeated", body: `{"id":"` + strings.Repeat("x", 1000) + `","kind":"probe"}`,
			want: Job{ID: strings.Repeat("x", 1000), Kind: "probe"},
			err: `id "` + strings.Repeat("x", 80) +
				`…" must be 1 to 64 of the characters A-Z a-z 0-9 . _ - (not . or .. alone)`,
		},
		{
			name: "version 2", body: `{"version":2,"id":"j","kind":"probe"}`,
			want: Job{Version: 2, ID: "j", Kind: "probe"},
			err:  "unknown version 2 of the wire form; this Siren reads version 1",
		},
		{
			name: "no kind", body: `{"id":"j"}`, want: Job{ID: "j"},
			err: "kind is missing: what is to be done with the input? Give a kind, or a preset",
		},
		{
			name: "params in a list", body: `{"id":"j","kind":"probe","params":[1]}`,
			want: Job{ID: "j", Kind: "probe", Params: []byte("[1]")}, err: "params must be a JSON object",
		},
		{
			name: "params in a text", body: `{"id":"j","kind":"probe","params":"-vf scale"}`,
			want: Job{ID: "j", Kind: "probe", Params: []byte(`"-vf scale"`)}, err: "params must be a JSON object",
		},
		{
			name: "an id that is a number", body: `{"id":5,"kind":"probe"}`, messageID: "m",
			want: Job{ID: "m", Kind: "probe"}, err: `field "id" must be a string`,
		},
		{
			name: "a version that is a text", body: `{"version":"1","id":"j","kind":"probe"}`,
			want: Job{ID: "j", Kind: "probe"}, err: `field "version" must be a whole number`,
		},
		{
			name: "labels that aren't texts", body: `{"id":"j","kind":"probe","labels":{"a":1}}`,
			want: Job{ID: "j", Kind: "probe", Labels: map[string]string{"a": ""}},
			err:  `field "labels" must be an object of strings`,
		},
		{
			name: "overwrite perhaps", body: `{"id":"j","kind":"probe","overwrite":"perhaps"}`,
			want: Job{ID: "j", Kind: "probe"}, err: `field "overwrite" must be true or false`,
		},
		{
			name: "the id is read beside a wrong field", body: `{"input":1,"id":"j"}`, want: Job{ID: "j"},
			err: `field "input" must be a string`,
		},

		{
			name: "null", body: `null`, messageID: "m", want: Job{ID: "m"},
			err: "the message must be a JSON object, not null",
		},
		{
			name: "an array", body: `[1]`, messageID: "m", want: Job{ID: "m"},
			err: "the message must be a JSON object, not a JSON array",
		},
		{name: "a number", body: `1`, want: Job{}, err: "the message must be a JSON object, not a JSON number"},
		{name: "nothing", body: ``, want: Job{}, err: "the message is not JSON: unexpected end of JSON input"},
		{
			name: "garbage", body: `hello`, want: Job{},
			err: "the message is not JSON: invalid character 'h' looking for beginning of value",
		},
		{
			name: "more than one", body: `{"id":"j","kind":"probe"}{}`, want: Job{},
			err: "the message is not JSON: invalid character '{' after top-level value",
		},
		{
			name: "cut off", body: `{"id":"j","ki`, want: Job{},
			err: "the message is not JSON: unexpected end of JSON input",
		},
		{
			name: "not UTF-8", body: "{\"id\":\"j\",\"kind\":\"\xff\"}", want: Job{},
			err: "the message is not UTF-8, so it is not JSON",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job, unknown, err := Decode([]byte(tt.body), tt.messageID)
			if got := errorText(err); got != tt.err {
				t.Errorf("error %q, want %q", got, tt.err)
			}
			if !reflect.DeepEqual(job, tt.want) {
				t.Errorf("job %+v\nwant %+v", job, tt.want)
			}
			if !slices.Equal(unknown, tt.unknown) {
				t.Errorf("unknown %q, want %q", unknown, tt.unknown)
			}
		})
	}
}

func TestDecodeNoIDIsItsOwnError(t *testing.T) {
	if _, _, err := Decode([]byte(`{"kind":"probe"}`), ""); !errors.Is(err, ErrNoID) {
		t.Errorf("%v is not ErrNoID, by which its dead letter is grouped", err)
	}
}

func TestMessageLimit(t *testing.T) {
	sized := func(bytes int) []byte {
		const before, after = `{"version":1,"id":"j","kind":"probe","params":{"a":"`, `"}}`
		return []byte(before + strings.Repeat("a", bytes-len(before)-len(after)) + after)
	}
	job, _, err := Decode(sized(MaxMessage), "")
	if err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	if body, err := Encode(job); err != nil || len(body) != MaxMessage {
		t.Errorf("encoded at the limit: %d bytes, %v", len(body), err)
	}
	_, _, err = Decode(sized(MaxMessage+1), "m")
	if got, want := errorText(err), "the message is 65537 bytes, over the limit of 65536"; got != want {
		t.Errorf("one byte more: %q, want %q", got, want)
	}
	job.Params = []byte(strings.Replace(string(job.Params), `"a":`, `"aa":`, 1))
	_, err = Encode(job)
	if got, want := errorText(err), "job j is 65537 bytes on the wire, over the limit of 65536: put large data into "+
		"the input and name its URL"; got != want {
		t.Errorf("one byte more: %q, want %q", got, want)
	}
}

func TestEncode(t *testing.T) {
	tests := []struct {
		name string
		job  Job
		want string
		err  string
	}{
		{
			name: "the version is written", job: Job{ID: "j", Kind: "probe"},
			want: `{"version":1,"id":"j","kind":"probe"}`,
		},
		{
			name: "whatever it was", job: Job{Version: 7, ID: "j", Kind: "probe"},
			want: `{"version":1,"id":"j","kind":"probe"}`,
		},
		{
			name: "a URL stays as it is", job: Job{
				ID: "j", Kind: "probe", Input: "https://h/?a=1&b=<2>",
				Params: []byte(`{ "at": "<&>" }`),
			},
			want: `{"version":1,"id":"j","kind":"probe","input":"https://h/?a=1&b=<2>","params":{"at":"<&>"}}`,
		},
		{name: "no id", job: Job{Kind: "probe"}, err: "no id"},
		{
			name: "no kind", job: Job{ID: "j"},
			err: "kind is missing: what is to be done with the input? Give a kind, or a preset",
		},
		{
			name: "a window without a key", job: Job{ID: "j", Kind: "probe", DedupWindow: 1},
			err: "dedupWindow needs a dedupKey",
		},
		{
			name: "a negative window", job: Job{ID: "j", Kind: "probe", DedupKey: "k", DedupWindow: -1},
			err: "dedupWindow -1ns must be above 0",
		},
		{
			name: "a long key", job: Job{ID: "j", Kind: "probe", DedupKey: strings.Repeat("k", 257)},
			err: "dedupKey has 257 bytes, over the limit of 256: use a hash of it",
		},
		{
			name: "a priority of Siren's own", job: Job{ID: "j", Kind: "probe", Priority: 5},
			err: "priority 5 must be 0 to 4",
		},
		{
			name: "params not an object", job: Job{ID: "j", Kind: "probe", Params: []byte("3")},
			err: "params must be a JSON object",
		},
		{
			name: "params not JSON", job: Job{ID: "j", Kind: "probe", Params: []byte("{")},
			err: "job j: json: error calling MarshalJSON for type json.RawMessage: unexpected end of JSON input",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := Encode(tt.job)
			if string(body) != tt.want || errorText(err) != tt.err {
				t.Errorf("%s, %v\nwant %s, %s", body, err, tt.want, tt.err)
			}
		})
	}
}

// read names the fields again, to match them exactly: a new field of Job must be one of them.
func TestEveryFieldOfAJobIsRead(t *testing.T) {
	whole := Job{
		Version: 1, ID: "j", Kind: "k", Labels: map[string]string{"a": "b"}, Input: "i", Output: "o",
		Params: []byte(`{}`), Overwrite: true, Priority: 3, Preset: "p@1", Expanded: true,
		ExpiresAt: time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), DedupKey: "d",
		DedupWindow: lanes.Duration(30 * time.Minute),
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Job]()) {
		if reflect.ValueOf(whole).FieldByIndex(f.Index).IsZero() {
			t.Errorf("the whole job of this test lacks %s", f.Name)
		}
	}
	body, err := Encode(whole)
	if err != nil {
		t.Fatal(err)
	}
	again, unknown, err := Decode(body, "")
	if err != nil || len(unknown) > 0 || !reflect.DeepEqual(again, whole) {
		t.Errorf("read back %+v, unknown %q, %v", again, unknown, err)
	}
}

func TestIDOf(t *testing.T) {
	id := IDOf("a", []byte("{"))
	if !ValidID(id) || len(id) != len(NewID(time.Now())) || id != IDOf("a", []byte("{")) {
		t.Errorf("IDOf = %q", id)
	}
	for _, other := range []string{IDOf("b", []byte("{")), IDOf("", []byte("a{")), IDOf("a", nil), IDOf("a{", nil)} {
		if other == id {
			t.Errorf("two messages have the id %q", id)
		}
	}
}

func TestValidID(t *testing.T) {
	tests := []struct {
		id   string
		want bool
	}{
		{"a", true},
		{"A-z_0.9", true},
		{"...", true},
		{strings.Repeat("x", 64), true},
		{NewID(time.Now()), true},
		{"", false},
		{".", false},
		{"..", false},
		{strings.Repeat("x", 65), false},
		{"a/b", false},
		{"a\n", false},
		{"ä", false},
		{"a b", false},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			if got := ValidID(tt.id); got != tt.want {
				t.Errorf("ValidID(%q) = %v", tt.id, got)
			}
		})
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for range 10_000 {
		id := NewID(at)
		if seen[id] || len(id) != 26 || !ValidID(id) {
			t.Fatalf("%q is there twice or no id", id)
		}
		seen[id] = true
	}
	last := ""
	for ms := range 10_000 { // across every carry between the letters that the time takes
		id := NewID(at.Add(time.Duration(ms*ms) * time.Millisecond))
		if id[:10] < last {
			t.Fatalf("%s of a later time sorts before %s", id, last)
		}
		last = id[:10]
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Whatever a message holds, Decode answers; and what it accepts can be written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"j-1","kind":"transcode","labels":{"tier":"premium"},`+
		`"input":"s3://uploads/a?x=1&y=2","params":{"crf":23}}`), "")
	f.Add([]byte(`{"kind":"probe","ID":"x","params":null,"zeta":[]}`), "m")
	f.Add([]byte(`{"id":"..","kind":"\u2028","labels":{"":""}}`), "m")
	f.Add([]byte(`[{"id":1}]`), "a b")
	f.Add([]byte(`{"id":"a","kind":"probe","expiresAt":"9999-12-31T23:59:59.999999999-23:59","dedupKey":"k",`+
		`"dedupWindow":"1h30m"}`), "")
	f.Add([]byte(`{"id":"a","kind":"probe","expiresAt":null,"dedupKey":"","dedupWindow":"-1s"}`), "")
	f.Fuzz(func(t *testing.T, body []byte, messageID string) {
		job, unknown, err := Decode(body, messageID)
		if err != nil {
			return
		}
		if !ValidID(job.ID) || job.Kind == "" || !slices.IsSorted(unknown) {
			t.Errorf("accepted %+v, unknown %q", job, unknown)
		}
		if len(body) > MaxMessage/8 {
			return // written again it may be longer: \u2028 is six bytes then
		}
		wire, err := Encode(job)
		if err != nil {
			t.Fatalf("can't be written again: %v", err)
		}
		again, unknown, err := Decode(wire, "")
		if err != nil || len(unknown) > 0 {
			t.Fatalf("can't be read again: %v, unknown %q", err, unknown)
		}
		if wire2, err := Encode(again); err != nil || string(wire2) != string(wire) {
			t.Errorf("written twice:\n%s\n%s\n%v", wire, wire2, err)
		}
	})
}
