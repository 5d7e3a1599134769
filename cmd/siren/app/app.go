package app

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/spf13/cobra"
)

type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// App is what every subcommand shares: the streams, the global flags, and what has come of them.
type App struct {
	Streams
	Asked    reach.Flags
	User     string
	logLevel string
	logJSON  bool
	Started  bool             // cobra got as far as running a command
	Used     reach.Endpoints  // where the servers are, once something has asked
	clock    func() time.Time // of the Redis in use, once one is; see now
}

// Flags adds the flags of every command.
func (a *App) Flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.Asked.AMQPURL, "amqp-url", "", "`URL` of RabbitMQ (default: see siren contexts --help)")
	f.StringVar(&a.Asked.RedisURL, "redis-url", "", "`URL` of Redis (default: see siren contexts --help)")
	f.StringVar(&a.Asked.Context, "context", "", "context to use, by its `NAME`")
	f.StringVar(&a.User, "user", "", "your `NAME` in tunings and in the audit log (default: SIREN_USER, else "+
		"user@host)")
	levels := []string{"debug", "info", "warn", "error"}
	f.Var(&word{&a.logLevel, levels}, "log-level", "`LEVEL` of the log on stderr: "+say.Listed(levels))
	f.BoolVar(&a.logJSON, "log-json", false, "log as JSON lines")
	f.BoolP("help", "h", false, "say what a command is for, with examples")
	CompleteFlag(root, "context", a.CompleteContexts)
	CompleteFlag(root, "log-level", Fixed(levels...))
}

// NoteStart makes every command note that it runs: what fails before that is wrong use.
func (a *App) NoteStart(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.Started = true
			return run(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		a.NoteStart(sub)
	}
}

// Logger logs to stderr, at the level that was asked for, else at the given one: a process that stays says what it
// does, a command that answers and ends only what went wrong.
func (a *App) Logger(level slog.Level) (*slog.Logger, error) {
	if a.logLevel != "" {
		if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
			return nil, fmt.Errorf("--log-level: %w", err)
		}
	}
	o := &slog.HandlerOptions{Level: level}
	if a.logJSON {
		return slog.New(slog.NewJSONHandler(a.Err, o)), nil
	}
	return slog.New(slog.NewTextHandler(a.Err, o)), nil
}

// Warn says something that isn't an error, on stderr.
func (a *App) Warn(format string, args ...any) {
	show.Warn(a.Err, fmt.Sprintf(format, args...))
}
