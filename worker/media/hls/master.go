package hls

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Video is a rendition of the pictures.
type Video struct {
	Playlist  string  `json:"-"` // its media playlist, as seen from the master playlist
	Codec     string  `json:"codec"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FrameRate float64 `json:"frameRate"`
	Rates
}

// Audio is a rendition of the sound.
type Audio struct {
	Playlist string `json:"-"`
	Codec    string `json:"codec"`
	Language string `json:"language,omitempty"` // as BCP 47 has it; "" when nobody says
	Channels int    `json:"channels"`
	Rates
}

// group is what the sounds are called among which a player chooses.
const group = "audio"

// most is what the first variant may ask for, in bits per second: a player begins with it before it knows the network
// (Apple's authoring specification recommends 2 Mbit/s).
const most = 2_500_000

// Master writes a master playlist: the variants, each of one video with the sound, which is nil when there is none, and
// the playlists of key frames alone, if any. All segments begin with a key frame. Without videos the sound is the one
// variant.
func Master(videos, frames []Video, sound *Audio) string {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	if len(videos) == 0 && sound != nil {
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%q\n%s\n", sound.Peak,
			sound.Average, sound.Codec, sound.Playlist)
		return b.String()
	}
	if sound != nil {
		b.WriteString(sound.media())
	}
	for _, v := range beginFirst(videos) {
		b.WriteString(v.variant(sound))
	}
	for _, v := range frames {
		fmt.Fprintf(&b, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%q,RESOLUTION=%dx%d,"+
			"VIDEO-RANGE=SDR,URI=%q\n", v.Peak, v.Average, v.Codec, v.Width, v.Height, v.Playlist)
	}
	return b.String()
}

// media writes the line of a sound that is a rendition of its own.
func (a Audio) media() string {
	name, language := "sound", ""
	if a.Language != "" {
		name, language = a.Language, fmt.Sprintf("LANGUAGE=%q,", a.Language)
	}
	return fmt.Sprintf("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%q,NAME=%q,%sDEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"%d\","+
		"URI=%q\n", group, name, language, a.Channels, a.Playlist)
}

// variant writes the lines of a video with the sound that goes with it.
func (v Video) variant(sound *Audio) string {
	codecs, with := v.Codec, ""
	if sound != nil {
		codecs += "," + sound.Codec
		with = fmt.Sprintf(",AUDIO=%q", group)
		v.Peak, v.Average = v.Peak+sound.Peak, v.Average+sound.Average
	}
	return fmt.Sprintf("#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%q,RESOLUTION=%dx%d,"+
		"FRAME-RATE=%s,VIDEO-RANGE=SDR%s\n%s\n", v.Peak, v.Average, codecs, v.Width, v.Height,
		strconv.FormatFloat(v.FrameRate, 'f', 3, 64), with, v.Playlist)
}

// beginFirst returns the videos in the order of their rates, with that before all others which a player should begin
// with.
func beginFirst(videos []Video) []Video {
	sorted := slices.SortedFunc(slices.Values(videos), func(a, b Video) int { return a.Peak - b.Peak })
	first := 0
	for i, v := range sorted {
		if v.Peak <= most {
			first = i
		}
	}
	begin := sorted[first]
	return slices.Insert(slices.Delete(sorted, first, first+1), 0, begin)
}
