package plain

import (
	"regexp"
	"strings"
)

// hidden stands for what isn't shown.
const hidden = "…"

// A URL in a text may stand in a piece of JSON, with a backslash before its slashes and numbers for its ampersands.
var (
	urlStart = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:\\?/\\?/`)
	urlForm  = regexp.MustCompile("[A-Za-z][A-Za-z0-9+.-]*:\\\\?/\\\\?/(?:\\\\[^\\s\"'`<>]|[^\\s\"'`<>\\\\])*")
	// A URL to its end may lack the slashes of its scheme, or the scheme.
	oddStart = regexp.MustCompile(`^(?://|(?i:https?|amqps?|rediss?):)`)
	// In the path of an http URL a query may be percent-encoded, and values may stand behind semicolons.
	queryStart = regexp.MustCompile(`\?|%3[fF]`)
	pathValue  = regexp.MustCompile(`(;[^;=/?#]*=)[^;/?#]*`)
	hostForm   = regexp.MustCompile(`^([^:]*|\[[^\]]*\])(:[0-9]*)?$`)
	// RabbitMQ may be at a list of URLs.
	listed   = regexp.MustCompile(`^(?i:amqps?):\\?/\\?/`)
	nextURL  = regexp.MustCompile(`,\s*((?i:amqps?):\\?/\\?/)`)
	hostList = regexp.MustCompile(`^[^:]*(:[0-9]*(,[^:]*)?)*$`)
)

// HideSecrets returns a text as it may be shown. It leaves out the password of each URL and all values of its query,
// since a signature may have any name. A text that begins with a URL is that URL to its end. It is for display only:
// what is stored and run keeps its URLs.
func HideSecrets(text string) string {
	switch {
	case urlStart.MatchString(text), oddStart.MatchString(text):
		return hideInURL(text)
	case !strings.Contains(text, ":/") && !strings.Contains(text, `:\/`):
		return text
	default:
		return urlForm.ReplaceAllStringFunc(text, hideInURL)
	}
}

func hideInURL(url string) string {
	if at := nextURL.FindStringSubmatchIndex(url); at != nil && listed.MatchString(url) && namesHosts(url[:at[0]]) {
		comma, next := at[0], at[2]
		return hideInOne(url[:comma]) + url[comma:next] + hideInURL(url[next:])
	}
	return hideInOne(url)
}

// namesHosts reports whether a URL's authority is at its end, so that what follows is no part of a password.
func namesHosts(url string) bool {
	_, authority, _ := strings.Cut(url, ":")
	authority = strings.TrimLeft(authority, `/\`)
	if i := strings.IndexAny(authority, `/\?#`); i >= 0 {
		authority = authority[:i]
	}
	return strings.Contains(authority, "@") || hostForm.MatchString(authority) || hostList.MatchString(authority)
}

func hideInOne(url string) string {
	scheme := urlStart.FindString(url)
	if scheme == "" {
		scheme = oddStart.FindString(url)
	}
	rest := url[len(scheme):]
	rest, fragment, fragmented := strings.Cut(rest, "#")
	if fragmented && fragment != "" {
		fragment = hidden
	}
	rest, query, asks := strings.Cut(rest, "?")
	mark := "?"
	if web := scheme == "//" || strings.HasPrefix(strings.ToLower(scheme), "http"); web {
		if at := queryStart.FindStringIndex(rest); at != nil {
			mark, query, asks = rest[at[0]:at[1]], rest[at[1]:]+"&"+query, true
			rest, query = rest[:at[0]], strings.TrimSuffix(query, "&")
		}
		rest = pathValue.ReplaceAllString(rest, "${1}"+hidden)
	}
	if at := userEnd(rest); at >= 0 {
		if user, _, password := strings.Cut(rest[:at], ":"); password {
			rest = user + ":" + hidden + rest[at:]
		}
	}
	url = scheme + rest
	if asks {
		url += mark + hideValues(query)
	}
	if fragmented {
		url += "#" + fragment
	}
	return url
}

// userEnd returns where the user and password of a URL end; -1 when it has none. A password with a slash isn't valid,
// but counts too.
func userEnd(rest string) int {
	authority := rest
	if i := strings.IndexAny(rest, `/\`); i >= 0 {
		authority = rest[:i]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return at
	}
	if !hostForm.MatchString(authority) {
		return strings.LastIndexByte(rest, '@')
	}
	return -1
}

// hideValues returns a query with its names alone. A part without a name is a value.
func hideValues(query string) string {
	var b strings.Builder
	for query != "" {
		part, separator := query, ""
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			part, separator = query[:i], query[i:i+1]
		}
		query = query[len(part)+len(separator):]
		if name, _, named := strings.Cut(part, "="); named {
			part = name + "=" + hidden
		} else if part != "" {
			part = hidden
		}
		b.WriteString(part + separator)
	}
	return b.String()
}
