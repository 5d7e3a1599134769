package attempt

import (
	"math"
	"runtime"
	"slices"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media/probe"
)

// presets are the encoder's presets, the cheapest first, with the address space that each takes of a million pixels in
// a picture, in MiB.
//
// Measured with ffmpeg 5.1 on 60 frames of HEVC in 10 bits made into H.264, MALLOC_ARENA_MAX=2, peaks in MiB:
//
//	               3840 x 2160           1920 x 1080
//	threads        1     2     4         1     2     4
//	ultrafast     617                  364   512   635
//	superfast     908
//	veryfast     1102  1475  1816      517   719   868
//	faster       1380
//	fast         1658
//	medium       1944  2336  2667      790   987  1142
//	slow         2266  2631  2990      894  1091  1246
var presets = []preset{
	{"ultrafast", 41},
	{"superfast", 72},
	{"veryfast", 94},
	{"faster", 124},
	{"fast", 157},
	{"medium", 186},
	{"slow", 221},
}

type preset struct {
	name string
	each float64
}

// decoded is the part of it that the decoder and the filters take.
const decoded = 40

// encodes returns how much address space it takes at most to make pictures of out pixels, by an encoder for each, of
// those of in: ffmpeg's own, what the decoder and the preset keep of pictures, and what each thread adds to all.
//
// Each encoder after the first adds a third of what a million pixels take, and 50 MiB where it has two threads:
// measured for 1080p, 720p, 480p, 360p and 240p together, in MiB:
//
//	               3840 x 2160     1920 x 1080
//	threads        1     2         1     2
//	ultrafast     557   874       422   718
//	veryfast      859  1269       723  1114
//	medium       1391  1805      1255  1649
func encodes(each float64, in int, out []int, threads int) lanes.Bytes {
	million, more := float64(in)/1e6, float64(max(0, len(out)-1))
	mib := 270 + 0.8*each + decoded*million + 0.3*each*more
	for _, pixels := range out {
		mib += (each - decoded) * float64(pixels) / 1e6
	}
	if threads > 1 {
		mib += 140 + 30*million + 50*more + float64(threads-2)*(45+15*million+15*more)
	}
	return lanes.Bytes(math.Ceil(mib)) << 20
}

// Affordable returns the preset and the number of threads with which making pictures of out pixels of the stream's, all
// in one run, fits into a slot's memory: those that are wanted, or else fewer threads, or else a cheaper preset. It is
// an estimate: when not even the cheapest fits, that is tried.
func (a *Attempt) Affordable(wanted string, v probe.Stream, out ...int) (name string, threads int) {
	threads = a.Task.Limits.Threads
	memory, in := a.Task.Limits.Memory, v.Width*v.Height
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == wanted })
	if memory <= 0 || i < 0 {
		return wanted, threads
	}
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	for threads > 1 && encodes(presets[i].each, in, out, threads) > memory {
		threads = (threads + 1) / 2
	}
	for i > 0 && encodes(presets[i].each, in, out, threads) > memory {
		i--
	}
	return presets[i].name, threads
}
