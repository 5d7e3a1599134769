package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"golang.org/x/sys/unix"
)

// What runs as the same user, as media programs do, reads the environment of no worker and no scaler: the passwords of
// RabbitMQ and Redis may be there.
func TestOthersDoNotSeeSecrets(t *testing.T) {
	user := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // root sees everything: so nobody does it all
		user.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	dir, err := os.MkdirTemp("", "siren-hide-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	siren, policy := filepath.Join(dir, "siren"), filepath.Join(dir, "policy.yaml")
	must(t, unix.Symlink(os.Args[0], siren)) // TestMain goes by the name
	self, err := os.Open(os.Args[0])
	must(t, err)
	defer self.Close()
	p, err := runcmd.LocalPolicy(dir)
	must(t, err)
	must(t, os.WriteFile(policy, []byte(strings.ReplaceAll(runcmd.LocalYAML, "@PREFIX@", p.Storage[0].Prefix)), 0o644))
	read := func(pid int) ([]byte, error) {
		c := exec.Command("cat", fmt.Sprintf("/proc/%d/environ", pid))
		c.SysProcAttr = user
		return c.CombinedOutput()
	}
	start := func(args ...string) (pid int) {
		t.Helper()
		c := exec.Command("/proc/self/fd/3", args...) // the folder of this binary may be closed to nobody
		c.Args[0], c.ExtraFiles, c.SysProcAttr, c.Dir = siren, []*os.File{self}, user, dir
		c.Env = []string{
			"SIREN_AMQP_URL=amqp://u:secret@127.0.0.1:1/", "SIREN_REDIS_URL=redis://:secret@127.0.0.1:1/0",
			"TMPDIR=" + dir,
		}
		said, err := c.StderrPipe()
		must(t, err)
		must(t, c.Start())
		t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })
		line, err := bufio.NewReader(said).ReadString('\n')
		if err != nil {
			t.Fatalf("siren %v: %v", args, err)
		}
		t.Log(strings.TrimSpace(line))
		go io.Copy(io.Discard, said)
		return c.Process.Pid
	}
	sleeper := exec.Command("sleep", "600")
	sleeper.SysProcAttr, sleeper.Env = user, []string{"SECRET=seen"}
	must(t, sleeper.Start())
	t.Cleanup(func() { _, _ = sleeper.Process.Kill(), sleeper.Wait() })
	if out, err := read(sleeper.Process.Pid); !strings.Contains(string(out), "seen") {
		t.Fatalf("the environment of any other process can't be read here either, so this shows nothing: %s (%v)", out,
			err)
	}
	for _, args := range [][]string{{"worker", "--pool", "general"}, {"scaler", "--policy", policy}} {
		if out, err := read(start(args...)); err == nil || strings.Contains(string(out), "secret") ||
			!strings.Contains(string(out), "Permission denied") {
			t.Errorf("siren %s: its environment can be read: %q (%v)", args[0], out, err)
		}
	}
}
