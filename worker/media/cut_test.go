package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// Files that say how much there should be, or where they end, are cut off when that is missing, and only then.
func TestCutFilesSaySo(t *testing.T) {
	b := newBench(t)
	for name, args := range map[string]string{
		"plain.mp3":  "-f lavfi -i sine=d=4 -c:a libmp3lame",
		"vbr.mp3":    "-f lavfi -i sine=d=4 -c:a libmp3lame -q:a 4 -ar 22050 -ac 2 -metadata title=x",
		"bare.mp3":   "-f lavfi -i sine=d=4 -c:a libmp3lame -write_xing 0",
		"sound.wav":  "-f lavfi -i sine=d=4",
		"moving.gif": "-f lavfi -i testsrc2=s=160x120:r=10:d=2",
	} {
		file := filepath.Join(b.in, name)
		output(t, "ffmpeg", append(strings.Fields("-v error "+args), file)...)
		whole, err := os.ReadFile(file)
		workertest.Must(t, err)
		kind, ending := "audio", ".m4a"
		if name == "moving.gif" {
			kind, ending = "transcode", ".mp4"
		}
		run := func(input, output, params string) (string, error) {
			result, err := b.run(job.Job{
				Kind: kind, Input: input, Output: b.output(output + name + ending), Params: paramsJSON(params),
			})
			return fmt.Sprint(result.Warnings), err
		}
		said, err := run("file://"+file, "whole-", `{"tolerate": "none"}`)
		if err != nil || said != "[]" {
			t.Errorf("all of %s: %v, warnings %s", name, err, said)
		}
		if name == "sound.wav" { // as SoX writes to a pipe
			piped := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(piped[4:], 0x7ffff024)
			said, err = run(b.write("piped.wav", piped), "piped-", ``)
			if err != nil || strings.Contains(said, "is cut off") {
				t.Errorf("a sound of a pipe: %v, warnings %s", err, said)
			}
		}
		if name == "bare.mp3" {
			continue
		}
		cut := b.write("cut-"+name, whole[:len(whole)*6/10])
		if said, err = run(cut, "cut-", ``); err != nil || !strings.Contains(said, "is cut off") {
			t.Errorf("a part of %s: %v, warnings %s", name, err, said)
		}
		_, err = run(cut, "strict-", `{"tolerate": "none"}`)
		workertest.Expect(t, err, work.BadInput, "is cut off")
	}
}
