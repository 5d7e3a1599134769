package runcmd

import (
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/lanes/role"
)

// The ways in which a gateway may know who is who.
const (
	byTokens = "tokens"
	byNobody = "none"
)

func NewGateway(a *app.App) *cobra.Command {
	var f serve.Gateway
	how := byTokens
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Answer HTTP: enqueue jobs, look at everything, and change what runs",
		Long: `Answer HTTP requests until SIGTERM: jobs come in, and whoever may looks at lanes, fleet
and jobs and changes what runs, as with this command line. /openapi.json says what may be asked.

Every request says who makes it (Authorization: Bearer …). --auth none asks nobody, and
goes on this machine's own address alone. TLS is for an Ingress, or a proxy in front of it.`,
		Example: "  siren gateway --auth none",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if f.Log, err = a.Logger(slog.LevelInfo); err != nil {
				return err
			}
			if how == byNobody {
				if err := onLoopback(f.Address); err != nil {
					return exit.With(exit.Usage, err)
				}
				f.Guard = auth.Anybody{Name: app.Who("")}
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
	fs.StringVar(&f.Listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	fs.DurationVar(&f.StopDelay, "stop-delay", 0,
		"how long it goes on answering after SIGTERM, while /readyz says no, so that nobody sends it requests any more")
	app.OneOf(c, &how, "auth", "", "how it is known who makes a request", byTokens, byNobody)
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
