package procs

import (
	"io"
	"os"
	"strings"
)

// Tail returns the last lines of a log file, of which at most 4 KiB are read; "" when there is none.
func Tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	if info, err := f.Stat(); err == nil && info.Size() > 4096 {
		_, _ = f.Seek(-4096, io.SeekEnd)
	}
	raw, _ := io.ReadAll(io.LimitReader(f, 4096))
	all := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
