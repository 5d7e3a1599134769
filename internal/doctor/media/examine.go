// Package media examines whether this machine can run jobs: ffmpeg, libvips and what the kinds need of them, the limits
// and the confinement that programs run under, the scratch folder, and the storage that a policy lists. What a fact
// means is decided by pure functions (judge…).
package media

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media"
	"github.com/polyglot-media/siren/worker/media/recipe"
	"github.com/polyglot-media/siren/worker/sandbox"
	"github.com/polyglot-media/siren/worker/scratch"
	"github.com/polyglot-media/siren/worker/storage"
)

// examineWithin bounds each program that Examine runs.
const examineWithin = 20 * time.Second

// Room is what the jobs of one worker may take at once: that of the largest pool, for a machine that may run any.
type Room struct {
	Slots int // shared ones and shoulder together
	Slot  lanes.SlotLimits
}

// Options says what is examined. The zero value is this machine as a worker without flags would find it.
type Options struct {
	FFmpeg  string // path or name of ffmpeg; "ffmpeg" when empty
	Self    string // the binary whose `run-limited` is sandbox.RunLimited; this process's own when empty
	Scratch string // as in media.Options
	Storage storage.Options
}

// Examine looks whether this machine can run jobs: ffmpeg, libvips and what the kinds need of them, the limits that
// programs run under, and the scratch folder.
func Examine(ctx context.Context, o Options, room Room) []doctor.Finding {
	found := []doctor.Finding{}
	self, err := media.Self(o.Self)
	if err != nil {
		return []doctor.Finding{{
			Check: "media.limits", Severity: doctor.Error, What: err.Error(), Why: "no worker can start programs here",
			Fix: "mount /proc",
		}}
	}
	ffmpeg, err := media.Program(o.FFmpeg, "ffmpeg")
	if err != nil {
		found = append(found, noProgram("ffmpeg", err))
	} else {
		found = append(found, examineProgram(ctx, ffmpeg)...)
		found = append(found, examineLimits(ctx, self, ffmpeg, room.Slot), examineConfined(ctx, self))
	}
	if _, err := media.Program("", "ffprobe"); err != nil {
		found = append(found, noProgram("ffprobe", err))
	} else {
		found = append(found, doctor.Finding{Check: "media.ffprobe", What: "ffprobe is there"})
	}
	found = append(found, examineVips(ctx, o.Scratch))
	return append(found, examineScratch(o.Scratch, room)...)
}

func noProgram(name string, err error) doctor.Finding {
	return doctor.Finding{
		Check: "media." + name, Severity: doctor.Error, What: err.Error(), Why: "no worker can start here",
		Fix: "apt-get install ffmpeg; or, if no worker is to run here, say so: --role scaler or --role producer",
	}
}

// examineProgram looks at ffmpeg's version, and at what it was built with.
func examineProgram(ctx context.Context, ffmpeg string) []doctor.Finding {
	text, err := answer(ctx, ffmpeg, "-version")
	if err != nil {
		return []doctor.Finding{{
			Check: "media.ffmpeg", Severity: doctor.Error, What: fmt.Sprintf("%s doesn't run: %v", ffmpeg, err),
			Why: "every job would fail",
			Fix: "run `" + ffmpeg + " -version` by hand; a library may be missing: apt-get install --reinstall ffmpeg",
		}}
	}
	found := []doctor.Finding{judgeFFmpeg(text)}
	needed := needsOf(recipe.Uses())
	has := map[string]map[string]bool{}
	for _, sort := range []string{"encoders", "muxers", "filters", "demuxers"} {
		list, err := answer(ctx, ffmpeg, "-hide_banner", "-"+sort)
		if err != nil {
			return append(found, doctor.Finding{
				Check: "media.codecs", Severity: doctor.Warning,
				What: fmt.Sprintf("ffmpeg doesn't list its %s: %v", sort, err),
				Why:  "jobs may fail for what it lacks", Fix: "run `ffmpeg -" + sort + "` by hand",
			})
		}
		has[sort] = parts(list)
	}
	return append(found, judgeParts(needed, has)...)
}

func answer(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).Output()
	return string(out), err
}

// oldestFFmpeg is that of Debian 12, with which Siren is tested.
const oldestFFmpeg = "5.1"

var ffmpegVersion = regexp.MustCompile(`^ffmpeg version (\S+)`)

// judgeFFmpeg says what the first line of `ffmpeg -version` means.
func judgeFFmpeg(text string) doctor.Finding {
	f := doctor.Finding{Check: "media.ffmpeg"}
	m := ffmpegVersion.FindStringSubmatch(text)
	if m == nil {
		f.Severity = doctor.Warning
		f.What = "ffmpeg doesn't say its version"
		f.Why = "Siren is tested with ffmpeg " + oldestFFmpeg + " and 7.1"
		f.Fix = "install the ffmpeg of your distribution"
		return f
	}
	f.What = "ffmpeg " + m[1]
	var major, minor int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(m[1], "n"), "%d.%d", &major, &minor); n < 2 {
		// a build of the development branch: N-109542-g…
		f.Severity = doctor.Note
		f.Why = "it isn't a release, so nobody knows what it can do; Siren is tested with " + oldestFFmpeg + " and 7.1"
		f.Fix = "nothing if its parts, below, are all there; else install a release"
	} else if major < 5 || major == 5 && minor < 1 {
		f.Severity = doctor.Error
		f.Why = "it is older than " + oldestFFmpeg +
			", lacks options that Siren gives it, and gets no fixes: inputs are hostile"
		f.Fix = "install ffmpeg " + oldestFFmpeg + " or newer: Debian 12 has it"
	}
	return f
}

// needs is what the kinds need of ffmpeg, by ffmpeg's word for the sort.
type needs struct {
	all map[string][]string
	// by a sort and a name: the kinds whose usual jobs need it, and those of which only others do
	usual, some map[[2]string][]string
}

// sorts are those of which a job can't do without one.
var sorts = []string{"encoders", "muxers", "filters"}

// needsOf reads what is needed out of the options that each kind gives for every sort of its outputs, the usual one
// first.
func needsOf(uses map[string][][]string) needs {
	n := needs{
		all:   map[string][]string{"demuxers": strings.Split(sandbox.Formats, ",")},
		usual: map[[2]string][]string{}, some: map[[2]string][]string{},
	}
	add := func(to map[[2]string][]string, part [2]string, kind string) {
		if !slices.Contains(n.usual[part], kind) && !slices.Contains(to[part], kind) {
			to[part] = append(to[part], kind)
		}
		if sort, name := part[0], part[1]; !slices.Contains(n.all[sort], name) {
			n.all[sort] = append(n.all[sort], name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(uses)) {
		for i, args := range uses[kind] {
			for _, part := range partsOf(args) {
				if i == 0 {
					add(n.usual, part, kind)
				} else {
					add(n.some, part, kind)
				}
			}
		}
	}
	for _, sort := range sorts {
		slices.Sort(n.all[sort])
	}
	return n
}

// partsOf returns what options need of ffmpeg, each as its sort and name.
func partsOf(args []string) (all [][2]string) {
	for i := 0; i+1 < len(args); i++ {
		switch args[i] {
		case "-c:v", "-c:a":
			all = append(all, [2]string{"encoders", args[i+1]})
		case "-f":
			all = append(all, [2]string{"muxers", args[i+1]})
		case "-vf", "-af", "-filter_complex":
			for _, name := range filterNames(args[i+1]) {
				all = append(all, [2]string{"filters", name})
			}
		}
	}
	return all
}

// unnamed is what isn't a filter's name in a graph: quoted arguments, and the labels of what goes in and out.
var unnamed = regexp.MustCompile(`'[^']*'|\[[^\]]*\]`)

// filterNames returns the filters of a graph, without their arguments.
func filterNames(graph string) (all []string) {
	for _, f := range strings.FieldsFunc(unnamed.ReplaceAllString(graph, ""), func(r rune) bool {
		return r == ',' || r == ';'
	}) {
		name, _, _ := strings.Cut(f, "=")
		all = append(all, name)
	}
	return all
}

// parts returns the names in a list of ffmpeg's. One or two columns of flags come before a name, and one line may hold
// several.
func parts(list string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		for _, field := range fields[:min(3, len(fields))] {
			for name := range strings.SplitSeq(field, ",") {
				all[name] = true
			}
		}
	}
	return all
}

// judgeParts compares what is needed with what ffmpeg has. Without what usual jobs of a kind need, the kind doesn't
// work here; without what others need, the usual ones do. A format that it can't read only matters to who sends that.
func judgeParts(needed needs, has map[string]map[string]bool) (found []doctor.Finding) {
	var lacks, hurt, unread []string
	severity := doctor.Warning
	for _, sort := range sorts {
		for _, name := range needed.all[sort] {
			if has[sort][name] {
				continue
			}
			part := [2]string{sort, name}
			lacks = append(lacks, strings.TrimSuffix(sort, "s")+" "+name)
			for _, kind := range needed.usual[part] {
				severity = doctor.Error
				hurt = append(hurt, kind)
			}
			for _, kind := range needed.some[part] {
				hurt = append(hurt, "some of "+kind)
			}
		}
	}
	for _, name := range needed.all["demuxers"] {
		if !has["demuxers"][name] {
			unread = append(unread, name)
		}
	}
	if len(lacks) > 0 {
		slices.Sort(hurt)
		found = append(found, doctor.Finding{
			Check: "media.codecs", Severity: severity, What: "ffmpeg lacks " + strings.Join(lacks, ", "),
			Why: "jobs that need it fail: " + strings.Join(slices.Compact(hurt), ", "),
			Fix: "install a full build of ffmpeg: Debian's has all of it (apt-get install ffmpeg), Fedora's " +
				"ffmpeg-free lacks libx264 and libx265",
		})
	} else {
		found = append(found, doctor.Finding{
			Check: "media.codecs", What: fmt.Sprintf("ffmpeg has what the kinds need: %s",
				strings.Join(slices.Concat(needed.all["encoders"], needed.all["muxers"], needed.all["filters"]), ", ")),
		})
	}
	if common := slices.DeleteFunc(slices.Clone(unread), func(name string) bool {
		return !slices.Contains(everyday, name)
	}); len(common) > 0 {
		found = append(found, doctor.Finding{
			Check: "media.formats", Severity: doctor.Warning, What: "ffmpeg can't read " + strings.Join(common, ", "),
			Why: "jobs with such inputs fail for good",
			Fix: "install a full build of ffmpeg: apt-get install ffmpeg",
		})
	}
	return found
}

// everyday are the formats that most inputs have. Others are missing from one release of ffmpeg or another.
var everyday = []string{
	"mp4", "mov", "matroska", "webm", "mpegts", "avi", "flv", "wav", "mp3", "ogg", "png_pipe",
	"jpeg_pipe", "webp_pipe",
}

// examineLimits starts ffmpeg as a job does: under the limits of a slot and at the lowest priority.
func examineLimits(ctx context.Context, self, ffmpeg string, slot lanes.SlotLimits) doctor.Finding {
	f := doctor.Finding{Check: "media.limits", What: "programs run under the limits of a slot, at a lower priority"}
	if slot.Memory > 0 {
		f.What += fmt.Sprintf(" (memory %s, files %s)", slot.Memory, slot.Scratch)
	}
	ctx, cancel := context.WithTimeout(ctx, examineWithin)
	defer cancel()
	limits := work.Limits{Nice: 19, Memory: slot.Memory, Scratch: slot.Scratch, MaxRuntime: time.Hour, Threads: 1}
	if _, err := sandbox.Try(ctx, self, limits, ffmpeg, "-version"); err != nil {
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("ffmpeg doesn't start under the limits of a slot: %v", err)
		f.Why = "every job would fail, or wait for ever"
		f.Fix = "give slots more memory (slot.memory in the policy, 512Mi at least), and raise hard limits that " +
			"are lower: ulimit -Hv, -Hf, -Ht;" +
			" if it lacks a library, put ffmpeg and what it needs below /usr, or its libraries into lib beside its " +
			"folder: programs read nothing else"
	}
	return f
}

// tmpfs is the type of a file system that is in memory.
const tmpfs = 0x01021994

// examineScratch looks whether attempts can have folders, and how much fits in.
func examineScratch(path string, room Room) []doctor.Finding {
	const check = "media.scratch"
	path, err := scratch.Dir(path)
	bad := func(err error) []doctor.Finding {
		if at := (*os.PathError)(nil); errors.As(err, &at) {
			err = at.Err
		}
		return []doctor.Finding{{
			Check: check, Severity: doctor.Error, What: fmt.Sprintf("the scratch folder %s can't be used: %v", path,
				err), Why: "no worker can start with it",
			Fix: fmt.Sprintf("make it writable for user %d, or name another one: siren worker --scratch DIR",
				os.Getuid()),
		}}
	}
	if err != nil {
		return bad(err)
	}
	in, err := scratchIn(path)
	if err != nil {
		return bad(err)
	}
	if err := scratch.Try(in); err != nil {
		return bad(err)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(in, &disk); err != nil {
		return bad(err)
	}
	free := lanes.Bytes(disk.Bavail) * lanes.Bytes(disk.Bsize)
	return judgeScratch(path, free, disk.Type == tmpfs, room)
}

// scratchIn returns the folder in which something can be tried as in the scratch folder: the one above it where that
// isn't there yet, since a worker makes it itself.
func scratchIn(path string) (string, error) {
	path, err := scratch.Dir(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(path)
	}
	return path, nil
}

// judgeScratch says whether the free space is enough for an input and an output in each slot.
func judgeScratch(path string, free lanes.Bytes, memory bool, room Room) []doctor.Finding {
	f := doctor.Finding{Check: "media.scratch", What: fmt.Sprintf("the scratch folder %s can be written, %s free", path,
		gibi(free))}
	most := 2 * lanes.Bytes(room.Slots) * room.Slot.Scratch
	switch {
	case room.Slots > 0 && free < room.Slot.Scratch/10, free < 64<<20:
		f.Severity = doctor.Error
		f.What = fmt.Sprintf("the scratch folder %s has only %s free", path, gibi(free))
		f.Why = "inputs from S3 and the web, and every output, are written there first: jobs fail and are retried"
		f.Fix = "free space there, or name another folder: siren worker --scratch DIR"
	case room.Slots > 0 && free < most:
		f.Severity = doctor.Warning
		f.What = fmt.Sprintf("the scratch folder %s has %s free; jobs may take %s", path, gibi(free), gibi(most))
		f.Why = fmt.Sprintf("each of %s may keep an input and an output of %s: a full disk fails jobs, which are "+
			"retried", say.Plural(room.Slots, "slot"), room.Slot.Scratch)
		f.Fix = "give it more space, or lower slot.scratch in the policy"
	}
	found := []doctor.Finding{f}
	if memory {
		found = append(found, doctor.Finding{
			Check: "media.scratch", Severity: doctor.Note,
			What: fmt.Sprintf("the scratch folder %s is in memory (tmpfs)", path),
			Why:  "what jobs write there counts against the machine's, or the pod's, memory",
			Fix:  "name a folder on a disk: siren worker --scratch DIR",
		})
	}
	return found
}

func gibi(b lanes.Bytes) string {
	if b < 1<<30 {
		return strconv.FormatInt(int64(b)>>20, 10) + " MiB"
	}
	return fmt.Sprintf("%.1f GiB", float64(b)/(1<<30))
}
