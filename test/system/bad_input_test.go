package system_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// bad is a job that can't work.
type bad struct {
	name                string
	kind, input, params string // of the job; "" for a probe of a good clip
	output              string // "": a free name
	reason              work.ErrorKind
	says                string // what the error must name
	early               bool   // `siren enqueue` knows already
}

// badJobs makes the files and lists the jobs.
func (s *site) badJobs(w *web) []bad {
	s.t.Helper()
	clip := s.clip("clip.mp4")
	s.mkdir("elsewhere")
	s.must(os.WriteFile(filepath.Join(s.dir, "elsewhere", "secret.mp4"), clip, 0o644))
	s.must(os.Symlink("../elsewhere/secret.mp4", path(s.input("link.mp4"))))
	s.must(os.Symlink("../elsewhere", path(s.input("folder"))))
	s.must(os.Symlink("../elsewhere", path(s.output("folder"))))
	s.must(os.WriteFile(path(s.output("taken.json")), []byte("mine"), 0o644))
	local, good := fmt.Sprintf("http://127.0.0.1:%d/inner.mp4", w.port), s.input("clip.mp4")
	badly, denied, over, exists := work.BadInput, work.NotAllowed, work.OverLimit, work.OutputExists
	return []bad{
		{name: "unreadable", kind: "transcode", input: s.write("noise.mp4",
			bytes.Repeat([]byte("once upon a time "), 4000)), reason: badly, says: "noise.mp4 can't be read"},
		{
			name: "truncated", kind: "transcode", input: s.write("half.mp4", clip[:len(clip)/2]), reason: badly,
			says: "half.mp4 is cut off",
		},
		{name: "zero bytes", input: s.write("zero.mp4", nil), reason: badly, says: "zero.mp4 is empty"},
		{
			name: "an HLS playlist", kind: "transcode", reason: badly, says: "an HLS playlist",
			input: s.write("list.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n"+
				local+"\n#EXT-X-ENDLIST\n")),
		},
		{
			name: "a concat playlist", kind: "transcode", reason: badly, says: "a concat playlist",
			input: s.write("list.txt", []byte("ffconcat version 1.0\nfile '"+
				filepath.Join(s.dir, "elsewhere", "secret.mp4")+"'\n")),
		},
		{
			name: "100k x 100k pixels", kind: "thumbnail", input: s.write("bomb.png", hugePNG(100_000, 100_000)),
			reason: over, says: "100000 x 100000",
		},
		{name: "a missing file", input: s.input("nowhere.mp4"), reason: badly, says: "nowhere.mp4 doesn't exist"},
		{
			name: "a symbolic link out", input: s.input("link.mp4"), reason: denied,
			says: "link.mp4: a symbolic link leads out",
		},
		{
			name: "a linked folder out", input: s.input("folder/secret.mp4"), reason: denied,
			says: "secret.mp4: a symbolic link leads out",
		},
		{
			name: "output through a link", output: s.output("folder/x.json"), reason: denied,
			says: "x.json: a symbolic link leads out",
		},
		{
			name: "output that exists", output: s.output("taken.json"), reason: exists,
			says: "taken.json already exists",
		},

		{
			name: "http to localhost", input: fmt.Sprintf("http://localhost:%d/inner.mp4", w.port), reason: denied,
			says: "is outside the storage", early: true,
		},
		{
			name: "redirect to a private address", input: w.public + "/to-private", reason: denied,
			says: w.refused("10.1.2.3/x.mp4 is outside the storage"), early: !w.isolated(),
		},
		{
			name: "redirect to loopback", input: w.public + "/to-loopback?token=hush", reason: denied,
			says: w.refused("inner.mp4 is outside the storage"), early: !w.isolated(),
		},
		{
			name: "redirect to the cloud's metadata", input: w.public + "/to-metadata", reason: denied,
			says: w.refused("169.254.169.254/latest/meta-data/x is outside the storage"), early: !w.isolated(),
		},
		{
			name: "redirect out of the storage", input: w.public + "/to-outside", reason: denied,
			says: w.refused("example.com/x.mp4 is outside the storage"), early: !w.isolated(),
		},

		{
			name: "wrong kind", kind: "transcod", output: s.output("x.mp4"), reason: badly,
			says: `did you mean "transcode"?`, early: true,
		},
		{
			name: "wrong params", kind: "transcode", params: `{"heigth": 720, "crf": 99}`, reason: badly,
			says: `did you mean "height"?`, early: true,
		},
		{
			name: "ffmpeg options for params", kind: "transcode", params: `{"speed": "fast -i /etc/passwd"}`,
			reason: badly, says: "speed must be one of", early: true,
		},
		{name: "no input", input: " ", reason: badly, says: "input is missing", early: true},
		{
			name: "output of another type", output: s.output("x.mp4"), reason: badly, says: "must end in .json",
			early: true,
		},
		{
			name: "a file outside", input: "file:///etc/passwd", reason: denied,
			says: "file:///etc/passwd is outside the storage", early: true,
		},
		{
			name: "a file outside, by ..", input: s.input("") + "/../elsewhere/secret.mp4", reason: denied,
			says: `".." is not allowed`, early: true,
		},
		{
			name: "a file outside, by encoded ..", input: s.input("") + "/%2e%2e/elsewhere/secret.mp4", reason: denied,
			says: "percent-encoded", early: true,
		},
		{
			name: "a URL query", input: good + "?path=/etc/passwd", reason: denied, says: "a query (?) is not allowed",
			early: true,
		},
		{
			name: "output into the read-only folder", output: s.input("x.json"), reason: denied,
			says: "outside the storage that jobs may write", early: true,
		},
		{name: "output over http", output: w.public + "/x.json", reason: denied, says: "can only be read", early: true},
		{
			name: "another bucket", input: "s3://other/raw/a.mp4", reason: denied,
			says: "s3://other/raw/a.mp4 is outside the storage", early: true,
		},
		{
			name: "outside the bucket's prefix", input: "s3://media-in/private/a.mp4", reason: denied,
			says: "s3://media-in/private/a.mp4 is outside the storage", early: true,
		},
		{
			name: "outside the bucket's prefix, by ..", input: "s3://media-in/raw/../private/a.mp4", reason: denied,
			says: `".." is not allowed`, early: true,
		},
		{
			name: "another endpoint by a URL query", input: "s3://media-in/raw/a.mp4?endpoint=example.com",
			reason: denied,
			says:   "a query (?) is not allowed", early: true,
		},
		{
			name: "another host", input: "http://example.com/a.mp4", reason: denied,
			says: "http://example.com/a.mp4 is outside the storage", early: true,
		},
	}
}

// job returns the bad job with an id.
func (b bad) job(s *site, id string) job.Job {
	j := job.Job{
		ID: id, Kind: b.kind, Input: strings.TrimSpace(b.input), Output: b.output,
		Params: json.RawMessage(b.params),
	}
	if j.Kind == "" {
		j.Kind = "probe"
	}
	if b.input == "" {
		j.Input = s.input("clip.mp4")
	}
	if j.Output == "" {
		j.Output = s.output(id + map[string]string{"probe": ".json", "thumbnail": ".jpg", "transcode": ".mp4"}[j.Kind])
	}
	return j
}

// Whatever a job asks for, it is refused or ends as a dead letter, with a reason that its owner understands, and the
// worker that met them all lives on.
func TestBadInput(t *testing.T) {
	s := newSite(t, oneWorker)
	w := serve(t, s.clip("clip.mp4"))
	s.allow(append(w.storage(), `  - {prefix: "s3://media-in/raw/", read: true}`,
		`  - {prefix: "s3://media-out/", write: true}`)...)
	s.scaler()
	workers := fmt.Sprint(s.workers())
	good := s.put("clip.mp4")
	table := s.badJobs(w)

	var direct []job.Job
	for i, b := range table {
		direct = append(direct, b.job(s, fmt.Sprintf("amqp-%02d", i)))
	}
	s.publish("standard", direct...)
	refused := s.enqueueBad(table)
	for i, b := range table {
		t.Run(b.name, func(t *testing.T) {
			s := s.in(t)
			s.checkBad(b, direct[i].ID)
			if !b.early {
				s.checkBad(b, fmt.Sprintf("cli-%02d", i))
			}
		})
	}
	letters := s.deadLetters()
	if want := len(direct) + len(table) - refused; len(letters) != want {
		t.Errorf("%d dead letters, want %d", len(letters), want)
	}
	for id, l := range letters {
		if r, err := s.client.Get(t.Context(), id); err != nil || l.Headers["reason"] != r.Reason ||
			l.Headers["error"] != r.Error || r.Reason == "" {
			t.Errorf("dead letter %s: %v; its record: %+v, %v", id, l.Headers, r, err)
		}
	}
	outputs, _ := filepath.Glob(filepath.Join(s.dir, "out", "*"))
	if len(outputs) != 2 { // the link and the file that were there before
		t.Errorf("in the folder for outputs: %v", outputs)
	}
	if text, _ := os.ReadFile(path(s.output("taken.json"))); string(text) != "mine" {
		t.Errorf("the file that was there before is now %q", text)
	}
	if n := w.inner.Load(); n > 0 {
		t.Errorf("the internal server was reached %d times", n)
	}

	t.Run("the worker lives on", func(t *testing.T) {
		s := s.in(t)
		s.completed(s.enqueue("transcode", "--input", good, "--output", s.output("good.mp4")), 30*time.Second)
		s.must(whole(path(s.output("good.mp4"))))
		if w.isolated() {
			s.completed(s.enqueue("probe", "--input", w.public+"/clip.mp4", "--output", s.output("fetched.json")),
				30*time.Second)
		}
		if now := fmt.Sprint(s.workers()); now != workers {
			t.Errorf("the worker is %s, and was %s", now, workers)
		}
	})
}

// enqueueBad gives the jobs to `siren enqueue`, waits for them, and returns how many it refused: those that can't work,
// for all that can be known without looking at files and addresses.
func (s *site) enqueueBad(table []bad) (refused int) {
	s.t.Helper()
	var file strings.Builder
	for i, b := range table {
		line, err := json.Marshal(b.job(s, fmt.Sprintf("cli-%02d", i)))
		s.must(err)
		file.Write(append(line, '\n'))
	}
	r := s.siren(file.String(), "enqueue", "--file", "-", "--wait")
	if r.code != 4 {
		s.t.Errorf("siren enqueue of bad jobs: %s", r)
	}
	said, ids := strings.Split(r.err, "\n"), strings.Fields(r.out)
	for i, b := range table {
		id, begins := fmt.Sprintf("cli-%02d", i), fmt.Sprintf("line %d: ", i+1)
		if b.early {
			refused++
		} else {
			begins = fmt.Sprintf("%s is dead: %s: ", id, b.reason)
		}
		if enqueued := slices.Contains(ids, id); enqueued == b.early {
			s.t.Errorf("%s: enqueued: %t", b.name, enqueued)
		}
		if !slices.ContainsFunc(said, func(line string) bool {
			return strings.HasPrefix(line, begins) && strings.Contains(line, b.says)
		}) {
			s.t.Errorf("%s: siren enqueue doesn't say %q … %q:\n%s", b.name, begins, b.says, r.err)
		}
	}
	one := s.siren("", "enqueue", "probe", "--input", "file:///etc/passwd", "--output", s.output("x.json"))
	if one.code != 2 || one.out != "" || !strings.Contains(one.err, "file:///etc/passwd is outside the storage") {
		s.t.Errorf("siren enqueue of one bad job: %s", one)
	}
	return refused
}

// checkBad checks the job's end, as its owner sees it.
func (s *site) checkBad(b bad, id string) {
	s.t.Helper()
	r := s.record(id, "dead", 60*time.Second, func(r job.Record) bool { return r.State.Final() })
	if r.State != job.Dead || r.Reason != string(b.reason) || r.Attempts != 1 {
		s.t.Errorf("record %+v; want it dead at its first attempt: %s", r, b.reason)
	}
	s.t.Logf("%s: %s", r.Reason, r.Error)
	switch e := r.Error; {
	case !strings.Contains(e, b.says):
		s.t.Errorf("the error is %q, want %q in it", e, b.says)
	case len(e) > 600, strings.ContainsFunc(e, func(c rune) bool { return !unicode.IsPrint(c) }):
		s.t.Errorf("not one readable line: %q", e)
	case strings.Contains(e, s.dir+"/tmp/"), strings.Contains(e, "/dev/fd"), strings.Contains(e, "%!"),
		strings.Contains(e, "hush"):
		s.t.Errorf("it shows what is nobody's business: %q", e)
	}
}

// hugePNG returns the beginning of a PNG of that size: all that a decoder needs to make room for it.
func hugePNG(width, height uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
		b.Write(body)
		b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	chunk("IHDR", append(size, 8, 2, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1})
	chunk("IEND", nil)
	return b.Bytes()
}
