package media

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/polyglot-media/siren/lanes"
)

// access is what a job wants of a URL.
type access string

const (
	read  access = "read"
	write access = "write"
)

// location is a URL taken apart. What rules.locate returns has passed the allowlist; for files the stores check again
// where the path really leads.
type location struct {
	scheme string // file, s3, http or https
	host   string // bucket, or host:port with the port always there
	path   string // decoded and absolute: no empty, "." or ".." segment
	below  rule   // the rule that allows it
	// For http and https only. The query may be a signature, so it is never shown; the path as it was written may be signed.
	query, rawPath string
}

// String is the location without its query: fit for messages, logs and results.
func (l location) String() string {
	u := l.url()
	return u.String()
}

func (l location) url() url.URL {
	u := url.URL{Scheme: l.scheme, Host: l.host, Path: l.path}
	if port, ok := defaultPorts[l.scheme]; ok {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	return u
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// name is the path below the rule's prefix, without a leading slash.
func (l location) name() string { return strings.TrimPrefix(l.path, l.below.path) }

// rule is one storage prefix, taken apart. Its path ends in a slash.
type rule struct {
	scheme, host, path string
	read, write        bool
}

func (r rule) String() string {
	return location{scheme: r.scheme, host: r.host, path: r.path}.String()
}

// rules is the allowlist of a task.
type rules []rule

// newRules takes the policy's storage apart. A prefix that isn't a proper URL allows nothing.
func newRules(storage []lanes.Storage) rules {
	var list rules
	for _, s := range storage {
		l, err := parse(strings.TrimSuffix(s.Prefix, "/"))
		if err != nil || l.query != "" {
			continue
		}
		if !strings.HasSuffix(l.path, "/") {
			l.path += "/"
		}
		list = append(list, rule{l.scheme, l.host, l.path, s.Read, s.Write})
	}
	return list
}

// locate takes the URL raw apart and finds the longest prefix that it is below; that one decides. role is input or
// output, for messages.
func (r rules) locate(role, raw string, want access) (location, error) {
	if raw == "" {
		return location{}, lanes.Fail(lanes.BadInput, fmt.Errorf("%s is missing: give a URL", role))
	}
	l, err := parse(raw)
	if err != nil {
		return location{}, lanes.Fail(lanes.NotAllowed, fmt.Errorf("%s %s: %w", role, shown(raw), err))
	}
	if l.path == "" {
		return location{}, lanes.Fail(lanes.BadInput, fmt.Errorf("%s %s names no file", role, shown(raw)))
	}
	if want == write && (l.scheme == "http" || l.scheme == "https") {
		return location{}, lanes.Fail(lanes.NotAllowed, fmt.Errorf("%s %s: %s can only be read; write to file:// or s3://", role, l, l.scheme))
	}
	var found bool
	if l.below, found = r.above(l); !found || !l.below.allows(want) {
		return location{}, lanes.Fail(lanes.NotAllowed, fmt.Errorf("%s %s is outside the storage that jobs may %s (%s)", role, l, want, r.list(want)))
	}
	return l, nil
}

// above is the longest prefix that l is below. Prefixes given twice allow what either allows.
func (r rules) above(l location) (rule, bool) {
	var best rule
	found := false
	for _, c := range r {
		if c.scheme != l.scheme || c.host != l.host || !strings.HasPrefix(l.path, c.path) || l.path == c.path {
			continue
		}
		switch {
		case !found || len(c.path) > len(best.path):
			best, found = c, true
		case len(c.path) == len(best.path):
			best.read, best.write = best.read || c.read, best.write || c.write
		}
	}
	return best, found
}

// allowsReal is whether a file that really is at path, symbolic links resolved, may be used: the same question asked of
// the prefixes' real paths.
func (r rules) allowsReal(path string, want access) bool {
	var list rules
	for _, c := range r {
		if c.scheme != "file" {
			continue
		}
		if real, err := filepath.EvalSymlinks(c.path); err == nil {
			c.path = strings.TrimSuffix(real, "/") + "/"
			list = append(list, c)
		}
	}
	found, ok := list.above(location{scheme: "file", path: path})
	return ok && found.allows(want)
}

func (r rule) allows(want access) bool {
	return want == read && r.read || want == write && r.write
}

func (r rules) list(want access) string {
	var names []string
	for _, c := range r {
		if c.allows(want) {
			names = append(names, c.String())
		}
	}
	if len(names) == 0 {
		return "none is configured: see storage in siren.yaml"
	}
	return strings.Join(names, ", ")
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parse takes a URL apart and refuses every spelling that two readers could understand differently.
func parse(raw string) (location, error) {
	if len(raw) > lanes.MaxURL {
		return location{}, fmt.Errorf("the URL is longer than %d bytes", lanes.MaxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return location{}, errors.New("not a URL")
	}
	l := location{scheme: u.Scheme, host: strings.ToLower(u.Host), path: u.Path}
	switch {
	case u.Opaque != "":
		return l, fmt.Errorf("write it as %s://…", u.Scheme)
	case u.User != nil:
		return l, errors.New("no user or password, please: storage has its own credentials")
	case strings.Contains(raw, "#"):
		return l, errors.New("a fragment (#) has no meaning here; write # in a name as %23")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" {
			return l, errors.New("write file:///absolute/path: a file has no host")
		}
	case "s3":
		if !bucketForm.MatchString(u.Host) {
			return l, errors.New("write s3://bucket/key")
		}
	case "http", "https":
		if l.host, err = hostPort(u); err != nil {
			return l, err
		}
		l.query, l.rawPath = u.RawQuery, u.RawPath
	default:
		return l, fmt.Errorf("the scheme must be file, s3, http or https, not %q", u.Scheme)
	}
	if l.query == "" && (u.RawQuery != "" || u.ForceQuery) {
		return l, errors.New("a query (?) is not allowed: it would be taken for storage options; write ? in a name as %3F")
	}
	return l, checkPath(u)
}

func hostPort(u *url.URL) (string, error) {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	if u.Hostname() == "" {
		return "", errors.New("names no host")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port, nil
}

// reserved is the folder beside outputs that belongs to the commit protocol.
const reserved = ".siren"

var encodedStructure = regexp.MustCompile(`(?i)%(2e|2f|5c)`)

func checkPath(u *url.URL) error {
	if u.Path == "" {
		return nil
	}
	if encodedStructure.MatchString(u.EscapedPath()) || strings.Contains(u.Path, `\`) {
		return errors.New("write dots and slashes plainly, not percent-encoded, and no backslash")
	}
	if strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return errors.New("control characters are not allowed")
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
		switch segment {
		case "..", ".":
			return fmt.Errorf("%q is not allowed in the path", segment)
		case "":
			return errors.New("the path has an empty part: a double slash, or a slash at its end")
		case reserved:
			return fmt.Errorf("%s belongs to Siren itself", reserved)
		}
	}
	if path.Clean(u.Path) != u.Path || !strings.HasPrefix(u.Path, "/") {
		return errors.New("the path is not absolute and clean")
	}
	return nil
}

// shown is a URL that couldn't be taken apart, for a message.
func shown(raw string) string { return clip(lanes.HideSecrets(raw)) }
