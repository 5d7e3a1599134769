package reach

import (
	"net/url"
	"strings"
)

// URLs of RabbitMQ and Redis are taken apart as text here: the one of Redis may name several sentinels, which net/url
// doesn't take.

// authority splits a URL into its scheme with ://, its user and password as they are written, and the rest.
func authority(address string) (scheme, userinfo, rest string) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return "", "", address
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return scheme + "://", "", rest
	}
	return scheme + "://", rest[:at], rest[at+1:]
}

// credentials returns the user of a URL, and whether it has a password.
func credentials(address string) (user string, password bool) {
	_, userinfo, rest := authority(address)
	user, _, password = strings.Cut(userinfo, ":")
	return user, password || strings.Contains(strings.ToLower(rest), "password=")
}

// withPassword returns the URL with that password.
func withPassword(address, password string) string {
	scheme, user, rest := authority(address)
	return scheme + user + url.UserPassword("", password).String() + "@" + rest
}
