package sound

import (
	"image"
	"image/color"
	"math"
)

// Drawing is a picture of a sound.
type Drawing struct {
	Width, Height      int
	Colour, Background color.NRGBA
}

// Draw draws the pixels of a sound, all of it over the whole width, with a wave for each of their channels below one
// another. Full signal is the whole height; silence is a line.
func (d Drawing) Draw(pixels []Pixel) image.Image {
	m := image.NewPaletted(image.Rect(0, 0, d.Width, d.Height), color.Palette{d.Background, d.Colour})
	if len(pixels) == 0 {
		return m
	}
	waves := len(pixels[0]) / 2
	column := make(Pixel, 2*waves)
	for x := range d.Width {
		column.reset()
		from := x * len(pixels) / d.Width
		for _, p := range pixels[from:max(from+1, (x+1)*len(pixels)/d.Width)] {
			column.add(p)
		}
		for w := range waves {
			top, bottom := float64(w*d.Height)/float64(waves), float64((w+1)*d.Height)/float64(waves)
			at := func(v int16) int { // of the lowest sample and of the highest, within the wave's part
				y := (top+bottom)/2 - (bottom-top)/2*float64(v)/-math.MinInt16
				return min(max(int(y), int(top)), int(math.Ceil(bottom))-1)
			}
			for y := at(max(column[2*w+1], 0)); y <= at(min(column[2*w], 0)); y++ {
				m.SetColorIndex(x, y, 1)
			}
		}
	}
	return m
}
