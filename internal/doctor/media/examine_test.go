package media

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media/recipe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/storage/s3test"
	"github.com/polyglot-media/siren/worker/workertest"
)

// one returns the one finding of a check; all of them have to be complete.
func one(t *testing.T, all []doctor.Finding, check string) doctor.Finding {
	t.Helper()
	var found []doctor.Finding
	for _, f := range all {
		if f.What == "" || f.Severity > doctor.OK && (f.Why == "" || f.Fix == "") {
			t.Errorf("incomplete: %+v", f)
		}
		if f.Check == check {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("findings %s in %+v", check, all)
	}
	return found[0]
}

func wantFinding(t *testing.T, f doctor.Finding, severity doctor.Severity, says ...string) {
	t.Helper()
	text := f.What + "\n" + f.Why + "\n" + f.Fix
	for _, s := range says {
		if f.Severity != severity || !strings.Contains(text, s) {
			t.Errorf("%+v, want %s: …%s…", f, severity, s)
		}
	}
}

var room = Room{Slots: 2, Slot: lanes.SlotLimits{Memory: 1 << 30, Scratch: 1 << 20}}

func TestExamineThisMachine(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", "/proc") // as in a pod, nothing is writable beside the scratch folder
	all := Examine(t.Context(), Options{Scratch: filepath.Join(dir, "new")}, room)
	for _, check := range []string{"media.ffmpeg", "media.ffprobe", "media.codecs", "media.limits", "media.vips"} {
		wantFinding(t, one(t, all, check), doctor.OK, "f")
	}
	wantFinding(t, one(t, all, "media.limits"), doctor.OK, "memory 1Gi, files 1Mi")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left in the scratch folder: %v", left)
	}
	if worst := doctor.Worst(all); worst > doctor.Note { // the temporary folder may be a tmpfs
		t.Errorf("the worst is %s: %+v", worst, all)
	}
}

func TestJudgeVips(t *testing.T) {
	for _, c := range []struct {
		version  string
		lacks    []string
		severity doctor.Severity
		says     string
	}{
		{"vips-8.14.1\n", nil, doctor.OK, "libvips 8.14.1 reads HEIC"},
		{"vips-8.16.1", []string{"avif", "heic"}, doctor.Warning, "can't make or read avif, heic"},
		{"vips-8.12.1", nil, doctor.Warning, "older than 8.13"},
	} {
		wantFinding(t, judgeVips(c.version, c.lacks), c.severity, c.says)
	}
	if lacks := tryVips(t.Context(), "/bin/false", t.TempDir()); len(lacks) != 5 {
		t.Errorf("a program that does nothing lacks %v", lacks)
	}
}

func TestExamineTightLimits(t *testing.T) {
	all := Examine(t.Context(), Options{Scratch: t.TempDir()},
		Room{Slots: 1, Slot: lanes.SlotLimits{Memory: 16 << 20, Scratch: 1 << 20}})
	wantFinding(t, one(t, all, "media.limits"), doctor.Error, "doesn't start under the limits", "slot.memory")
}

func TestExamineWithoutFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	all := Examine(t.Context(), Options{Scratch: t.TempDir()}, room)
	wantFinding(t, one(t, all, "media.ffmpeg"), doctor.Error, "ffmpeg is not installed here", "apt-get install ffmpeg")
	wantFinding(t, one(t, all, "media.ffprobe"), doctor.Error, "ffprobe is not installed here")
}

// A build without what the kinds need, such as a distribution's without x264.
func TestExamineSmallFFmpeg(t *testing.T) {
	small := filepath.Join(t.TempDir(), "ffmpeg")
	script := `#!/bin/sh
case "$*" in
*-version) echo "ffmpeg version 4.4.2-0ubuntu Copyright" ;;
*-encoders) echo " V....D mjpeg  MJPEG"; echo " A....D aac  AAC" ;;
*-muxers) echo "  E  image2  x"; echo " E mp4 x" ;;
*-filters) for f in scale setsar fps null thumbnail; do echo " .. $f V->V x"; done ;;
*-demuxers) echo " D  mov,mp4,m4a,3gp,3g2,mj2 x" ;;
esac
`
	must(t, os.WriteFile(small, []byte(script), 0o755))
	all := Examine(t.Context(), Options{FFmpeg: small, Scratch: t.TempDir()}, room)
	wantFinding(t, one(t, all, "media.ffmpeg"), doctor.Error, "ffmpeg 4.4.2", "older than 5.1")
	if f := one(t, all, "media.codecs"); f.Severity != doctor.Error ||
		!strings.Contains(f.What, ", encoder libx264, ") || !strings.Contains(f.Why, "transcode") {
		t.Errorf("%+v", f)
	}
	wantFinding(t, one(t, all, "media.formats"), doctor.Warning, "can't read", "webm")
}

func TestJudgeFFmpeg(t *testing.T) {
	for text, want := range map[string]doctor.Severity{
		"ffmpeg version 5.1.6-0+deb12u1 Copyright (c) 2000-2024": doctor.OK,
		"ffmpeg version 7.1.1-1":                                 doctor.OK,
		"ffmpeg version n6.0 Copyright":                          doctor.OK,
		"ffmpeg version 5.0.1":                                   doctor.Error,
		"ffmpeg version N-109542-g8f10ef2":                       doctor.Note,
		"ffmpeg version git-2020-01-01-abcd":                     doctor.Note,
		"something else":                                         doctor.Warning,
	} {
		if f := judgeFFmpeg(text); f.Severity != want {
			t.Errorf("%q: %+v, want %s", text, f, want)
		}
	}
}

// A build that lacks one encoder runs all else, and the doctor says whose jobs it doesn't.
func TestJudgeParts(t *testing.T) {
	uses := map[string][][]string{
		"transcode": {{"-c:v", "libx264", "-f", "mp4"}, {"-c:v", "libx265", "-f", "mp4"}},
		"thumbnail": {{"-c:v", "mjpeg", "-vf", "scale=2:2"}},
	}
	has := map[string]map[string]bool{
		"encoders": {"libx264": true, "mjpeg": true}, "muxers": {"mp4": true}, "filters": {"scale": true},
		"demuxers": parts(strings.ReplaceAll(sandbox.Formats, ",", "\n")),
	}
	wantFinding(t, one(t, judgeParts(needsOf(uses), has), "media.codecs"), doctor.Warning,
		"ffmpeg lacks encoder libx265",
		"fail: some of transcode")
	has["filters"]["scale"] = false
	wantFinding(t, one(t, judgeParts(needsOf(uses), has), "media.codecs"), doctor.Error,
		"encoder libx265, filter scale", "fail: some of transcode, thumbnail")
}

// What the kinds say that they use of ffmpeg is read out of their options.
func TestNeedsAreThoseOfTheKinds(t *testing.T) {
	n := needsOf(recipe.Uses()).all
	for sort, want := range map[string][]string{
		"encoders": {
			"aac", "flac", "libmp3lame", "libopus", "libsvtav1", "libvpx-vp9", "libwebp", "libx264", "libx265", "mjpeg",
			"pcm_s16le", "pcm_s24le", "png",
		},
		"muxers": {
			"flac", "framecrc", "hls", "image2", "ipod", "matroska", "mp3", "mp4", "null", "ogg", "s16le", "wav",
			"webm",
		},
		"filters": {
			"aformat", "alimiter", "ametadata", "anull", "aresample", "blackframe", "bwdif", "ebur128", "format", "fps",
			"lutrgb", "lutyuv", "metadata", "overlay", "pad", "pan", "scale", "setparams", "setsar", "split",
			"thumbnail", "tile", "tonemap", "tpad", "trim", "volume", "zscale",
		},
	} {
		if got := slices.Sorted(slices.Values(n[sort])); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", sort, got, want)
		}
	}
	if !slices.Contains(n["demuxers"], "webm") {
		t.Errorf("demuxers: %v", n["demuxers"])
	}
	for _, name := range everyday {
		if !slices.Contains(n["demuxers"], name) {
			t.Errorf("%s is everyday, but isn't read at all", name)
		}
	}
}

func TestJudgeScratch(t *testing.T) {
	for _, c := range []struct {
		name   string
		free   lanes.Bytes
		memory bool
		want   doctor.Severity
	}{
		{"room for all", 100 << 30, false, doctor.OK},
		{"for some", 5 << 30, false, doctor.Warning},
		{"for none", 10 << 20, false, doctor.Error},
		{"in memory", 100 << 30, true, doctor.Note},
	} {
		all := judgeScratch("/scratch", c.free, c.memory, Room{Slots: 2, Slot: lanes.SlotLimits{Scratch: 4 << 30}})
		if worst := doctor.Worst(all); worst != c.want {
			t.Errorf("%s: %+v", c.name, all)
		}
	}
}

func TestExamineScratch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	wantFinding(t, examineScratch(file, room)[0], doctor.Error, "can't be used")
	taken := t.TempDir()
	must(t, os.Symlink("nowhere", filepath.Join(taken, fmt.Sprintf("siren-attempts-%d", os.Getuid()))))
	wantFinding(t, examineScratch(taken, room)[0], doctor.Error, "is a link or a file, not a folder: remove it")
	absent := filepath.Join(t.TempDir(), "absent")
	if worst := doctor.Worst(examineScratch(absent, room)); worst > doctor.Note {
		t.Errorf("a folder that isn't there yet: %s", worst)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("it was made")
	}
}

func TestExamineFileStorage(t *testing.T) {
	dir := t.TempDir()
	all := ExamineStorage(t.Context(), Options{Scratch: filepath.Join(t.TempDir(), "new")}, []lanes.Storage{
		{Prefix: "file://" + dir + "/", Read: true, Write: true}, {Prefix: "http://127.0.0.1/", Read: true},
	})
	wantFinding(t, one(t, all, "storage.file"), doctor.OK, dir+"/ can be read and written")
	wantFinding(t, one(t, all, "storage.http"), doctor.Note, "wasn't tried")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "file://" + dir + "/absent/", Read: true}})
	wantFinding(t, one(t, all, "storage.file"), doctor.Error, "is its volume mounted?", "mount its volume here")
	// nobody may write there, root neither
	all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "file:///proc/", Write: true}})
	wantFinding(t, one(t, all, "storage.file"), doctor.Error, "can't be written")
	wantFinding(t, one(t, ExamineStorage(t.Context(), Options{}, nil), "storage.prefixes"), doctor.Warning,
		"every job is refused")
	// of a policy from before that was refused
	all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "s3://Media-In/", Read: true}})
	wantFinding(t, one(t, all, "storage.prefixes"), doctor.Error, `"s3://Media-In/": write the bucket in lower case`)
}

func TestExamineS3Storage(t *testing.T) {
	folder := s3test.Use(t)
	all := ExamineStorage(t.Context(), Options{}, []lanes.Storage{{
		Prefix: "s3://" + s3test.Bucket + "/deep/er/",
		Read:   true, Write: true,
	}})
	wantFinding(t, one(t, all, "storage.s3"), doctor.OK, "s3://"+s3test.Bucket+"/deep/er/ can be read and written")
	if left, _ := filepath.Glob(filepath.Join(folder, "deep", "er", ".siren*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "s3://" + s3test.Bucket + "/", Read: true}})
	wantFinding(t, one(t, all, "storage.s3"), doctor.OK, "can be read")
	for _, s := range []lanes.Storage{
		{Prefix: "s3://no-such-bucket/", Read: true},
		{Prefix: "s3://no-such-bucket/", Write: true},
	} {
		all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{s})
		wantFinding(t, one(t, all, "storage.s3"), doctor.Error, "bucket no-such-bucket exists")
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	for _, s := range []lanes.Storage{
		{Prefix: "s3://" + s3test.Bucket + "/", Read: true},
		{Prefix: "s3://" + s3test.Bucket + "/", Write: true},
	} {
		all = ExamineStorage(t.Context(), Options{}, []lanes.Storage{s})
		wantFinding(t, one(t, all, "storage.s3"), doctor.Error, "AWS_SHARED_CREDENTIALS_FILE")
	}
}

// A storage that takes every put, whatever its condition.
func TestExamineS3WithoutConditions(t *testing.T) {
	var deleted []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"x"`)
		if r.Method == http.MethodDelete {
			deleted = append(deleted, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a",
		"AWS_SECRET_ACCESS_KEY":     "b",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	all := ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "s3://bucket/out/", Write: true}})
	wantFinding(t, one(t, all, "storage.s3"), doctor.Error, "doesn't honour create-if-absent", "conditional writes")
	if len(deleted) != 1 || !strings.HasPrefix(deleted[0], "/bucket/out/.siren-doctor-") {
		t.Errorf("deleted: %v", deleted)
	}
}

// Without a region nothing of S3 can be reached, and what to set is named.
func TestExamineS3WithoutARegion(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	all := ExamineStorage(t.Context(), Options{}, []lanes.Storage{{Prefix: "s3://bucket/out/", Read: true}})
	wantFinding(t, one(t, all, "storage.s3"), doctor.Error, "region", "set AWS_REGION to the region of bucket bucket")
}

func TestJudgeConfined(t *testing.T) {
	for _, c := range []struct {
		open []string
		want doctor.Severity
		says string
	}{
		{nil, doctor.OK, "programs are confined"},
		{[]string{sandbox.OpenFiles}, doctor.Note, "Linux 5.13 or newer with Landlock on"},
		{[]string{sandbox.OpenSockets}, doctor.Warning, "open sockets"},
		{
			[]string{sandbox.OpenFiles, sandbox.OpenSockets, sandbox.OpenSecrets},
			doctor.Warning,
			"read whatever files the worker can, and open sockets, and read the worker's environment",
		},
		{[]string{sandbox.OpenSecrets}, doctor.Warning, "uname -r"},
	} {
		f := judgeConfined(c.open)
		one(t, []doctor.Finding{f}, "media.confined")
		wantFinding(t, f, c.want, c.says)
	}
}

// The test binary doubles as the siren binary (run-limited).
func TestMain(m *testing.M) {
	workertest.Main()
	if len(os.Args) > 1 && os.Args[1] == "run-limited" {
		if err := sandbox.RunLimited(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "siren:", err)
			os.Exit(126)
		}
		os.Exit(0)
	}
	code := m.Run()
	s3test.Stop()
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
