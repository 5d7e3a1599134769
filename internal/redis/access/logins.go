package access

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/polyglot-media/siren/internal/redis/redisurl"
)

// Logins are the users of a private Redis: by role, a password.
type Logins map[string]string

// NewLogins makes a password for each role.
func NewLogins() Logins {
	l := Logins{}
	for _, role := range Roles() {
		l[role] = rand.Text()
	}
	return l
}

// Config returns the lines of redis.conf that make the users.
func (l Logins) Config() string {
	var lines strings.Builder
	for _, role := range Roles() {
		lines.WriteString(ACL(role, User(role), ">"+l[role]) + "\n")
	}
	return lines.String()
}

// URL returns the URL of the Redis with the login of the role in place of the one that it has.
func (l Logins) URL(role, of string) (string, error) {
	u, err := redisurl.WithLogin(of, User(role), l[role])
	if err != nil {
		return "", fmt.Errorf("log in as a %s: %w", role, err)
	}
	return u, nil
}
