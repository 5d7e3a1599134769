package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/polyglot-media/siren/cmd/siren/exit"
)

// endpoints is where RabbitMQ and Redis are, and how to get in: everything that connects goes through it.
type endpoints struct{ amqp, redis endpoint }

// endpoint is one of the two. Its files are read anew for every new connection, so that a rotated Secret needs no restart.
type endpoint struct {
	prefix  string // of its environment variables
	scheme  string // of its URL without TLS; with TLS there is an s behind it
	source  string // where the URL is from, for people
	context string // that the URL is from; "": it isn't from one
	url     string // as it is now; "" when nothing says where the server is
	file    string // that has the URL; "": the URL is for good
	ca      string // file of the CAs to trust; "": those of the system
	cert    string // files of the certificate to show, and of its key; "": none
	key     string

	// Of a context alone: the URL without its password, and where that is.
	bare         string
	passwordEnv  string
	passwordFile string
}

// asked is what flags say of where RabbitMQ and Redis are; "" where they say nothing.
type asked struct{ amqpURL, redisURL, context string }

// find finds RabbitMQ and Redis, each by itself: its flag, --context, the environment, the standing context.
func (w asked) find() (endpoints, error) {
	e, err := w.given()
	if err == nil && !e.complete() {
		err = e.complement()
	}
	return e, err
}

// given is what flags and environment say. An endpoint that they don't mention has no URL.
func (w asked) given() (endpoints, error) {
	amqp, err := newEndpoint("SIREN_AMQP", "amqp", "--amqp-url", w.amqpURL, w.context == "")
	redis, err2 := newEndpoint("SIREN_REDIS", "redis", "--redis-url", w.redisURL, w.context == "")
	e := endpoints{amqp, redis}
	if err := errors.Join(err, err2, e.check()); err != nil || w.context == "" {
		return e, exit.With(exit.Usage, err)
	}
	f, err := loadContexts()
	if err == nil {
		err = e.take(f, w.context, "--context")
	}
	return e, err
}

// complement takes what e doesn't have from the standing context.
func (e *endpoints) complement() error {
	f, err := loadContexts()
	if err != nil {
		return err
	}
	name, why := f.standing()
	if name == "" {
		return exit.With(exit.Unreachable, errors.New("no RabbitMQ and Redis to talk to: start `siren up` in another terminal, "+
			"or set SIREN_AMQP_URL and SIREN_REDIS_URL, or choose one of the contexts that `siren contexts` lists"))
	}
	return e.take(f, name, why)
}

// complete is whether it is known where both are.
func (e endpoints) complete() bool { return e.amqp.url != "" && e.redis.url != "" }

// take takes what e doesn't have from a context; why says why from this one.
func (e *endpoints) take(f contextFile, name, why string) error {
	if name == upContext {
		l, ok := running()
		if !ok {
			return exit.With(exit.Unreachable, fmt.Errorf("context %q (%s) is the running `siren up`, and none runs: start it in another terminal", name, why))
		}
		e.amqp.fallBack(l.AMQPURL)
		e.redis.fallBack(l.RedisURL)
		return exit.With(exit.Usage, e.check())
	}
	c, err := f.find(name)
	if err != nil {
		return fmt.Errorf("%s: %w; `siren contexts` lists those there are", why, err)
	}
	var err2 error
	if e.amqp.url == "" {
		e.amqp, err = f.endpoint(c.AMQP, name, why, "SIREN_AMQP", "amqp")
	}
	if e.redis.url == "" {
		e.redis, err2 = f.endpoint(c.Redis, name, why, "SIREN_REDIS", "redis")
	}
	return exit.With(exit.Usage, errors.Join(err, err2, e.check()))
}

// origin says where both are from; "" when nothing has been connected to.
func (e endpoints) origin() string {
	switch {
	case !e.complete():
		return ""
	case e.amqp.source == e.redis.source:
		return "RabbitMQ and Redis are those of " + e.amqp.source
	default:
		return "RabbitMQ is that of " + e.amqp.source + ", Redis that of " + e.redis.source
	}
}

// plain is two servers without TLS, such as private ones.
func plain(amqpURL, redisURL string) endpoints {
	return endpoints{
		amqp:  endpoint{prefix: "SIREN_AMQP", scheme: "amqp", url: amqpURL},
		redis: endpoint{prefix: "SIREN_REDIS", scheme: "redis", url: redisURL},
	}
}

// newEndpoint is what a flag says, and else the environment, if that is to be asked.
func newEndpoint(prefix, scheme, flag, value string, environment bool) (endpoint, error) {
	e := endpoint{
		prefix: prefix, scheme: scheme, source: flag, url: value,
		ca: os.Getenv(prefix + "_CA_FILE"), cert: os.Getenv(prefix + "_CERT_FILE"), key: os.Getenv(prefix + "_KEY_FILE"),
	}
	if e.url != "" || !environment {
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
		return fmt.Errorf("%s and %s go together: set both, or neither", e.setting("CERT_FILE"), e.setting("KEY_FILE"))
	}
	if _, err := e.config(); err != nil {
		return err
	}
	if e.usesFiles() && e.isPlain() {
		return fmt.Errorf("%s, %s and %s are for TLS, but the URL of %s begins with %s, which has none: write %ss there",
			e.setting("CA_FILE"), e.setting("CERT_FILE"), e.setting("KEY_FILE"), e.source, e.scheme, e.scheme)
	}
	return nil
}

// setting is what a setting of the endpoint is called where it is made: in the environment, or in the file of contexts.
func (e endpoint) setting(name string) string {
	if e.context == "" {
		return e.prefix + "_" + name
	}
	inFile := map[string]string{"CA_FILE": "caFile", "CERT_FILE": "certFile", "KEY_FILE": "keyFile", "PASSWORD_FILE": "passwordFile", "PASSWORD": "passwordEnv"}
	return fmt.Sprintf("%s.%s of context %q", e.scheme, inFile[name], e.context)
}

func (e endpoint) usesFiles() bool { return e.ca != "" || e.cert != "" }

// isPlain is whether the URL is one without TLS.
func (e endpoint) isPlain() bool {
	return strings.HasPrefix(e.url, e.scheme+":") || strings.HasPrefix(e.url, e.scheme+"+")
}

// read is the URL as its file, or the file of its password, says now. The error doesn't show any of it.
func (e endpoint) read() (string, error) {
	switch {
	case e.file != "":
		return readSecret(e.setting("URL_FILE"), e.file, "the URL", strings.TrimSpace)
	case e.passwordFile != "":
		password, err := readSecret(e.setting("PASSWORD_FILE"), e.passwordFile, "the password", func(s string) string { return strings.TrimRight(s, "\r\n") })
		return withPassword(e.bare, password), err
	case e.passwordEnv != "":
		password := os.Getenv(e.passwordEnv)
		if password == "" {
			return "", fmt.Errorf("%s: %s is empty; put the password into it", e.setting("PASSWORD"), e.passwordEnv)
		}
		return withPassword(e.bare, password), nil
	default:
		return e.url, nil
	}
}

// readSecret is the content of a file, trimmed. The error doesn't show any of it.
func readSecret(setting, file, what string, trim func(string) string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	secret := trim(string(data))
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty; write %s into it", setting, file, what)
	}
	return secret, nil
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
			return nil, fmt.Errorf("%s: %w", e.setting("CA_FILE"), err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s has no certificate in it; it must be PEM", e.setting("CA_FILE"), e.ca)
		}
	}
	if e.cert != "" {
		pair, err := tls.LoadX509KeyPair(e.cert, e.key)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", e.setting("CERT_FILE"), e.setting("KEY_FILE"), err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// renewal and settings are what a connection asks before it dials; nil when there is nothing to ask.
func (e endpoint) renewal() func() (string, error) {
	if e.file == "" && e.passwordFile == "" {
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

// environ is the environment in which a process of ours finds the same endpoints: ours, but for what it says about them. It has no password
// that ours doesn't have, unless a flag has one.
func (e endpoints) environ() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, e.amqp.prefix+"_") && !strings.HasPrefix(pair, e.redis.prefix+"_") && !strings.HasPrefix(pair, "SIREN_CONTEXT=") {
			env = append(env, pair)
		}
	}
	for _, e := range []endpoint{e.amqp, e.redis} {
		if e.context != "" { // the same one for both, if it is for both
			env = append(env, "SIREN_CONTEXT="+e.context)
			continue
		}
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

// overruling is the environment variable that says where the servers are, whatever the current context is; "" when there is none.
func overruling() string {
	for _, name := range []string{"SIREN_AMQP_URL_FILE", "SIREN_AMQP_URL", "SIREN_REDIS_URL_FILE", "SIREN_REDIS_URL"} {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}
