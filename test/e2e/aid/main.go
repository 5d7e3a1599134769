// Command aid is what the end-to-end tests put beside a container without a shell: it sends a signal to the processes
// of the pod that have the given name, and says how many there were. NONE only counts them.
//
//	aid STOP siren
//
// It also asks a gateway, as its clients do, until SIGTERM.
//
//	aid ask HOST:PORT NAME JOB WATCHED
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

var signals = map[string]syscall.Signal{
	"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM, "NONE": 0,
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "ask" {
		if err := ask(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "aid:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) != 3 {
		usage()
	}
	signal, known := signals[os.Args[1]]
	if !known {
		usage()
	}
	sent := 0
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range names {
		comm, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || strings.TrimSpace(string(comm)) != os.Args[2] || pid == os.Getpid() {
			continue
		}
		if err := syscall.Kill(pid, signal); err != nil {
			fmt.Fprintln(os.Stderr, "aid:", err)
			os.Exit(1)
		}
		sent++
	}
	fmt.Println("signalled", sent)
	if sent == 0 {
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: aid STOP|CONT|KILL|TERM|NONE program, or aid ask …")
	os.Exit(2)
}
