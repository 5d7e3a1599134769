package media

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "image/jpeg"
	_ "image/png"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// realFile is a file as people have them, made by ffmpeg here, and what is right to make of it.
type realFile struct {
	name   string
	makes  []string // ffmpeg's options for each step, the output's name last; a later step may read an earlier file
	kind   string
	params string
	output string
	check  func(t *testing.T, r made)
}

// made is what became of a job.
type made struct {
	file   string
	result work.Result
	err    error
}

// c81414 is a red that BT.601 and BT.709 make visibly different of: a viewer that takes the wrong one shows b80117.
const c81414 = "-f lavfi -i color=c=0xC81414:s=1280x720:r=25:d=2,format=gbrp,scale=out_color_matrix=bt709:out_range=tv," +
	"format=yuv420p -c:v libx264 -preset ultrafast -qp 1 -colorspace bt709 -color_primaries bt709 -color_trc bt709 " +
	"-color_range tv"

var realFiles = []realFile{
	{
		name: "HD video is BT.709, a JPEG is BT.601", makes: []string{c81414 + " in.mp4"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name: "HD video is BT.709, a WebP is BT.601", makes: []string{c81414 + " in.mp4"},
		kind: "thumbnail", params: `{"quality":95,"width":640}`, output: "out.webp", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:  "HD video that doesn't say which matrix it has",
		makes: []string{strings.Split(c81414, "-colorspace")[0] + " in.mp4"},
		kind:  "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name: "RGB screen recording", makes: []string{"-f lavfi -i color=c=0xC81414:s=1280x720:r=25:d=1,format=bgr0 " +
			"-c:v libx264rgb -preset ultrafast -qp 0 in.mkv"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name: "a film of one frame", makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=1:d=1 -frames:v 1 -c:v libx264 in.mp4"},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name: "a short picture with long sound, at a time that only the sound has",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=25:d=1 -f lavfi -i sine=d=20 -c:v libx264 -c:a aac " +
			"in.mkv"},
		kind: "thumbnail", params: `{"at":"50%"}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name: "a short picture with long sound, the most representative frame",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=25:d=1 -f lavfi -i sine=d=60 -c:v libx264 -c:a aac " +
			"in.mkv"},
		kind: "thumbnail", output: "out.webp", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name: "one key frame, and a time far behind it",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=8 -c:v libx264 -preset ultrafast -g 1000 -sc_threshold 0 " +
			"-f mpegts in.ts"},
		kind: "thumbnail", params: `{"at":7.5}`, output: "out.jpg", check: sized(320, 240),
	},
	{
		name: "six seconds of black at the beginning",
		makes: []string{"-f lavfi -i color=c=black:s=320x240:r=25:d=6 -f lavfi -i color=c=0x20C040:s=320x240:r=25:d=4 " +
			"-filter_complex concat=n=2:v=1 -c:v libx264 -preset ultrafast in.mp4"},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0x20C040)),
	},
	{
		name: "nothing but black", makes: []string{"-f lavfi -i color=c=black:s=320x240:r=25:d=6 -c:v libx264 in.mp4"},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0)),
	},
	{
		name: "a picture that is transparent on the left, as JPEG",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240,format=rgba,geq=r=32:g=64:b=192:a='if(lt(X,W/2),0,255)' " +
			"-frames:v 1 in.png"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg",
		check: shows(at(0.25, 0.5, 0xFFFFFF), at(0.75, 0.5, 0x2040C0)),
	},
	{
		name: "a picture that is transparent on the left, as WebP",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240,format=rgba,geq=r=32:g=64:b=192:a='if(lt(X,W/2),0,255)' " +
			"-frames:v 1 in.png"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.webp", check: func(t *testing.T, r made) {
			clear, full := pixel(t, r.file, 0.25, 0.5), pixel(t, r.file, 0.75, 0.5)
			if clear.A != 0 || full.A != 255 {
				t.Errorf("left %v, right %v; want the left transparent", clear, full)
			}
			near(t, "right", full, 0x2040C0)
		},
	},
	{
		name: "VP9 with transparency",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=5:d=1,format=yuva420p," +
			"geq=lum=p(X\\,Y):cb=p(X\\,Y):cr=p(X\\,Y):a='if(lt(X,W/2),0,255)' -c:v libvpx-vp9 -pix_fmt yuva420p in.webm"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.25, 0.5, 0xFFFFFF)),
	},
	{
		name: "sound with a cover",
		makes: []string{
			"-f lavfi -i color=c=0xC81414:s=300x300 -frames:v 1 cover.jpg",
			"-f lavfi -i sine=d=3 -i cover.jpg -map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic in.m4a",
		},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name: "PQ: white of 203 cd/m² is nine tenths of an ordinary screen's",
		// 0.5807 of full signal is 203 cd/m² by SMPTE ST 2084: 64+0.5807*876 = 573 of 1023
		makes: []string{"-f lavfi -i color=c=gray:s=640x360:r=25:d=1,format=yuv420p10le,geq=lum=573:cb=512:cr=512 " +
			"-c:v libx265 -preset ultrafast -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:" +
			"colormatrix=bt2020nc:range=limited -tag:v hvc1 in.mp4"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xE6E6E6)),
	},
	{
		name: "HLG: white of three quarters of full signal",
		makes: []string{"-f lavfi -i color=c=gray:s=640x360:r=25:d=1,format=yuv420p10le,geq=lum=721:cb=512:cr=512 " +
			"-c:v libx265 -preset ultrafast -x265-params log-level=error:colorprim=bt2020:transfer=arib-std-b67:" +
			"colormatrix=bt2020nc:range=limited -tag:v hvc1 in.mp4"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xE6E6E6)),
	},
}

// TestRealFiles makes each file and runs its job.
func TestRealFiles(t *testing.T) {
	for _, f := range realFiles {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			b := newBench(t)
			var last string
			for _, step := range f.makes {
				words := strings.Fields(step)
				last = words[len(words)-1]
				cmd := exec.Command("ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-y"}, words...)...)
				cmd.Dir = b.in
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("ffmpeg %s: %v: %s", step, err, out)
				}
			}
			r := made{file: filepath.Join(b.out, f.output)}
			r.result, r.err = b.run(job.Job{
				Kind: f.kind, Params: paramsJSON(f.params), Input: "file://" + filepath.Join(b.in, last), Output: b.output(f.output),
			})
			f.check(t, r)
		})
	}
}

// spot is a place in a picture, as parts of its width and height, and its colour.
type spot struct {
	x, y float64
	rgb  int
}

func at(x, y float64, rgb int) spot { return spot{x, y, rgb} }

// shows wants a picture whose spots have these colours, within what an encoder may change.
func shows(spots ...spot) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		must(t, r.err)
		for _, s := range spots {
			near(t, fmt.Sprintf("at %v, %v", s.x, s.y), pixel(t, r.file, s.x, s.y), s.rgb)
		}
	}
}

// sized wants a picture of that size.
func sized(width, height int) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		must(t, r.err)
		if v := media(t, r.file).Streams[0]; v.Width != width || v.Height != height {
			t.Errorf("is %d x %d, want %d x %d", v.Width, v.Height, width, height)
		}
	}
}

// near wants a colour within six levels of rgb.
func near(t *testing.T, where string, got color.NRGBA, rgb int) {
	t.Helper()
	const within = 6
	want := color.NRGBA{R: uint8(rgb >> 16), G: uint8(rgb >> 8), B: uint8(rgb)}
	if abs(int(got.R)-int(want.R)) > within || abs(int(got.G)-int(want.G)) > within || abs(int(got.B)-int(want.B)) > within {
		t.Errorf("%s: %02X%02X%02X, want %06X", where, got.R, got.G, got.B, rgb)
	}
}

// pixel returns a place of a picture as a viewer shows it: JPEG and PNG by Go's own decoders, the others by ffmpeg's.
func pixel(t *testing.T, file string, x, y float64) color.NRGBA {
	t.Helper()
	if ext := filepath.Ext(file); ext != ".jpg" && ext != ".png" {
		png := file + ".png"
		output(t, "ffmpeg", "-v", "error", "-y", "-i", file, "-frames:v", "1", "-pix_fmt", "rgba", png)
		file = png
	}
	f, err := os.Open(file)
	must(t, err)
	defer func() { _ = f.Close() }()
	p, _, err := image.Decode(f)
	must(t, err)
	size := p.Bounds().Size()
	c, _ := color.NRGBAModel.Convert(p.At(int(x*float64(size.X)), int(y*float64(size.Y)))).(color.NRGBA)
	return c
}
