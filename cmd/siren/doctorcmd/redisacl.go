package doctorcmd

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/redis/access"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/role"
)

// noPassword is where a password's SHA-256 belongs. Redis doesn't take it, so that no user is made without one.
const noPassword = "#SHA256-OF-ITS-PASSWORD"

// aclFlags is what `siren redis-acl` may be told.
type aclFlags struct {
	roles     []string
	user      string
	passwords string
	commands  bool
}

func NewRedisACL(a *app.App) *cobra.Command {
	var f aclFlags
	c := &cobra.Command{
		Use:   "redis-acl",
		Short: "Print the Redis users that Siren needs, one a role",
		Long: `Print the users that Redis is to have, one for each role, as lines of its aclfile or of
redis.conf. Each may do what its role does and nothing else, on keys that begin with
siren: alone. Who has a producer's URL can't pause lanes, pose as a worker or touch the
audit log. Redis knows commands and keys, not values: by hand it can spoil jobs' records.

A line has the SHA-256 of a password, never a password. --passwords names a folder with
a file for each user, by its name; those that aren't there are made. Without it each line
has a place to put it, as in: printf %s "$PASSWORD" | sha256sum

Each process gets the URL of its role: workers SIREN_REDIS_URL with the worker's, a scaler
with the scaler's, producers with theirs. Where people type commands beside a process, as
in the scaler's pod, SIREN_REDIS_OPERATOR_URL is theirs. A person may have a user of
their own, --user: siren audit shows it beside the name that they give themselves.`,
		Example: `  siren redis-acl --passwords ./secrets > users.acl
  siren redis-acl --role operator --user ann --passwords ./secrets --commands`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return printACL(a, f) },
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.roles, "role", access.Roles(), "`ROLES` whose users to print: "+say.Listed(access.Roles()))
	fs.StringVar(&f.user, "user", "", "`NAME` of the user, instead of siren- and the role; with one role")
	fs.StringVar(&f.passwords, "passwords", "", "`FOLDER` with the users' passwords; those that it doesn't have are "+
		"made")
	fs.BoolVar(&f.commands, "commands", false, "print commands for redis-cli (ACL SETUSER …) instead of lines for a "+
		"file")
	app.CompleteFlag(c, "role", app.Fixed(access.Roles()...))
	app.CompleteFlag(c, "passwords", app.Folders)
	return c
}

func printACL(a *app.App, f aclFlags) error {
	for _, role := range f.roles {
		if !slices.Contains(access.Roles(), role) {
			return exit.With(exit.Usage, fmt.Errorf("no role %q%s", role, plain.ThereAre(role, access.Roles())))
		}
	}
	switch {
	case f.user != "" && len(f.roles) != 1:
		return exit.With(exit.Usage, errors.New("--user names one user: say its --role"))
	case strings.ContainsFunc(f.user, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`/"'\`, r) }):
		return exit.With(exit.Usage, fmt.Errorf("--user %q: a user's name has no blanks, slashes or quotes", f.user))
	}
	for _, role := range f.roles {
		user := access.User(role)
		if f.user != "" {
			user = f.user
		}
		secret, err := f.secret(user)
		if err != nil {
			return err
		}
		line := access.ACL(role, user, secret)
		if f.commands {
			line = "ACL SETUSER " + strings.TrimPrefix(line, "user ")
		}
		fmt.Fprintln(a.Out, line)
	}
	return nil
}

// secret returns the SHA-256 of the user's password. It makes one if there is none.
func (f aclFlags) secret(user string) (string, error) {
	if f.passwords == "" {
		return noPassword, nil
	}
	path := filepath.Join(f.passwords, user)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text())
		if err = os.MkdirAll(f.passwords, 0o700); err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
	}
	password := strings.TrimRight(string(text), "\r\n")
	if err == nil && password == "" {
		err = fmt.Errorf("%s is empty; write the password into it", path)
	}
	if err != nil {
		return "", fmt.Errorf("password of user %s: %w", user, err)
	}
	return fmt.Sprintf("#%x", sha256.Sum256([]byte(password))), nil
}

// Takes names the role, or the roles, whose login a command takes.
func Takes(c *cobra.Command) string {
	switch strings.TrimPrefix(c.CommandPath(), "siren ") {
	case "worker":
		return "a " + role.Worker
	case "scaler":
		return "a " + role.Scaler
	case "gateway":
		return "a " + role.Gateway
	case "enqueue", "jobs get", "jobs watch", "jobs logs":
		return "a " + role.Producer + " or an " + role.Operator
	default:
		return "an " + role.Operator
	}
}
