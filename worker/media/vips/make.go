package vips

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"
)

// Wish is what is to be made of a picture.
type Wish struct {
	Width, Height int    // a box; 0: any
	Fit           string // contain, cover or pad; the last two have both sides
	Gravity       string // of cover: center, smart, top, bottom, left or right
	Background    color.NRGBA
	Format        string // jpg, png, webp or avif
	Quality       int    // 1 to 100; of png none
	KeepProfile   bool
	KeepMetadata  bool
	Moving        bool // frames of an animation are all used
	Strict        bool // damage in the picture is an error
}

// ProfileName is the file that has the input's profile, for what KeepsProfile.
const ProfileName = "profile.icc"

// Of returns the wish as far as it can come true for p: frames are neither cropped nor padded, and what needs other
// colours can't keep its own.
func (w Wish) Of(p Picture) Wish {
	w.Moving = w.Moving && p.Moves() && w.Format == "webp" && w.Fit == "contain"
	w.KeepProfile = w.KeepProfile && p.Profile && !p.CMYK && !w.Moving && (w.Fit != "pad" || !p.Grey)
	return w
}

// KeepsProfile reports whether the profile goes its own way, as a file: metadata is dropped, and takes it along.
func (w Wish) KeepsProfile() bool { return w.KeepProfile && !w.KeepMetadata }

// Output is the name of the file that is made.
func (w Wish) Output() string { return "output." + w.Format }

// Steps returns the arguments of vips, run by run, that make w (see Of) of the picture p in the file input. Files in
// between are PNG, which holds all that counts here and is read by a loader that vips itself trusts.
func (w Wish) Steps(p Picture, input string) (steps [][]string) {
	if w.Moving {
		input += "[n=-1]"
	}
	var all []step
	if w.Fit == "pad" {
		if w.Background.A == 0 && !p.SeeThrough {
			all = append(all, step{"bandjoin_const", []string{"255"}, ""})
		}
		all = append(all, step{"gravity", []string{
			"centre", strconv.Itoa(w.Width), strconv.Itoa(w.Height), "--extend", "background", "--background",
			w.fill(p),
		}, ""})
	}
	if w.KeepsProfile() {
		all = append(all, step{"copy", nil, ",profile=" + ProfileName}, step{"copy", nil, ""})
	}
	options := ""
	if !w.KeepMetadata {
		options = ",strip"
	}
	from := fmt.Sprintf("step%d.png[compression=1%s]", 0, options)
	if len(all) == 0 {
		from = w.Output() + w.saved()
	}
	steps = append(steps, w.shrink(p, input, from))
	for n, s := range all {
		to := fmt.Sprintf("step%d.png[compression=1%s]", n+1, s.saved)
		if n == len(all)-1 {
			to = w.Output() + w.saved()
		}
		name, _, _ := strings.Cut(from, "[")
		steps = append(steps, append([]string{s.does, name, to}, s.with...))
		from = to
	}
	return steps
}

// step is what is done to a picture that is decoded already: one of vips' operations, its arguments after the files'
// names, and options of the file that it makes.
type step struct {
	does  string
	with  []string
	saved string
}

// shrink returns the run that decodes: upright, no larger than the box and in the colours that are wanted. vips decodes
// only as much of a JPEG, WebP or HEIC as the smaller size needs.
func (w Wish) shrink(p Picture, input, output string) []string {
	const any = 10_000_000 // the largest that vips knows
	width, height := w.Width, w.Height
	if w.Fit == "cover" {
		width, height = covered(p, width, height)
	}
	if width == 0 {
		width = any
	}
	if height == 0 {
		height = any
	}
	failOn := "none"
	if w.Strict {
		failOn = "error"
	}
	args := []string{
		"thumbnail", input, output, strconv.Itoa(width), "--height", strconv.Itoa(height), "--size", "down",
		"--fail-on", failOn,
	}
	if w.Fit == "cover" {
		args = append(args, "--crop", w.crop(p, width, height))
	}
	// What has no profile means sRGB already; what is padded needs colours, though it be grey.
	if !w.KeepProfile && (p.CMYK || p.Profile || w.Fit == "pad") {
		args = append(args, "--export-profile", "srgb")
	}
	return args
}

// covered returns a box of the shape width x height that the picture can fill without being enlarged.
func covered(p Picture, width, height int) (int, int) {
	scale := min(1, float64(p.Width)/float64(width), float64(p.Height)/float64(height))
	side := func(n int) int { return max(1, int(math.Round(scale*float64(n)))) }
	return side(width), side(height)
}

// crop returns vips' word for what is kept of the longer side. It has one for both beginnings and one for both ends.
func (w Wish) crop(p Picture, width, height int) string {
	wide := p.Width*height > p.Height*width
	switch {
	case w.Gravity == "smart":
		return "attention"
	case wide && w.Gravity == "left", !wide && w.Gravity == "top":
		return "low"
	case wide && w.Gravity == "right", !wide && w.Gravity == "bottom":
		return "high"
	default:
		return "centre"
	}
}

// fill returns the background as vips takes it: a number for each channel that there is.
func (w Wish) fill(p Picture) string {
	b := w.Background
	if p.SeeThrough || b.A == 0 {
		return fmt.Sprintf("%d %d %d %d", b.R, b.G, b.B, b.A)
	}
	return fmt.Sprintf("%d %d %d", b.R, b.G, b.B)
}

// saved returns the options of the output's encoder.
func (w Wish) saved() string {
	options := map[string]string{
		"jpg":  fmt.Sprintf("Q=%d,background=%d %d %d", w.Quality, w.Background.R, w.Background.G, w.Background.B),
		"png":  "compression=6",
		"webp": fmt.Sprintf("Q=%d", w.Quality),
		// Effort 4, vips' own default, takes three times the CPU for files 3 % smaller (640 x 480). Viewers decode 8
		// and 10 bits; vips would write 12 for inputs of 16.
		"avif": fmt.Sprintf("Q=%d,effort=2,bitdepth=8", w.Quality),
	}[w.Format]
	if !w.KeepMetadata && !w.KeepProfile {
		options += ",strip"
	}
	return "[" + options + "]"
}

// Environment returns the variables that vips gets. Formats that it calls untrusted stay shut: SVG, PDF, ImageMagick's
// and others that read more than one file or are decoded by code nobody tests against hostile files. Its modules are
// looked for below VIPSHOME, and only what is in HEIF needs one: without, neither ImageMagick nor Poppler is even
// loaded, and it starts in half the CPU time.
func Environment(threads int, heif bool) []string {
	env := []string{"VIPS_BLOCK_UNTRUSTED=1"}
	if threads > 0 {
		env = append(env, "VIPS_CONCURRENCY="+strconv.Itoa(threads))
	}
	if !heif {
		env = append(env, "VIPSHOME=/nonexistent")
	}
	return env
}
