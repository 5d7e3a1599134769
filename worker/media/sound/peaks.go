package sound

import (
	"math"
	"slices"
)

// Peaks takes sound as ffmpeg's s16le and hands on the lowest and the highest sample of each pixel. However long the
// sound is, it keeps one pixel.
type Peaks struct {
	Rate     int // samples a second of a channel
	Channels int
	Split    bool                    // each channel for itself, or else the mean of all of them
	Each     int                     // samples of a channel in a pixel
	Emit     func(pixel Pixel) error // which mustn't keep it

	pixel   Pixel
	in      int // samples in it
	samples int64
	odd     []byte // the beginning of samples that haven't come whole
}

// Pixel is the lowest and the highest sample of each channel in turn.
type Pixel []int16

// reset makes it the pixel of no samples.
func (p Pixel) reset() {
	for i := 0; i < len(p); i += 2 {
		p[i], p[i+1] = math.MaxInt16, math.MinInt16
	}
}

// add takes a pixel in.
func (p Pixel) add(q Pixel) {
	for i := 0; i < len(p); i += 2 {
		p[i], p[i+1] = min(p[i], q[i]), max(p[i+1], q[i+1])
	}
}

// Waves returns how many channels a pixel has.
func (p *Peaks) Waves() int {
	if p.Split {
		return p.Channels
	}
	return 1
}

func (p *Peaks) Write(b []byte) (int, error) {
	if p.pixel == nil {
		p.pixel = make(Pixel, 2*p.Waves())
		p.pixel.reset()
	}
	n, frame := len(b), 2*p.Channels
	if len(p.odd) > 0 {
		missing := min(frame-len(p.odd), len(b))
		p.odd, b = append(p.odd, b[:missing]...), b[missing:]
		if len(p.odd) < frame {
			return n, nil
		}
		if err := p.take(p.odd); err != nil {
			return 0, err
		}
		p.odd = p.odd[:0]
	}
	for ; len(b) >= frame; b = b[frame:] {
		if err := p.take(b[:frame]); err != nil {
			return 0, err
		}
	}
	p.odd = append(p.odd, b...)
	return n, nil
}

// take takes a sample of each channel.
func (p *Peaks) take(frame []byte) error {
	sum := 0
	for c := range p.Channels {
		v := int16(uint16(frame[2*c]) | uint16(frame[2*c+1])<<8)
		sum += int(v)
		if p.Split {
			p.pixel[2*c], p.pixel[2*c+1] = min(p.pixel[2*c], v), max(p.pixel[2*c+1], v)
		}
	}
	if !p.Split {
		v := int16(sum / p.Channels)
		p.pixel[0], p.pixel[1] = min(p.pixel[0], v), max(p.pixel[1], v)
	}
	p.samples++
	if p.in++; p.in == p.Each {
		return p.End()
	}
	return nil
}

// End hands on the pixel that isn't full, if there is anything in it.
func (p *Peaks) End() error {
	if p.in == 0 {
		return nil
	}
	err := p.Emit(p.pixel)
	p.in = 0
	p.pixel.reset()
	return err
}

// Seconds returns how much sound has come.
func (p *Peaks) Seconds() float64 { return float64(p.samples) / float64(p.Rate) }

// Overview is the pixels of a sound of any length, of which there are at most Most: when more come, two become one.
type Overview struct {
	Most   int
	Pixels []Pixel

	each   int // how many of those that came are one of Pixels
	half   Pixel
	halves int // how many are in half
}

// Add takes a pixel in.
func (o *Overview) Add(q Pixel) error {
	o.each = max(o.each, 1)
	if o.halves == 0 {
		o.half = append(Pixel(nil), q...)
	} else {
		o.half.add(q)
	}
	if o.halves++; o.halves < o.each {
		return nil
	}
	o.Pixels, o.halves = append(o.Pixels, o.half), 0
	if len(o.Pixels) <= o.Most {
		return nil
	}
	n := len(o.Pixels) / 2
	for i := range n {
		o.Pixels[2*i].add(o.Pixels[2*i+1])
		o.Pixels[i] = o.Pixels[2*i]
	}
	if len(o.Pixels)%2 == 1 {
		o.half, o.halves = o.Pixels[2*n], o.each
	}
	o.Pixels = o.Pixels[:n]
	o.each *= 2
	return nil
}

// End takes in what is left.
func (o *Overview) End() {
	if o.halves > 0 {
		o.Pixels, o.halves = append(o.Pixels, o.half), 0
	}
}

// Fold makes at most so many pixels of those that there are at the end, as many as samples of the same number in each
// allow.
func (o *Overview) Fold(most int) {
	together := (len(o.Pixels) + most - 1) / most
	if together < 2 {
		return
	}
	folded := o.Pixels[:0]
	for group := range slices.Chunk(o.Pixels, together) {
		for _, q := range group[1:] {
			group[0].add(q)
		}
		folded = append(folded, group[0])
	}
	o.Pixels, o.each = folded, o.Each()*together
}

// Each returns how many of the pixels that came are one of Pixels.
func (o *Overview) Each() int { return max(o.each, 1) }
