package doctorcmd

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes/role"
)

func NewContexts(a *app.App) *cobra.Command {
	c := app.Parent("contexts", "Show and choose which Siren the commands talk to", newContextsList(a),
		newContextsUse(a), newContextsEnv(a))
	c.Long = `Show which Siren the commands talk to. Each context is the RabbitMQ and the Redis of one
installation. They are written into ~/.config/siren/config.yaml ($SIREN_CONFIG names
another file), which never has a password in it:

  current: lab
  contexts:
    - name: lab
      amqp: {url: amqps://me@rabbit.example, passwordFile: lab-amqp, caFile: lab-ca.pem}
      redis: {url: rediss://redis.example, passwordEnv: LAB_REDIS_PASSWORD}

A cluster is at several hosts: amqps://me@rabbit1.example,rabbit2.example. Files are relative
to that one, and certFile and keyFile are a certificate to show. The running siren up is the
context up, without being written anywhere.

What comes first counts, for RabbitMQ and for Redis: --amqp-url and --redis-url,
--context, SIREN_AMQP_URL and SIREN_REDIS_URL (or the files named by SIREN_AMQP_URL_FILE and
SIREN_REDIS_URL_FILE), SIREN_CONTEXT, the file's current context, the running siren up.`
	c.Example = "  siren contexts\n  siren contexts use lab\n  siren lanes --context lab\n" +
		"  eval \"$(siren contexts env)\""
	return c
}

// contextRow is a context as `siren contexts` shows it.
type contextRow struct {
	reach.Context
	Current bool `json:"current"`
}

func newContextsList(a *app.App) *cobra.Command {
	o := show.Listing{Kind: "context"}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the contexts, with the current one marked",
		Example: "  siren contexts list\n  siren contexts list -o name",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
				f, err := reach.LoadContexts()
				if err != nil {
					return nil, nil, err
				}
				name, _ := f.Standing()
				rows := []contextRow{}
				for _, c := range f.All() {
					rows = append(rows, contextRow{c, c.Name == cmp.Or(a.Asked.Context, name)})
				}
				t := contextTable(rows)
				if s := reach.Overruling(); s != "" && a.Asked.Context == "" {
					t.Warn("%s is set, and comes before every context but one that --context names", s)
				}
				return rows, t, nil
			})
		},
	}
	app.ListFlags(c, &o)
	return c
}

func contextTable(rows []contextRow) *show.Table {
	col := show.Col
	t := show.NewTable(col("CURRENT"), col("NAME"), col("RABBITMQ").Least(leastURL), col("REDIS"),
		col("RABBITMQ PASSWORD").Wide(), col("REDIS PASSWORD").Wide())
	t.Name = 1
	t.Spare("REDIS PASSWORD", "RABBITMQ PASSWORD", "RABBITMQ")
	t.Empty = "no contexts: see `siren contexts --help`"
	for _, r := range rows {
		t.Add(map[bool]string{true: "*"}[r.Current], r.Name, r.AMQP.URL, r.Redis.URL, r.AMQP.Password(),
			r.Redis.Password())
	}
	return t
}

// leastURL is how many characters of a URL are seen at least.
const leastURL = 24

func newContextsUse(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a context the current one",
		Example:           "  siren contexts use lab\n  siren contexts use up",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteContexts),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := reach.LoadContexts()
			if err != nil {
				return err
			}
			if _, err := f.Find(args[0]); err != nil && args[0] != reach.UpContext {
				return fmt.Errorf("%w; `siren contexts` lists those there are", err)
			}
			if err := f.Use(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(a.Out, "context %q is the current one\n", args[0])
			for _, name := range []string{reach.Overruling(), "SIREN_CONTEXT"} {
				if name != "" && os.Getenv(name) != "" {
					a.Warn("%s is set, and comes before the current context: unset it", name)
				}
			}
			return nil
		},
	}
}

func newContextsEnv(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "env [NAME]",
		Short: "Print the variables by which a program finds RabbitMQ and Redis",
		Long: `Print the variables by which a program finds RabbitMQ and Redis as this command does, for a
shell to take in: SIREN_AMQP_URL and SIREN_REDIS_URL, with the passwords, and the files of
certificates if there are any. A producer in any language needs no more. A RabbitMQ at several
addresses is a list of URLs with commas between them.`,
		Example:           "  eval \"$(siren contexts env)\"\n  siren contexts env lab",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: app.UpTo(1, a.CompleteContexts),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.Asked.Context = args[0]
			}
			e, err := a.EndpointsOf(role.Producer)
			if err != nil {
				return err
			}
			for _, pair := range e.Variables() {
				name, value, _ := strings.Cut(pair, "=")
				quoted := "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
				if _, err := fmt.Fprintf(show.Raw(a.Out), "export %s=%s\n", name, quoted); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
