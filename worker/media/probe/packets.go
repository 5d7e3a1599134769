package probe

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/lanes/kinds"
)

// PacketEntries are what Packets wants ffprobe to show, as csv=p=0.
const PacketEntries = "packet=stream_index,pts_time,duration_time"

// Packets reads ffprobe's list of an input's packets, a line such as 0,12.480000,0.040000 for each, and keeps when each
// stream begins and ends.
type Packets struct {
	rest    []byte
	streams map[int]*span
}

// span is the packets of one stream, in seconds.
type span struct {
	packets          int // that say when they are shown
	first, last, end float64
	sum              float64 // of the lengths of all
}

func (p *Packets) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, after, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			if p.rest = bytes.Clone(p.rest); len(p.rest) > 4<<10 {
				p.rest = nil
			}
			return len(b), nil
		}
		p.line(strings.Split(strings.TrimSpace(string(line)), ","))
		p.rest = after
	}
}

func (p *Packets) line(words []string) {
	index, err := strconv.Atoi(words[0])
	if err != nil || len(words) < 3 {
		return
	}
	if p.streams == nil {
		p.streams = map[int]*span{}
	}
	s := p.streams[index]
	if s == nil {
		s = &span{first: math.Inf(1)}
		p.streams[index] = s
	}
	length, _ := strconv.ParseFloat(words[2], 64) // 0 when nothing says
	s.sum += length
	if at, err := strconv.ParseFloat(words[1], 64); err == nil {
		s.packets++
		s.first, s.last, s.end = min(s.first, at), max(s.last, at), max(s.end, at+length)
	}
}

// seconds returns how long the stream is.
func (s span) seconds() float64 {
	if s.packets == 0 { // a stream without a container
		return s.sum
	}
	return s.end - s.first
}

// Measure adds what the packets tell of how long the input and its streams are, and of how many frames come in a
// second, where the container doesn't say.
func (i *Input) Measure(p *Packets) {
	begin, end := math.Inf(1), 0.0
	for n := range i.Streams {
		s, v := p.streams[i.Streams[n].Index], &i.Streams[n]
		if s == nil || s.seconds() <= 0 || s.seconds() > kinds.MaxSeconds || v.Disposition.AttachedPicture != 0 {
			continue
		}
		if s.packets > 0 {
			begin, end = min(begin, s.first), max(end, s.end)
		} else {
			begin, end = min(begin, 0), max(end, s.sum)
		}
		if v.Duration > 0 {
			continue
		}
		v.Duration = decimal(s.seconds())
		if v.Type == "video" && i.Format.Duration == 0 {
			v.FrameRate = s.rate(v.FrameRate)
		}
	}
	if i.Format.Duration == 0 && end > begin && end-begin <= kinds.MaxSeconds {
		i.Format.Duration = decimal(end - begin)
	}
}

// rate returns how many frames come in a second on average: as stated, where that is about right.
func (s span) rate(stated string) string {
	if s.packets < 2 || s.last <= s.first {
		return stated
	}
	average := float64(s.packets-1) / (s.last - s.first)
	if r, err := Ratio(stated); err == nil && math.Abs(r-average) < r/50 {
		return stated
	}
	return fmt.Sprintf("%.0f/1000", average*1000)
}
