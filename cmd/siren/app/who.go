package app

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/kube"
)

// whoMost is how many characters of a name are kept.
const whoMost = 120

// Who returns the person who changes something, as the tunings and the audit log name them: the given name, else
// $SIREN_USER, else the system's user at this machine, with the kube context where there is one.
func Who(name string) string {
	name = cmp.Or(name, os.Getenv("SIREN_USER"))
	if name == "" {
		name = systemUser() + "@" + machine()
	}
	if c := kube.CurrentContext(); c != "" {
		name += " (kube context " + c + ")"
	}
	return show.Clip(strings.TrimSpace(name), whoMost)
}

// systemUser returns the user's name. In a container the user may have none.
func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), fmt.Sprintf("uid-%d", os.Getuid()))
}

func machine() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
