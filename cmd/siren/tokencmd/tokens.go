package tokencmd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/gateway/auth"
)

func NewTokens(a *app.App) *cobra.Command {
	c := app.Parent("tokens", "Let programs and people into the gateway", newList(a), newCreate(a), newRevoke(a))
	c.Long = `Make, list and revoke the tokens that let programs and people into siren gateway. They are in
a file that the gateway reads (--tokens), and reads again when it changes. The file has no
token in it, only its SHA-256. On Kubernetes it is in a Secret.

A producer enqueues jobs, looks at jobs, cancels and retries them. A reader looks at
everything, an operator also changes it. Who has a tenant sees and makes that tenant's jobs alone.`
	c.Example = "  siren tokens create upload --role producer --tenant acme --expires 90d --file tokens.yaml\n" +
		"  siren tokens --file tokens.yaml\n  siren tokens revoke upload --file tokens.yaml"
	return c
}

// fileFlag adds --file.
func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "file", "", "`FILE` of tokens (default: "+auth.TokensVariable+")")
	app.CompleteFlag(c, "file", app.Files("yaml", "yml"))
}

// fileOf returns the file of tokens.
func fileOf(file string) (string, error) {
	if file = cmp.Or(file, os.Getenv(auth.TokensVariable)); file == "" {
		return "", exit.With(exit.Usage, errors.New("say which file: --file tokens.yaml"))
	}
	return file, nil
}

// row is a token as `siren tokens` shows it.
type row struct {
	auth.Token
	Expired bool `json:"expired,omitempty"`
}

func newList(a *app.App) *cobra.Command {
	o := show.Listing{Kind: "token"}
	var file string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens of a file, without the tokens themselves",
		Example: "  siren tokens list --file tokens.yaml\n  siren tokens list --file tokens.yaml -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := fileOf(file)
			if err != nil {
				return err
			}
			return o.Show(cmd.Context(), a.Out, a.Err, func() (any, *show.Table, error) {
				all, odd, err := auth.ReadTokens(path)
				if err != nil {
					return nil, nil, missing(err, path)
				}
				rows, t := table(all, time.Now())
				if odd != "" {
					t.Warn("%s", odd)
				}
				return rows, t, nil
			})
		},
	}
	fileFlag(c, &file)
	app.ListFlags(c, &o)
	return c
}

// missing says how a file of tokens comes to be.
func missing(err error, path string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; `siren tokens create NAME --role producer --file %s` makes it", err, path)
	}
	return err
}

func table(all []auth.Token, now time.Time) ([]row, *show.Table) {
	col := show.Col
	t := show.NewTable(col("NAME"), col("ROLES"), col("TENANT"), col("EXPIRES"), col("CREATED").Wide(),
		col("SHA256").Wide())
	t.Spare("SHA256", "CREATED")
	t.Empty = "no tokens: nobody is let in by this file"
	rows := []row{}
	for _, token := range all {
		expired := token.Expired(now)
		rows = append(rows, row{token, expired})
		t.Add(token.Name, roles(token), cmp.Or(token.Tenant, "-"), expiry(token, expired), day(token.Created), token.SHA256)
		if expired {
			t.Paint("EXPIRES", show.Red)
		}
	}
	return rows, t
}

func roles(t auth.Token) string {
	names := make([]string, len(t.Roles))
	for i, r := range t.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

func expiry(t auth.Token, expired bool) string {
	switch {
	case t.Expires.IsZero():
		return "never"
	case expired:
		return "expired " + day(t.Expires)
	default:
		return day(t.Expires)
	}
}

// day says a time to the minute; "-" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04 MST")
}
