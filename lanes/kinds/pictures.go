package kinds

import (
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/location"
	"github.com/polyglot-media/siren/lanes/plain"
)

// pictures is what the name of a picture may end in; format and quality are of all of them.
var (
	pictures = []string{".jpg", ".jpeg", ".png", ".webp", ".avif"}
	format   = Param{
		Name: "format", Type: Word, Words: []string{"jpg", "png", "webp", "avif"},
		Otherwise: "by the output's ending", About: "of the picture",
	}
	quality = Param{
		Name: "quality", Type: Whole, Least: 1, Most: 100, Otherwise: "85, and 60 for avif, which looks the same",
		About: "of the picture; a png has none, it loses nothing",
	}
)

// sheets refuses pictures whose places are given twice, and sheets that are larger than any format allows: WebP ends at
// 16,383 pixels a side.
func sheets(v Values, output string, p *problems) {
	if p.given("interval") && p.given("count") {
		p.add("give interval (seconds) or count (of pictures), not both")
	}
	const side, pixels = 16_383, 64_000_000
	width, height := v.Whole("columns")*v.Whole("width"), v.Whole("rows")*v.Whole("height")
	if width > side || height > side || width*height > pixels {
		p.add("a sheet may be of %d x %d pixels, which is too large: give fewer columns and rows, or a smaller width "+
			"and height (at most %d a side, and %d million in all)", width, height, side, pixels/1_000_000)
	}
	endsIn(v, output, p)
}

// picture takes the format from the output's name or the param, and the quality from the format. Name and param must
// not contradict each other.
func picture(v Values, output string, p *problems) {
	ext := ending(output)
	named := ""
	if slices.Contains(pictures, ext) {
		named = strings.Replace(ext[1:], "jpeg", "jpg", 1)
	}
	switch asked := v.Word("format"); {
	case asked == "" && named == "":
		p.add("the output must end in %s, not %q; or set format", location.Either(pictures),
			plain.Clip(output, shown))
	case asked != "" && named != "" && asked != named:
		p.add("format is %s, but the output's name %q says %s", asked, plain.Clip(output, shown), named)
	case asked == "":
		v["format"] = named
	}
	if v["quality"] == nil {
		v["quality"] = 85.0
		if v.Word("format") == "avif" {
			v["quality"] = 60.0
		}
	}
}

// stills refuses several pictures in one file, and a folder for a single one.
func stills(v Values, output string, p *problems) {
	places, several := v.Moments("at")
	switch folder := ending(output) == "/"; {
	case len(places) == 0: // which is refused for itself
		return
	case several && !folder:
		p.add("at is a list, so the output is a folder: its URL must end in /, not %q; or give a single moment",
			plain.Clip(output, shown))
		return
	case folder && !several:
		p.add(`the output ends in /, as a folder of several pictures does: give at as a list (["10%%", "50%%"]), or `+
			"an output that ends in %s", location.Either(pictures))
		return
	case folder && v.Word("format") == "":
		v["format"] = "jpg"
	}
	picture(v, output, p)
}

// imageBox refuses what needs a whole box and has none, and what a format can't hold.
func imageBox(v Values, output string, p *problems) {
	picture(v, output, p)
	if fit := v.Word("fit"); (fit == "cover" || fit == "pad") && (v.Whole("width") == 0 || v.Whole("height") == 0) {
		p.add("fit %s needs width and height", fit)
	}
	if p.given("gravity") && v.Word("fit") != "cover" {
		p.add("gravity is for fit cover alone")
	}
	if v.Word("format") == "jpg" && v.Word("background") == "transparent" {
		p.add("a jpg can't be transparent: give another background or format")
	}
}
