package location

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

func site(u *url.URL, s scheme) (string, error) {
	port := u.Port()
	if port == "" {
		port = s.port
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is a number from 1 to 65535")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "" {
		return "", errors.New("names no host")
	}
	if err := checkHost(host); err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port, nil
}

// number is what ends no host's name: browsers and C libraries take it for an IPv4 address, in any of its old forms.
var number = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)

// The longest name of a host, and the longest part of one (RFC 1035).
const (
	longestHost  = 253
	longestLabel = 63
)

// checkHost refuses what is neither an address nor a name that a host can have.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	parts := strings.Split(host, ".")
	if number.MatchString(parts[len(parts)-1]) {
		return errors.New("a host is a name or an address; write an IPv4 address as four decimal numbers, as 192.0.2.1")
	}
	if len(host) > longestHost {
		return errors.New("no host has so long a name")
	}
	for _, part := range parts {
		if part == "" || len(part) > longestLabel {
			return errors.New("no host has such a name: there are 1 to 63 characters between two dots")
		}
	}
	return nil
}
