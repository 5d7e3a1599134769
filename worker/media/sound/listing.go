package sound

import (
	"bufio"
	"fmt"
	"strconv"
)

// Listing writes peaks as JSON in audiowaveform's format, version 2, a pixel at a time. What a program reads first
// (length) comes last, since nobody knows it before.
type Listing struct {
	To     *bufio.Writer
	Bits   int // of a number, 8 or 16
	length int
}

// Begin writes the head: samples a second, the channels, and how many samples of each a pixel is of.
func (l *Listing) Begin(rate, waves, each int) error {
	_, err := fmt.Fprintf(l.To, `{"version":2,"channels":%d,"sample_rate":%d,"samples_per_pixel":%d,"bits":%d,`+
		`"data":[`, waves, rate, each, l.Bits)
	return err
}

// Add writes a pixel.
func (l *Listing) Add(p Pixel) error {
	text := l.To.AvailableBuffer()
	for i, v := range p {
		if l.length > 0 || i > 0 {
			text = append(text, ',')
		}
		if l.Bits == 8 {
			v /= 256
		}
		text = strconv.AppendInt(text, int64(v), 10)
	}
	l.length++
	_, err := l.To.Write(text)
	return err
}

// End writes the length: the number of pixels.
func (l *Listing) End() error {
	_, err := fmt.Fprintf(l.To, "],\"length\":%d}\n", l.length)
	return err
}
