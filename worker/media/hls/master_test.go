package hls

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/mogiioin/hls-m3u8/m3u8"
)

func TestSegments(t *testing.T) {
	got, err := Segments([]byte("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"init.mp4\"\n" +
		"#EXTINF:6.006000,\n000.m4s\n#EXTINF:0.5,a title\r\n001.m4s\r\n#EXT-X-ENDLIST\n"))
	if err != nil || !slices.Equal(got, []Segment{{Name: "000.m4s", Seconds: 6.006}, {Name: "001.m4s", Seconds: 0.5}}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Segments([]byte("#EXTINF:six,\n000.m4s\n")); err == nil {
		t.Error("a length that is no number passes")
	}
}

func TestMedia(t *testing.T) {
	segments := []Segment{
		{Name: "000.m4s", Seconds: 6.006}, {Name: "001.m4s", Seconds: 5.9}, {Name: "002.m4s", Seconds: 0.04},
	}
	p, kind, err := m3u8.DecodeFrom(strings.NewReader(Media(segments, "init.mp4")), true)
	if err != nil || kind != m3u8.MEDIA {
		t.Fatal(kind, err)
	}
	media := p.(*m3u8.MediaPlaylist)
	if media.TargetDuration != 6 || !media.Closed || media.MediaType != m3u8.VOD || media.Map.URI != "init.mp4" {
		t.Errorf("read as %s", media)
	}
	for i, s := range media.GetAllSegments() {
		if s.URI != segments[i].Name || s.Duration != segments[i].Seconds {
			t.Errorf("segment %d is %s of %v s", i, s.URI, s.Duration)
		}
	}
	if got := Media(segments[2:], "init.mp4"); !strings.Contains(got, "#EXT-X-TARGETDURATION:1\n") {
		t.Errorf("of a twentieth of a second: %s", got)
	}
	if !Leftover(segments) || Leftover(segments[:2]) || Leftover(segments[2:]) || Leftover(nil) {
		t.Error("what is left over is what makes none longer than the target duration")
	}
}

func TestMeasure(t *testing.T) {
	of := func(pairs ...float64) (all []Segment) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, Segment{Seconds: pairs[i], Bytes: int64(pairs[i+1])})
		}
		return all
	}
	for _, c := range []struct {
		name     string
		segments []Segment
		want     Rates
	}{
		{"even", of(6, 6000, 6, 6000), Rates{Peak: 8000, Average: 8000}},
		{"a peak", of(6, 6000, 6, 12000, 6, 6000), Rates{Peak: 16000, Average: 10667}},
		{"a last segment too short to be one", of(6, 6000, 0.1, 2000), Rates{Peak: 10492, Average: 10492}},
		{"a short last segment that counts", of(6, 6000, 3, 6000), Rates{Peak: 16000, Average: 10667}},
		{"one segment of a tenth", of(0.1, 1000), Rates{Peak: 80000, Average: 80000}},
		{"nothing", nil, Rates{}},
	} {
		if got := Measure(c.segments); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A reader that others wrote reads what is written.
func TestMaster(t *testing.T) {
	videos := []Video{
		{"720p/index.m3u8", "avc1.64001f", 1280, 720, 30_000. / 1001, Rates{3_000_000, 2_000_000}},
		{"360p/index.m3u8", "avc1.64001e", 640, 360, 30_000. / 1001, Rates{900_000, 600_000}},
		{"480p/index.m3u8", "avc1.64001e", 854, 480, 30_000. / 1001, Rates{1_600_000, 1_000_000}},
	}
	sound := &Audio{"audio/index.m3u8", "mp4a.40.2", "en", 2, Rates{130_000, 128_000}}
	master := read(t, Master(videos, nil, sound))
	if !master.IndependentSegments() || master.Version() != 7 || len(master.Variants) != 3 {
		t.Fatalf("read as %s", master)
	}
	v := master.Variants[0]
	if v.URI != "480p/index.m3u8" || v.Bandwidth != 1_730_000 || v.AverageBandwidth != 1_128_000 ||
		v.Codecs != "avc1.64001e,mp4a.40.2" || v.Resolution != "854x480" || v.FrameRate != 29.97 || v.Audio != "audio" {
		t.Errorf("the first variant is %+v", v)
	}
	if master.Variants[1].URI != "360p/index.m3u8" || master.Variants[2].URI != "720p/index.m3u8" {
		t.Errorf("the others are %s and %s", master.Variants[1].URI, master.Variants[2].URI)
	}
	if a := v.Alternatives; len(a) != 1 || a[0].URI != "audio/index.m3u8" || a[0].Language != "en" || !a[0].Default ||
		a[0].Channels == nil || a[0].Channels.Amount != 2 {
		t.Errorf("the sound is %+v", a)
	}

	silent := read(t, Master(videos[:1], nil, nil))
	if v := silent.Variants[0]; v.Codecs != "avc1.64001f" || v.Audio != "" || v.Bandwidth != 3_000_000 {
		t.Errorf("without sound: %+v", v)
	}
	heard := read(t, Master(nil, nil, sound))
	if v := heard.Variants[0]; v.URI != "audio/index.m3u8" || v.Codecs != "mp4a.40.2" || v.Bandwidth != 130_000 {
		t.Errorf("sound alone: %+v", v)
	}
}

func TestKeyFrames(t *testing.T) {
	// as ffmpeg writes them: 100 bytes of a key frame, shown at 1024 + 512, of two samples
	traf := made("traf", made("tfhd", "00020028", "00000001", "00000200", "01010000"),
		made("tfdt", "01000000", "0000000000000400"),
		made("trun", "00000a05", "00000002", "0000007c", "02000000", "00000064", "00000200", "00000010", "00000000"))
	fragment := made("moof", made("mfhd", "0000000000000001"), traf) + made("mdat", strings.Repeat("00", 116))
	whole, err := hex.DecodeString(made("styp", "6d736468") + fragment + fragment)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeyFrames("000.m4s", bytes.NewReader(whole), int64(len(whole)))
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %v, %v", keys, err)
	}
	if want := (KeyFrame{"000.m4s", 12, 0x7c + 100, 1536}); keys[0] != want {
		t.Errorf("got %v, want %v", keys[0], want)
	}
	for n := range whole { // what is cut off is noticed, and harms nobody
		keys, err := KeyFrames("", bytes.NewReader(whole[:n]), int64(n))
		if err == nil && len(keys) > 1 {
			t.Errorf("%v of its first %d bytes", keys, n)
		}
	}
	frames := Frames([]KeyFrame{{Ticks: 100}, {Ticks: 300}, {Ticks: 500}}, 100, 5)
	if frames[0].Seconds != 2 || frames[2].Seconds != 1 {
		t.Errorf("got %v", frames)
	}
	init := initOf(made("avc1"))
	if got := Timescale(init); got != 0 {
		t.Errorf("units of %v where nothing is said", got)
	}
}

func read(t *testing.T, text string) *m3u8.MasterPlaylist {
	t.Helper()
	p, kind, err := m3u8.DecodeFrom(strings.NewReader(text), true)
	if err != nil || kind != m3u8.MASTER {
		t.Fatalf("read %s: %v", text, err)
	}
	return p.(*m3u8.MasterPlaylist)
}
