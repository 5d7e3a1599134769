package media

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// bits writes numbers of some bits each, from the highest.
type bits struct {
	bytes []byte
	used  int
}

func (b *bits) put(width, value int) {
	for i := width - 1; i >= 0; i-- {
		if b.used%8 == 0 {
			b.bytes = append(b.bytes, 0)
		}
		b.bytes[b.used/8] |= byte(value>>i&1) << (7 - b.used%8)
		b.used++
	}
}

// program is a packet of AAC, of that size, that claims so many channels at the sides and at the back, of which one is
// silent and the rest don't come (ISO/IEC 14496-3, 4.4.1.1 and 4.4.2).
func program(side, back, size int) []byte {
	var b bits
	for _, f := range [][2]int{ // its rate, and how many elements there are of each sort
		{3, 5}, {4, 0}, {2, 1}, {4, 4}, {4, 0}, {4, side}, {4, back}, {2, 0}, {3, 0}, {4, 0}, {1, 0}, {1, 0}, {1, 0},
	} {
		b.put(f[0], f[1])
	}
	for tag := range side + back {
		b.put(5, tag)
	}
	b.put((8-b.used%8)%8, 0)
	b.put(8, 0) // no comment
	for _, f := range [][2]int{
		{3, 0}, {4, 0}, {8, 0}, {1, 0}, {2, 0}, {1, 0}, {6, 0}, {1, 0}, {3, 0}, // silence
		{3, 7}, // the end
	} {
		b.put(f[0], f[1])
	}
	return append(b.bytes, make([]byte, size-len(b.bytes))...)
}

// One packet of sound that claims channels that the sound hasn't doesn't end a job of any kind.
func TestPacketOfOtherChannels(t *testing.T) {
	b := newBench(t)
	for layout, c := range map[string]struct {
		args       string
		side, back int
	}{"stereo": {"-ac 2", 9, 0}, "mono": {"-ac 1", 0, 7}, "5.1": {"-ac 6", 9, 0}} {
		file := filepath.Join(b.in, layout+".mp4")
		output(t, "ffmpeg", append(strings.Fields("-v error -f lavfi -i testsrc2=s=160x120:d=4 -f lavfi -i sine=d=4 "+
			"-pix_fmt yuv420p -c:v libx264 -preset ultrafast -c:a aac -b:a 192k "+c.args), file)...)
		data, err := os.ReadFile(file)
		workertest.Must(t, err)
		packets := strings.Fields(string(output(t, "ffprobe", "-v", "error", "-select_streams", "a", "-show_entries",
			"packet=size,pos", "-of", "csv=p=0", file)))
		var size, at int
		_, err = fmt.Sscanf(packets[len(packets)/2], "%d,%d", &size, &at)
		workertest.Must(t, err)
		copy(data[at:], program(c.side, c.back, size))
		workertest.Must(t, os.WriteFile(file, data, 0o600))
		for _, j := range []job.Job{
			{Kind: "audio", Output: "out.mp3"},
			{Kind: "audio", Output: "out.wav", Params: paramsJSON(`{"loudness": -20}`)},
			{Kind: "loudness", Output: "out.json"},
			{Kind: "waveform", Output: "out.png"},
			{Kind: "waveform", Output: "peaks.json"},
			{Kind: "transcode", Output: "out.mp4"},
			{Kind: "hls", Output: "hls/"},
		} {
			if layout != "stereo" && j.Output != "out.mp3" && j.Output != "out.mp4" {
				continue
			}
			j.Input, j.Output = "file://"+file, b.output(layout)+"/"+j.Output
			result, err := b.run(j)
			if err != nil || !strings.Contains(fmt.Sprint(result.Warnings), "is damaged") {
				t.Errorf("%s of %s sound: %v, warnings %q", j.Kind, layout, err, result.Warnings)
			}
		}
		for _, made := range []string{"out.mp3", "out.mp4"} {
			seconds := float64(media(t, filepath.Join(b.out, layout, made)).Format.Duration)
			if seconds < 3.8 || seconds > 4.2 {
				t.Errorf("%s of %s sound lasts %.1f s, want 4", made, layout, seconds)
			}
		}
		if layout == "5.1" { // whose packet ffmpeg takes for a part of another program
			continue
		}
		_, err = b.run(job.Job{
			Kind: "audio", Input: "file://" + file, Output: b.output("strict.mp3"),
			Params: paramsJSON(`{"tolerate": "none"}`),
		})
		workertest.Expect(t, err, work.BadInput, "is damaged")
	}
}

// Of a file that is damaged all over, what can be decoded is used; one of which next to nothing can be is refused.
func TestHeavyDamage(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.in, "film.mp4")
	output(t, "ffmpeg", append(strings.Fields("-v error -f lavfi -i testsrc2=s=320x240:d=8 -f lavfi -i sine=d=8 "+
		"-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 25 -c:a aac -movflags +faststart"), file)...)
	whole, err := os.ReadFile(file)
	workertest.Must(t, err)
	mdat := strings.Index(string(whole), "mdat")
	damaged := func(percent int) string {
		data, r := []byte(string(whole)), rand.New(rand.NewPCG(14, 1))
		for at := mdat + 4 + (len(data)-mdat)*(100-percent)/100; at < len(data); at++ {
			data[at] = byte(r.Uint32())
		}
		return b.write(fmt.Sprintf("%d.mp4", percent), data)
	}
	for _, percent := range []int{85, 100} {
		input := damaged(percent)
		for kind, name := range map[string]string{"transcode": "out.mp4", "audio": "out.mp3"} {
			out := b.output(strconv.Itoa(percent)) + "/" + name
			result, err := b.run(job.Job{Kind: kind, Input: input, Output: out})
			switch said := fmt.Sprint(result.Warnings); {
			case percent == 100:
				workertest.Expect(t, err, work.BadInput, "be read")
			case err != nil || !strings.Contains(said, "is damaged"):
				t.Errorf("%s: %v, warnings %s", kind, err, said)
			}
		}
	}
}
