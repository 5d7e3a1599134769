package workertest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Server is a program that runs for tests as a cloud does. It is a tool of a module of its own (in
// worker/storage/testdata), so its dependencies stay out of ours; go builds it once and keeps it.
type Server struct {
	Program, Address string
	cmd              *exec.Cmd
}

// Start starts the tool of the module on a free port, with what args makes of its address, and waits until it answers
// the request.
func (s *Server) Start(
	module, tool string, env []string, args func(address string) []string,
	request func(address string) (*http.Response, error),
) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/polyglot-media/siren").Output()
	if err != nil {
		return fmt.Errorf("find the sources: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "worker", "storage", "testdata", module)
	path, err := exec.Command("go", "-C", folder, "tool", "-n", tool).Output()
	if err != nil {
		return fmt.Errorf("build %s: %w", tool, err)
	}
	s.Program = strings.TrimSpace(string(path))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.Address = l.Addr().String()
	_ = l.Close()
	s.cmd = exec.Command(os.Args[0], append([]string{"end-with", s.Program}, args(s.Address)...)...)
	s.cmd.Env = append(os.Environ(), env...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 200 {
		if r, err := request(s.Address); err == nil {
			return r.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("it doesn't answer at %s", s.Address)
}

// Main runs a Server in the process that was started to be it; TestMain calls it first. There it doesn't return, and
// it ends with the tests however they end.
func Main() {
	if len(os.Args) < 3 || os.Args[1] != "end-with" {
		return
	}
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	fmt.Fprintln(os.Stderr, errors.Join(err, syscall.Exec(os.Args[2], os.Args[2:], os.Environ())))
	os.Exit(126)
}

// Stop ends the server, if it was started.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}
