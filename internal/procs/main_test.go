package procs

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// helperVar makes the test binary play one of the children in helpers instead of running tests.
const helperVar = "SIREN_PROCS_HELPER"

// helpers are small programs for the tests to start. Each ends its process.
var helpers = map[string]func(args []string){
	"sleep": func([]string) { time.Sleep(time.Hour) },
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
	"parent": func([]string) { // leaves a child in its group
		child := helperCommand("sleep")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child", child.Process.Pid)
		time.Sleep(time.Hour)
	},
	"chatty": func([]string) {
		for i := range 5 {
			fmt.Println(strings.Repeat("x", 2<<20), i)
		}
		time.Sleep(time.Hour)
	},
	"doomed": func([]string) { // has a child that dies with it
		p, err := start("sleep", helperCommand("sleep"), syscall.SIGKILL)
		if err != nil {
			panic(err)
		}
		fmt.Println(p.pid.Number)
		time.Sleep(time.Hour)
	},
	"servers": crashWithServers,
	"rooted":  crashWithRoot,
	"orphans": crashWithOrphans,
}

// crashWithServers starts both servers in the directory, prints their URLs and waits to be killed.
func crashWithServers(args []string) {
	ctx := context.Background()
	for _, start := range []func(context.Context, ServerOptions) (*Server, error){StartRedis, StartRabbitMQ} {
		s, err := start(ctx, ServerOptions{Dir: args[0]})
		if err != nil {
			panic(err)
		}
		if s.ctl != nil {
			if _, err := s.Rabbitmqctl(ctx, "add_user", "kept", "anything"); err != nil {
				panic(err)
			}
		}
		fmt.Println(s.URL)
	}
	time.Sleep(time.Hour)
}

// crashWithRoot starts a Redis from a root, prints its process number and waits to be killed.
func crashWithRoot(args []string) {
	s, err := StartRedis(context.Background(), ServerOptions{Dir: args[0], Root: wholeMachine})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.main().pid.Number)
	time.Sleep(time.Hour)
}

// crashWithOrphans runs a child that doesn't notice the death of its parent.
func crashWithOrphans(args []string) {
	h, err := openHome(args[0], "orphans", slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	p, err := h.run("parent", helperCommand("parent"), 0)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.pid.Number)
	time.Sleep(time.Hour)
}

func helperCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperVar+"="+name)
	return cmd
}

// runHelper starts a helper and returns it with the first lines that it prints.
func runHelper(t *testing.T, lines int, name string, args ...string) (*exec.Cmd, []string) {
	t.Helper()
	cmd := helperCommand(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var got []string
	for s := bufio.NewScanner(out); len(got) < lines; got = append(got, s.Text()) {
		if !s.Scan() {
			t.Fatalf("helper %s ended after %q", name, got)
		}
	}
	return cmd, got
}

func TestMain(m *testing.M) {
	if play, ok := helpers[os.Getenv(helperVar)]; ok {
		play(os.Args[1:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// testLog sends what is logged to the test.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// eventually fails the test unless the condition comes true within 10 s.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
