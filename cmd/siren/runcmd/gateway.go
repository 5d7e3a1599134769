package runcmd

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/gateway/page"
	"github.com/polyglot-media/siren/lanes/role"
)

func NewGateway(a *app.App) *cobra.Command {
	var f serve.Gateway
	var m admission
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Answer HTTP: enqueue jobs, look at everything, and change what runs",
		Long: `Answer HTTP requests until SIGTERM: jobs come in, and whoever may looks at lanes, fleet
and jobs and changes what runs, as with this command line. /openapi.json says what may be asked.

Every request says who makes it (Authorization: Bearer …): by a token of siren tokens
(--auth tokens), by a JWT of an OpenID provider (--auth oidc), or either (--auth tokens,oidc).
--auth none asks nobody, and goes on this machine's own address alone. TLS is for an
Ingress, or a proxy in front of it.`,
		Example: `  siren gateway --auth none
  siren gateway --address 0.0.0.0:8080 --tokens tokens.yaml
  siren gateway --auth oidc --oidc-issuer https://login.example.com --oidc-audience siren`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if f.Log, err = a.Logger(slog.LevelInfo); err != nil {
				return err
			}
			for _, from := range f.Outputs {
				if _, err := page.Origin(from); err != nil {
					return exit.With(exit.Usage, fmt.Errorf("--show-from: %w", err))
				}
			}
			if f.Guard, err = m.guard(cmd.Context(), f.Address, f.Log); err != nil {
				return err
			}
			if f.At, err = a.EndpointsOf(role.Gateway); err != nil {
				return err
			}
			f.Version = app.Version()
			return f.Run(cmd.Context())
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.Address, "address", "127.0.0.1:8080", "address to answer requests on; port 0 is any free one")
	fs.StringSliceVar(&f.Outputs, "show-from", nil,
		"origins from which the web page may show what jobs made, as in https://media.example.com")
	fs.StringVar(&f.Listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	m.add(c)
	fs.DurationVar(&f.StopDelay, "stop-delay", 0,
		"how long it goes on answering after SIGTERM, while /readyz says no, so that nobody sends it requests any more")
	return c
}

// onLoopback refuses an address that others can reach.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--address %q: write HOST:PORT, as in 127.0.0.1:8080", address)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--auth none lets everybody do everything, so it goes with a loopback address alone, such as "+
		"127.0.0.1:8080, and not with --address %s", address)
}
