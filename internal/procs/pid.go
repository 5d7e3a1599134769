package procs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PID names one process for good: its number, and when it began, since numbers are used again.
type PID struct {
	Number int    `json:"pid"`
	Began  uint64 `json:"began"` // clock ticks after boot
	Boot   string `json:"boot,omitempty"`
}

// Identify returns the full name of the process that has the number now.
func Identify(number int) (PID, error) {
	s, err := readStat(number)
	if err != nil {
		return PID{}, err
	}
	return PID{Number: number, Began: s.began, Boot: bootID()}, nil
}

// Alive reports whether this very process still runs. A zombie doesn't.
func (p PID) Alive() bool {
	s, err := readStat(p.Number)
	return err == nil && s.began == p.Began && s.state != "Z" && s.state != "X" && p.Boot == bootID()
}

// signal signals the process and the group that it leads. A process that took over its number is left alone.
func (p PID) signal(sig syscall.Signal) {
	if !p.Alive() {
		return
	}
	if err := syscall.Kill(-p.Number, sig); err != nil { // leads no group
		_ = syscall.Kill(p.Number, sig)
	}
}

// Descendants lists the running processes that the process started, directly or not.
func (p PID) Descendants() []PID {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, e := range entries {
		if number, err := strconv.Atoi(e.Name()); err == nil {
			if s, err := readStat(number); err == nil {
				children[s.parent] = append(children[s.parent], number)
			}
		}
	}
	var found []PID
	for next := children[p.Number]; len(next) > 0; next = next[1:] {
		if c, err := Identify(next[0]); err == nil {
			found = append(found, c)
		}
		next = append(next, children[next[0]]...)
	}
	return found
}

// awaitGone reports whether all of them end within the time.
func awaitGone(pids []PID, within time.Duration) bool {
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(pids, PID.Alive) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// KillAll gives the processes so long to end, kills those that haven't, and waits until they are gone.
func KillAll(pids []PID, grace time.Duration) error {
	if awaitGone(pids, grace) {
		return nil
	}
	for _, p := range pids {
		p.signal(syscall.SIGKILL)
	}
	if !awaitGone(pids, killWait) {
		return errors.New("some processes can't be killed")
	}
	return nil
}

// stat is what /proc says of a process.
type stat struct {
	state  string // R, S, D, Z, …
	parent int
	began  uint64 // clock ticks after boot
}

func readStat(number int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", number))
	if err != nil {
		return stat{}, err
	}
	// The second field is the program's name in brackets, which may hold blanks and brackets itself.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	const state, parent, began = 0, 1, 19 // fields 3, 4 and 22 of proc(5)
	if len(fields) <= began {
		return stat{}, fmt.Errorf("/proc/%d/stat has only %d fields", number, len(fields))
	}
	of, err := strconv.Atoi(fields[parent])
	if err != nil {
		return stat{}, fmt.Errorf("/proc/%d/stat: parent: %w", number, err)
	}
	ticks, err := strconv.ParseUint(fields[began], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("/proc/%d/stat: start time: %w", number, err)
	}
	return stat{state: fields[state], parent: of, began: ticks}, nil
}

// bootID tells one boot of the machine from the next, since start times count from it; "" where the kernel has none.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
