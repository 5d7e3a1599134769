package media

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/worker/media"
	"github.com/polyglot-media/siren/worker/media/vips"
)

// oldestVips is the first that can be told to leave untrusted formats shut.
const oldestVips = "8.13"

// heic is a black picture of 8 x 8 pixels as phones make them. HEVC's decoder is a package of its own in Debian 13.
const heic = "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAa1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA" +
	"AA5waXRtAAAAAAACAAAAEGlkYXQAAAAAAAgACAAAADhpbG9jAQAAAERAAAIAAQAAAAAAAAHRAAEAAAAAAAAAIgACAAEAAAAAAAAA" +
	"AQAAAAAAAAAIAAAAOGlpbmYAAAAAAAIAAAAVaW5mZQIAAAEAAQAAaHZjMQAAAAAVaW5mZQIAAAAAAgAAZ3JpZAAAAADYaXBycAAA" +
	"ALZpcGNvAAAAdmh2Y0MBA3AAAAAAAAAAAAAe8AD8/fj4AAAPAyAAAQAYQAEMAf//A3AAAAMAkAAAAwAAAwAeugJAIQABACpCAQED" +
	"cAAAAwCQAAADAAADAB6gIIEFluqumubgQEDAgAAAAwCAAAADAIQiAAEABkQBwXPBiQAAABRpc3BlAAAAAAAAAEAAAABAAAAAFGlz" +
	"cGUAAAAAAAAACAAAAAgAAAAQcGl4aQAAAAADCAgIAAAAGmlwbWEAAAAAAAAAAgABAoECAAICA4QAAAAaaXJlZgAAAAAAAAAOZGlt" +
	"ZwACAAEAAQAAACptZGF0AAAAHigBrwQSEkzg+AROY/7pVFUBIKzotHShyJcQk7tqwA=="

// examineVips tries what the kind image needs of libvips: each picture format that it writes, AVIF by encoding and
// decoding one, and HEIC by decoding one. The pictures are in the scratch folder: no other may be writable.
func examineVips(ctx context.Context, scratch string) doctor.Finding {
	program, err := media.Program("", "vips")
	if err == nil {
		_, err = media.Program("", "vipsheader")
	}
	if err != nil {
		return doctor.Finding{
			Check: "media.vips", Severity: doctor.Warning, What: err.Error(), Why: "jobs of the kind image fail here",
			Fix: "apt-get install libvips-tools",
		}
	}
	version, err := answer(ctx, program, "--version")
	if err != nil {
		return doctor.Finding{
			Check: "media.vips", Severity: doctor.Warning, What: fmt.Sprintf("%s doesn't run: %v", program, err),
			Why: "jobs of the kind image fail here",
			Fix: "run `" + program + " --version` by hand; a library may be missing: apt-get install --reinstall " +
				"libvips-tools",
		}
	}
	dir, err := scratchIn(scratch)
	if err == nil {
		dir, err = os.MkdirTemp(dir, "siren-doctor-")
	}
	if err != nil {
		return doctor.Finding{
			Check: "media.vips", Severity: doctor.Warning, What: fmt.Sprintf("vips can't be tried: %v", err),
			Why: "jobs of the kind image may fail here", Fix: "see media.scratch",
		}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return judgeVips(version, tryVips(ctx, program, dir))
}

// tryVips returns the formats that vips can't write, and "heic" when it can't read that.
func tryVips(ctx context.Context, program, dir string) (lacks []string) {
	run := func(args ...string) error {
		ctx, cancel := context.WithTimeout(ctx, examineWithin)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), vips.Environment(1, true)...)
		return cmd.Run()
	}
	for _, format := range []string{"jpg", "png", "webp", "avif"} {
		if run("black", "a."+format, "8", "8", "--bands", "3") != nil || run("copy", "a."+format, "b.png") != nil {
			lacks = append(lacks, format)
		}
	}
	picture, err := base64.StdEncoding.DecodeString(heic)
	if err != nil || os.WriteFile(filepath.Join(dir, "a.heic"), picture, 0o600) != nil ||
		run("copy", "a.heic", "b.png") != nil {
		lacks = append(lacks, "heic")
	}
	return lacks
}

// judgeVips says what vips' version and the formats that it lacks mean.
func judgeVips(version string, lacks []string) doctor.Finding {
	version = strings.TrimPrefix(strings.TrimSpace(version), "vips-")
	f := doctor.Finding{
		Check: "media.vips", What: "libvips " + version + " reads HEIC and AVIF, and writes jpg, png, webp and avif",
	}
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 8 || major == 8 && minor < 13) {
		f.Severity = doctor.Warning
		f.What = "libvips " + version + " is older than " + oldestVips
		f.Why = "it can't be told to leave formats shut that aren't fit for hostile inputs"
		f.Fix = "install libvips " + oldestVips + " or newer: Debian 12 has it"
	} else if len(lacks) > 0 {
		f.Severity = doctor.Warning
		f.What = "libvips " + version + " can't make or read " + strings.Join(lacks, ", ")
		f.Why = "jobs of the kind image that need it fail for good, as bad input"
		f.Fix = "apt-get install libheif-plugin-libde265 libheif-plugin-dav1d libheif-plugin-aomenc (from Debian 13 " +
			"on they are packages of their own)"
	}
	return f
}
