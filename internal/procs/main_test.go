package procs

import (
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/procstest"
)

func TestMain(m *testing.M) {
	procstest.Main(m, map[string]func(args []string){
		"parent": func([]string) { // leaves a child in its group
			child := procstest.Command("sleep")
			if err := child.Start(); err != nil {
				panic(err)
			}
			fmt.Println("child", child.Process.Pid)
			time.Sleep(time.Hour)
		},
		"doomed": func([]string) { // has a child that dies with it
			p, err := start("sleep", procstest.Command("sleep"), syscall.SIGKILL)
			if err != nil {
				panic(err)
			}
			fmt.Println(p.PID.Number)
			time.Sleep(time.Hour)
		},
		"orphans": crashWithOrphans,
	})
}

// crashWithOrphans runs a child that doesn't notice the death of its parent.
func crashWithOrphans(args []string) {
	h, err := OpenHome(args[0], "orphans", slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	p, err := h.Run("parent", procstest.Command("parent"), 0)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PID.Number)
	time.Sleep(time.Hour)
}
