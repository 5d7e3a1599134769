package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"
)

func newContexts(a *app) *cobra.Command {
	c := parent("contexts", "Show and choose which Siren the commands talk to", newContextsList(a), newContextsUse(a))
	c.Long = `Show which Siren the commands talk to. Each context is the RabbitMQ and the Redis of one
installation. They are written into ~/.config/siren/config.yaml ($SIREN_CONFIG names
another file), which never has a password in it:

  current: lab
  contexts:
    - name: lab
      amqp: {url: amqps://me@rabbit.example, passwordFile: lab-amqp, caFile: lab-ca.pem}
      redis: {url: rediss://redis.example, passwordEnv: LAB_REDIS_PASSWORD}

Files are relative to that one, and certFile and keyFile are a certificate to show. The
running siren up is the context up, without being written anywhere.

What comes first counts, for RabbitMQ and for Redis: --amqp-url and --redis-url,
--context, SIREN_AMQP_URL and SIREN_REDIS_URL (or the files named by SIREN_AMQP_URL_FILE and
SIREN_REDIS_URL_FILE), SIREN_CONTEXT, the file's current context, the running siren up.`
	c.Example = "  siren contexts\n  siren contexts use lab\n  siren lanes --context lab"
	return c
}

// contextRow is a context as `siren contexts` shows it.
type contextRow struct {
	installation
	Current bool `json:"current"`
}

func newContextsList(a *app) *cobra.Command {
	o := listing{kind: "context"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the contexts, with the current one marked",
		Example: "  siren contexts list\n  siren contexts list -o name",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.show(cmd.Context(), a.streams, func() (any, *table, error) {
				f, err := loadContexts()
				if err != nil {
					return nil, nil, err
				}
				name, _ := f.standing()
				rows := []contextRow{}
				for _, c := range f.all() {
					rows = append(rows, contextRow{c, c.Name == or(a.context, name)})
				}
				t := contextTable(rows)
				if s := overruling(); s != "" && a.context == "" {
					t.warn("%s is set, and comes before every context but one that --context names", s)
				}
				return rows, t, nil
			})
		},
	}
	o.flags(c)
	return c
}

func contextTable(rows []contextRow) *table {
	t := newTable(col("CURRENT"), col("NAME"), col("RABBITMQ"), col("REDIS"), col("RABBITMQ PASSWORD").wide(), col("REDIS PASSWORD").wide())
	t.name = 1
	t.empty = "no contexts: see `siren contexts --help`"
	for _, r := range rows {
		t.add(map[bool]string{true: "*"}[r.Current], r.Name, r.AMQP.URL, r.Redis.URL, r.AMQP.password(), r.Redis.password())
	}
	return t
}

// password is where the password is.
func (l location) password() string {
	if l.PasswordEnv != "" {
		return "$" + l.PasswordEnv
	}
	return or(l.PasswordFile, "-")
}

// overruling is the environment variable that says where the servers are, whatever the current context is; "" when there is none.
func overruling() string {
	for _, name := range []string{"SIREN_AMQP_URL_FILE", "SIREN_AMQP_URL", "SIREN_REDIS_URL_FILE", "SIREN_REDIS_URL"} {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}

func newContextsUse(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a context the current one",
		Example:           "  siren contexts use lab\n  siren contexts use up",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: upTo(1, a.completeContexts),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			if _, err := f.find(args[0]); err != nil && args[0] != upContext {
				return fmt.Errorf("%w; `siren contexts` lists those there are", err)
			}
			if err := f.use(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "context %q is the current one\n", args[0])
			for _, name := range []string{overruling(), "SIREN_CONTEXT"} {
				if name != "" && os.Getenv(name) != "" {
					a.warn("%s is set, and comes before the current context: unset it", name)
				}
			}
			return nil
		},
	}
}

// currentLine is the line of the file of contexts that names the current one.
var currentLine = regexp.MustCompile(`(?m)^current:.*$`)

// use makes the named context the current one. All else in the file, comments too, stays as it is.
func (f contextFile) use(name string) error {
	if f.path == "" {
		_, err := contextPath()
		return err
	}
	data, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the file of contexts: %w", err)
	}
	text, line := string(data), "current: "+name
	changed := line + "\n" + text
	if at := currentLine.FindStringIndex(text); at != nil {
		changed = text[:at[0]] + line + text[at[1]:]
	}
	if now, err := parseContexts([]byte(changed)); err != nil || now.Current != name || len(now.Contexts) != len(f.Contexts) {
		return fmt.Errorf("%s is written in a way that can't be changed from here: write `%s` into it yourself", f.path, line)
	}
	if err := replaceFile(f.path, []byte(changed)); err != nil {
		return fmt.Errorf("write the file of contexts: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step, so that nobody reads half of it. Where it is a link, the link stays.
func replaceFile(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".config-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // but for what has become the file
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if was, err := os.Stat(path); err == nil {
		if err := os.Chmod(f.Name(), was.Mode().Perm()); err != nil {
			return err
		}
	}
	return os.Rename(f.Name(), path)
}
