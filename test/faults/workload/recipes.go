package workload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media"
)

// recipe is a kind of job on a clip. No two recipes make the same frames, so an output tells which one it is from.
type recipe struct {
	kind, clip, params string
}

func (r recipe) ext() string {
	return map[string]string{"probe": ".json", "thumbnail": ".jpg", "transcode": ".mp4"}[r.kind]
}

func (r recipe) fill(j *job.Job, at Places) {
	j.Kind, j.Input, j.Params = r.kind, at.Input+r.clip, nil
	if r.params != "" {
		j.Params = json.RawMessage(r.params)
	}
}

// longRecipe takes a few seconds: there is time to kill whoever runs it.
const longRecipe = "long"

// clips returns the inputs, by file name, as ffmpeg makes them: short ones, of different colours and lengths.
func clips() map[string]string {
	all := map[string]string{"long.mp4": "-f lavfi -i testsrc2=s=640x360:r=25:d=12 -c:v libx264 -preset ultrafast " +
		"-pix_fmt yuv420p"}
	for i, seconds := range []string{"0.4", "0.8", "1.2", "2"} {
		all[fmt.Sprintf("clip%d.mp4", i)] = fmt.Sprintf("-f lavfi -i testsrc2=s=160x120:r=25:d=%s,hue=h=%d -f lavfi "+
			"-i sine=f=%d:d=%s -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac",
			seconds, 80*i, 300+200*i, seconds)
	}
	return all
}

// recipes returns all of them, by name.
func recipes() map[string]recipe {
	all := map[string]recipe{longRecipe: {"transcode", "long.mp4", `{"speed": "slow"}`}}
	for i := range 4 {
		clip := fmt.Sprintf("clip%d.mp4", i)
		all[fmt.Sprintf("probe-%d", i)] = recipe{"probe", clip, ""}
		all[fmt.Sprintf("picture-%d", i)] = recipe{"thumbnail", clip, `{"width": 96}`}
		all[fmt.Sprintf("picture-early-%d", i)] = recipe{"thumbnail", clip, `{"at": 0.08}`}
		all[fmt.Sprintf("video-%d", i)] = recipe{"transcode", clip, `{"height": 90, "speed": "veryfast"}`}
		all[fmt.Sprintf("video-mute-%d", i)] = recipe{
			"transcode", clip,
			`{"crf": 35, "audio": "drop", "speed": "faster"}`,
		}
	}
	return all
}

func recipeOf(name string) recipe { return recipes()[name] }

// recipeNames returns those that ordinary jobs have, sorted.
func recipeNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(recipes())), func(n string) bool { return n == longRecipe })
}

// badInputs are inputs that can never work.
var badInputs = []struct {
	name    string
	content func(clip []byte) []byte // nil: there is no such file
}{
	{"cut.mp4", func(clip []byte) []byte { return clip[:len(clip)/2] }},
	{"empty.mp4", func([]byte) []byte { return nil }},
	{"noise.mp4", func([]byte) []byte { return []byte(strings.Repeat("once upon a time ", 3000)) }},
	{"playlist.mp4", func([]byte) []byte {
		return []byte("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
	}},
	{"missing.mp4", nil},
}

// Expected knows what each recipe makes: the bytes' digest, and the digest of the decoded frames.
type Expected struct {
	bytes  map[string]string // digest → recipe
	frames map[string]string // digest → recipe
}

// Prepare makes the inputs in the folder in, and then what each recipe makes of them: by the pipeline of the worker
// itself, undisturbed.
func Prepare(ctx context.Context, siren, in, scratch string) (Expected, error) {
	for name, args := range clips() {
		argv := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, strings.Fields(args)...)
		if out, err := exec.CommandContext(ctx, "ffmpeg",
			append(argv, filepath.Join(in, name))...).CombinedOutput(); err != nil {
			return Expected{}, fmt.Errorf("make %s with ffmpeg (apt-get install ffmpeg): %w: %s", name, err, out)
		}
	}
	good, err := os.ReadFile(filepath.Join(in, "clip3.mp4"))
	if err != nil {
		return Expected{}, err
	}
	for _, b := range badInputs {
		if b.content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(in, b.name), b.content(good), 0o644); err != nil {
			return Expected{}, err
		}
	}
	return cook(ctx, siren, in, scratch)
}

// cook runs every recipe once, in this process.
func cook(ctx context.Context, siren, in, scratch string) (Expected, error) {
	h, err := media.New(media.Options{
		Self: siren, Scratch: filepath.Join(scratch, "scratch"),
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return Expected{}, err
	}
	at := Places{Input: "file://" + in + "/", Output: "file://" + scratch + "/"}
	e := Expected{bytes: map[string]string{}, frames: map[string]string{}}
	for name, r := range recipes() {
		j := job.Job{ID: name, Output: at.Output + name + r.ext()}
		r.fill(&j, at)
		_, err := h.Handle(ctx, work.Task{
			Job: j, Lane: "standard", Attempt: "1", Limits: work.Limits{Threads: 1, MaxRuntime: time.Minute},
			Storage: []lanes.Storage{{Prefix: at.Input, Read: true}, {Prefix: at.Output, Write: true}},
		})
		if err != nil {
			return e, fmt.Errorf("make what recipe %s must make: %w", name, err)
		}
		file := strings.TrimPrefix(j.Output, "file://")
		content, err := os.ReadFile(file)
		if err != nil {
			return e, err
		}
		shown, err := framesOf(ctx, file)
		if err != nil {
			return e, fmt.Errorf("decode what recipe %s makes: %w", name, err)
		}
		if twin := e.frames[shown]; twin != "" {
			return e, fmt.Errorf("recipes %s and %s make the same frames, so a mix-up wouldn't show", name, twin)
		}
		e.bytes[digest(content)], e.frames[shown] = name, name
	}
	return e, nil
}

// Recipe returns the one that made the file; "" for none. The same bytes are the same frames; other bytes may be, too.
func (e Expected) Recipe(ctx context.Context, file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if name := e.bytes[digest(content)]; name != "" {
		return name, nil
	}
	shown, err := framesOf(ctx, file)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil { // it can't be decoded: nothing that any recipe makes
		return "", nil
	}
	return e.frames[shown], nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// framesOf returns the digest of a file's decoded frames and samples; of a probe's answer, which has none, that of its
// text.
func framesOf(ctx context.Context, file string) (string, error) {
	if strings.HasSuffix(file, ".json") {
		content, err := os.ReadFile(file)
		if err == nil && !json.Valid(content) {
			err = errors.New("not JSON")
		}
		return digest(content), err
	}
	var said strings.Builder
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-map", "0", "-f", "framemd5", "-")
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil && said.Len() > 0 {
		err = errors.New(said.String())
	}
	return digest(out), err
}
