package probe

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// Of every format of pixels that ffmpeg here knows, we say what it says.
func TestSeeThroughAsFFmpegHasIt(t *testing.T) {
	text, err := exec.Command("ffprobe", "-v", "error", "-show_pixel_formats", "-of", "json").Output()
	workertest.Must(t, err)
	var said struct {
		Formats []struct {
			Name  string `json:"name"`
			Flags struct {
				Alpha int `json:"alpha"`
			} `json:"flags"`
		} `json:"pixel_formats"`
	}
	workertest.Must(t, json.Unmarshal(text, &said))
	if len(said.Formats) < 100 {
		t.Fatalf("ffprobe names %d formats", len(said.Formats))
	}
	for _, f := range said.Formats {
		if got := (Stream{Codec: "png", PixelFormat: f.Name}).SeeThrough(); got != (f.Flags.Alpha == 1) {
			t.Errorf("%s: transparent %t", f.Name, got)
		}
	}
}

func TestSeeThroughByCodec(t *testing.T) {
	for codec, want := range map[string]bool{"mjpeg": false, "jpegls": false, "jpeg2000": true, "tiff": true} {
		if got := (Stream{Codec: codec, PixelFormat: "gbrap"}).SeeThrough(); got != want {
			t.Errorf("%s in gbrap: transparent %t", codec, got)
		}
	}
}
