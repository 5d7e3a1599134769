package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/workertest"
)

// Every job that can't work ends with the right kind of error and a message for its owner, and leaves nothing behind.
func TestBadInputs(t *testing.T) {
	b := newBench(t)
	clip, still, sound := b.put("clip.mp4"), b.put("still.png"), b.put("sound.m4a")
	whole, err := os.ReadFile(sharedClip(t, "clip.mp4"))
	workertest.Must(t, err)
	front, err := os.ReadFile(sharedClip(t, "front.mp4"))
	workertest.Must(t, err)
	mkv, err := os.ReadFile(sharedClip(t, "clip.mkv"))
	workertest.Must(t, err)
	noise := make([]byte, 64<<10)
	rand.New(rand.NewSource(1)).Read(noise)
	workertest.Must(t, os.Mkdir(filepath.Join(b.in, "folder"), 0o755))
	for _, c := range []struct {
		name, kind, input, params string
		want                      work.ErrorKind
		says                      string
	}{
		{"random bytes", "transcode", b.write("noise", noise), ``, work.BadInput, "can't be read"},
		{
			"text", "transcode", b.write("text.txt", []byte(strings.Repeat("once upon a time ", 99))), ``,
			work.BadInput,
			"can't be read",
		},
		{
			"a truncated AVI", "probe", b.write("cut.avi",
				append([]byte("RIFF\xff\xff\x00\x00AVI LIST"), noise[:100]...)),
			``, work.BadInput, "is cut off",
		},
		{"zero bytes", "transcode", b.write("zero.mp4", nil), ``, work.BadInput, "is empty"},
		{
			"truncated, index lost", "transcode", b.write("cut.mp4", whole[:len(whole)/2]), ``, work.BadInput,
			"is cut off",
		},
		{
			"truncated, index in front", "thumbnail", b.write("cut2.mp4", front[:len(front)/2]), `{"tolerate":"none"}`,
			work.BadInput,
			"is cut off",
		},
		{
			"truncated mkv", "transcode", b.write("cut.mkv", mkv[:len(mkv)/3]), `{"tolerate":"none"}`, work.BadInput,
			"is cut off",
		},
		{"HLS playlist", "transcode", b.write("list.m3u8",
			[]byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n"+
				"file:///etc/passwd\n#EXT-X-ENDLIST\n")), ``, work.BadInput, "an HLS playlist"},
		{"HLS playlist named mp4", "transcode", b.write("list.mp4",
			[]byte("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n"+
				"http://169.254.169.254/\n")), ``, work.BadInput, "an HLS playlist"},
		{
			"HLS playlist behind spaces", "probe", b.write("spaced.m3u8", []byte("\n \n#EXTM3U\n#EXTINF:10,\nx.ts\n")),
			``,
			work.BadInput, "an HLS playlist",
		},
		{
			"concat playlist", "transcode", b.write("list.txt", []byte("ffconcat version 1.0\nfile /etc/passwd\n")), ``,
			work.BadInput, "a concat playlist",
		},
		{"DASH manifest", "transcode", b.write("m.mpd",
			[]byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">`+
				`<BaseURL>http://10.0.0.1/</BaseURL></MPD>`)), ``, work.BadInput, "a DASH manifest"},
		{
			"SVG", "thumbnail",
			b.write("x.svg",
				[]byte(`<svg xmlns="http://www.w3.org/2000/svg">`+
					`<image href="file:///etc/passwd"/></svg>`)), ``, work.BadInput, "an SVG drawing",
		},
		{
			"subtitles", "transcode", b.write("s.srt", []byte("1\n00:00:01,000 --> 00:00:02,000\nhello\n")), ``,
			work.BadInput, "a subtitle file",
		},
		{
			"subtitles of another kind", "probe", b.write("s.ass", []byte("[Script Info]\nTitle: x\n\n[Events]\n")), ``,
			work.BadInput, "a subtitle file",
		},
		{
			"a picture of 100k x 100k pixels", "thumbnail", b.write("bomb.png", hugePNG(100_000, 100_000)), ``,
			work.OverLimit, "100000 x 100000",
		},
		{
			"a picture of 20k x 20k pixels", "probe", b.write("large.png", hugePNG(20_000, 20_000)), ``, work.OverLimit,
			"20000 x 20000",
		},
		{"no video", "transcode", sound, ``, work.BadInput, "has no video"},
		{"no video for a picture", "thumbnail", sound, ``, work.BadInput, "has no video"},
		{"missing file", "probe", "file://" + b.in + "/nowhere.mp4", ``, work.BadInput, "doesn't exist"},
		{
			"a name that is too long", "probe", "file://" + b.in + "/" + strings.Repeat("n", 300), ``, work.BadInput,
			"file name too long",
		},
		{"missing below a file", "probe", clip + "/x", ``, work.BadInput, "doesn't exist"},
		{"a folder", "probe", "file://" + b.in + "/folder", ``, work.BadInput, "is a folder"},
		{"past the end", "thumbnail", clip, `{"at": "1h"}`, work.BadInput, "past the end"},
		{"no length", "thumbnail", still, `{"at": "50%"}`, "", ""},
		{"unknown kind", "transcod", clip, ``, work.BadInput, `did you mean "transcode"?`},
		{"unknown param", "transcode", clip, `{"heigth": 10}`, work.BadInput, `did you mean "height"?`},
		{"params for another kind", "probe", clip, `{"crf": 10}`, work.BadInput, "probe takes tolerate"},
		{
			"several problems", "transcode", clip,
			`{"width": "big", "fps": 0, "speed": "placebo", "audio": "1k", "vf": "movie=/etc/passwd"}`, work.BadInput,
			"width must be",
		},
		{"crf and bitrate", "transcode", clip, `{"crf": 20, "bitrate": "2M"}`, work.BadInput, "not both"},
		{"half a pixel", "thumbnail", clip, `{"width": 100.5}`, work.BadInput, "whole number"},
		{"a strange moment", "thumbnail", clip, `{"at": "noon"}`, work.BadInput, "at must be"},
		{
			"an option in a param", "transcode", clip, `{"speed": "fast -vf movie=/etc/passwd"}`, work.BadInput,
			"speed must be",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := map[string]string{"probe": "x.json", "thumbnail": "x.jpg"}[c.kind]
			if name == "" {
				name = "x.mp4"
			}
			out := "refused/" + name
			_, err := b.run(job.Job{
				ID: "bad", Kind: c.kind, Input: c.input, Output: b.output(out),
				Params: paramsJSON(c.params),
			})
			if c.want == "" {
				workertest.Must(t, err)
				workertest.Must(t, os.RemoveAll(filepath.Join(b.out, "refused")))
				return
			}
			workertest.Expect(t, err, c.want, c.says)
			if found := workertest.Names(t, b.out); len(found) > 0 {
				t.Errorf("it left %v in the output folder", found)
			}
			if strings.Contains(err.Error(), b.scratch) || strings.Contains(err.Error(), "/dev/fd") {
				t.Errorf("the message shows our own paths: %s", err)
			}
		})
	}
}

// The formats that ffmpeg may use keep playlists and the like out by themselves, whatever disguise doesn't recognise.
func TestFormatsKeepPlaylistsOut(t *testing.T) {
	b := newBench(t)
	clip := sharedClip(t, "clip.mp4")
	for name, text := range map[string]string{
		"HLS":    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + clip + "\n#EXT-X-ENDLIST\n",
		"concat": "ffconcat version 1.0\nfile " + clip + "\n",
		"DASH": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" ` +
			`profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">` +
			`<Period><AdaptationSet><Representation><BaseURL>` + clip +
			`</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"SVG":       `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>`,
		"subtitles": "1\n00:00:01,000 --> 00:00:02,000\nhello\n\n2\n00:00:03,000 --> 00:00:04,000\nhello\n",
		"SDP":       "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, a := b.attempt(t, "clip.mp4", b.limits)
			b.write("text", []byte(text))
			file, err := os.Open(filepath.Join(b.in, "text"))
			workertest.Must(t, err)
			defer func() { _ = file.Close() }()
			a.Box.Input = file
			_, err = a.Box.Run(ctx, b.h.options.Programs.FFprobe,
				append(sandbox.Guards(a.Task.Limits), "-show_format", "-i", sandbox.InputName), io.Discard)
			workertest.Expect(t, err, work.BadInput, "")
		})
	}
}

// What can be refused without I/O is refused by Check, with all problems at once.
func TestCheck(t *testing.T) {
	storage := []lanes.Storage{
		{Prefix: "file:///data/in/", Read: true},
		{Prefix: "file:///data/out/", Read: true, Write: true},
		{Prefix: "file:///data/out/masters/", Read: true},
		{Prefix: "s3://media-in/raw/", Read: true},
		{Prefix: "s3://media-out/", Read: true, Write: true},
		{Prefix: "https://cdn.example.com/pub/", Read: true},
	}
	good := job.Job{ID: "j", Kind: "probe", Input: "file:///data/in/a.mp4", Output: "file:///data/out/a.json"}
	for _, c := range []struct {
		name, input, output string
		want                work.ErrorKind
		says                string
	}{
		{"good", "", "", "", ""},
		{"good s3", "s3://media-in/raw/a b/ü.mp4", "s3://media-out/x.json", "", ""},
		{"good https", "https://CDN.example.com:443/pub/a.mp4?sig=secret", "", "", ""},
		{"encoded space", "file:///data/in/a%20b.mp4", "", "", ""},
		{"no input", "-", "", work.BadInput, "input is missing"},
		{
			"outside", "file:///etc/passwd", "", work.NotAllowed,
			"outside the storage that jobs may read (file:///data/in/,",
		},
		{
			"a neighbour with the same beginning", "file:///data/inside/a.mp4", "", work.NotAllowed,
			"outside the storage",
		},
		{"the prefix itself", "file:///data/in", "", work.NotAllowed, "outside the storage"},
		{"a folder", "file:///data/in/b/", "", work.BadInput, "is a folder: name a file in it"},
		{"dots", "file:///data/in/../../etc/passwd", "", work.NotAllowed, `".." is not allowed`},
		{"encoded dots", "file:///data/in/%2e%2e/x", "", work.NotAllowed, "percent-encoded"},
		{"encoded slash", "file:///data/in/..%2f..%2fetc/passwd", "", work.NotAllowed, "percent-encoded"},
		{"a query", "file:///data/in/a.mp4?x=1", "", work.NotAllowed, "a query (?)"},
		{"an empty query", "file:///data/in/a.mp4?", "", work.NotAllowed, "a query (?)"},
		{"a fragment", "file:///data/in/a.mp4#t=10", "", work.NotAllowed, "fragment"},
		{"a host", "file://server/data/in/a.mp4", "", work.NotAllowed, "a file has no host"},
		{"not absolute", "file:data/in/a.mp4", "", work.NotAllowed, "write it as file://"},
		{"a plain path", "/data/in/a.mp4", "", work.NotAllowed, "the scheme must be"},
		{"double slash", "file:///data/in//a.mp4", "", work.NotAllowed, "empty part"},
		{"a null byte", "file:///data/in/a%00.mp4", "", work.NotAllowed, "control characters"},
		{"our own folder", "file:///data/in/.siren/j/a/x", "", work.NotAllowed, "belongs to Siren"},
		{"read-only", "", "file:///data/in/a.json", work.NotAllowed, "may write (file:///data/out/,"},
		{"read-only within a writable prefix", "", "file:///data/out/masters/a.json", work.NotAllowed, "may write"},
		{"another bucket", "s3://secret/a.mp4", "", work.NotAllowed, "outside the storage"},
		{"outside the bucket's prefix", "s3://media-in/other/a.mp4", "", work.NotAllowed, "outside the storage"},
		{"dots in s3", "s3://media-in/raw/../other/a.mp4", "", work.NotAllowed, `".." is not allowed`},
		{"options in s3", "s3://media-in/raw/a.mp4?endpoint=evil.example.com", "", work.NotAllowed, "a query (?)"},
		{"credentials in s3", "s3://key:secret@media-in/raw/a.mp4", "", work.NotAllowed, "leave out user and password"},
		{"a bucket with a port", "s3://media-in:99/raw/a.mp4", "", work.NotAllowed, "write s3://bucket/key"},
		{"another host", "https://evil.example.com/pub/a.mp4", "", work.NotAllowed, "outside the storage"},
		{"another scheme", "http://cdn.example.com/pub/a.mp4", "", work.NotAllowed, "outside the storage"},
		{"another port", "https://cdn.example.com:8443/pub/a.mp4", "", work.NotAllowed, "outside the storage"},
		{
			"a user before the host", "https://cdn.example.com@evil.example.com/pub/a.mp4", "", work.NotAllowed,
			"leave out user and password",
		},
		{"output over http", "", "https://cdn.example.com/pub/a.json", work.NotAllowed, "can only be read"},
		{"ffmpeg's protocols", "concat:/data/in/a|/etc/passwd", "", work.NotAllowed, ""},
		{"ftp", "ftp://cdn.example.com/a.mp4", "", work.NotAllowed, "the scheme must be"},
		{"wrong ending", "", "file:///data/out/a.mp4", work.BadInput, "must end in .json"},
		{"same file", "file:///data/out/a.json", "file:///data/out/a.json", work.BadInput, "the same file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := good
			if c.input != "" {
				job.Input = strings.TrimPrefix(c.input, "-")
			}
			if c.output != "" {
				job.Output = c.output
			}
			err := Check(job, storage)
			if c.want == "" {
				workertest.Must(t, err)
				return
			}
			workertest.Expect(t, err, c.want, c.says)
			if strings.Contains(err.Error(), "secret") && c.name != "another bucket" {
				t.Errorf("a secret is in the message: %s", err)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		err := Check(job.Job{
			ID: "j", Kind: "thumbnail", Input: "file:///x", Output: "file:///data/out/a.jpg",
			Params: paramsJSON(`{"quality": 0, "whidth": 1}`),
		}, storage)
		workertest.Expect(t, err, work.NotAllowed, "outside the storage")
		workertest.Expect(t, err, work.NotAllowed, "quality must be")
		workertest.Expect(t, err, work.NotAllowed, `did you mean "width"?`)
	})
	for _, id := range []string{".", "..", "..."} {
		j := good
		j.ID = id
		workertest.Expect(t, Check(j, storage), work.BadInput, "id")
	}
}

// Links, pipes and devices below an allowed prefix.
func TestFilesThatLeadElsewhere(t *testing.T) {
	b := newBench(t)
	secret := filepath.Join(filepath.Dir(b.in), "secret")
	workertest.Must(t, os.Mkdir(secret, 0o755))
	workertest.Must(t, os.WriteFile(filepath.Join(secret, "s.mp4"), []byte("secret"), 0o644))
	narrow := filepath.Join(b.out, "narrow")
	workertest.Must(t, os.Mkdir(narrow, 0o755))
	b.storage = append(b.storage, lanes.Storage{Prefix: "file://" + narrow + "/", Read: true})
	for link, to := range map[string]string{
		"in/absolute.mp4": filepath.Join(secret, "s.mp4"), "in/relative.mp4": "../secret/s.mp4", "in/dir": "../secret",
		"in/fine.mp4": "clip.mp4",
		"in/loop.mp4": "loop.mp4", "in/gone.mp4": "nowhere", "out/dir": "../secret", "out/tonarrow": "narrow",
		"out/dangling.json": "../secret/new.json",
	} {
		workertest.Must(t, os.Symlink(to, filepath.Join(filepath.Dir(b.in), link)))
	}
	workertest.Must(t, syscall.Mkfifo(filepath.Join(b.in, "pipe.mp4"), 0o644))
	workertest.Must(t, syscall.Mknod(filepath.Join(b.in, "null.mp4"), syscall.S_IFCHR|0o644, 1<<8|3))
	b.put("clip.mp4")
	fine := "file://" + b.in + "/fine.mp4"
	for _, c := range []struct {
		name, input, output string
		want                work.ErrorKind
		says                string
	}{
		{"a link within the prefix", fine, "a.json", "", ""},
		{
			"an absolute link out", "file://" + b.in + "/absolute.mp4", "b.json", work.NotAllowed,
			"a symbolic link leads out",
		},
		{
			"a relative link out", "file://" + b.in + "/relative.mp4", "b.json", work.NotAllowed,
			"a symbolic link leads out",
		},
		{
			"a linked folder out", "file://" + b.in + "/dir/s.mp4", "b.json", work.NotAllowed,
			"a symbolic link leads out",
		},
		{"a loop", "file://" + b.in + "/loop.mp4", "b.json", work.BadInput, "too many levels"},
		{"a dead link", "file://" + b.in + "/gone.mp4", "b.json", work.BadInput, "doesn't exist"},
		{"a pipe", "file://" + b.in + "/pipe.mp4", "b.json", work.NotAllowed, "not a regular file"},
		{"a device", "file://" + b.in + "/null.mp4", "b.json", work.NotAllowed, "not a regular file"},
		{"output into a linked folder", fine, "dir/b.json", work.NotAllowed, "a symbolic link leads out"},
		{"output below a linked folder", fine, "dir/new/b.json", work.NotAllowed, "a symbolic link leads out"},
		{
			"output by a link into a read-only prefix", fine, "tonarrow/b.json", work.NotAllowed,
			"a symbolic link leads out",
		},
		{"output over a link", fine, "dangling.json", work.OutputExists, "already exists"},
		{"output below a file", fine, "a.json/b.json", work.BadInput, "its folder is a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.run(job.Job{Kind: "probe", Input: c.input, Output: b.output(c.output)})
			if c.want == "" {
				workertest.Must(t, err)
				return
			}
			workertest.Expect(t, err, c.want, c.says)
		})
	}
	if got := workertest.Names(t, secret); len(got) != 1 {
		t.Errorf("something was written outside: %v", got)
	}
	b.storage = []lanes.Storage{
		{Prefix: "file:///not/mounted/", Read: true},
		{Prefix: "file://" + b.out + "/", Write: true},
	}
	_, err := b.run(job.Job{Kind: "probe", Input: "file:///not/mounted/a.mp4", Output: b.output("z.json")})
	workertest.Expect(t, err, work.Transient, "is its volume mounted?")
}

// hugePNG returns the beginning of a PNG of that size: all that a decoder needs to allocate for it.
func hugePNG(width, height uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		b.Write(body)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, width)
	head = binary.BigEndian.AppendUint32(head, height)
	chunk("IHDR", append(head, 8, 2, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1})
	chunk("IEND", nil)
	return b.Bytes()
}
