package part

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/worker/workertest"
)

// memory is a film that is here, as if it were larger.
type memory struct {
	*bytes.Reader
	filled int64
}

func (m *memory) Size() int64 { return max(Smallest, m.Reader.Size()) }

func (m *memory) Fill(_, length int64) error {
	m.filled += length
	return nil
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	n, err := m.Reader.ReadAt(p, at)
	if at+int64(len(p)) <= m.Size() {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}

// made returns a film of 4 s that ffmpeg makes, padded by a box or an element that nobody reads.
func made(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	argv := strings.Fields("-v error -f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i sine=d=4")
	out, err := exec.Command("ffmpeg", append(append(argv, args...), file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("make %s: %v: %s", name, err, out)
	}
	data, err := os.ReadFile(file)
	workertest.Must(t, err)
	if strings.HasSuffix(name, ".mkv") { // which ends where its segment does
		return data
	}
	return append(data, 0, 0, 0, 0, 'f', 'r', 'e', 'e') // to the end
}

func x264(more ...string) []string {
	return append(strings.Fields("-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac"), more...)
}

// What isn't certain to be enough is known to be that.
func TestUnsure(t *testing.T) {
	for _, c := range []struct {
		name, says string
		data       []byte
	}{
		{"plain.mp4", "", made(t, "plain.mp4", x264()...)},
		{"plain.mov", "", made(t, "plain.mov", x264()...)},
		{"plain.mkv", "", made(t, "plain.mkv", x264()...)},
		{"pieces", "fragments", made(t, "pieces.mp4", x264("-movflags", "+frag_keyframe+empty_moov")...)},
		{"ProRes is read as zeros", "its codec is", made(t, "prores.mov", "-c:v", "prores_ks")},
		{"sound", "no video", made(t, "sound.mp4", "-map", "1", "-c:a", "aac")},
		{"one key frame", "no index", made(t, "one.mkv", x264("-g", "1000", "-map", "0")...)},
		{"a live recording", "", made(t, "live.mkv", x264("-live", "1")...)},
		{"no film", "", bytes.Repeat([]byte("film"), 1000)},
	} {
		_, err := Open(&memory{Reader: bytes.NewReader(c.data)})
		switch sure := strings.HasPrefix(c.name, "plain"); {
		case sure && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !sure && (!errors.Is(err, ErrUnsure) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want that it isn't sure: %s", c.name, err, c.says)
		}
	}
}

// A film that is broken, or made to break its readers, is unsure or read within bounds.
func FuzzOpen(f *testing.F) {
	f.Add(made(f, "a.mp4", x264()...))
	f.Add(made(f, "a.mkv", x264()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		film, err := Open(&memory{Reader: bytes.NewReader(data)})
		if err == nil {
			_ = film.Around(2, 1)
		}
	})
}
