// Package processes lists the processes of this machine as /proc shows them.
package processes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is a running process.
type Process struct {
	PID    int
	Parent int
	Frozen bool   // by a signal
	Exe    string // path of its binary
	Cwd    string
	Args   []string
}

func (p Process) String() string { return fmt.Sprintf("%d %s", p.PID, strings.Join(p.Args, " ")) }

// Running returns the processes that the condition chooses, but no zombies.
func Running(chosen func(Process) bool) []Process {
	entries, _ := os.ReadDir("/proc")
	var found []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := Inspect(pid); ok && chosen(p) {
			found = append(found, p)
		}
	}
	return found
}

// Inspect reads one process; false when it is gone, or not ours to look at.
func Inspect(pid int) (p Process, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	// the name before it may hold anything
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return p, false
	}
	p.PID, p.Frozen = pid, fields[0] == "T"
	p.Parent, _ = strconv.Atoi(fields[1])
	p.Cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
	line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.Args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if p.Exe, err = os.Readlink(filepath.Join(dir, "exe")); err != nil {
		p.Exe = p.Args[0] // a siren hides it from all but root
	}
	return p, true
}

// Below returns every process that comes from one of pid's, without pid itself.
func Below(pid int) []Process {
	family := map[int]bool{pid: true}
	found := map[int]Process{}
	for grown := true; grown; {
		grown = false
		for _, p := range Running(func(p Process) bool { return family[p.Parent] && !family[p.PID] }) {
			family[p.PID], found[p.PID], grown = true, p, true
		}
	}
	return slices.Collect(maps.Values(found))
}
