package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// recipes are the inputs that the tests share, as ffmpeg makes them.
var recipes = map[string]string{
	"clip.mp4": "-f lavfi -i testsrc2=s=320x240:r=25:d=3 -f lavfi -i sine=d=3 -c:v libx264 -preset ultrafast " +
		"-pix_fmt yuv420p -c:a aac",
	"film.mp4": "-f lavfi -i testsrc2=s=1280x720:r=25:d=6 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
	// An hour, of which any machine transcodes little within a test.
	"long.mp4": "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
}

// loops is how often an input is repeated, without encoding it again.
var loops = map[string]string{"long.mp4": "1800"}

var clips struct {
	once sync.Once
	dir  string
	err  error
}

// put puts a shared clip into the folder for inputs and returns its URL.
func (s *site) put(name string) string {
	s.t.Helper()
	return s.write(name, s.clip(name))
}

// write puts a file into the folder for inputs and returns its URL.
func (s *site) write(name string, content []byte) string {
	s.t.Helper()
	s.must(os.WriteFile(path(s.input(name)), content, 0o644))
	return s.input(name)
}

// clip returns the content of a shared clip.
func (s *site) clip(name string) []byte {
	s.t.Helper()
	clips.once.Do(makeClips)
	if clips.err != nil {
		s.t.Fatalf("these tests need ffmpeg (apt-get install ffmpeg): %v", clips.err)
	}
	content, err := os.ReadFile(filepath.Join(clips.dir, name))
	s.must(err)
	return content
}

func makeClips() {
	if clips.dir, clips.err = os.MkdirTemp("", "siren-clips-"); clips.err != nil {
		return
	}
	for name, args := range recipes {
		file := filepath.Join(clips.dir, name)
		if clips.err = ffmpeg(append(strings.Fields(args), file)...); clips.err != nil {
			return
		}
		if n := loops[name]; n != "" {
			once := filepath.Join(clips.dir, "once-"+name)
			if clips.err = os.Rename(file, once); clips.err != nil {
				return
			}
			if clips.err = ffmpeg("-stream_loop", n, "-i", once, "-c", "copy", file); clips.err != nil {
				return
			}
		}
	}
}

func ffmpeg(args ...string) error {
	argv := append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)
	if out, err := exec.Command("ffmpeg", argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func removeClips() {
	if clips.dir != "" {
		_ = os.RemoveAll(clips.dir)
	}
}

// whole returns an error unless the file is complete: all of a video or a picture can be decoded, a probe's answer
// parses.
func whole(file string) error {
	switch filepath.Ext(file) {
	case ".json":
		text, err := os.ReadFile(file)
		if err == nil && !json.Valid(text) {
			err = fmt.Errorf("%d bytes that are not JSON", len(text))
		}
		return err
	case ".jpg":
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err = jpeg.Decode(bytes.NewReader(text)); err != nil {
			err = fmt.Errorf("decode %s: %w", file, err)
		}
		return err
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0",
		file).CombinedOutput()
	if err != nil || len(out) == 0 {
		return fmt.Errorf("ffprobe %s: %w: %s", file, err, out)
	}
	out, err = exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", file, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Errorf("decode %s: %w: %s", file, err, out)
	}
	return nil
}
