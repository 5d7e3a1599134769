package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/lanes"
)

// Texts of `siren options` and of the reference.
const (
	exitCodes = `Exit codes:
  0  done
  1  what was asked for failed
  2  wrong flags or arguments
  3  no such job, lane, pool or context
  4  a job that was waited for is dead, cancelled or missing
  5  RabbitMQ or Redis can't be reached
  6  somebody else changed it meanwhile
  7  siren doctor found warnings, and no error
  8  RabbitMQ or Redis refuses the login, or it lacks a permission
`
	environment = `Environment:
  SIREN_AMQP_URL, SIREN_REDIS_URL              where RabbitMQ and Redis are
  SIREN_AMQP_URL_FILE, SIREN_REDIS_URL_FILE    files that have these URLs
  SIREN_REDIS_OPERATOR_URL, _URL_FILE          Redis with another login for what people type; see
                                               siren redis-acl --help. The same with WORKER and
                                               SCALER, for these processes
  SIREN_AMQP_CA_FILE, _CERT_FILE, _KEY_FILE    CAs to trust for RabbitMQ, and a certificate to show it with its key
  SIREN_REDIS_CA_FILE, _CERT_FILE, _KEY_FILE   the same for Redis
  SIREN_CONTEXT                                context to use; see siren contexts --help
  SIREN_CONFIG                                 file of contexts (default ~/.config/siren/config.yaml)
  SIREN_GATEWAY_TOKENS                         file of tokens, for siren gateway and siren tokens
  SIREN_USER                                   your name in tunings and in the audit log (default user@host)
  SIREN_ROLE, SIREN_SCRATCH, SIREN_RELEASE     what siren doctor should know of its pod: worker,
                                               scaler or producer; where the scratch folder is;
                                               the Lease's name without -scaler
  SIREN_POLICY_CONFIGMAP                       the ConfigMap with the policy, for siren doctor
                                               (default SIREN_RELEASE and -policy)
  SIREN_SELECTOR                               labels of the workers' Deployments, for siren doctor:
                                               a namespace may have those of several releases
  SIREN_REDIS_EPHEMERAL                        true: Redis' disk goes with its pod, for siren doctor
  SIREN_MANAGEMENT_URL                         the management API of RabbitMQ, for siren doctor
  NO_COLOR                                     no colours on a terminal, whatever it is set to
`
)

// forms is what a program that reads the output may rely on.
const forms = `Forms for programs:
  -o json, -o yaml and -o name, and siren dead export, are stable: fields are added, none is
  renamed or removed without a line in CHANGELOG.md. Tables and sentences may change.
  A duration is a string ("1m30s"), a time is RFC 3339 in UTC ("2026-12-24T18:00:00Z"),
  and a list without entries [].
`

// newOptions makes `siren options`: what holds for every command.
func newOptions(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "options",
		Short:   "Show flags and variables that every command takes, and exit codes",
		Example: "  siren options",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintf(a.Out, "Flags of every command:\n%s\n%s\n%s\n%s", c.InheritedFlags().FlagUsages(), environment,
				forms, exitCodes)
			return nil
		},
	}
}

// shortTimes makes the help show defaults as times are written elsewhere: 30m, not 30m0s; and none that is zero.
func shortTimes(root *cobra.Command) {
	eachFlag(root, func(f *pflag.Flag) {
		d, err := time.ParseDuration(f.DefValue)
		switch {
		case f.Value.Type() != "duration" || err != nil:
		case d == 0:
			f.DefValue = "0"
		default:
			f.DefValue = lanes.Duration(d).String()
		}
	})
}

// eachFlag calls f with the flags of all visible commands.
func eachFlag(root *cobra.Command, f func(*pflag.Flag)) {
	each(root, func(c *cobra.Command) {
		c.PersistentFlags().VisitAll(f)
		c.LocalNonPersistentFlags().VisitAll(f)
	})
}

// help prints `siren COMMAND --help`.
func help(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(cmp.Or(c.Long, c.Short)))
	usage(w, c)
}

// usage writes the help but for its first part.
func usage(w io.Writer, c *cobra.Command) {
	if c.Runnable() {
		fmt.Fprintf(w, "Usage:\n  %s\n\n", c.UseLine())
	}
	if c.HasExample() && c.HasParent() { // the root's list of commands has to fit a screen
		fmt.Fprintf(w, "Examples:\n%s\n\n", c.Example)
	}
	commands(w, c)
	if flags := c.NonInheritedFlags(); c.HasParent() && flags.HasAvailableFlags() {
		fmt.Fprintf(w, "Flags:\n%s\n", flags.FlagUsages())
	}
	if !c.HasParent() { // one line less
		fmt.Fprintf(w, "Use \"%s COMMAND --help\" for more about a command, \"siren options\" for what all of them "+
			"take.\n", c.CommandPath())
		return
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "Use \"%s COMMAND --help\" for more about a command.\n", c.CommandPath())
	}
	fmt.Fprintln(w, "Use \"siren options\" for flags and variables for every command, and exit codes.")
}

// commands lists the subcommands, by group where there are groups.
func commands(w io.Writer, c *cobra.Command) {
	groups := c.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Commands:"}}
	}
	for _, g := range groups {
		var lines strings.Builder
		for _, sub := range app.VisibleCommands(c) {
			if sub.GroupID == g.ID {
				fmt.Fprintf(&lines, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
		if lines.Len() > 0 {
			fmt.Fprintf(w, "%s\n%s\n", g.Title, lines.String())
		}
	}
}
