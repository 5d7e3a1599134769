package location

import (
	"fmt"
	"net/url"
	"strings"
)

// scheme is what the URLs of one scheme look like.
type scheme struct {
	name     string
	key      string // what a job's URL looks like
	prefix   string // what a policy's prefix looks like; "": anybody knows
	hostless bool
	host     func(*url.URL, scheme) (string, error) // checks the host, and returns it in the one form that is compared
	port     string                                 // that counts when none is given; "": a host has none
	query    bool                                   // a query is part of the name
	write    bool                                   // outputs may go there
}

// schemes is every scheme there is. A new one is a line here, and a file and a line in worker/storage.
var schemes = []scheme{
	{
		name: "file", key: "file:///absolute/path", prefix: "file:///absolute/dir/", hostless: true, host: noHost,
		write: true,
	},
	{name: "s3", key: "s3://bucket/key", prefix: "s3://bucket/prefix/", host: bucket, write: true},
	{name: "gs", key: "gs://bucket/key", prefix: "gs://bucket/prefix/", host: bucket, write: true},
	{name: "azblob", key: "azblob://container/key", prefix: "azblob://container/prefix/", host: bucket, write: true},
	{name: "http", host: site, port: "80", query: true},
	{name: "https", host: site, port: "443", query: true},
}

func find(name string) (scheme, bool) {
	for _, s := range schemes {
		if s.name == name {
			return s, true
		}
	}
	return scheme{}, false
}

// Schemes returns the names of the schemes, of those alone that outputs may go to when asked.
func Schemes(writable bool) (all []string) {
	for _, s := range schemes {
		if s.write || !writable {
			all = append(all, s.name)
		}
	}
	return all
}

// Either joins words as in a, b or c.
func Either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (s scheme) lacksHost() string {
	if s.prefix == "" {
		return "names no host"
	}
	return "names no bucket; write " + s.prefix
}

func noHost(u *url.URL, s scheme) (string, error) {
	if u.Host != "" {
		return "", fmt.Errorf("write %s: a %s has no host", s.key, s.name)
	}
	return "", nil
}
