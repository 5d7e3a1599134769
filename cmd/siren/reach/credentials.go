package reach

import (
	"net/url"
	"strings"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
)

// URLs of RabbitMQ and Redis are taken apart as text here: they may name several hosts, which net/url doesn't take, and
// there may be a list of them.

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

// credentials returns the user of a URL, or the first one of a list, and whether there is a password.
func credentials(address string) (user string, password bool) {
	for i, one := range rabbitlink.Listed(address) {
		_, userinfo, rest := authority(one)
		name, _, secret := strings.Cut(userinfo, ":")
		if i == 0 {
			user = name
		}
		password = password || secret || strings.Contains(strings.ToLower(rest), "password=")
	}
	return user, password
}

// withPassword returns the URL, or each of a list, with that password.
func withPassword(address, password string) string {
	urls := rabbitlink.Listed(address)
	for i, one := range urls {
		scheme, user, rest := authority(one)
		urls[i] = scheme + user + url.UserPassword("", password).String() + "@" + rest
	}
	return strings.Join(urls, ",")
}

// perHost returns a list of URLs that any client can take apart at its commas, each with one host.
func perHost(address string) string {
	urls, err := rabbitlink.URLs(address)
	if err != nil {
		return address // whoever uses it says what is wrong
	}
	for i, one := range urls {
		urls[i] = strings.ReplaceAll(one, ",", "%2C")
	}
	return strings.Join(urls, ",")
}
