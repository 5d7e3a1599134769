package runcmd

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/worker/storage"
)

//go:embed local.yaml
var LocalYAML string

// LocalPolicy makes the policy for one machine, whose jobs may read and write below dir.
func LocalPolicy(dir string) (*lanes.Policy, error) {
	yaml, err := Below(LocalYAML, dir)
	if err != nil {
		return nil, err
	}
	return lanes.Parse([]byte(yaml))
}

// Below returns a policy's YAML with the URL of dir where it has @PREFIX@.
func Below(yaml, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// escapes what a URL, and so what YAML, can't take
	prefix := url.URL{Scheme: "file", Path: strings.TrimSuffix(dir, "/") + "/"}
	return strings.ReplaceAll(yaml, "@PREFIX@", prefix.String()), nil
}

func NewUp(a *app.App) *cobra.Command {
	var policyFile, media, data, address string
	var drain time.Duration
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine until Ctrl-C",
		Long: `Run a private RabbitMQ and Redis, the scaler and its workers on this machine until
Ctrl-C. Other terminals of the same user find it by themselves: try siren lanes --watch.
With --amqp-url and --redis-url (SIREN_AMQP_URL, SIREN_REDIS_URL) it uses those servers
instead of its own, once it has reached them.`,
		Example: `  siren up
  siren up --policy siren.yaml --data ~/siren-data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			policy, err := policyOr(policyFile, media)
			if err != nil {
				return err
			}
			log, err := a.Logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			return up(cmd.Context(), a, policy, upFlags{
				data: data, drain: drain, page: Page{Address: address, AnyPort: !cmd.Flags().Changed("address")},
			}, log)
		},
	}
	f := c.Flags()
	f.StringVar(&policyFile, "policy", "", "policy file (default a built-in one: express, standard and bulk)")
	f.StringVar(&media, "media", ".", "folder that jobs may read and write under the built-in policy")
	f.StringVar(&data, "data", "", "folder that keeps queues and records from run to run (default a temporary one)")
	f.StringVar(&address, "address", PageAddress, "address of the web page and the HTTP API, on this machine; "+
		"where it is taken, and isn't given, another port; \"\": there are none")
	f.DurationVar(&drain, "drain-timeout", 30*time.Second, "how long running jobs may go on after Ctrl-C")
	app.CompleteFlag(c, "policy", app.Files("yaml", "yml"))
	app.CompleteFlag(c, "media", app.Folders)
	app.CompleteFlag(c, "data", app.Folders)
	return c
}

func policyOr(file, media string) (*lanes.Policy, error) {
	if file != "" {
		return lanes.Load(file)
	}
	return LocalPolicy(media)
}

// upFlags is what `siren up` may be told.
type upFlags struct {
	data  string
	drain time.Duration
	page  Page
}

func up(ctx context.Context, a *app.App, policy *lanes.Policy, f upFlags, log *slog.Logger) error {
	data, drain := f.data, f.drain
	if l, ok := reach.Running(); ok {
		return l.Taken()
	}
	at, err := a.Asked.Given()
	if err != nil {
		return err
	}
	if err := reachGiven(ctx, a, at); err != nil || ctx.Err() != nil {
		return err
	}
	s, err := serve.StartServers(ctx, serve.Servers{AMQPURL: at.AMQP.URL, RedisURL: at.Redis.URL}, data, a.Err, log)
	if err != nil && ctx.Err() != nil { // Ctrl-C while they started
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Stop()
	kept := data != "" || at.AMQP.URL != ""
	at.AMQP.FallBack(s.AMQPURL)
	workers, people := at, at
	at.Redis.FallBack(s.RedisFor(role.Scaler))
	workers.Redis.FallBack(s.RedisFor(role.Worker))
	people.Redis.FallBack(s.RedisFor(role.Gateway))
	forget, err := reach.Register(s.AMQPURL, s.RedisURL, s.Logins)
	if err != nil {
		return err
	}
	defer func() {
		forget()
		if len(s.Private) > 0 {
			fmt.Fprintln(a.Err, "Stopping the private servers …")
		}
	}()
	where, stop, err := f.page.Open(ctx, people, log)
	if err != nil {
		return err
	}
	defer stop()
	where = cmp.Or(strings.TrimSuffix(": "+where, ": "), ".")
	fmt.Fprintf(a.Out, `Siren is up%s
In another terminal:
%s  siren lanes --watch
%sCtrl-C stops everything; running jobs may finish for %s, or until Ctrl-C again. %s
`, where, insteadOf(), firstJob(policy), lanes.Duration(drain), whatWaits(data, kept))
	logs := data
	if data != "" {
		logs = filepath.Join(data, "fleet")
	}
	say := sayDraining(a, kept)
	return serve.Local{
		Version: app.Version(), Policy: policy, At: at, Workers: workers, Listen: "127.0.0.1:0", Dir: logs,
		Drain: drain, Log: log,
		Draining: func(d serve.Draining) {
			if err := reach.Stopping(d.Until); err != nil {
				log.Debug("tell other terminals of the end", "error", err)
			}
			say(d)
		},
	}.Run(ctx)
}

// givenWithin is how long `siren up` tries to reach a server that it was given.
const givenWithin = 5 * time.Second

// reachGiven reaches the servers that were given, and says why no private ones are started instead.
func reachGiven(ctx context.Context, a *app.App, at reach.Endpoints) error {
	quiet := slog.New(slog.DiscardHandler)
	for _, server := range []struct {
		name string
		at   reach.Endpoint
		is   func(context.Context) error
	}{
		{"RabbitMQ", at.AMQP, func(ctx context.Context) error {
			conn, err := at.Broker(nil, "siren up", quiet)
			if err != nil {
				return err
			}
			defer conn.Close()
			return conn.Wait(ctx)
		}},
		{"Redis", at.Redis, func(ctx context.Context) error {
			store, err := at.Store(quiet)
			if err != nil {
				return err
			}
			defer store.Close()
			return store.Ping(ctx)
		}},
	} {
		if server.at.URL == "" {
			continue
		}
		fmt.Fprintf(a.Err, "%s is set: this uses that %s, and starts none\n", server.at.Source(), server.name)
		within, cancel := context.WithTimeout(ctx, givenWithin)
		err := server.is(within)
		cancel()
		switch {
		case ctx.Err() != nil: // Ctrl-C
			return nil
		case err != nil:
			return fmt.Errorf("%w; without %s, siren up starts a %s of its own", err, server.at.Source(), server.name)
		}
	}
	return nil
}

// firstJob returns the line that enqueues a job to begin with, as it is typed in another terminal in this folder; ""
// when the policy lets no job read and write.
func firstJob(policy *lanes.Policy) string {
	line := func(input, output string) string {
		return fmt.Sprintf("  siren enqueue thumbnail --input %s --output %s --overwrite --label urgent=true --wait\n",
			input, output)
	}
	const film, picture = "/clip.mp4", "/clip.jpg"
	rules := storage.NewRules(policy.Storage)
	allows := func(url string, want storage.Access) bool {
		_, err := rules.Locate("", url, want)
		return err == nil
	}
	if dir, err := os.Getwd(); err == nil && allows("file://"+dir+film, storage.Read) &&
		allows("file://"+dir+picture, storage.Write) {
		return line(`"file://$PWD`+film+`"`, `"file://$PWD`+picture+`"`)
	}
	var input, output string
	for _, s := range policy.Storage {
		below := strings.TrimSuffix(s.Prefix, "/")
		if input == "" && allows(below+film, storage.Read) {
			input = below + film
		}
		if output == "" && allows(below+picture, storage.Write) {
			output = below + picture
		}
	}
	if input == "" || output == "" || strings.Contains(input+output, "'") {
		return ""
	}
	return line("'"+input+"'", "'"+output+"'")
}

// whatWaits says what becomes of waiting jobs when everything has stopped.
func whatWaits(data string, kept bool) string {
	switch {
	case !kept:
		return "Jobs that wait are thrown away: --data DIR keeps them."
	case data == "":
		return "Jobs that wait stay in their lanes."
	}
	return "Jobs that wait stay in " + data + "."
}

// insteadOf says what to type so that commands go to this `siren up` and not to the context that holds now; "" when
// there is none.
func insteadOf() string {
	f, err := reach.LoadContexts()
	if name, _ := f.Standing(); err != nil || name == reach.UpContext || name == "" {
		return ""
	}
	return "  export SIREN_CONTEXT=" + reach.UpContext + "\n"
}
