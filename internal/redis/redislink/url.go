package redislink

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// errURL says how a URL is written. It never quotes the one it got, since that may hold a password.
var errURL = errors.New("the Redis URL can't be read: write it as redis://user:password@host:6379/0, " +
	"rediss://… for TLS, or redis+sentinel://user:password@host1:26379,host2:26379/mastername?db=0; " +
	"percent-encode special characters in the password")

// errPlain is certificates for a connection that has none.
var errPlain = errors.New("certificates are given for Redis, but its URL is redis://, which has no TLS: " +
	"write rediss:// (or rediss+sentinel://)")

// server is what a Redis URL says.
type server struct {
	addrs                          []string // host:port; the sentinels' when there is a master
	master                         string   // the name that the sentinels know it by; "" without sentinels
	user, password                 string
	sentinelUser, sentinelPassword string
	db                             int
	secure                         bool
}

// parseURL reads a Redis URL: redis(s)://[user:password@]host[:6379][/db] and
// redis(s)+sentinel://[user:password@]host[:26379],…/mastername[?db=0&sentinelUser=…&sentinelPassword=…].
// Its error never contains any part of the URL.
func parseURL(raw string) (server, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	base, sentinel := strings.CutSuffix(scheme, "+sentinel")
	if base != "redis" && base != "rediss" {
		return server{}, errURL
	}
	s := server{secure: base == "rediss"}
	rest, rawQuery, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	query, err := url.ParseQuery(rawQuery)
	if err != nil || !s.parseAuthority(authority, sentinel) {
		return server{}, errURL
	}
	db := query.Get("db")
	query.Del("db")
	if sentinel {
		s.master = path
		s.sentinelUser, s.sentinelPassword = query.Get("sentinelUser"), query.Get("sentinelPassword")
		query.Del("sentinelUser")
		query.Del("sentinelPassword")
	} else if path != "" {
		db = path
	}
	if db != "" {
		s.db, err = strconv.Atoi(db)
	}
	if err != nil || s.db < 0 || len(query) > 0 || sentinel == (s.master == "") ||
		strings.ContainsAny(s.master, "/#@") {
		return server{}, errURL
	}
	return s, nil
}

// parseAuthority reads [user:password@]host[:port][,host[:port]]…; more than one host only with sentinels.
func (s *server) parseAuthority(authority string, sentinel bool) bool {
	hosts, port := authority, "6379"
	if sentinel {
		port = "26379"
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		var err, err2 error
		s.user, err = url.PathUnescape(user)
		s.password, err2 = url.PathUnescape(password)
		if err != nil || err2 != nil {
			return false
		}
		hosts = authority[at+1:]
	}
	for h := range strings.SplitSeq(hosts, ",") {
		host, p, err := net.SplitHostPort(h)
		if err != nil {
			host, p = strings.Trim(h, "[]"), port
		}
		if _, err := strconv.ParseUint(p, 10, 16); err != nil || host == "" || strings.ContainsAny(host, "@#/ ") {
			return false
		}
		s.addrs = append(s.addrs, net.JoinHostPort(host, p))
	}
	return sentinel || len(s.addrs) == 1
}

// WithLogin returns the URL with another login in place of the one that it has, for redis:// and rediss:// alone. Its
// error never contains any part of it.
func WithLogin(raw, user, password string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errURL
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}
