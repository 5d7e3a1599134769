package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes" // lookAgain is how often the policy's source is read.
)

const lookAgain = 2 * time.Second

// PolicySource reads the text of the policy.
type PolicySource func(context.Context) ([]byte, error)

func FileSource(file string) PolicySource {
	return func(context.Context) ([]byte, error) { return os.ReadFile(file) }
}

// policyEntry is the policy in a ConfigMap.
const policyEntry = "siren.yaml"

// ConfigMapSource asks the API server: a mounted ConfigMap shows a change only after a minute or so.
func ConfigMapSource(c *kube.State) PolicySource {
	return func(ctx context.Context) ([]byte, error) {
		data, err := c.Load(ctx)
		if err != nil {
			return nil, err
		}
		if data[policyEntry] == "" {
			return nil, errors.New("the ConfigMap has no " + policyEntry)
		}
		return []byte(data[policyEntry]), nil
	}
}

// FollowPolicy reads the policy until ctx ends, and applies it whenever it isn't the text in force. One that can't be
// applied is refused: why goes to the log and to refuse, the policy in force stays, and it is tried again, since what
// is in its way may be fixed at the broker. refuse is told "" once nothing is refused any more.
func FollowPolicy(
	ctx context.Context, read PolicySource, inForce []byte, log *slog.Logger, refuse func(why string),
	apply func(*lanes.Policy) error,
) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	said := ""
	say := func(why string) (news bool) {
		if news = why != said; news {
			said = why
			refuse(why)
		}
		return news
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		text, err := read(ctx)
		if err != nil { // a mounted file may be away for a moment, and the API server for longer
			log.Debug("read the policy", "error", err)
			continue
		}
		if bytes.Equal(text, inForce) {
			say("")
			continue
		}
		p, err := lanes.Parse(text)
		if err == nil {
			err = apply(p)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			inForce = text
			say("")
			log.Info("the changed policy is in force")
		case say(err.Error()):
			log.Error("the changed policy is refused; the one in force stays", "error", err)
		}
	}
}

// StartingPolicy returns the policy that the file says, with its text. When the file is wrong, it returns the one in
// force, without a text: a restarted scaler must not be missing because somebody made a mistake meanwhile.
func StartingPolicy(
	ctx context.Context, file PolicySource, board *redis.Board, log *slog.Logger,
) (*lanes.Policy, []byte, error) {
	text, err := file(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy: %w", err)
	}
	p, wrong := lanes.Parse(text)
	if wrong == nil {
		return p, text, nil
	}
	e, err := board.Policy(ctx)
	if err != nil {
		return nil, nil, wrong
	}
	log.Error("the policy is refused; beginning with the one in force", "revision", e.Revision, "error", wrong)
	return e.Written(), nil, nil
}
