package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// realImage is a picture as people have them, and what is right to make of it.
type realImage struct {
	name   string
	source string   // who describes such a file in public
	makes  []string // commands of ffmpeg and vips, the input's name last in the last
	edit   func([]byte) []byte
	params string
	output string
	check  func(*testing.T, made)
}

// corners is red at the upper left, green at the upper right, blue at the lower left and white elsewhere.
const corners = "ffmpeg -f lavfi -i color=c=white:s=120x80,format=rgb24,drawbox=x=0:y=0:w=40:h=40:c=0xE02020:t=fill," +
	"drawbox=x=80:y=0:w=40:h=40:c=0x20A020:t=fill,drawbox=x=0:y=40:w=40:h=40:c=0x2020E0:t=fill -frames:v 1 "

// patch is a picture of one colour.
const patch = "ffmpeg -f lavfi -i color=c=0x8C6450:s=120x80,format=rgb24 -frames:v 1 "

// circle is a white circle of 80 pixels in the middle of 160 x 120.
const circle = "ffmpeg -f lavfi -i color=c=black:s=160x120,format=gray," +
	"geq=lum='if(lt(hypot(X-79.5\\,Y-59.5)\\,40)\\,255\\,0)' -frames:v 1 "

const exifOrientation = "https://github.com/thumbor/thumbor/issues/702"

// oriented returns cases of the eight ways in which a camera can be held: what is stored is the shown picture turned or
// mirrored, as EXIF's tag 0x0112 says.
func oriented() (all []realImage) {
	// where the stored upper left (red) and upper right (green) are to be seen
	for n, c := range [][2]spot{
		{at(.1, .1, 0xE02020), at(.9, .1, 0x20A020)},
		{at(.9, .1, 0xE02020), at(.1, .1, 0x20A020)},
		{at(.9, .9, 0xE02020), at(.1, .9, 0x20A020)},
		{at(.1, .9, 0xE02020), at(.9, .9, 0x20A020)},
		{at(.1, .1, 0xE02020), at(.1, .9, 0x20A020)},
		{at(.9, .1, 0xE02020), at(.9, .9, 0x20A020)},
		{at(.9, .9, 0xE02020), at(.9, .1, 0x20A020)},
		{at(.1, .9, 0xE02020), at(.1, .1, 0x20A020)},
	} {
		width, height := 60, 40
		if n+1 >= 5 {
			width, height = 40, 60
		}
		all = append(all, realImage{
			name: fmt.Sprintf("EXIF orientation %d", n+1), source: exifOrientation,
			makes: []string{corners + "a.png", "vips copy a.png in.jpg[Q=95,subsample-mode=off]"},
			edit:  exif(tag{0x0112, 3, 1, uint32(n + 1)}), params: `{"width":60,"height":60,"quality":95}`,
			output: "out.jpg", check: both(sized(width, height), shows(c[0], c[1]), without("Exif")),
		})
	}
	return all
}

var realImages = append(oriented(), []realImage{
	{
		name: "a HEIC of four tiles, as phones make them", source: "https://github.com/block/buzz/issues/7666",
		makes: []string{tiles + "in.mp4"}, edit: gridHEIC(0), output: "out.jpg", params: `{"quality":95}`,
		check: both(sized(128, 128), shows(at(.25, .25, 0xE02020), at(.75, .25, 0x20A020), at(.25, .75, 0x2020E0),
			at(.75, .75, 0xC0C0C0))),
	},
	{
		name:   "a HEIC that is to be turned by a quarter",
		source: "https://github.com/gtsteffaniak/filebrowser/issues/2940",
		makes:  []string{tiles + "in.mp4"}, edit: gridHEIC(1), output: "out.png",
		check: both(sized(128, 128), shows(at(.25, .75, 0xE02020), at(.25, .25, 0x20A020), at(.75, .75, 0x2020E0))),
	},
	{
		name: "AVIF in and out", source: "https://github.com/libvips/libvips/issues/4301",
		makes:  []string{corners + "a.png", "vips copy a.png in.avif[Q=95,compression=av1,effort=1]"},
		params: `{"quality":95,"width":60}`, output: "out.avif",
		check: both(sized(60, 40), shows(at(.1, .1, 0xE02020), at(.9, .1, 0x20A020))),
	},
	{
		name: "a photo in Display P3", source: "https://github.com/mozilla-iam/dino-park-issues/issues/200",
		makes:  []string{patch + "a.png", "vips icc_transform a.png in.jpg[Q=95] p3 --input-profile srgb"},
		params: `{"quality":95}`, output: "out.jpg", check: both(shows(at(.5, .5, 0x8C6450)), without("ICC_PROFILE")),
	},
	{
		name:   "a photo in Display P3 that is to stay so",
		source: "https://github.com/lovell/sharp/issues/2862",
		makes:  []string{patch + "a.png", "vips icc_transform a.png in.jpg[Q=95] p3 --input-profile srgb"},
		edit:   exif(gps), params: `{"quality":95,"profile":"keep"}`, output: "out.webp",
		// as stored: the same colour has other numbers in P3
		check: both(shows(at(.5, .5, 0x866552)), with("ICCP"), without("GPS secret")),
	},
	{
		name:   "a photo in Display P3 that is to stay so, as AVIF",
		source: "https://github.com/bamlab/react-native-image-resizer/issues/315",
		makes:  []string{patch + "a.png", "vips icc_transform a.png in.jpg[Q=95] p3 --input-profile srgb"},
		edit:   exif(gps), params: `{"quality":95,"profile":"keep"}`, output: "out.avif",
		check: both(shows(at(.5, .5, 0x866552)), with("acsp"), without("GPS secret")),
	},
	{
		name: "a CMYK JPEG of a print shop", source: "https://github.com/libvips/libvips/issues/2713",
		makes: []string{
			patch + "a.png", "vips icc_transform a.png b.tif cmyk --input-profile srgb",
			"vips copy b.tif in.jpg[Q=95]",
		},
		params: `{"quality":95}`, output: "out.png", check: shows(at(.5, .5, 0x8C6450)),
	},
	{
		name: "a CMYK JPEG without a profile", source: "https://github.com/libvips/libvips/issues/861",
		makes: []string{
			patch + "a.png", "vips icc_transform a.png b.tif cmyk --input-profile srgb",
			"vips copy b.tif in.jpg[Q=95,strip]",
		},
		params: `{"quality":95,"profile":"keep"}`, output: "out.jpg", check: shows(at(.5, .5, 0x8C6450)),
	},
	{
		name: "a PNG of 16 bits", source: "https://github.com/libvips/libvips/issues/234",
		makes:  []string{"ffmpeg -f lavfi -i color=c=0x8C6450:s=120x80,format=rgb48be -frames:v 1 in.png"},
		params: `{"quality":95}`, output: "out.jpg", check: shows(at(.5, .5, 0x8C6450)),
	},
	{
		name:   "a PNG of 16 bits that is transparent on the left",
		source: "https://github.com/discourse/discourse/pull/43801",
		makes:  []string{"ffmpeg " + leftClear + "-pix_fmt rgba64be in.png"},
		params: `{"quality":95}`, output: "out.jpg", check: shows(at(.25, .5, 0xFFFFFF), at(.75, .5, 0x2040C0)),
	},
	{
		name: "a TIFF of 16 bits", source: "https://github.com/libvips/libvips/issues/4301",
		makes:  []string{"ffmpeg -f lavfi -i color=c=0x8C6450:s=120x80,format=rgb48le -frames:v 1 in.tif"},
		output: "out.png", check: shows(at(.5, .5, 0x8C6450)),
	},
	{
		name: "a grey TIFF to be padded", source: "https://github.com/libvips/libvips/issues/4301",
		makes:  []string{"ffmpeg -f lavfi -i color=c=0x808080:s=120x80,format=gray -frames:v 1 in.tif"},
		params: `{"fit":"pad","width":100,"height":100,"background":"#ff8000"}`, output: "out.png",
		check: both(sized(100, 100), shows(at(.5, .5, 0x808080), at(.5, .05, 0xFF8000))),
	},
	{
		name: "transparent in a JPEG", source: "https://github.com/lovell/sharp/issues/687",
		makes: []string{"ffmpeg " + leftClear + "in.png"}, params: `{"quality":95}`, output: "out.jpg",
		check: shows(at(.25, .5, 0xFFFFFF), at(.75, .5, 0x2040C0)),
	},
	{
		name: "transparent in a JPEG, on orange", source: "https://github.com/lovell/sharp/issues/1787",
		makes: []string{"ffmpeg " + leftClear + "in.png"}, params: `{"quality":95,"background":"#ff8000"}`,
		output: "out.jpg", check: shows(at(.25, .5, 0xFF8000), at(.75, .5, 0x2040C0)),
	},
	{
		name: "transparent stays so in a PNG", source: "https://github.com/lovell/sharp/issues/1956",
		makes: []string{"ffmpeg " + leftClear + "in.png"}, params: `{"width":100}`, output: "out.png",
		check: func(t *testing.T, r made) {
			workertest.Must(t, r.err)
			if left := pixel(t, r.file, .25, .5); left.A != 0 {
				t.Errorf("left %v, want it transparent", left)
			}
		},
	},
	{
		name: "padded with nothing", source: "https://github.com/lovell/sharp/issues/1956",
		makes: []string{patch + "in.png"}, params: `{"fit":"pad","width":100,"height":100}`, output: "out.webp",
		check: func(t *testing.T, r made) {
			both(sized(100, 100), shows(at(.5, .5, 0x8C6450)))(t, r)
			if top, middle := pixel(t, r.file, .5, .05), pixel(t, r.file, .5, .5); top.A != 0 || middle.A != 255 {
				t.Errorf("top %v, middle %v; want the top transparent", top, middle)
			}
		},
	},
	{
		name: "padded, and smaller than its box", source: "https://github.com/lovell/sharp/issues/1956",
		makes: []string{circle + "in.png"}, params: `{"fit":"pad","width":320,"height":240,"background":"#ffffff"}`,
		output: "out.png", check: both(sized(320, 240), shows(at(.5, .5, 0xFFFFFF), at(.5, .1, 0xFFFFFF),
			at(.3, .3, 0), at(.5, .35, 0xFFFFFF), at(.39, .5, 0xFFFFFF))),
	},
	{
		name: "a circle stays one when its sides are cropped", source: "https://github.com/lovell/sharp/issues/2752",
		makes: []string{circle + "in.png"}, params: `{"fit":"cover","width":60,"height":60,"quality":95}`,
		output: "out.jpg", check: both(sized(60, 60), shows(at(.5, .22, 0xFFFFFF), at(.22, .5, 0xFFFFFF),
			at(.5, .1, 0), at(.1, .5, 0), at(.78, .5, 0xFFFFFF), at(.9, .5, 0))),
	},
	{
		name: "the left of a wide picture", source: "https://github.com/lovell/sharp/issues/2752",
		makes: []string{corners + "in.png"}, params: `{"fit":"cover","width":40,"height":40,"gravity":"left"}`,
		output: "out.png", check: both(sized(40, 40), shows(at(.1, .1, 0xE02020), at(.9, .1, 0xFFFFFF))),
	},
	{
		name: "the top of a wide picture is its middle", source: "https://github.com/lovell/sharp/issues/2752",
		makes: []string{corners + "in.png"}, params: `{"fit":"cover","width":40,"height":40,"gravity":"top"}`,
		output: "out.png", check: both(sized(40, 40), shows(at(.05, .1, 0xE02020), at(.5, .1, 0xFFFFFF),
			at(.95, .1, 0x20A020))),
	},
	{
		name: "the bottom of an upright picture", source: exifOrientation,
		makes:  []string{corners + "a.png", "vips rot a.png in.png d90"},
		params: `{"fit":"cover","width":40,"height":40,"gravity":"bottom"}`, output: "out.png",
		check: shows(at(.9, .9, 0x20A020), at(.1, .1, 0xFFFFFF)),
	},
	{
		name:   "what draws the eye",
		source: "https://github.com/lovell/sharp/issues/2780",
		makes: []string{"ffmpeg -f lavfi -i color=c=0x808080:s=240x80,format=rgb24,drawbox=x=180:y=20:w=40:h=40:" +
			"c=0xE02020:t=fill -frames:v 1 in.png"},
		params: `{"fit":"cover","width":80,"height":80,"gravity":"smart"}`, output: "out.png",
		check: func(t *testing.T, r made) {
			workertest.Must(t, r.err)
			for x := .05; x < 1; x += .05 {
				if p := pixel(t, r.file, x, .5); p.R > 200 && p.G < 60 {
					return
				}
			}
			t.Error("the red square was cropped away")
		},
	},
	{
		name: "a crop larger than the picture", source: "https://github.com/lovell/sharp/issues/2752",
		makes: []string{corners + "in.png"}, params: `{"fit":"cover","width":500,"height":500}`, output: "out.png",
		check: sized(80, 80),
	},
	{
		name: "never enlarged", source: "https://github.com/lovell/sharp/issues/4059",
		makes: []string{corners + "in.png"}, params: `{"width":1000}`, output: "out.jpg", check: sized(120, 80),
	},
	{
		name: "where a photo was taken", source: "https://github.com/CartoDB/cartodb/issues/15212",
		makes: []string{corners + "a.png", "vips copy a.png in.jpg"}, edit: exif(gps), output: "out.jpg",
		check: without("GPS secret"),
	},
	{
		name: "where a photo was taken, as AVIF", source: "https://github.com/imgproxy/imgproxy/issues/668",
		makes: []string{corners + "a.png", "vips copy a.png in.jpg"}, edit: exif(gps), output: "out.avif",
		check: without("GPS secret"),
	},
	{
		name: "the place where a photo was taken, as WebP", source: "https://github.com/imgproxy/imgproxy/issues/668",
		makes: []string{corners + "a.png", "vips copy a.png in.jpg"}, edit: exif(gps), output: "out.webp",
		check: without("GPS secret"),
	},
	{
		name:   "where a photo was taken, and its job keeps it",
		source: "https://github.com/bluesky-social/social-app/issues/102",
		makes:  []string{corners + "a.png", "vips copy a.png in.jpg"}, edit: exif(gps), params: `{"metadata":"keep"}`,
		output: "out.webp", check: with("GPS secret"),
	},
	{
		name: "EXIF that is garbage", source: "https://github.com/lovell/sharp/issues/3947",
		makes: []string{corners + "a.png", "vips copy a.png in.jpg[Q=95]"}, edit: func(b []byte) []byte {
			return app1(b, append([]byte("Exif\x00\x00MM\x00*"), bytes.Repeat([]byte{0xff}, 40)...))
		}, params: `{"quality":95}`, output: "out.jpg", check: both(sized(120, 80), shows(at(.1, .1, 0xE02020))),
	},
	{
		name: "a progressive JPEG", source: "https://github.com/lovell/sharp/issues/1787",
		makes:  []string{corners + "a.png", "vips copy a.png in.jpg[Q=95,interlace]"},
		params: `{"quality":95,"width":60}`, output: "out.jpg", check: shows(at(.1, .1, 0xE02020)),
	},
	{
		name: "a moving GIF", source: "https://github.com/lovell/sharp/issues/1823",
		makes:  []string{"ffmpeg -f lavfi -i testsrc2=s=120x80:r=10:d=1 in.gif"},
		params: `{"width":60}`, output: "out.webp", check: frames(10, 60, 40, 100),
	},
	{
		name: "a moving WebP", source: "https://github.com/lovell/sharp/issues/2296",
		makes:  []string{"ffmpeg -f lavfi -i testsrc2=s=120x80:r=5:d=1 -c:v libwebp_anim -loop 0 in.webp"},
		params: `{"width":60}`, output: "out.webp", check: frames(5, 60, 40, 200),
	},
	{
		name: "a moving WebP as a still", source: "https://github.com/lovell/sharp/issues/2434",
		makes:  []string{"ffmpeg -f lavfi -i testsrc2=s=120x80:r=5:d=1 -c:v libwebp_anim -loop 0 in.webp"},
		params: `{"animation":"drop"}`, output: "out.webp", check: both(sized(120, 80), without("ANIM")),
	},
	{
		name:   "a moving GIF as a JPEG",
		source: "https://github.com/amazon-archives/serverless-image-resizing/issues/44",
		makes:  []string{"ffmpeg -f lavfi -i color=c=red:s=120x80:r=10:d=1 in.gif"},
		output: "out.jpg", check: shows(at(.5, .5, 0xFF0000)),
	},
	{
		name: "a moving GIF that is cropped", source: "https://github.com/lovell/sharp/issues/2752",
		makes:  []string{"ffmpeg -f lavfi -i testsrc2=s=120x80:r=10:d=1 in.gif"},
		params: `{"fit":"cover","width":60,"height":60}`, output: "out.webp",
		check: warned("makes a still picture of its first frame", sized(60, 60)),
	},
	{
		name: "one pixel", source: "https://github.com/libvips/libvips/issues/711",
		makes:  []string{"ffmpeg -f lavfi -i color=c=0x8C6450:s=2x2,format=rgb24,crop=1:1 -frames:v 1 in.png"},
		params: `{"width":64,"height":64,"fit":"cover"}`, output: "out.avif", check: sized(1, 1),
	},
	{
		name: "a line of one pixel", source: "https://github.com/libvips/libvips/issues/711",
		makes:  []string{"ffmpeg -f lavfi -i color=c=0x8C6450:s=2000x2,format=rgb24,crop=2000:1 -frames:v 1 in.png"},
		params: `{"width":64}`, output: "out.jpg", check: sized(64, 1),
	},
	{
		name: "half a JPEG", source: "https://github.com/lovell/sharp/issues/3424",
		makes: []string{"ffmpeg -f lavfi -i color=c=0x8C6450:s=320x240,format=gbrp,noise=alls=20 -frames:v 1 -q:v 2 " +
			"in.jpg"},
		edit: keep(50), params: `{"width":32,"quality":95}`, output: "out.jpg",
		check: warned("is damaged", both(sized(32, 24), shows(at(.5, .1, 0x8C6450)))),
	},
	{
		name: "half a JPEG, and its job wants all", source: "https://github.com/lovell/sharp/issues/793",
		makes: []string{corners + "a.png", "vips copy a.png in.jpg[Q=95]"}, edit: keep(70), output: "out.jpg",
		params: `{"tolerate":"none"}`, check: refused("remature end of"),
	},
	{
		name: "half a PNG", source: "https://github.com/lovell/sharp/issues/793",
		makes: []string{"ffmpeg -f lavfi -i testsrc2=s=320x240 -frames:v 1 in.png"}, edit: keep(50), output: "out.jpg",
		check: warned("is damaged", sized(320, 240)),
	},
	{
		name: "half a WebP", source: "https://github.com/lovell/sharp/issues/793",
		makes: []string{"ffmpeg -f lavfi -i testsrc2=s=320x240 -frames:v 1 in.webp"}, edit: keep(50),
		output: "out.jpg", check: refused("is cut off"),
	},
	{
		name: "the first bytes of a TIFF and nothing more", source: "https://github.com/lovell/sharp/issues/793",
		makes: []string{"ffmpeg -f lavfi -i testsrc2=s=320x240 -frames:v 1 in.tif"}, edit: keep(50),
		output: "out.jpg", check: refused("it is damaged or cut off"),
	},
	{
		name: "a bomb of 30,000 x 30,000", source: "https://github.com/python-pillow/Pillow/issues/515",
		makes: []string{patch + "in.png"}, edit: func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[16:], 30000) // of IHDR, whose checksum isn't right now: libpng takes it
			binary.BigEndian.PutUint32(b[20:], 30000)
			binary.BigEndian.PutUint32(b[29:], crc(b[12:29]))
			return b
		}, output: "out.jpg", check: overLimit("30000 x 30000"),
	},
	{
		name: "an SVG by the name of a PNG", source: "https://github.com/emcconville/wand/issues/288",
		makes: []string{patch + "in.png"}, edit: func([]byte) []byte {
			return []byte(`<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`)
		}, output: "out.jpg", check: refused("an SVG drawing"),
	},
	{
		name: "a PDF by the name of a JPEG", source: "https://github.com/emcconville/wand/issues/288",
		makes: []string{patch + "in.png"}, edit: func([]byte) []byte { return []byte("%PDF-1.7\n%\xff\xff\n") },
		output: "out.jpg", check: refused("no picture that Siren reads"),
	},
	{
		name: "a video", source: "https://github.com/h2non/bimg/pull/411",
		makes:  []string{"ffmpeg -f lavfi -i testsrc2=s=120x80:r=5:d=1 -pix_fmt yuv420p in.mp4"},
		output: "out.jpg", check: refused("of a video, use the kind thumbnail"),
	},
	{
		name: "nothing at all", source: "https://github.com/lovell/sharp/issues/793",
		makes: []string{patch + "in.png"}, edit: func([]byte) []byte { return nil }, output: "out.jpg",
		check: refused("is empty"),
	},
}...)

// TestRealImages makes each picture and runs its job.
func TestRealImages(t *testing.T) {
	for _, f := range realImages {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			b := newBench(t)
			if !strings.HasPrefix(f.source, "https://") {
				t.Error("nobody describes such a file")
			}
			var last string
			for _, step := range f.makes {
				words := strings.Fields(step)
				last, _, _ = strings.Cut(words[len(words)-1], "[")
				switch {
				case words[0] == "ffmpeg":
					words = append([]string{"ffmpeg", "-hide_banner", "-loglevel", "error", "-y"}, words[1:]...)
				case words[1] != "copy":
					last = words[3]
				}
				runIn(t, b.in, words)
			}
			last, _, _ = strings.Cut(last, "[")
			if f.edit != nil {
				text, err := os.ReadFile(filepath.Join(b.in, last))
				workertest.Must(t, err)
				workertest.Must(t, os.WriteFile(filepath.Join(b.in, last), f.edit(text), 0o644))
			}
			r := made{file: filepath.Join(b.out, f.output)}
			r.result, r.err = b.run(job.Job{
				Kind: "image", Params: paramsJSON(f.params), Input: "file://" + filepath.Join(b.in, last),
				Output: b.output(f.output),
			})
			f.check(t, r)
		})
	}
}

// A picture that is damaged in whatever way ends its job one way or the other: never with a retry that can't help, and
// never with a file left behind.
func TestMutatedImages(t *testing.T) {
	b := newBench(t)
	runIn(t, b.in, append(strings.Fields("ffmpeg -v error -y -f lavfi -i testsrc2=s=120x80 -frames:v 1"), "a.png"))
	var seeds []string
	for _, name := range []string{"a.jpg", "b.png", "a.webp", "a.gif", "a.tif", "a.avif"} {
		runIn(t, b.in, []string{"vips", "copy", "a.png", name})
		seeds = append(seeds, name)
	}
	runIn(t, b.in, append(strings.Fields(tiles), "a.mp4"))
	film, err := os.ReadFile(filepath.Join(b.in, "a.mp4"))
	workertest.Must(t, err)
	b.write("a.heic", gridHEIC(0)(film))
	seeds = append(seeds, "a.heic")
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 3 * len(seeds) {
		name := seeds[n%len(seeds)]
		text, err := os.ReadFile(filepath.Join(b.in, name))
		workertest.Must(t, err)
		for range 1 + r.IntN(8) {
			text[16+r.IntN(len(text)-16)] = byte(r.Uint32())
		}
		input := b.write("mutated"+filepath.Ext(name), text)
		_, err = b.run(job.Job{Kind: "image", Input: input, Output: b.output(fmt.Sprintf("%d.webp", n))})
		if kind := work.KindOf(err); err != nil && kind != work.BadInput && kind != work.OverLimit {
			t.Errorf("%d, of %s: %v", n, name, err)
		}
	}
}

// A slot that is too small for vips itself says so.
func TestImageNeedsMemory(t *testing.T) {
	b := newBench(t)
	b.limits.Memory = 96 << 20
	_, err := b.run(job.Job{Kind: "image", Input: b.put("still.png"), Output: b.output("a.jpg")})
	workertest.Expect(t, err, work.OverLimit, "needs more than a slot's memory of 96Mi")
}

// A worker without libvips runs other jobs, and leaves those of the kind image to others.
func TestImageWithoutVips(t *testing.T) {
	b := newBench(t)
	b.h.options.Programs.VipsHeader = ""
	_, err := b.run(job.Job{Kind: "image", Input: b.put("still.png"), Output: b.output("a.jpg")})
	workertest.Expect(t, err, work.Transient, "install the package libvips-tools")
}
