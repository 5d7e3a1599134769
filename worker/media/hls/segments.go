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

// Media writes the media playlist of a rendition, whose initialization segment has that name. The target duration is at
// least a second: some players divide by it.
func Media(segments []Segment, begin string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%.0f\n#EXT-X-MEDIA-SEQUENCE:0\n"+
		"#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=%q\n", max(1, target(segments)), begin)
	for _, s := range segments {
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n%s\n", s.Seconds, s.Name)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

// target returns the target duration: that of the longest segment, to the second (RFC 8216, 4.3.3.1).
func target(segments []Segment) (most float64) {
	for _, s := range segments {
		most = max(most, math.Round(s.Seconds))
	}
	return most
}

// Leftover reports whether the last segment is so short that the one before it may be longer by that. One or two of
// AAC's frames are often left over where the pictures end; hls.js waits for such a segment for ever.
func Leftover(segments []Segment) bool {
	n := len(segments)
	return n > 1 && math.Round(segments[n-2].Seconds+segments[n-1].Seconds) <= target(segments)
}

// Rates are what a rendition asks of a network, in bits per second.
type Rates struct {
	Peak    int `json:"bandwidth"` // as a playlist calls them
	Average int `json:"averageBandwidth"`
}

// Measure returns the rates of a rendition. The peak is that of the segments, in a row, that are the most and last from
// half to one and a half times as long as the longest (RFC 8216, 4.1): a last one of a tenth of a second is none.
func Measure(segments []Segment) (r Rates) {
	var all Segment
	target := target(segments)
	for _, s := range segments {
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
