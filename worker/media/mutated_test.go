package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/workertest"
)

// mutated is how many files TestMutatedFiles breaks.
const mutated = 200

// Files that were whole and then broken, as by a disk, by a network or on purpose: whatever the kind, the job ends with
// an output or with an error for good, nothing is written outside of its output, and nothing that a file names is
// asked. Each file goes through one kind, or through every kind when SIREN_MUTATED is "every" (make fuzz).
func TestMutatedFiles(t *testing.T) {
	bait, err := net.Listen("tcp", "127.0.0.1:0")
	workertest.Must(t, err)
	asked := make(chan string, 1)
	go func() {
		for {
			c, err := bait.Accept()
			if err != nil {
				return
			}
			asked <- c.RemoteAddr().String()
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = bait.Close() })
	b := newBench(t)
	url := "http://" + bait.Addr().String() + "/x.mp4"
	seeds := []string{"clip.mp4", "silent.webm", "still.png", "sound.m4a", "stretched.ts", "odd.mp4"}
	var whole [][]byte
	for _, name := range seeds {
		data, err := os.ReadFile(sharedClip(t, name))
		workertest.Must(t, err)
		whole = append(whole, data)
	}
	all := kinds.All()
	ended := map[string]int{}
	for n := range mutated {
		r := rand.New(rand.NewPCG(uint64(n), 12))
		name := seeds[n%len(seeds)]
		input := b.write("broken-"+name, mutate(r, whole[n%len(seeds)], whole[r.IntN(len(seeds))], url))
		through := all[n/len(seeds)%len(all) : n/len(seeds)%len(all)+1]
		if os.Getenv("SIREN_MUTATED") == "every" {
			through = all
		}
		for _, k := range through {
			output := fmt.Sprintf("%d-%s%s", n, k.Name, k.Endings[0])
			result, err := b.run(job.Job{Kind: k.Name, Input: input, Output: b.output("") + "/" + output})
			switch kind := work.KindOf(err); {
			case err == nil && len(result.Outputs) == 0:
				t.Errorf("file %d (%s) as %s: no error and no output", n, name, k.Name)
			case kind != "" && !kind.Permanent():
				t.Errorf("file %d (%s) as %s: %v", n, name, k.Name, err)
			default:
				ended[k.Name+" "+string(kind)]++
			}
			strays(t, b, output)
		}
	}
	t.Log(ended)
	select {
	case who := <-asked:
		t.Errorf("somebody asked the listener that a file names: %s", who)
	default:
	}
}

// strays reports files that are neither the inputs nor below the output, which it removes.
func strays(t *testing.T, b *bench, output string) {
	t.Helper()
	top := filepath.Dir(b.in)
	_ = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(top, path)
		switch {
		case err != nil || e.IsDir():
		case strings.HasPrefix(name, "in/broken-"), strings.HasPrefix(name, "scratch/siren-attempts-"):
		case strings.HasPrefix(name, "out/"+output), strings.HasPrefix(name, "out/.siren/"):
		default:
			t.Errorf("%s was written", name)
		}
		return nil
	})
	workertest.Must(t, os.RemoveAll(filepath.Join(b.out, output)))
	workertest.Must(t, os.RemoveAll(filepath.Join(b.out, ".siren")))
}

// mutate breaks a file in one to four places.
func mutate(r *rand.Rand, data, other []byte, url string) []byte {
	data = slices.Clone(data)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(data))
		head := r.IntN(min(len(data), 600)) // where containers say what they hold
		switch r.IntN(8) {
		case 0: // bits
			for range 1 + r.IntN(20) {
				data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			}
		case 1: // cut off
			data = data[:max(at, 16)]
		case 2: // a length that can't be, or a large number
			binary.BigEndian.PutUint32(data[min(head, len(data)-4):], []uint32{0, 1, 1 << 31, 1<<32 - 1}[r.IntN(4)])
		case 3: // a part is missing
			end := min(len(data), at+1+r.IntN(2000))
			data = append(data[:at:at], data[end:]...)
		case 4: // a part is twice there
			end := min(len(data), at+1+r.IntN(2000))
			data = slices.Insert(data, at, bytes.Clone(data[at:end])...)
		case 5: // zeros, as of a disk that lost a block
			clear(data[at:min(len(data), at+4096)])
		case 6: // the end of another file
			data = append(data[:at:at], other[r.IntN(len(other)):]...)
		case 7: // what it names
			copy(data[head:], url)
		}
		if len(data) < 16 {
			return append(data, make([]byte, 16)...)
		}
	}
	return data
}
