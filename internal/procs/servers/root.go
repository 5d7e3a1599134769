package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/polyglot-media/siren/internal/procs"
)

// The variables that Options.Root falls back to.
const (
	rabbitRootVar = "SIREN_RABBITMQ_ROOT"
	redisRootVar  = "SIREN_REDIS_ROOT"
)

// root is the folder of another Debian that a server runs in; "": this machine itself.
type root string

// enter runs a program with the folder as its root. It does so in a mount namespace of its own, which ends with the
// program: so nothing stays mounted, and any number of servers can run from one folder, which may be read-only. The new
// root is a tmpfs with the folder's programs, this machine's /proc (without it RabbitMQ never raises an alarm of
// memory) and /dev, and those of this machine's folders that are named, at the same path. Everything is an exec, so the
// program has the process number, and gets the signals, that the first shell has.
const enter = `set -e
root=$1 new=$2
shift 2
mount -t tmpfs siren "$new"
for d in "$root"/bin "$root"/sbin "$root"/lib* "$root"/usr "$root"/etc; do
  if [ -L "$d" ]; then
    cp -P "$d" "$new"
  elif [ -d "$d" ]; then
    mkdir "$new/${d##*/}"
    mount --rbind "$d" "$new/${d##*/}"
  fi
done
for d in proc dev; do
  mkdir "$new/$d"
  mount --rbind "/$d" "$new/$d"
done
mkdir -p -m 1777 "$new/tmp"
home=$1
while [ "$1" != -- ]; do
  mkdir -p "$new$1"
  mount --bind "$1" "$new$1"
  shift
done
shift
exec unshare --root="$new" --wd="$home" -- "$@"`

// argv returns the argument list that runs the program, a path in the server's root, with the arguments. Of this
// machine the program sees the server's own directory and the one of the authority for TLS.
func (s *Server) argv(o Options, program ...string) []string {
	var enterHost []string
	if s.host != nil {
		enterHost = s.host.Enter
	}
	if s.root == "" {
		return slices.Concat(enterHost, program)
	}
	folders := []string{s.home.Dir}
	if o.TLS != nil {
		folders = append(folders, o.TLS.dir)
	}
	own := []string{"/usr/bin/unshare", "--mount"}
	if os.Geteuid() != 0 {
		// only root may mount; everybody is root in a user namespace of his own
		own = append(own, "--user", "--map-root-user")
	}
	own = append(own, "--", "/bin/sh", "-c", enter, "sh", string(s.root), s.home.Path("root"))
	return slices.Concat(enterHost, own, folders, []string{"--"}, program)
}

// check checks that the folder has the program, which may be a link there, as in Debian it may well be.
func (r root) check(program, pkg string) error {
	if _, err := os.Lstat(filepath.Join(string(r), program)); err != nil {
		return fmt.Errorf("no %s in %s (%w): scripts/servers makes folders with it, as does mmdebstrap --include=%s",
			filepath.Base(program), r, err, pkg)
	}
	return nil
}

// prepare makes the folder where the new root is mounted.
func (r root) prepare(h *procs.Home) error {
	if r == "" {
		return nil
	}
	return os.MkdirAll(h.Path("root"), 0o700)
}

// findRoot returns the folder of a server: as chosen, or as the variable says.
func findRoot(o Options, variable string) (root, error) {
	dir, from := o.Root, "Options.Root"
	if dir == "" && o.Program == "" {
		dir, from = os.Getenv(variable), variable
	}
	if dir == "" {
		return "", nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", from, err)
	}
	if info, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%s: %w; scripts/servers makes such folders", from, err)
	} else if !info.IsDir() {
		return "", fmt.Errorf("%s: %s is not a folder; scripts/servers makes such folders", from, dir)
	}
	if _, err := exec.LookPath("/usr/bin/unshare"); err != nil {
		return "", fmt.Errorf("%s needs unshare, of the package util-linux: %w", from, err)
	}
	return root(dir), nil
}
