package tokencmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/gateway/auth"
)

func newCreate(a *app.App) *cobra.Command {
	var file, expires string
	var t auth.Token
	var may []string
	c := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a token, and print it once",
		Long: `Make a token, put what is known of it into the file, and print it on stdout. It isn't kept
anywhere: who loses it needs another one. NAME is whoever it is for, as the audit log names
them.`,
		Example: `  siren tokens create upload --role producer --tenant acme --expires 90d --file tokens.yaml
  siren tokens create ann --role operator --file tokens.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := fileOf(file)
			if err != nil {
				return err
			}
			now := time.Now().UTC().Truncate(time.Second)
			t.Name, t.Created = args[0], now
			if t.Expires, err = expiresAt(expires, now); err != nil {
				return exit.With(exit.Usage, err)
			}
			t.Roles = nil
			for _, r := range may {
				t.Roles = append(t.Roles, auth.Role(r))
			}
			return create(a, path, t)
		},
	}
	names := make([]string, len(auth.Roles))
	for i, r := range auth.Roles {
		names[i] = string(r)
	}
	c.Flags().StringSliceVar(&may, "role", nil, "what it lets do: some of "+strings.Join(names, ", ")+" (required)")
	app.CompleteFlag(c, "role", app.Fixed(names...))
	c.Flags().StringVar(&t.Tenant, "tenant", "", "tenant whose jobs alone it lets see and make (default everybody's)")
	c.Flags().StringVar(&expires, "expires", "", "how long it lets anybody in, as in 90d or 12h (default until it is revoked)")
	fileFlag(c, &file)
	_ = c.MarkFlagRequired("role")
	return c
}

// create makes a token, and prints it.
func create(a *app.App, path string, t auth.Token) error {
	var token string
	token, t.SHA256 = auth.NewToken()
	if err := t.Check(); err != nil {
		return exit.With(exit.Usage, err)
	}
	odd, err := auth.AddToken(path, t)
	if errors.Is(err, auth.ErrTaken) {
		return exit.With(exit.Conflict, fmt.Errorf("%s has a token %s already; choose another name, or revoke that one first",
			path, t.Name))
	}
	if err != nil {
		return err
	}
	if odd != "" {
		a.Warn("others could write %s, and so let anybody in; now they can't", path)
	}
	fmt.Fprintf(a.Err, "%s is in %s (%s). This is shown once:\n", t.Name, path, about(t))
	if _, err := fmt.Fprintln(show.Raw(a.Out), token); err != nil {
		return fmt.Errorf("the token couldn't be printed, and is lost: %w; revoke %s, and make it again", err, t.Name)
	}
	return nil
}

// about says what a token lets do.
func about(t auth.Token) string {
	words := strings.ReplaceAll(roles(t), ",", ", ")
	if t.Tenant != "" {
		words += ", tenant " + t.Tenant
	}
	if !t.Expires.IsZero() {
		words += ", expires " + day(t.Expires)
	}
	return words
}

// maxDays is how many days a token may be told to last: a hundred years.
const maxDays = 36500

// expiresAt returns when something ends that lasts so long: "" is never.
func expiresAt(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= maxDays {
			return now.AddDate(0, 0, n), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("--expires %q: say how long from now on, as in 90d or 12h", text)
}

func newRevoke(a *app.App) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "revoke NAME...",
		Short: "Take tokens out of a file: they let nobody in any more",
		Long: `Take tokens out of a file. A gateway that reads it lets nobody in by them any more, within a
few seconds; with a Secret of Kubernetes, once the Secret was changed and has reached its pods.`,
		Example: "  siren tokens revoke upload --file tokens.yaml",
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return names(file, args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := fileOf(file)
			if err != nil {
				return err
			}
			var failed app.Refusals
			failed.Named = true
			for _, name := range args {
				if err := revoke(a, path, name); err != nil {
					failed.Add(err)
				}
			}
			return failed.Err()
		},
	}
	fileFlag(c, &file)
	return c
}

// revoke takes a token out of a file.
func revoke(a *app.App, path, name string) error {
	odd, err := auth.RemoveToken(path, name)
	if errors.Is(err, auth.ErrNoToken) {
		return exit.With(exit.NotFound, fmt.Errorf("%s has no token %s; `siren tokens list` lists those there are", path, name))
	}
	if err != nil {
		return err
	}
	if odd != "" {
		a.Warn("others could write %s, and so let anybody in; now they can't", path)
	}
	_, err = fmt.Fprintf(a.Out, "revoked %s\n", name)
	return err
}

// names returns the tokens of a file, but for those that are named already.
func names(file string, but []string) (all []string) {
	path, err := fileOf(file)
	if err != nil {
		return nil
	}
	tokens, _, _ := auth.ReadTokens(path)
	for _, t := range tokens {
		if !slices.Contains(but, t.Name) {
			all = append(all, t.Name)
		}
	}
	return all
}
