package attempt

import (
	"math"
	"runtime"
	"slices"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media/probe"
)

// decoded is what the decoder and the filters take of a million pixels of the input, in MiB.
const decoded = 40

// speed is one of an encoder's, with the address space that it takes of a million pixels beside the decoder's: together
// they are each.
type speed struct {
	name string
	each float64 // MiB
}

// costs is the address space that making pictures of a codec takes, in MiB.
type costs struct {
	base, baseEach                    float64 // whatever the size: so much, and as much as so many million pixels
	second, secondEach, secondDecoded float64 // what the second thread adds, so much, and of what a million pixels take
	more, moreDecoded                 float64 // what any further one does
	speeds                            []speed // the cheapest first
}

// encoders are what was measured with ffmpeg 5.1 on films of HEVC in 10 bits, MALLOC_ARENA_MAX=2, peaks in MiB:
//
//	               3840 x 2160           1920 x 1080
//	threads        1     2     4         1     2     4
//	x264 0.164
//	ultrafast     617                  364   512   635
//	superfast     908
//	veryfast     1102  1475  1816      517   719   868
//	faster       1380
//	fast         1658
//	medium       1944  2336  2667      790   987  1142
//	slow         2266  2631  2990      894  1091  1246
//	x265 3.5
//	ultrafast    1441
//	veryfast     1844        2159      755         930
//	medium       2000  2057  2359      808   845   986
//	slow         2095                  879
//	libvpx 1.12, VP9, whatever the speed; of 1280 x 720, 428, 538 and 625
//	             1443        1731      595   714   814
//	SVT-AV1 1.4
//	ultrafast    1441                  860
//	veryfast     1574        3677      905
//	medium       1614  4309  4430      923  1864  1931
//	slow         1839  4943
var encoders = map[string]costs{
	"h264": {
		base: 270, baseEach: 0.8, second: 140, secondDecoded: 30, more: 45, moreDecoded: 15,
		speeds: []speed{
			{"ultrafast", 41},
			{"superfast", 72},
			{"veryfast", 94},
			{"faster", 124},
			{"fast", 157},
			{"medium", 186},
			{"slow", 221},
		},
	},
	"hevc": {
		base: 415, second: 35, secondDecoded: 3, more: 45, moreDecoded: 13,
		speeds: []speed{
			{"ultrafast", 124},
			{"superfast", 160},
			{"veryfast", 175},
			{"faster", 182},
			{"fast", 188},
			{"medium", 192},
			{"slow", 224},
		},
	},
	"vp9": {
		base: 310, second: 115, secondDecoded: 4, more: 50, moreDecoded: 4,
		speeds: []speed{
			{"ultrafast", 137},
			{"superfast", 137},
			{"veryfast", 137},
			{"faster", 137},
			{"fast", 137},
			{"medium", 137},
			{"slow", 137},
		},
	},
	"av1": {
		base: 690, second: 360, secondEach: 2.55, more: 25, moreDecoded: 5,
		speeds: []speed{
			{"ultrafast", 95},
			{"superfast", 105},
			{"veryfast", 110},
			{"faster", 112},
			{"fast", 113},
			{"medium", 114},
			{"slow", 140},
		},
	},
}

// encodes returns how much address space it takes at most to make pictures of out pixels, by an encoder for each, of
// those of in.
//
// Each encoder after the first adds a third of what a million pixels take, and 50 MiB where it has two threads:
// measured for 1080p, 720p, 480p, 360p and 240p together by x264, in MiB:
//
//	               3840 x 2160     1920 x 1080
//	threads        1     2         1     2
//	ultrafast     557   874       422   718
//	veryfast      859  1269       723  1114
//	medium       1391  1805      1255  1649
func (c costs) encodes(each float64, in int, out []int, threads int) lanes.Bytes {
	from, to, others := float64(in)/1e6, 0.0, float64(max(0, len(out)-1))
	for _, pixels := range out {
		to += float64(pixels) / 1e6
	}
	mib := c.base + c.baseEach*each + decoded*from + (each-decoded)*to + 0.3*each*others
	if threads > 1 {
		mib += c.second + c.secondDecoded*from + c.secondEach*each*to + 50*others +
			float64(threads-2)*(c.more+c.moreDecoded*from+15*others)
	}
	return lanes.Bytes(math.Ceil(mib)) << 20
}

// Affordable returns the speed and the number of threads with which making pictures of out pixels of the stream's, in
// the codec and all in one run, fits into a slot's memory: those that are wanted, or else fewer threads, or else a
// cheaper speed. It is an estimate: when not even the cheapest fits, that is tried. Of speeds that cost the same, none
// is given up for another.
func (a *Attempt) Affordable(codec, wanted string, v probe.Stream, out ...int) (name string, threads int) {
	threads = a.Task.Limits.Threads
	memory, in := a.Task.Limits.Memory, v.Width*v.Height
	encoder := encoders[codec]
	i := slices.IndexFunc(encoder.speeds, func(s speed) bool { return s.name == wanted })
	if memory <= 0 || i < 0 {
		return wanted, threads
	}
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	tooMuch := func() bool { return encoder.encodes(encoder.speeds[i].each, in, out, threads) > memory }
	for threads > 1 && tooMuch() {
		threads = (threads + 1) / 2
	}
	for j := i - 1; j >= 0 && tooMuch(); j-- {
		if encoder.speeds[j].each < encoder.speeds[i].each {
			i = j
		}
	}
	return encoder.speeds[i].name, threads
}
