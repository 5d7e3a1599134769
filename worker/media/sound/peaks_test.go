package sound

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// However the samples are cut into writes, and however often pixels are folded, a pixel is the lowest and the highest
// of its samples.
func TestPeaksOfRandomSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		channels, each, n := 1+r.IntN(3), 1+r.IntN(9), r.IntN(300)
		samples := make([]int16, n*channels)
		var raw []byte
		for i := range samples {
			samples[i] = int16(r.Uint32())
			raw = binary.LittleEndian.AppendUint16(raw, uint16(samples[i]))
		}
		o := Overview{Most: 1 + r.IntN(20)}
		p := Peaks{Rate: 8000, Channels: channels, Split: true, Each: each, Emit: o.Add}
		for rest := raw; len(rest) > 0; {
			cut := min(1+r.IntN(50), len(rest))
			if _, err := p.Write(rest[:cut]); err != nil {
				t.Fatal(err)
			}
			rest = rest[cut:]
		}
		if err := p.End(); err != nil {
			t.Fatal(err)
		}
		o.End()
		most := o.Most + 1
		if before := len(o.Pixels); r.IntN(2) == 0 {
			most = 1 + r.IntN(20)
			o.Fold(most)
			if least := before / (before/most + 1); len(o.Pixels) < least {
				t.Fatalf("%d pixels folded to %d, want %d to %d", before, len(o.Pixels), least, most)
			}
		}
		size := each * o.Each()
		if want := (n + size - 1) / size; len(o.Pixels) != want || want > most {
			t.Fatalf("%d pixels of %d samples, want %d of at most %d", len(o.Pixels), size, want, most)
		}
		for i, pixel := range o.Pixels {
			for c := range channels {
				var all []int16
				for f := i * size; f < min((i+1)*size, n); f++ {
					all = append(all, samples[f*channels+c])
				}
				if pixel[2*c] != slices.Min(all) || pixel[2*c+1] != slices.Max(all) {
					t.Fatalf("pixel %d, channel %d: %v of %v", i, c, pixel, all)
				}
			}
		}
	}
}
