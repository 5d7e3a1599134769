// Package redisurl reads what a Redis URL says, for a Redis that is found by its address or by its sentinels. Its
// errors quote nothing of a URL, which may hold a password.
package redisurl

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// errURL says how a URL is written.
var errURL = errors.New("the Redis URL can't be read: write it as redis://user:password@host:6379/0, " +
	"rediss://… for TLS, or redis+sentinel://user:password@host1:26379,host2:26379/mastername?db=0; " +
	"several hosts have commas between them; percent-encode special characters in the password")

// URL is what a Redis URL says.
type URL struct {
	Addrs                          []string // host:port, one of them the primary; the sentinels' when there is a master
	Master                         string   // the name that the sentinels know it by; "" without sentinels
	User, Password                 string
	SentinelUser, SentinelPassword string
	DB                             int
	Secure                         bool
}

// Parse reads a Redis URL: redis(s)://[user:password@]host[:6379],…[/db] and
// redis(s)+sentinel://[user:password@]host[:26379],…/mastername[?db=0&sentinelUser=…&sentinelPassword=…].
func Parse(raw string) (URL, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	base, sentinel := strings.CutSuffix(scheme, "+sentinel")
	if base != "redis" && base != "rediss" {
		return URL{}, errURL
	}
	s := URL{Secure: base == "rediss"}
	rest, rawQuery, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	query, err := url.ParseQuery(rawQuery)
	if err != nil || !s.parseAuthority(authority, sentinel) {
		return URL{}, errURL
	}
	db := query.Get("db")
	query.Del("db")
	if sentinel {
		s.Master = path
		s.SentinelUser, s.SentinelPassword = query.Get("sentinelUser"), query.Get("sentinelPassword")
		query.Del("sentinelUser")
		query.Del("sentinelPassword")
	} else if path != "" {
		db = path
	}
	if db != "" {
		s.DB, err = strconv.Atoi(db)
	}
	if err != nil || s.DB < 0 || len(query) > 0 || sentinel == (s.Master == "") ||
		strings.ContainsAny(s.Master, "/#@") {
		return URL{}, errURL
	}
	return s, nil
}

// parseAuthority reads [user:password@]host[:port][,host[:port]]….
func (s *URL) parseAuthority(authority string, sentinel bool) bool {
	hosts, port := authority, "6379"
	if sentinel {
		port = "26379"
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		var err, err2 error
		s.User, err = url.PathUnescape(user)
		s.Password, err2 = url.PathUnescape(password)
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
		s.Addrs = append(s.Addrs, net.JoinHostPort(host, p))
	}
	return true
}

// WithLogin returns the URL with another login in place of the one that it has, for redis:// and rediss:// alone.
func WithLogin(raw, user, password string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errURL
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}
