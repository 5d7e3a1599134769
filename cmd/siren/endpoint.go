package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/client"
)

// endpoints is where RabbitMQ and Redis are, and how to get in: everything that connects goes through it.
type endpoints struct{ amqp, redis endpoint }

// endpoint is one of the two. Its files are read anew for every new connection, so that a rotated Secret needs no restart.
type endpoint struct {
	prefix string // of its environment variables
	scheme string // of its URL without TLS; with TLS there is an s behind it
	source string // where the URL is from, for people
	url    string // as it is now; "" when nothing says where the server is
	file   string // that has the URL; "": the URL is for good
	ca     string // file of the CAs to trust; "": those of the system
	cert   string // files of the certificate to show, and of its key; "": none
	key    string
}

// endpoints finds RabbitMQ and Redis: flags, then the environment, then the running `siren up`.
func (a *app) endpoints() (endpoints, error) {
	e, err := a.given()
	if err != nil || e.amqp.url != "" && e.redis.url != "" {
		return e, err
	}
	l, ok := running()
	if !ok {
		return e, exit(exitUnreachable, errors.New(
			"no RabbitMQ and Redis to talk to: start `siren up` in another terminal, or set SIREN_AMQP_URL and SIREN_REDIS_URL"))
	}
	e.amqp.fallBack(l.AMQPURL)
	e.redis.fallBack(l.RedisURL)
	return e, exit(exitUsage, e.check())
}

// given is what flags and environment say. An endpoint that they don't mention has no URL.
func (a *app) given() (endpoints, error) {
	amqp, err := newEndpoint("SIREN_AMQP", "amqp", "--amqp-url", a.amqpURL)
	redis, err2 := newEndpoint("SIREN_REDIS", "redis", "--redis-url", a.redisURL)
	e := endpoints{amqp, redis}
	return e, exit(exitUsage, errors.Join(err, err2, e.check()))
}

// plain is two servers without TLS, such as private ones.
func plain(amqpURL, redisURL string) endpoints {
	return endpoints{
		amqp:  endpoint{prefix: "SIREN_AMQP", scheme: "amqp", url: amqpURL},
		redis: endpoint{prefix: "SIREN_REDIS", scheme: "redis", url: redisURL},
	}
}

func newEndpoint(prefix, scheme, flag, value string) (endpoint, error) {
	e := endpoint{
		prefix: prefix, scheme: scheme, source: flag, url: value,
		ca: os.Getenv(prefix + "_CA_FILE"), cert: os.Getenv(prefix + "_CERT_FILE"), key: os.Getenv(prefix + "_KEY_FILE"),
	}
	if e.url != "" {
		return e, nil
	}
	if e.file = os.Getenv(prefix + "_URL_FILE"); e.file != "" {
		var err error
		e.source = prefix + "_URL_FILE"
		e.url, err = e.read()
		return e, err
	}
	e.source, e.url = prefix+"_URL", os.Getenv(prefix+"_URL")
	return e, nil
}

// fallBack is the server of `siren up`, unless another one was given. The certificates are for that one, if it has TLS.
func (e *endpoint) fallBack(url string) {
	if e.url != "" {
		return
	}
	e.source, e.url = "`siren up`", url
	if e.isPlain() {
		e.ca, e.cert, e.key = "", "", ""
	}
}

// check reports what can never work, all of it at once.
func (e endpoints) check() error { return errors.Join(e.amqp.check(), e.redis.check()) }

func (e endpoint) check() error {
	if (e.cert == "") != (e.key == "") {
		return fmt.Errorf("%s_CERT_FILE and %[1]s_KEY_FILE go together: set both, or neither", e.prefix)
	}
	if _, err := e.config(); err != nil {
		return err
	}
	if e.usesFiles() && e.isPlain() {
		return fmt.Errorf("%s_CA_FILE, %[1]s_CERT_FILE and %[1]s_KEY_FILE are for TLS, but the URL of %s begins with %s, which has none: write %ss there",
			e.prefix, e.source, e.scheme, e.scheme)
	}
	return nil
}

func (e endpoint) usesFiles() bool { return e.ca != "" || e.cert != "" }

// isPlain is whether the URL is one without TLS.
func (e endpoint) isPlain() bool {
	return strings.HasPrefix(e.url, e.scheme+":") || strings.HasPrefix(e.url, e.scheme+"+")
}

// read is the URL that the file has now. The error doesn't show any of it.
func (e endpoint) read() (string, error) {
	data, err := os.ReadFile(e.file)
	if err != nil {
		return "", fmt.Errorf("%s_URL_FILE: %w", e.prefix, err)
	}
	url := strings.TrimSpace(string(data))
	if url == "" {
		return "", fmt.Errorf("%s_URL_FILE: %s is empty; write the URL into it", e.prefix, e.file)
	}
	return url, nil
}

// config is TLS as the files say now; nil without files. In the middle of a rotation certificate and key may not fit.
func (e endpoint) config() (*tls.Config, error) {
	if !e.usesFiles() {
		return nil, nil //nolint:nilnil // no TLS of our own is a valid answer
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.ca != "" {
		pem, err := os.ReadFile(e.ca)
		if err != nil {
			return nil, fmt.Errorf("%s_CA_FILE: %w", e.prefix, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s_CA_FILE: %s has no certificate in it; it must be PEM", e.prefix, e.ca)
		}
	}
	if e.cert != "" {
		pair, err := tls.LoadX509KeyPair(e.cert, e.key)
		if err != nil {
			return nil, fmt.Errorf("%s_CERT_FILE and %[1]s_KEY_FILE: %w", e.prefix, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// renewal and settings are what a connection asks before it dials; nil when there is nothing to ask.
func (e endpoint) renewal() func() (string, error) {
	if e.file == "" {
		return nil
	}
	return e.read
}

func (e endpoint) settings() func() (*tls.Config, error) {
	if !e.usesFiles() {
		return nil
	}
	return e.config
}

// broker opens a connection to RabbitMQ, named for what it is for.
func (e endpoints) broker(name string, log *slog.Logger) (*rabbit.Conn, error) {
	c, err := rabbit.Open(rabbit.Options{URL: e.amqp.url, Name: name, Log: log, Renew: e.amqp.renewal(), TLS: e.amqp.settings()})
	return c, exit(exitUsage, err)
}

// store opens Redis.
func (e endpoints) store(log *slog.Logger) (*redis.Store, error) {
	s, err := redis.Open(e.redis.url, log, redis.WithRenew(e.redis.renewal()), redis.WithTLS(e.redis.settings()))
	return s, exit(exitUsage, err)
}

// client opens both for a producer. It goes by the files as they are now.
func (e endpoints) client(o client.Options) (*client.Client, error) {
	o.AMQPURL, o.RedisURL = e.amqp.url, e.redis.url
	var err, err2 error
	o.AMQPTLS, err = e.amqp.config()
	o.RedisTLS, err2 = e.redis.config()
	if err := errors.Join(err, err2); err != nil {
		return nil, exit(exitUsage, err)
	}
	c, err := client.New(o)
	return c, exit(exitUsage, err)
}

// environ is the environment in which a process of ours finds the same endpoints: ours, but for what it says about them.
func (e endpoints) environ() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, e.amqp.prefix+"_") && !strings.HasPrefix(pair, e.redis.prefix+"_") {
			env = append(env, pair)
		}
	}
	for _, e := range []endpoint{e.amqp, e.redis} {
		if e.file == "" {
			env = append(env, e.prefix+"_URL="+e.url)
		}
		for name, value := range map[string]string{"_URL_FILE": e.file, "_CA_FILE": e.ca, "_CERT_FILE": e.cert, "_KEY_FILE": e.key} {
			if value != "" {
				env = append(env, e.prefix+name+"="+value)
			}
		}
	}
	return env
}
