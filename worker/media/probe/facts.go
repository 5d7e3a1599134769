package probe

import "github.com/polyglot-media/siren/lanes/work"

// Facts returns what tells how much work the input is: of its video, or where there is none, how long it is.
func (i Input) Facts() work.Facts {
	f := work.Facts{Seconds: float64(i.Format.Duration)}
	for _, s := range i.Streams {
		if s.Type == "video" && s.Disposition.AttachedPicture == 0 {
			rate, _ := Ratio(s.FrameRate) // 0 when nothing says
			return work.Facts{Seconds: i.Seconds(s), Width: s.Width, Height: s.Height, Rate: rate}
		}
	}
	return f
}
