package media

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "image/jpeg"
	_ "image/png"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// realFile is a file as people have them, made by ffmpeg here, and what is right to make of it.
type realFile struct {
	name   string
	source string              // a public report of such a file, or what it was modelled on
	edit   func([]byte) []byte // of the input, after all steps; nil: none
	// ffmpeg's options for each step, the output's name last; a later step may read an earlier file
	makes  []string
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
const c81414 = "-f lavfi -i color=c=0xC81414:s=1280x720:r=25:d=2,format=gbrp," +
	"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p -c:v libx264 -preset ultrafast -qp 1 -colorspace " +
	"bt709 -color_primaries bt709 -color_trc bt709 " +
	"-color_range tv"

// leftClear is a picture whose left half is transparent.
const leftClear = "-f lavfi -i color=c=0x2040C0:s=320x240,format=rgba," +
	"geq=r=32:g=64:b=192:a='if(lt(X,W/2),0,255)' -frames:v 1 "

// pq is white of 203 cd/m²: 0.5807 of full signal by SMPTE ST 2084, and 64+0.5807*876 = 573 of 1023.
const pq = "-f lavfi -i color=c=gray:s=640x360:r=25:d=1,format=yuv420p10le,geq=lum=573:cb=512:cr=512 -c:v libx265 " +
	"-preset ultrafast -x265-params " +
	"log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited " +
	"-tag:v hvc1 "

var realFiles = []realFile{
	{
		name:   "HD video is BT.709, a JPEG is BT.601",
		source: "https://github.com/mltframework/mlt/pull/1024",
		makes:  []string{c81414 + " in.mp4"},
		kind:   "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:   "HD video is BT.709, a WebP is BT.601",
		source: "https://github.com/mltframework/mlt/pull/1024",
		makes:  []string{c81414 + " in.mp4"},
		kind:   "thumbnail", params: `{"quality":95,"width":640}`, output: "out.webp",
		check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:   "HD video is BT.709, a PNG is sRGB and says so",
		source: "https://github.com/mltframework/mlt/pull/1024",
		makes:  []string{c81414 + " in.mp4"},
		kind:   "thumbnail", output: "out.png", params: `{"width":640,"at":1}`,
		check: both(sized(640, 360), shows(at(0.5, 0.5, 0xC81414)), with("sRGB")),
	},
	{
		name:   "HD video is BT.709, an AVIF is sRGB",
		source: "https://github.com/mltframework/mlt/pull/1024",
		makes:  []string{c81414 + " in.mp4"},
		kind:   "thumbnail", params: `{"width":640}`, output: "out.avif",
		check: both(sized(640, 360), shows(at(0.5, 0.5, 0xC81414))),
	},
	{
		name:   "the last frame as AVIF is a picture and no film",
		source: "https://github.com/heygen-com/hyperframes/issues/3460",
		kind:   "thumbnail", params: `{"at":7.5}`,
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=8 -c:v libx264 -preset ultrafast -g 1000 " +
			"-sc_threshold 0 -f mpegts in.ts"},
		output: "out.avif", check: both(sized(320, 240), without("avis")),
	},
	{
		name:   "HD video that doesn't say which matrix it has",
		source: "https://github.com/OpenShot/openshot-qt/issues/2711",
		makes:  []string{strings.Split(c81414, "-colorspace")[0] + " in.mp4"},
		kind:   "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:   "RGB screen recording",
		source: "https://github.com/advancedfx/advancedfx/issues/286",
		makes: []string{"-f lavfi -i color=c=0xC81414:s=1280x720:r=25:d=1,format=bgr0 " +
			"-c:v libx264rgb -preset ultrafast -qp 0 in.mkv"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:   "a film of one frame",
		source: "https://github.com/ynput/ayon-core/pull/1250",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=1:d=1 -frames:v 1 " +
			"-c:v libx264 in.mp4"},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name:   "a short picture with long sound, at a time that only the sound has",
		source: "https://github.com/soluble-io/soluble-mediatools/issues/16",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=25:d=1 -f lavfi -i sine=d=20 -c:v libx264 -c:a aac " +
			"in.mkv"},
		kind: "thumbnail", params: `{"at":"50%"}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name:   "a short picture with long sound, the most representative frame",
		source: "https://github.com/soluble-io/soluble-mediatools/issues/16",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=25:d=1 -f lavfi -i sine=d=60 -c:v libx264 -c:a aac " +
			"in.mkv"},
		kind: "thumbnail", output: "out.webp", check: shows(at(0.5, 0.5, 0x2040C0)),
	},
	{
		name:   "one key frame, and a time far behind it",
		source: "https://github.com/heygen-com/hyperframes/issues/3460",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=8 -c:v libx264 -preset ultrafast -g 1000 " +
			"-sc_threshold 0 " +
			"-f mpegts in.ts"},
		kind: "thumbnail", params: `{"at":7.5}`, output: "out.jpg", check: sized(320, 240),
	},
	{
		name:   "six seconds of black at the beginning",
		source: "https://github.com/openequella/openEQUELLA/issues/183",
		makes: []string{"-f lavfi -i color=c=black:s=320x240:r=25:d=6 -f lavfi -i " +
			"color=c=0x20C040:s=320x240:r=25:d=4 " +
			"-filter_complex concat=n=2:v=1 -c:v libx264 -preset ultrafast in.mp4"},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0x20C040)),
	},
	{
		name:   "nothing but black",
		source: "https://github.com/saimn/sigal/pull/485",
		makes:  []string{"-f lavfi -i color=c=black:s=320x240:r=25:d=6 -c:v libx264 in.mp4"},
		kind:   "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0)),
	},
	{
		name:   "a picture that is transparent on the left, as JPEG",
		source: "https://github.com/ImageMagick/ImageMagick/issues/7997",
		makes:  []string{leftClear + "in.png"},
		kind:   "thumbnail", params: `{"quality":95}`, output: "out.jpg",
		check: shows(at(0.25, 0.5, 0xFFFFFF), at(0.75, 0.5, 0x2040C0)),
	},
	{
		name:   "a picture that is transparent on the left, as WebP",
		source: "https://github.com/spruceUI/spruceOS/pull/1210",
		makes:  []string{leftClear + "in.png"},
		kind:   "thumbnail", params: `{"quality":95}`, output: "out.webp", check: func(t *testing.T, r made) {
			clear, full := pixel(t, r.file, 0.25, 0.5), pixel(t, r.file, 0.75, 0.5)
			if clear.A != 0 || full.A != 255 {
				t.Errorf("left %v, right %v; want the left transparent", clear, full)
			}
			near(t, "right", full, 0x2040C0)
		},
	},
	{
		name:   "VP9 with transparency",
		source: "https://github.com/mautrix/telegram/issues/822",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=5:d=1,format=yuva420p," +
			"geq=lum=p(X\\,Y):cb=p(X\\,Y):cr=p(X\\,Y):a='if(lt(X,W/2),0,255)' -c:v libvpx-vp9 -pix_fmt yuva420p " +
			"in.webm"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.25, 0.5, 0xFFFFFF)),
	},
	{
		name:   "sound with a cover",
		source: "https://github.com/navidrome/navidrome/issues/2213",
		makes: []string{
			"-f lavfi -i color=c=0xC81414:s=300x300 -frames:v 1 cover.jpg",
			"-f lavfi -i sine=d=3 -i cover.jpg -map 0 -map 1 -c:a aac -c:v copy -disposition:v attached_pic in.m4a",
		},
		kind: "thumbnail", output: "out.jpg", check: shows(at(0.5, 0.5, 0xC81414)),
	},
	{
		name:   "PQ: white of 203 cd/m² is nine tenths of an ordinary screen's",
		source: "https://github.com/dirkvdb/ffmpegthumbnailer/issues/236",
		makes:  []string{pq + "in.mp4"}, kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg",
		check: shows(at(0.5, 0.5, 0xE6E6E6)),
	},
	{
		name:   "HLG: white of three quarters of full signal",
		source: "https://github.com/Xanashi/Icaros/issues/220",
		makes: []string{"-f lavfi -i color=c=gray:s=640x360:r=25:d=1,format=yuv420p10le,geq=lum=721:cb=512:cr=512 " +
			"-c:v libx265 -preset ultrafast -x265-params log-level=error:colorprim=bt2020:transfer=arib-std-b67:" +
			"colormatrix=bt2020nc:range=limited -tag:v hvc1 in.mp4"},
		kind: "thumbnail", params: `{"quality":95}`, output: "out.jpg", check: shows(at(0.5, 0.5, 0xE6E6E6)),
	},
}

// jittery is a recording whose clock ticks a thousand times a second: 120 frames in about 4 s.
const jittery = "-f lavfi -i testsrc2=s=640x360:r=30:d=4,settb=1/1000,setpts=N*33+mod(N*7\\,13) -c:v libvpx " +
	"-deadline " +
	"realtime -vsync passthrough -enc_time_base 1/1000 "

var realVideos = []realFile{
	{
		name:   "a browser's recording with a clock of 1 ms",
		source: "https://github.com/muaz-khan/RecordRTC/issues/264",
		makes:  []string{jittery + "in.webm"},
		kind:   "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			f := facts(t, r)
			f.within("video frames", f.number("nb_frames"), 118, 122)
			f.within("level", f.number("level"), 9, 42)
			f.within("seconds", f.number("duration"), 3.9, 4.1)
		},
	},
	{
		name:   "slow motion of 240 frames a second",
		source: "https://github.com/joojoooo/immich-upload-optimizer/issues/2",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=240:d=1 -c:v libx264 " +
			"-preset ultrafast in.mp4"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			f := facts(t, r)
			f.is("r_frame_rate", "60/1")
			f.within("seconds", f.number("duration"), 0.98, 1.02)
		},
	},
	{
		name:   "sound in 5.1(side)",
		source: "https://github.com/shaka-project/shaka-packager/issues/598",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi " +
			"-i aevalsrc=0|0|0|0|0|0:c=5.1(side):d=1 -c:v libx264 -preset ultrafast -c:a ac3 in.mkv"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) { facts(t, r).sound("2", "stereo") },
	},
	{
		name:   "sound in 5.1(side), kept as surround sound",
		source: "https://github.com/xqq/mpegts.js/issues/157",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi " +
			"-i aevalsrc=0|0|0|0|0|0:c=5.1(side):d=1 -c:v libx264 -preset ultrafast -c:a ac3 in.mkv"},
		kind: "transcode", params: `{"channels":"5.1"}`, output: "out.mp4",
		check: func(t *testing.T, r made) { facts(t, r).sound("6", "5.1") },
	},
	{
		name:   "ten channels without names",
		source: "https://github.com/mifi/lossless-cut/pull/3038",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi " +
			"-i aevalsrc=0|0|0|0|0|0|0|0|0|0:d=1 -c:v libx264 -preset ultrafast -c:a pcm_s16le in.mov"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) { facts(t, r).sound("2", "stereo") },
	},
	{
		name:   "the second sound track is the default one",
		source: "https://github.com/jellyfin/jellyfin-roku/issues/212",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 " +
			"-f lavfi -i sine=d=1 -f lavfi -i sine=d=1 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a aac " +
			"-ac:a:0 2 -ac:a:1 1 -disposition:a:0 0 -disposition:a:1 default in.mkv"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) { facts(t, r).sound("1", "mono") },
	},
	{
		name:   "the first sound track is in a codec that nobody knows",
		source: "https://github.com/immich-app/immich/issues/30511",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 " +
			"-f lavfi -i sine=d=1 -f lavfi -i sine=d=1 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a aac " +
			"-ac:a:0 2 -ac:a:1 1 in.mp4"},
		edit: func(b []byte) []byte {
			return bytes.Replace(bytes.Replace(b, []byte("mp4a"), []byte("xq7z"), 1), []byte("esds"), []byte("xsds"), 1)
		},
		kind: "transcode", output: "out.mp4", check: warned("sound track 1 of input",
			func(t *testing.T, r made) { facts(t, r).sound("1", "mono") }),
	},
	{
		name:   "a phone's film whose second sound track is spatial audio",
		source: "https://github.com/immich-app/immich/issues/30511",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=d=1 -map 0 " +
			"-map 1 -map 2 -c:v libx264 -preset ultrafast -c:a aac -ac:a:0 2 -ac:a:1 1 in.mp4"},
		edit: func(b []byte) []byte { // of the two tracks, the second
			i := bytes.LastIndex(b, []byte("mp4a"))
			copy(b[i:], "apac")
			return append(b[:i:i], bytes.Replace(b[i:], []byte("esds"), []byte("dapa"), 1)...)
		},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).sound("2", "stereo")
			quiet(t, r)
		},
	},
	{
		name:   "all its sound is in a codec that nobody knows",
		source: "the same, without a track that can be decoded",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=d=1 -c:v libx264 -preset ultrafast " +
			"-c:a aac in.mp4"},
		edit: func(b []byte) []byte {
			return bytes.Replace(bytes.Replace(b, []byte("mp4a"), []byte("xq7z"), 1), []byte("esds"), []byte("xsds"), 1)
		},
		kind: "transcode", output: "out.mp4", check: warned("is left out (track 1): ffmpeg can't decode xq7z",
			func(t *testing.T, r made) { facts(t, r).sound("", "") }),
	},
	{
		name:   "PQ becomes BT.709",
		source: "https://github.com/LibrePhotos/librephotos/pull/2044",
		makes:  []string{pq + "in.mp4"}, kind: "transcode", params: `{"crf":4}`,
		output: "out.mp4",
		check: func(t *testing.T, r made) {
			facts(t, r).colours("tv", "bt709", "bt709", "bt709")
			near(t, "white", pixel(t, r.file, 0.5, 0.5), 0xE6E6E6)
		},
	},
	{
		name:   "a screen recording in RGB",
		source: "https://github.com/GyanD/codexffmpeg/issues/30",
		makes: []string{"-f lavfi -i color=c=0xC81414:s=1280x720:r=25:d=1,format=bgr0 " +
			"-c:v libx264rgb -preset ultrafast -qp 0 in.mkv"},
		kind: "transcode", params: `{"crf":4}`, output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).colours("tv", "bt709", "bt709", "bt709")
			near(t, "red", pixel(t, r.file, 0.5, 0.5), 0xC81414)
		},
	},
	{
		name:   "an old phone's film in full range",
		source: "https://github.com/HandBrake/HandBrake/issues/2561",
		makes: []string{"-f lavfi -i color=c=0xC81414:s=320x240:r=25:d=1,format=rgb24," +
			"scale=out_range=pc,format=yuvj420p -c:v mjpeg in.avi"},
		kind: "transcode", params: `{"crf":4}`, output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).is("color_range", "tv")
			near(t, "red", pixel(t, r.file, 0.5, 0.5), 0xC81414)
		},
	},
	{
		name:   "where it was filmed, its chapters and its timecode",
		source: "https://github.com/mastodon/mastodon/issues/22948",
		makes: []string{
			"-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset ultrafast -metadata location=+48.1+011.6/ " +
				"-metadata title=secret -timecode 01:00:00:00 in.mov",
		},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			workertest.Must(t, r.err)
			text := string(output(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_chapters",
				r.file))
			for _, word := range []string{"secret", "+48.1", "tmcd", "TAG:timecode"} {
				if strings.Contains(text, word) {
					t.Errorf("it says %s: %s", word, text)
				}
			}
		},
	},
	{
		name:   "what the input says of itself is kept when the job says so",
		source: "https://github.com/HandBrake/HandBrake/issues/344",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v libx264 -preset ultrafast -metadata " +
			"title=kept in.mp4"},
		kind: "transcode", params: `{"metadata":"keep"}`, output: "out.mp4", check: func(t *testing.T, r made) {
			workertest.Must(t, r.err)
			if text := string(output(t, "ffprobe", "-v", "error", "-show_format", r.file)); !strings.Contains(text,
				"title=kept") {
				t.Errorf("no title in %s", text)
			}
		},
	},
	{
		name:   "fields of a television camera",
		source: "https://github.com/zynine-/HDHRViewerV2.bundle/issues/6",
		makes: []string{"-f lavfi -i testsrc2=s=720x576:r=50:d=1 -vf " +
			"tinterlace=4,setfield=tff " +
			"-c:v mpeg2video -flags +ilme+ildct -q:v 2 in.mpg"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).is("field_order", "progressive")
			said, err := exec.Command("ffmpeg", "-hide_banner", "-i", r.file, "-vf", "idet", "-f", "null",
				"-").CombinedOutput()
			workertest.Must(t, err)
			m := regexp.MustCompile(`Multi frame detection:.*Progressive: *(\d+)`).FindSubmatch(said)
			if n, _ := strconv.Atoi(string(m[1])); n < 20 {
				t.Errorf("it is combed: %s", said)
			}
		},
	},
	{
		name:   "a picture that changes its size midway",
		source: "https://github.com/replayio/devtools/issues/3011",
		makes: []string{
			"-f lavfi -i color=c=0x2040C0:s=640x360:r=25:d=2 -c:v libx264 -preset ultrafast a.ts",
			"-f lavfi -i color=c=0x2040C0:s=360x360:r=25:d=2 -c:v libx264 -preset ultrafast -output_ts_offset 2 b.ts",
			"-i concat:a.ts|b.ts -c copy in.ts",
		},
		kind: "transcode", params: `{"crf":4}`, output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).sized("640", "360")
			last := r.file + ".png"
			output(t, "ffmpeg", "-v", "error", "-y", "-ss", "3", "-i", r.file, "-frames:v", "1", last)
			near(t, "beside the narrow picture", pixel(t, last, 0.05, 0.5), 0)
			near(t, "in the narrow picture", pixel(t, last, 0.5, 0.5), 0x2040C0)
		},
	},
	{
		name:   "an odd shape of pixels",
		source: "https://github.com/abhiTronix/vidgear/issues/385",
		makes: []string{"-f lavfi -i testsrc2=s=1440x1080:r=25:d=1 -vf setsar=4/3 " +
			"-c:v libx264 " +
			"-preset ultrafast in.mp4"},
		kind: "transcode", params: `{"width":853,"speed":"ultrafast"}`, output: "out.mp4",
		check: func(t *testing.T, r made) {
			f := facts(t, r)
			f.sized("852", "480")
			f.is("sample_aspect_ratio", "1:1")
		},
	},
	{
		name:   "a scene that hardly moves, of which people seek",
		source: "https://github.com/Chocobozzz/PeerTube/issues/1147",
		makes: []string{"-f lavfi -i color=c=gray:s=320x240:r=25:d=9 -c:v " +
			"libx264 -preset ultrafast in.mp4"},
		kind: "transcode", output: "out.mp4", check: func(t *testing.T, r made) {
			workertest.Must(t, r.err)
			keys := strings.Count(string(output(t, "ffprobe", "-v", "error", "-skip_frame", "nokey", "-show_entries",
				"frame=pts_time", "-of", "csv=p=0", r.file)), "\n")
			if keys < 5 {
				t.Errorf("%d key frames in 9 s, want one every 2 s", keys)
			}
		},
	},
	{
		name:   "VP9 with transparency becomes black behind",
		source: "https://github.com/renpy/renpy/issues/3324",
		makes: []string{"-f lavfi -i color=c=0x2040C0:s=320x240:r=5:d=1," +
			"format=yuva420p,geq=lum=p(X\\,Y):cb=p(X\\,Y):cr=p(X\\,Y):a='if(lt(X,W/2),0,255)' -c:v libvpx-vp9 " +
			"-pix_fmt yuva420p " +
			"in.webm"},
		kind: "transcode", params: `{"crf":4}`, output: "out.mp4",
		check: shows(at(0.25, 0.5, 0), at(0.75, 0.5, 0x2040C0)),
	},
	{
		name:   "a phone held upright",
		source: "https://github.com/brarcher/video-transcoder/issues/69",
		makes: []string{
			"-f lavfi -i color=c=black:s=320x240:r=25:d=1,drawbox=x=0:y=0:w=80:h=80:c=0x2040C0:t=fill -c:v libx264 " +
				"-preset " +
				"ultrafast a.mp4",
			"-i a.mp4 -c copy -metadata:s:v rotate=90 in.mp4",
		},
		kind: "transcode", params: `{"crf":4}`, output: "out.mp4", check: func(t *testing.T, r made) {
			facts(t, r).sized("240", "320")
			near(t, "lower left", pixel(t, r.file, 0.1, 0.95), 0x2040C0)
			near(t, "upper left", pixel(t, r.file, 0.1, 0.05), 0)
		},
	},
	{
		name:   "a picture too large for players",
		source: "https://github.com/jellyfin/jellyfin-ffmpeg/issues/60",
		makes: []string{"-f lavfi -i testsrc2=s=5120x2880:r=2:d=1 -c:v " +
			"libx264 -preset " +
			"ultrafast in.mp4"},
		kind: "transcode", params: `{"speed":"ultrafast"}`, output: "out.mp4", check: func(t *testing.T, r made) {
			f := facts(t, r)
			f.within("level", f.number("level"), 9, 52)
			f.within("width over height", f.number("width")/f.number("height"), 1.77, 1.785)
		},
	},
}

// front is a film of which a part can be read: its index comes first.
const front = "-f lavfi -i testsrc2=s=640x360:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -preset ultrafast -c:a aac " +
	"-movflags " +
	"+faststart in.mp4"

// keep returns the first n of 100 parts of a file.
func keep(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)*n/100] } }

// spoil writes over a third of a film's data, here and there, as a failing disk or a bad connection does.
func spoil(b []byte) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	for at := len(b) / 4; at+512 < len(b); at += 512 {
		if r.IntN(3) == 0 {
			for i := range 512 {
				b[at+i] = byte(r.Uint32())
			}
		}
	}
	return b
}

// warned wants a job that ended well, with a warning.
func warned(says string, more func(*testing.T, made)) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
		if all := strings.Join(r.result.Warnings, "; "); !strings.Contains(all, says) {
			t.Errorf("warnings %q, want one that says %q", all, says)
		}
		more(t, r)
	}
}

// refused wants a job that ended as bad input.
func refused(says string) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Expect(t, r.err, work.BadInput, says)
	}
}

// overLimit wants a job that was refused for what it would take.
func overLimit(says string) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Expect(t, r.err, work.OverLimit, says)
	}
}

var damagedFiles = []realFile{
	{
		name:   "seventy tracks",
		source: "https://github.com/justdan96/tsMuxer/issues/892",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -map 0" +
			strings.Repeat(" -map 0", 69) + " -c:v mpeg4 in.mkv"},
		kind: "transcode", output: "out.mp4", check: overLimit("more than 64 streams"),
	},
	{
		name:   "an animated WebP",
		source: "https://github.com/arthenica/ffmpeg-kit/issues/343",
		makes:  []string{"-f lavfi -i testsrc2=s=64x64:r=5:d=1 -loop 0 in.webp"},
		kind:   "thumbnail", output: "out.jpg", check: refused("is an animated WebP"),
	},
	{
		name:   "a film whose video is encrypted",
		source: "https://github.com/Digiex/M4V-Converter/issues/2",
		makes:  []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v libx264 -preset ultrafast in.mp4"},
		edit:   func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("avc1"), []byte("encv")) },
		kind:   "transcode", output: "out.mp4", check: refused("it is encrypted"),
	},
	{
		name:   "a film in a codec that nobody knows",
		source: "https://github.com/iina/iina/issues/5089",
		makes:  []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v libx264 -preset ultrafast in.mp4"},
		edit:   func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("avc1"), []byte("xq7z")) },
		kind:   "thumbnail", output: "out.jpg", check: refused("in a codec that ffmpeg doesn't know"),
	},
	{
		name:   "a film without its last twenty bytes",
		source: "modelled on a copy that ended early: a box longer than its file (ISO/IEC 14496-12, 4.2)",
		makes:  []string{front},
		edit:   func(b []byte) []byte { return b[:len(b)-20] }, kind: "transcode", output: "out.mp4",
		check: warned("is cut off", func(t *testing.T, r made) {
			f := facts(t, r)
			f.within("seconds", f.number("duration"), 7.9, 8.1)
		}),
	},
	{
		name:   "half a film",
		source: "modelled on a copy that ended early: a box longer than its file (ISO/IEC 14496-12, 4.2)",
		makes:  []string{front}, edit: keep(50), kind: "transcode", output: "out.mp4",
		check: warned("is cut off", func(t *testing.T, r made) {
			f := facts(t, r)
			f.within("seconds", f.number("duration"), 2, 6)
		}),
	},
	{
		name:   "a thumbnail of half a film, of its end",
		source: "modelled on a copy that ended early: a box longer than its file (ISO/IEC 14496-12, 4.2)",
		makes:  []string{front}, edit: keep(50), kind: "thumbnail",
		params: `{"at":"100%"}`, output: "out.jpg", check: warned("is cut off", sized(640, 360)),
	},
	{
		name:   "half a film, and its job wants all",
		source: "modelled on a copy that ended early: a box longer than its file (ISO/IEC 14496-12, 4.2)",
		makes:  []string{front}, edit: keep(50), kind: "transcode",
		params: `{"tolerate":"none"}`, output: "out.mp4", check: refused("is cut off: it has"),
	},
	{
		name:   "next to nothing of a film",
		source: "modelled on a copy that ended early: a box longer than its file (ISO/IEC 14496-12, 4.2)",
		makes:  []string{front}, edit: keep(3), kind: "transcode", output: "out.mp4",
		check: refused("is cut off: it has"),
	},
	{
		name:   "a film that is damaged in places",
		source: "https://github.com/ossrs/srs/issues/550",
		makes:  []string{front}, edit: spoil, kind: "transcode",
		output: "out.mp4",
		check:  warned("is damaged", func(t *testing.T, r made) { facts(t, r).sized("640", "360") }),
	},
	{
		name:   "a film that is damaged in places, and its job wants all",
		source: "https://github.com/ossrs/srs/issues/550",
		makes:  []string{front}, edit: spoil,
		kind:   "transcode",
		params: `{"tolerate":"none"}`, output: "out.mp4", check: refused(""),
	},
	{
		name:   "an AVI that went through a pipe",
		source: "https://github.com/kkroening/ffmpeg-python/issues/118",
		makes:  []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v mpeg4 in.avi"},
		edit:   func(b []byte) []byte { copy(b[4:8], "\xff\xff\xff\xff"); return b }, kind: "transcode",
		output: "out.mp4",
		check: func(t *testing.T, r made) {
			f := facts(t, r)
			f.within("seconds", f.number("duration"), 1.9, 2.1)
			if len(r.result.Warnings) > 0 {
				t.Errorf("warnings %q of a whole file", r.result.Warnings)
			}
		},
	},
	{
		name:   "a jump in its times of 25 hours",
		source: "https://github.com/bluerobotics/qgroundcontrol/issues/108",
		makes: []string{"-f lavfi -i testsrc2=s=320x240:r=25:d=2," +
			"setpts=PTS+gte(N\\,25)*90000/TB -vsync passthrough -c:v libx264 -preset ultrafast in.mkv"},
		kind: "thumbnail", output: "out.jpg", check: warned("lasts 25 hours", sized(320, 240)),
	},
	{
		name:   "a jump in its times of 25 hours, of pictures and sound",
		source: "https://github.com/mavlink/qgroundcontrol/issues/8321",
		makes: []string{
			"-f lavfi -i testsrc2=s=320x240:r=25:d=2,setpts=PTS+gte(N\\,25)*90000/TB -f lavfi -i " +
				"sine=d=2:r=48000,asetpts=PTS+gte(T\\,1)*90000/TB -vsync passthrough -c:v libx264 -preset ultrafast " +
				"-c:a flac in.mkv",
		},
		kind: "transcode", output: "out.mp4", check: warned("jumps in its times are left out",
			func(t *testing.T, r made) {
				f := facts(t, r)
				f.within("seconds", f.number("duration"), 1.9, 2.2)
				f.within("video frames", f.number("nb_frames"), 49, 51)
			}),
	},
}

// TestRealFiles makes each file and runs its job.
func TestRealFiles(t *testing.T) {
	for _, f := range slices.Concat(realFiles, realVideos, damagedFiles, probedFiles, convertedSounds, levelledSounds,
		measuredSounds, drawnSounds) {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			if f.source == "" {
				t.Error("it has no source: name a public report of such a file, or what it was modelled on")
			}
			f.check(t, f.run(t))
		})
	}
}

// run makes the file and runs its job.
func (f realFile) run(t *testing.T) made {
	t.Helper()
	b := newBench(t)
	input := b.made(f.makes...)
	if f.edit != nil {
		file := strings.TrimPrefix(input, "file://")
		text, err := os.ReadFile(file)
		workertest.Must(t, err)
		workertest.Must(t, os.WriteFile(file, f.edit(text), 0o644))
	}
	r := made{file: filepath.Join(b.out, f.output)}
	r.result, r.err = b.run(job.Job{
		Kind: f.kind, Params: paramsJSON(f.params), Input: input, Output: b.output(f.output),
	})
	return r
}

// made makes an input by steps of ffmpeg's, and returns the URL of the last one's.
func (b *bench) made(steps ...string) string {
	b.t.Helper()
	var last string
	for _, step := range steps {
		words := strings.Fields(step)
		last = words[len(words)-1]
		cmd := exec.Command("ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-y"}, words...)...)
		cmd.Dir = b.in
		if out, err := cmd.CombinedOutput(); err != nil {
			b.t.Fatalf("ffmpeg %s: %v: %s", step, err, out)
		}
	}
	return "file://" + filepath.Join(b.in, last)
}

// report is what ffprobe says of the output's first video, or of its first sound.
type report struct {
	t            *testing.T
	video, audio map[string]string
}

func facts(t *testing.T, r made) report {
	t.Helper()
	workertest.Must(t, r.err)
	of := func(sort string) map[string]string {
		all := map[string]string{}
		for line := range strings.Lines(string(output(t, "ffprobe", "-v", "error", "-select_streams", sort,
			"-show_streams",
			r.file))) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			all[name] = value
		}
		return all
	}
	return report{t, of("v:0"), of("a:0")}
}

func (f report) is(name, want string) {
	f.t.Helper()
	if f.video[name] != want {
		f.t.Errorf("%s is %s, want %s", name, f.video[name], want)
	}
}

func (f report) number(name string) float64 {
	n, _ := strconv.ParseFloat(f.video[name], 64)
	return n
}

func (f report) within(what string, got, least, most float64) {
	f.t.Helper()
	if got < least || got > most {
		f.t.Errorf("%s: %v, want %v to %v", what, got, least, most)
	}
}

func (f report) sized(width, height string) {
	f.t.Helper()
	f.is("width", width)
	f.is("height", height)
}

func (f report) colours(rang, matrix, primaries, transfer string) {
	f.t.Helper()
	f.is("color_range", rang)
	f.is("color_space", matrix)
	f.is("color_primaries", primaries)
	f.is("color_transfer", transfer)
}

func (f report) sound(channels, layout string) {
	f.t.Helper()
	if f.audio["channels"] != channels || f.audio["channel_layout"] != layout {
		f.t.Errorf("sound of %s channels, %s; want %s, %s", f.audio["channels"], f.audio["channel_layout"], channels,
			layout)
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
		workertest.Must(t, r.err)
		for _, s := range spots {
			near(t, fmt.Sprintf("at %v, %v", s.x, s.y), pixel(t, r.file, s.x, s.y), s.rgb)
		}
	}
}

// sized wants a picture of that size.
func sized(width, height int) func(*testing.T, made) {
	return func(t *testing.T, r made) {
		t.Helper()
		workertest.Must(t, r.err)
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
	if abs(int(got.R)-int(want.R)) > within || abs(int(got.G)-int(want.G)) > within ||
		abs(int(got.B)-int(want.B)) > within {
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
	workertest.Must(t, err)
	defer func() { _ = f.Close() }()
	p, _, err := image.Decode(f)
	workertest.Must(t, err)
	size := p.Bounds().Size()
	c, _ := color.NRGBAModel.Convert(p.At(int(x*float64(size.X)), int(y*float64(size.Y)))).(color.NRGBA)
	return c
}
