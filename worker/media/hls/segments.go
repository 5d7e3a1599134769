package hls

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Segment is a part of a rendition.
type Segment struct {
	Name    string
	Seconds float64
	Bytes   int64
}

// Segments reads the segments' names and lengths off a media playlist, as ffmpeg writes it.
func Segments(playlist []byte) (all []Segment, err error) {
	var next Segment
	for line := range bytes.Lines(playlist) {
		text := strings.TrimSpace(string(line))
		if length, ok := strings.CutPrefix(text, "#EXTINF:"); ok {
			length, _, _ = strings.Cut(length, ",")
			if next.Seconds, err = strconv.ParseFloat(length, 64); err != nil {
				return nil, fmt.Errorf("a segment's length: %w", err)
			}
		} else if text != "" && text[0] != '#' {
			next.Name = text
			all = append(all, next)
			next = Segment{}
		}
	}
	return all, nil
}

// AtLeastASecond returns a media playlist of ffmpeg's whose target duration isn't 0, as it is of what is shorter than half
// a second: some players divide by it.
func AtLeastASecond(playlist []byte) []byte {
	return bytes.Replace(playlist, []byte("#EXT-X-TARGETDURATION:0\n"), []byte("#EXT-X-TARGETDURATION:1\n"), 1)
}

// Rates are what a rendition asks of a network, in bits per second.
type Rates struct{ Peak, Average int }

// Measure returns the rates of a rendition. The peak is that of the segments, in a row, that are the most and last from
// half to one and a half times as long as the longest (RFC 8216, 4.1): a last one of a tenth of a second is none.
func Measure(segments []Segment) (r Rates) {
	var all Segment
	target := 0.0
	for _, s := range segments {
		target = max(target, math.Round(s.Seconds))
		all.Seconds, all.Bytes = all.Seconds+s.Seconds, all.Bytes+s.Bytes
	}
	for i := range segments {
		var row Segment
		for _, s := range segments[i:] {
			row.Seconds, row.Bytes = row.Seconds+s.Seconds, row.Bytes+s.Bytes
			if row.Seconds > 1.5*target {
				break
			}
			if row.Seconds >= target/2 {
				r.Peak = max(r.Peak, row.rate())
			}
		}
	}
	r.Average = all.rate()
	r.Peak = max(r.Peak, r.Average)
	return r
}

// rate returns the bits per second.
func (s Segment) rate() int {
	return int(math.Ceil(float64(s.Bytes) * 8 / max(s.Seconds, 0.001)))
}
