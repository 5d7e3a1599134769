package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// This file makes of what ffmpeg and vips write the files that they don't, and looks at what came of them.

// both wants all that each of them wants.
func both(checks ...func(*testing.T, made)) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		for _, check := range checks {
			check(t, r)
		}
	}
}

// with wants an output that has a text among its bytes, and without one that hasn't.
func with(text string) func(*testing.T, made) {
	return func(t *testing.T, r made) { t.Helper(); contains(t, r, text, true) }
}

func without(text string) func(*testing.T, made) {
	return func(t *testing.T, r made) { t.Helper(); contains(t, r, text, false) }
}

func contains(t *testing.T, r made, text string, want bool) {
	t.Helper()
	workertest.Must(t, r.err)
	b, err := os.ReadFile(r.file)
	workertest.Must(t, err)
	if bytes.Contains(b, []byte(text)) != want {
		t.Errorf("%q in the output: %t, want %t", text, !want, want)
	}
}

// frames wants an animation: so many frames of that size, each for so many milliseconds.
func frames(n, width, height, each int) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		said := string(output(t, "vipsheader", "-a", r.file))
		delays := strings.TrimSpace(strings.Repeat(fmt.Sprint(each, " "), n))
		for _, line := range []string{
			fmt.Sprint("n-pages: ", n), fmt.Sprint("width: ", width), fmt.Sprint("height: ", height),
			"delay: " + delays,
		} {
			if !strings.Contains(said, line) {
				t.Errorf("no %q in %s", line, said)
			}
		}
	}
}

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// tag is an entry of EXIF, with a value of at most four bytes.
type tag struct {
	id, sort     uint16
	count, value uint32
}

// exif puts one tag into a JPEG, in place of the EXIF that it has.
func exif(one tag) func([]byte) []byte {
	if one.sort == 3 { // of two bytes, which come first
		one.value <<= 16
	}
	b := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01")
	b = binary.BigEndian.AppendUint16(b, one.id)
	b = binary.BigEndian.AppendUint16(b, one.sort)
	b = binary.BigEndian.AppendUint32(b, one.count)
	b = binary.BigEndian.AppendUint32(b, one.value)
	b = append(b, 0, 0, 0, 0)
	if one == gps { // which is at offset 26: the method by which the place was found
		b = append(b, "\x00\x01\x00\x1b\x00\x07\x00\x00\x00\x12\x00\x00\x00\x2c\x00\x00\x00\x00"+
			"ASCII\x00\x00\x00GPS secret"...)
	}
	return func(jpeg []byte) []byte { return app1(jpeg, b) }
}

var gps = tag{0x8825, 4, 1, 26}

// app1 puts a segment of EXIF's kind into a JPEG, in place of those that it has.
func app1(jpeg, data []byte) []byte {
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(data)+2))...)
	out = append(out, data...)
	for at := 2; ; {
		end := at + 2 + int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if jpeg[at+1] == 0xda {
			return append(out, jpeg[at:]...)
		}
		if jpeg[at+1] != 0xe1 {
			out = append(out, jpeg[at:end]...)
		}
		at = end
	}
}

// tiles is a film of four pictures of 64 x 64, each of them a key frame of HEVC.
const tiles = "ffmpeg -f lavfi -i color=c=black:s=64x64:r=1:d=4,format=gbrp," +
	"geq=r='32+192*eq(N,0)+160*eq(N,3)':g='32+128*eq(N,1)+160*eq(N,3)':b='32+192*eq(N,2)+160*eq(N,3)'," +
	"format=yuv420p -c:v libx265 -preset ultrafast -x265-params keyint=1:qp=10:info=0:log-level=error -tag:v hvc1 "

// gridHEIC makes of that film a HEIC whose picture is the four, two by two (ISO/IEC 23008-12, 6.6.2.3), to be turned
// anticlockwise by so many quarters.
func gridHEIC(quarters byte) func([]byte) []byte {
	return func(mp4 []byte) []byte {
		at := bytes.Index(mp4, []byte("hvcC")) - 4
		hvcC := mp4[at : at+int(binary.BigEndian.Uint32(mp4[at:]))]
		sizes := mp4[bytes.Index(mp4, []byte("stsz"))+8:] // the size of all; 0: their number, and each
		data := mp4[binary.BigEndian.Uint32(mp4[bytes.Index(mp4, []byte("stco"))+12:]):]

		ftyp := box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic"))
		meta := func(mdat uint32) []byte {
			var infe, ipma, iloc []byte
			for id := byte(1); id <= 4; id++ {
				size := binary.BigEndian.Uint32(sizes)
				if size == 0 {
					size = binary.BigEndian.Uint32(sizes[8+4*(id-1):])
				}
				infe = append(infe, box("infe", []byte{2, 0, 0, 1, 0, id, 0, 0}, []byte("hvc1\x00"))...)
				ipma = append(ipma, 0, id, 3, 0x81, 2, 4)
				iloc = append(iloc, 0, id, 0, 0, 0, 0, 0, 1)
				iloc = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(iloc, mdat), size)
				mdat += size
			}
			infe = append(infe, box("infe", []byte{2, 0, 0, 0, 0, 5, 0, 0}, []byte("grid\x00"))...)
			ipma = append(ipma, 0, 5, 3, 3, 4, 0x85)
			iloc = append(iloc, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8)
			return box("meta", []byte{0, 0, 0, 0},
				box("hdlr", make([]byte, 8), []byte("pict"), make([]byte, 13)),
				box("pitm", []byte{0, 0, 0, 0, 0, 5}),
				box("iloc", []byte{1, 0, 0, 0, 0x44, 0, 0, 5}, iloc),
				box("iinf", []byte{0, 0, 0, 0, 0, 5}, infe),
				box("iref", []byte{0, 0, 0, 0}, box("dimg", []byte{0, 5, 0, 4, 0, 1, 0, 2, 0, 3, 0, 4})),
				box("iprp",
					box("ipco", hvcC,
						box("ispe", []byte{0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 64}),
						box("ispe", []byte{0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 128}),
						box("colr", []byte("nclx\x00\x01\x00\x0d\x00\x06\x00")), box("irot", []byte{quarters})),
					box("ipma", []byte{0, 0, 0, 0, 0, 0, 0, 5}, ipma)),
				box("idat", []byte{0, 0, 1, 1, 0, 128, 0, 128}))
		}
		before := len(ftyp) + len(meta(0)) + 8
		return bytes.Join([][]byte{ftyp, meta(uint32(before)), box("mdat", data)}, nil)
	}
}

// box makes a box of the ISO base media file format.
func box(kind string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
}

// runIn runs a program in a folder.
func runIn(t *testing.T, dir string, words []string) {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
}
