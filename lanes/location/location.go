// Package location takes the URLs of storage apart: those that jobs name, and the prefixes that a policy lists. There
// is one reading of a URL: what a policy may list is what a worker can go by, and what two readers could understand
// differently is refused.
//
// It does no I/O, and doesn't know what is allowed: worker/storage keeps the allowlist, and reads and writes.
package location

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// MaxLength is the longest URL, in bytes.
const MaxLength = 8 << 10

// Reserved is the folder beside outputs that belongs to the commit protocol. No URL leads into it.
const Reserved = ".siren"

// Location is a URL taken apart.
type Location struct {
	Scheme string // one of the table of schemes
	Host   string // bucket, or host:port with the port always there
	Path   string // decoded and absolute: no empty, "." or ".." segment; that of a prefix ends in a slash
	Folder bool   // of a job's URL: it ended in a slash, which Path doesn't
	// For the web only. The query may be a signature, so it is never shown; the path as it was written may be signed.
	Query, RawPath string
}

// String returns the location without its query: fit for messages, logs and results.
func (l Location) String() string {
	u := l.URL()
	return u.String()
}

// URL returns the location without its query, as a URL.
func (l Location) URL() url.URL {
	u := url.URL{Scheme: l.Scheme, Host: l.Host, Path: l.Path}
	if l.Folder {
		u.Path += "/"
	}
	if s, ok := find(l.Scheme); ok && s.port != "" {
		u.Host = strings.TrimSuffix(u.Host, ":"+s.port)
	}
	return u
}

// Writable reports whether outputs may go there.
func (l Location) Writable() bool {
	s, _ := find(l.Scheme)
	return s.write
}

// Below reports whether the location is below the prefix.
func (l Location) Below(prefix Location) bool {
	return l.Scheme == prefix.Scheme && l.Host == prefix.Host && strings.HasPrefix(l.Path, prefix.Path) &&
		l.Path != prefix.Path
}

// Name returns the last part of the path; of a folder with its slash.
func (l Location) Name() string {
	if l.Folder {
		return path.Base(l.Path) + "/"
	}
	return path.Base(l.Path)
}

// Within returns the location of a file in the folder.
func (l Location) Within(name string) Location {
	l.Path, l.Folder = path.Join(l.Path, name), false
	return l
}

// Parse takes a URL apart. The path is "" where there is none.
func Parse(raw string) (Location, error) {
	if len(raw) > MaxLength {
		return Location{}, fmt.Errorf("the URL is longer than %d bytes", MaxLength)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Location{}, errors.New("not a URL")
	}
	s, known := find(u.Scheme)
	switch {
	case u.Opaque != "":
		return Location{}, fmt.Errorf("write it as %s://…", u.Scheme)
	case u.User != nil:
		return Location{}, errors.New("leave out user and password: storage has its own credentials")
	case strings.Contains(raw, "#"):
		return Location{}, errors.New("a fragment (#) has no meaning here; write # in a name as %23")
	case !known:
		return Location{}, fmt.Errorf("the scheme must be %s, not %q", Either(Schemes(false)), u.Scheme)
	}
	l := Location{Scheme: s.name}
	l.Path, l.Folder = strings.CutSuffix(u.Path, "/")
	if l.Host, err = s.host(u, s); err != nil {
		return Location{}, err
	}
	if s.query {
		l.Query, l.RawPath = u.RawQuery, u.RawPath
	}
	if l.Query == "" && (u.RawQuery != "" || u.ForceQuery) {
		return Location{}, errors.New("a query (?) is not allowed: it would be taken for storage options; write ? " +
			"in a name as %3F")
	}
	return l, checkPath(u, l.Path)
}

// ParsePrefix takes a prefix of a policy's storage apart. The error names the prefix, but where it may hold a password.
func ParsePrefix(raw string) (Location, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Location{}, errors.New("is not a URL")
	}
	if u.User != nil || strings.ContainsAny(raw, "?#") {
		return Location{}, errors.New("must have no query, fragment or user; credentials come from the workers' " +
			"environment")
	}
	s, known := find(u.Scheme)
	switch {
	case !known:
		return Location{}, fmt.Errorf("%q: the scheme must be %s", raw, Either(Schemes(false)))
	case s.hostless && (u.Host != "" || !strings.HasPrefix(raw[len(s.name):], "://")):
		// file:/dir/ is a URL, too, and no job's begins with it
		return Location{}, fmt.Errorf("%q: write %s", raw, s.prefix)
	case u.Host == "" && !s.hostless:
		return Location{}, fmt.Errorf("%q %s", raw, s.lacksHost())
	case !strings.HasSuffix(u.Path, "/"):
		return Location{}, fmt.Errorf("%q must end in a slash, or it would also allow its neighbours (%sX)", raw, raw)
	case u.Path != "/" && path.Clean(u.Path)+"/" != u.Path:
		return Location{}, fmt.Errorf("%q must not contain //, /./ or /../", raw)
	}
	l, err := Parse(strings.TrimSuffix(raw, "/"))
	if err == nil && l.Folder {
		err = errEmptyPart
	}
	if err != nil {
		return Location{}, fmt.Errorf("%q: %w", raw, err)
	}
	l.Path += "/"
	return l, nil
}

var errEmptyPart = errors.New("the path has an empty part: a double slash")

var encodedStructure = regexp.MustCompile(`(?i)%(2e|2f|5c)`)

// checkPath refuses every spelling of a path that two readers could understand differently.
func checkPath(u *url.URL, clean string) error {
	if clean == "" {
		return nil
	}
	if encodedStructure.MatchString(u.EscapedPath()) || strings.Contains(u.Path, `\`) {
		return errors.New("write dots and slashes plainly, not percent-encoded, and no backslash")
	}
	if strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return errors.New("control characters are not allowed")
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(clean, "/"), "/") {
		switch segment {
		case "..", ".":
			return fmt.Errorf("%q is not allowed in the path", segment)
		case "":
			return errEmptyPart
		case Reserved:
			return fmt.Errorf("%s belongs to Siren itself", Reserved)
		}
	}
	if path.Clean(clean) != clean || !strings.HasPrefix(clean, "/") {
		return errors.New("the path is not absolute and clean")
	}
	return nil
}
