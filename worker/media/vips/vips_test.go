package vips

import (
	"image/color"
	"slices"
	"strings"
	"testing"
)

func TestRecognise(t *testing.T) {
	long := strings.Repeat("\x00", 64)
	for _, c := range []struct{ head, want string }{
		{"\xff\xd8\xff\xe0" + long, "jpeg"},
		{"\x89PNG\r\n\x1a\n" + long, "png"},
		{"GIF89a" + long, "gif"},
		{"RIFF\x00\x00\x00\x00WEBPVP8X" + long, "webp"},
		{"RIFF\x00\x00\x00\x00AVI LIST" + long, ""},
		{"II*\x00" + long, "tiff"},
		{"\x00\x00\x00\x18ftypheic" + long, HEIF},
		{"\x00\x00\x00\x18ftypavif" + long, HEIF},
		{"\x00\x00\x00\x18ftypisom" + long, ""}, // a film
		{"<svg" + long, ""},
		{"%PDF-1.7" + long, ""},
		{"RIFF", ""},
		{"", ""},
	} {
		if got := Recognise([]byte(c.head)); got != c.want {
			t.Errorf("%q is %q, want %q", c.head[:min(12, len(c.head))], got, c.want)
		}
	}
}

const header = "width: 400\nheight: 300\nbands: 3\nformat: uchar\ninterpretation: srgb\n"

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, said string
		want       Picture
	}{
		{"plain", header, Picture{Width: 400, Height: 300, Frames: 1}},
		{"held upright", header + "orientation: 6\n", Picture{Width: 300, Height: 400, Frames: 1}},
		{"upside down", header + "orientation: 3\n", Picture{Width: 400, Height: 300, Frames: 1}},
		{
			"with a profile", header + "icc-profile-data: 736 bytes of binary data\n",
			Picture{Width: 400, Height: 300, Frames: 1, Profile: true},
		},
		{
			"transparent in parts", strings.Replace(header, "bands: 3", "bands: 4", 1),
			Picture{Width: 400, Height: 300, Frames: 1, SeeThrough: true},
		},
		{
			"CMYK has four channels, too", strings.NewReplacer("bands: 3", "bands: 4", "srgb", "cmyk").Replace(header),
			Picture{Width: 400, Height: 300, Frames: 1, CMYK: true},
		},
		{
			"grey", strings.NewReplacer("bands: 3", "bands: 1", "srgb", "b-w").Replace(header),
			Picture{Width: 400, Height: 300, Frames: 1, Grey: true},
		},
		{
			"a comment that looks like vips' own lines",
			header + "n-pages: 5000\ngif-comment-0: hello\nwidth: 1\nn-pages: 1\n",
			Picture{Width: 400, Height: 300, Frames: 5000},
		},
	} {
		if got, err := Read(c.said, ""); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := Read("nothing of use", "png"); err == nil {
		t.Error("a picture without a size")
	}
}

func TestSteps(t *testing.T) {
	photo := Picture{Format: "jpeg", Width: 4000, Height: 3000, Frames: 1}
	p3 := photo
	p3.Profile = true
	grey := Picture{Format: "png", Width: 40, Height: 30, Frames: 1, Grey: true, Profile: true}
	moving := Picture{Format: "gif", Width: 40, Height: 30, Frames: 9, SeeThrough: true}
	orange := color.NRGBA{R: 255, G: 128, A: 255}
	for _, c := range []struct {
		name  string
		p     Picture
		w     Wish
		steps []string
	}{
		{
			"smaller", photo,
			Wish{Width: 640, Fit: "contain", Format: "jpg", Quality: 85, Background: orange},
			[]string{"thumbnail in output.jpg[Q=85,background=255 128 0,strip] 640 --height 10000000 --size down " +
				"--fail-on none"},
		},
		{
			"all of it, whole", p3,
			Wish{Fit: "contain", Format: "png", Strict: true},
			[]string{"thumbnail in output.png[compression=6,strip] 10000000 --height 10000000 --size down " +
				"--fail-on error --export-profile srgb"},
		},
		{
			"cropped, and no larger than it is", grey,
			Wish{Width: 60, Height: 60, Fit: "cover", Gravity: "left", Format: "webp", Quality: 80, KeepMetadata: true},
			[]string{"thumbnail in output.webp[Q=80] 30 --height 30 --size down --fail-on none --crop low " +
				"--export-profile srgb"},
		},
		{
			"padded with nothing", photo,
			Wish{Width: 60, Height: 60, Fit: "pad", Format: "webp", Quality: 80},
			[]string{
				"thumbnail in step0.png[compression=1,strip] 60 --height 60 --size down --fail-on none " +
					"--export-profile srgb",
				"bandjoin_const step0.png step1.png[compression=1] 255",
				"gravity step1.png output.webp[Q=80,strip] centre 60 60 --extend background --background 0 0 0 0",
			},
		},
		{
			"a grey picture's own colours can't be padded in orange", grey,
			Wish{Width: 60, Height: 60, Fit: "pad", Format: "png", Background: orange, KeepProfile: true},
			[]string{
				"thumbnail in step0.png[compression=1,strip] 60 --height 60 --size down --fail-on none " +
					"--export-profile srgb",
				"gravity step0.png output.png[compression=6,strip] centre 60 60 --extend background --background " +
					"255 128 0",
			},
		},
		{
			"the profile without the place", p3,
			Wish{Fit: "contain", Format: "avif", Quality: 60, KeepProfile: true},
			[]string{
				"thumbnail in step0.png[compression=1,strip] 10000000 --height 10000000 --size down --fail-on none",
				"copy step0.png step1.png[compression=1,profile=profile.icc]",
				"copy step1.png output.avif[Q=60,effort=2,bitdepth=8]",
			},
		},
		{
			"moving", moving,
			Wish{Width: 20, Fit: "contain", Format: "webp", Quality: 80, Moving: true},
			[]string{"thumbnail in[n=-1] output.webp[Q=80,strip] 20 --height 10000000 --size down --fail-on none"},
		},
		{
			"not moving in a jpg", moving,
			Wish{Width: 20, Fit: "contain", Format: "png", Moving: true},
			[]string{"thumbnail in output.png[compression=6,strip] 20 --height 10000000 --size down --fail-on none"},
		},
	} {
		var got []string
		for _, args := range c.w.Of(c.p).Steps(c.p, "in") {
			got = append(got, strings.Join(args, " "))
		}
		if !slices.Equal(got, c.steps) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.steps, "\n"))
		}
	}
}

// A crop's box has the shape that was asked for, within a pixel, and isn't larger than the picture.
func FuzzCovered(f *testing.F) {
	f.Add(4000, 3000, 64, 64)
	f.Add(1, 8000, 8192, 16)
	f.Fuzz(func(t *testing.T, w, h, width, height int) {
		if min(w, h) < 1 || max(w, h) > 1<<20 || min(width, height) < 16 || max(width, height) > 8192 {
			t.Skip()
		}
		gotWidth, gotHeight := covered(Picture{Width: w, Height: h}, width, height)
		if gotWidth < 1 || gotHeight < 1 || gotWidth > max(1, min(w, width)) || gotHeight > max(1, min(h, height)) {
			t.Errorf("%d x %d of %d x %d: %d x %d", width, height, w, h, gotWidth, gotHeight)
		}
	})
}

func TestSaid(t *testing.T) {
	const cut = "\n(vips:30636): VIPS-WARNING **: 01:55:22.976: read gave 2 warnings\n\n" +
		"(vips:30636): VIPS-WARNING **: 01:55:22.976: VipsJpeg: Premature end of JPEG file\n"
	if got := Damage(cut); got != "VipsJpeg: Premature end of JPEG file" {
		t.Errorf("damage %q", got)
	}
	const fine = "\n(vips:19055): VIPS-WARNING **: 01:51:44.834: heifload: ignoring nclx profile\n"
	if got := Damage(fine); got != "" || Starved(fine) {
		t.Errorf("damage %q in what is fine", got)
	}
	// With this it ended as if all were well, and a part of the picture was missing.
	if !Starved("\n(vips:9181): VIPS-WARNING **: 01:58:19.549: out of memory --- size == 0MB\n") {
		t.Error("not starved")
	}
}
