package localfleet

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/procstest"
)

func TestMain(m *testing.M) {
	procstest.Main(m, map[string]func(args []string){
		"fail": func([]string) {
			fmt.Println("starting")
			fmt.Println("no such policy")
			os.Exit(3)
		},
		"stubborn": func([]string) {
			signal.Ignore(syscall.SIGTERM)
			fmt.Println("deaf")
			time.Sleep(time.Hour)
		},
		"second": func([]string) { // ends at its second SIGTERM
			c := make(chan os.Signal, 2)
			signal.Notify(c, syscall.SIGTERM)
			fmt.Println("patient")
			<-c
			<-c
		},
		"chatty": func([]string) {
			for i := range 5 {
				fmt.Println(strings.Repeat("x", 2<<20), i)
			}
			time.Sleep(time.Hour)
		},
	})
}
