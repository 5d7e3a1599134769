package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What programs may read of the system: libraries, locales, what the machine is. None of it is secret; /etc, /home,
// /var, /proc and /run are not in it.
var (
	systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system"}
	systemFiles   = []string{
		"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo",
		"/proc/filesystems",
		"/dev/zero", "/dev/random", "/dev/urandom",
	}
)

const (
	mayRead  = ll.AccessFSReadFile
	mayWrite = ll.AccessFSReadFile | ll.AccessFSReadDir | ll.AccessFSWriteFile | ll.AccessFSTruncate |
		ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir
)

// confine takes from this thread, and so from the program that it becomes, what it doesn't need: a decoder that a
// hostile input has taken over is still in there. It reads the system, itself, its libraries in lib beside its folder,
// and the one file; it writes the one folder, and starts nothing from there; it looks into, signals and traces no
// process from outside, and opens no socket. "" is no file, and no folder. no_new_privs has to be set.
//
// Each of the two means, Landlock and seccomp, does as much of that as the kernel can; look tells what is open all the
// same.
func confine(program, file, folder string) error {
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return err
	}
	prefix := filepath.Dir(filepath.Dir(real))
	rules := []landlock.Rule{
		landlock.RODirs(systemFolders...).IgnoreIfMissing(),
		landlock.ROFiles(systemFiles...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null"),
		landlock.ROFiles(real),
		landlock.RODirs(filepath.Join(prefix, "lib"), filepath.Join(prefix, "lib64")).IgnoreIfMissing(),
	}
	if file != "" {
		rules = append(rules, landlock.PathAccess(mayRead, file))
	}
	if folder != "" {
		rules = append(rules, landlock.PathAccess(mayWrite, folder))
	}
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return refuseCalls()
}

// What look may find open.
const (
	OpenFiles   = "files"   // other than confine allows
	OpenSockets = "sockets" // and with them the network
	OpenSecrets = "secrets" // those in the environment of the process that started it
)

// look tries what a confined program can't do, and returns what it could.
func look() (open []string) {
	if _, err := os.ReadDir("/"); err == nil {
		open = append(open, OpenFiles)
	}
	if socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); err == nil {
		_ = unix.Close(socket)
		open = append(open, OpenSockets)
	}
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid())); err == nil {
		open = append(open, OpenSecrets)
	}
	return open
}
