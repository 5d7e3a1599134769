// Package redistest is what tests of the rooms of Redis share: a private server with a user for each role, and what
// they ask of it. No process of Siren's has it.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	goredis "github.com/redis/go-redis/v9"
)

// Refused returns an error that lists what Redis, at the URL of an administrator, has refused to its users since it
// started. Logins, what `siren doctor` tries, and the users of whom a test wants refusals don't count. There should be
// none: a role may do what its code does.
func Refused(url string, but ...string) error {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("ask what was refused: %w", err)
	}
	c := goredis.NewClient(o)
	defer func() { _ = c.Close() }()
	entries, err := c.ACLLog(context.Background(), 128).Result()
	if err != nil {
		return fmt.Errorf("ask what was refused: %w", err)
	}
	var all []error
	for _, e := range entries {
		tried := e.Context == "multi" || e.Object == "config|get"
		if !tried && e.Reason != "auth" && !slices.Contains(but, e.Username) {
			all = append(all, fmt.Errorf("refused to %s: %s (%s, %s): add it to internal/redis/access",
				e.Username, e.Object, e.Reason, e.Context))
		}
	}
	return errors.Join(all...)
}
