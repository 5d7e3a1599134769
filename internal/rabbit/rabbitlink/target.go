package rabbitlink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/lanes"
)

// Neither the URL nor the parser's error may show: a URL that doesn't parse often breaks inside its password.
var (
	errURL = errors.New("the AMQP URL is malformed: write amqp://user:password@host:5672/vhost " +
		"(amqps:// and 5671 for TLS; several hosts with commas between them), " +
		"with %-escapes for special characters in user, password and vhost")
	errURLs = errors.New("the AMQP URLs differ in more than their hosts: all of a list lead to one broker, " +
		"with one scheme, user, password, vhost and query")
	errPlain = errors.New("certificates are given for RabbitMQ, but its URL is amqp://, which has no TLS: " +
		"write amqps://")
)

// Target is one host of a broker.
type Target struct {
	URI amqp.URI
	url string
	tls *tls.Config // nil: amqp091-go's own for amqps://, which trusts the CAs of the system
}

// Targets is all hosts of a broker, of which any one will do. They differ in host and port alone.
type Targets []Target

// Parse takes a URL, or a list of them, apart: each names one host or several, as in amqp://user:password@h1,h2/vhost
// and amqp://h1/,amqp://h2/. Its error never contains any part of it.
func Parse(list string) (Targets, error) {
	urls, err := URLs(list)
	if err != nil {
		return nil, err
	}
	all := make(Targets, len(urls))
	for i, u := range urls {
		uri, err := amqp.ParseURI(u)
		if err != nil {
			return nil, errURL
		}
		all[i] = Target{url: u, URI: uri}
		uri.Host, uri.Port = all[0].URI.Host, all[0].URI.Port
		if !reflect.DeepEqual(uri, all[0].URI) {
			return nil, errURLs
		}
	}
	return all, nil
}

// nextURL is where the next URL of a list begins.
var nextURL = regexp.MustCompile(`,\s*(amqps?://)`)

// Listed returns the URLs of a list as they are written. Each may name several hosts.
func Listed(list string) []string { return strings.Split(nextURL.ReplaceAllString(list, "\n$1"), "\n") }

// URLs returns the URLs of a list, each with one host of its own. Its error never contains any part of it.
func URLs(list string) (urls []string, err error) {
	for _, one := range Listed(list) {
		hosts, ok := perHost(one)
		if !ok {
			return nil, errURL
		}
		urls = append(urls, hosts...)
	}
	return urls, nil
}

// perHost returns a URL for each host that one names.
func perHost(one string) (urls []string, ok bool) {
	scheme, rest, ok := strings.Cut(one, "://")
	if !ok {
		return nil, false
	}
	end := strings.IndexAny(rest+"/", "/?#")
	login := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[login:end], ",")
	for _, h := range hosts {
		if h == "" && len(hosts) > 1 {
			return nil, false
		}
		urls = append(urls, scheme+"://"+rest[:login]+h+rest[end:])
	}
	return urls, true
}

// Address returns host:port, and /vhost if it isn't the default, for people.
func (t Target) Address() string { return t.hostPort() + t.vhost() }

// Address returns all hosts, and /vhost if it isn't the default, for people.
func (all Targets) Address() string {
	if len(all) == 0 {
		return ""
	}
	hosts := make([]string, len(all))
	for i, t := range all {
		hosts[i] = t.hostPort()
	}
	return strings.Join(hosts, ",") + all[0].vhost()
}

func (t Target) hostPort() string { return net.JoinHostPort(t.URI.Host, strconv.Itoa(t.URI.Port)) }

func (t Target) vhost() string {
	if t.URI.Vhost == "/" {
		return ""
	}
	return "/" + t.URI.Vhost
}

// secure adds the present TLS settings to the targets; nil: none.
func (all Targets) secure(settings func() (*tls.Config, error)) error {
	if settings == nil {
		return nil
	}
	if all[0].URI.Scheme != "amqps" {
		return errPlain
	}
	config, err := settings()
	if err != nil {
		return fmt.Errorf("prepare TLS for RabbitMQ: %w", err)
	}
	for i := range all {
		t := &all[i]
		t.tls = config.Clone() // amqp091-go writes the server's name into it
		if t.tls != nil && t.tls.ServerName == "" {
			t.tls.ServerName = t.URI.ServerName
		}
	}
	return nil
}

// explain adds to the failure of a dial what there is to do about it.
func (t Target) explain(err error) error {
	var noTLS tls.RecordHeaderError
	switch {
	case Code(err) == amqp.AccessRefused, Code(err) == amqp.NotAllowed:
		return fmt.Errorf("%w by RabbitMQ: user %q on vhost %q; "+
			"check the user, its password and its permissions there: %w",
			lanes.ErrRefused, t.URI.Username, t.URI.Vhost, err)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("RabbitMQ's certificate is signed by a CA that isn't trusted here; "+
			"give that CA's certificate: %w", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("RabbitMQ's certificate is for other names; "+
			"write one of those as the host in the URL: %w", err)
	case errors.As(err, &noTLS):
		return fmt.Errorf("RabbitMQ has no TLS on that port; it usually has it on 5671: %w", err)
	case strings.Contains(err.Error(), "remote error: tls: "): // the alert's type isn't exported
		return fmt.Errorf("RabbitMQ wants a client certificate that its CA has signed; give one, and its key: %w", err)
	}
	return err
}
