package rabbitlink

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for list, want := range map[string]struct {
		shown string
		urls  []string
	}{
		"amqp://":         {"localhost:5672", []string{"amqp://"}},
		"amqp://u:p@h":    {"h:5672", []string{"amqp://u:p@h"}},
		"amqps://u:p@h/v": {"h:5671/v", []string{"amqps://u:p@h/v"}},
		"amqp://u:p@h1:1,h2,[::1]:3/v?a=b,c": {
			"h1:1,h2:5672,[::1]:3/v",
			[]string{"amqp://u:p@h1:1/v?a=b,c", "amqp://u:p@h2/v?a=b,c", "amqp://u:p@[::1]:3/v?a=b,c"},
		},
		"amqp://u:p,q@h1,h2":               {"h1:5672,h2:5672", []string{"amqp://u:p,q@h1", "amqp://u:p,q@h2"}},
		"amqp://u:p@h1/,\n amqp://u:p@h2/": {"h1:5672,h2:5672", []string{"amqp://u:p@h1/", "amqp://u:p@h2/"}},
		"amqp://h1,h2,amqp://h3":           {"h1:5672,h2:5672,h3:5672", []string{"amqp://h1", "amqp://h2", "amqp://h3"}},
	} {
		all, err := Parse(list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		var urls []string
		for _, target := range all {
			urls = append(urls, target.url)
		}
		if all.Address() != want.shown || !slices.Equal(urls, want.urls) {
			t.Errorf("%s: %s, %q", list, all.Address(), urls)
		}
	}
	for list, want := range map[string]error{
		"": errURL, "secret": errURL, "http://u:secret@h": errURL, "amqp://u:secret@a,": errURL,
		"amqp://u:secret@,a": errURL, "amqp://u:secret@a,,b": errURL, "amqp://u:secret@a/,amqp://u:secret@b:x": errURL,
		"amqp://u:secret@a/,amqps://u:secret@b/": errURLs, "amqp://u:secret@a/,amqp://b/": errURLs,
		"amqp://u:secret@a/v,amqp://u:secret@b/": errURLs, "amqp://u:secret@a/,amqp://u:secret@b/?heartbeat=1": errURLs,
	} {
		if _, err := Parse(list); !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// The same trouble is the same, whatever port this end had.
func TestKind(t *testing.T) {
	texts := func(port string) failures {
		return failures{
			text("dial a"), text("read tcp 10.0.0.1:" + port + "->10.0.0.2:5672: i/o timeout"),
			text("read tcp [fe80::1%eth0]:" + port + "->[::1]:5672: reset"),
		}
	}
	one, other := texts("40000"), texts("40001")
	slices.Reverse(other)
	if kind(one) != kind(other) || kind(one) == kind(one[:2]) || !strings.Contains(kind(one), "10.0.0.2:5672") {
		t.Errorf("%q\n%q", kind(one), kind(other))
	}
}

type text string

func (t text) Error() string { return string(t) }
