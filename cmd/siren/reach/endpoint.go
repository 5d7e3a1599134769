// Package reach is where RabbitMQ and Redis are, and how to get in: what flags, environment, the file of contexts and a
// running `siren up` say of it, the credentials and certificates, and the connections that are opened with them.
//
// What is asked of the two never lives here, nor does a flag.
package reach

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/operate"
)

// Endpoints is where RabbitMQ and Redis are, and how to get in: everything that connects goes through it.
type Endpoints struct{ AMQP, Redis Endpoint }

// Endpoint is one of the two. Its files are read anew for every new connection, so that a rotated Secret needs no
// restart, nor a `siren up` that is started again.
type Endpoint struct {
	prefix  string // of its environment variables
	scheme  string // of its URL without TLS; with TLS there is an s behind it
	source  string // where the URL is from, for people
	context string // that the URL is from; "": it isn't from one
	URL     string // as it is now; "" when nothing says where the server is
	file    string // that has the URL; "": the URL is for good
	ca      string // file of the CAs to trust; "": those of the system
	cert    string // files of the certificate to show, and of its key; "": none
	key     string

	up    func(Up) string // what the running `siren up` says of it; nil: it isn't that one's
	until time.Time       // when that one ends at the latest, if it was told to stop

	// Of a context alone: the URL without its password, and where that is.
	bare         string
	passwordEnv  string
	passwordFile string
}

// Flags is what the flags of every command say of where RabbitMQ and Redis are; "" where they say nothing. Role is
// whose login is meant: where the environment has one of Redis for that role, it is that.
type Flags struct{ AMQPURL, RedisURL, Context, Role string }

// As returns the flags of another role.
func (flags Flags) As(role string) Flags {
	flags.Role = role
	return flags
}

// Find finds RabbitMQ and Redis, each by itself: its flag, --context, the environment, the standing context.
func (flags Flags) Find() (Endpoints, error) {
	e, err := flags.Given()
	if err == nil && !e.complete() {
		err = e.complement(flags.Role)
	}
	return e, err
}

// Given returns what flags and environment say. An endpoint that they don't mention has no URL.
func (flags Flags) Given() (Endpoints, error) {
	amqp, err := newEndpoint("SIREN_AMQP", "amqp", "", "--amqp-url", flags.AMQPURL, flags.Context == "")
	redis, err2 := newEndpoint("SIREN_REDIS", "redis", flags.Role, "--redis-url", flags.RedisURL, flags.Context == "")
	e := Endpoints{amqp, redis}
	if err := errors.Join(err, err2, e.check()); err != nil || flags.Context == "" {
		return e, operate.Invalid.With(err)
	}
	f, err := LoadContexts()
	if err == nil {
		err = e.take(f, flags.Context, "--context", flags.Role)
	}
	return e, err
}

// complement takes what e doesn't have from the standing context.
func (e *Endpoints) complement(role string) error {
	f, err := LoadContexts()
	if err != nil {
		return err
	}
	name, why := f.Standing()
	if name == "" {
		return operate.Unreachable.With(errors.New("no RabbitMQ and Redis to talk to: start `siren up` in another " +
			"terminal, " +
			"or set SIREN_AMQP_URL and SIREN_REDIS_URL, or choose one of the contexts that `siren contexts` lists"))
	}
	return e.take(f, name, why, role)
}

// complete reports whether it is known where both are.
func (e Endpoints) complete() bool { return e.AMQP.URL != "" && e.Redis.URL != "" }

// take takes what e doesn't have from a context, for the role; why says why from this one.
func (e *Endpoints) take(f Contexts, name, why, role string) error {
	if name == UpContext {
		l, ok := Running()
		if !ok {
			return operate.Unreachable.Errorf("context %q (%s) is the running `siren up`, and none runs: start it "+
				"in another terminal", name, why)
		}
		e.AMQP.follow(l, func(l Up) string { return l.AMQPURL })
		e.Redis.follow(l, func(l Up) string { return l.redisFor(role) })
		return operate.Invalid.With(e.check())
	}
	c, err := f.Find(name)
	if err != nil {
		return fmt.Errorf("%s: %w; `siren contexts` lists those there are", why, err)
	}
	var err2 error
	if e.AMQP.URL == "" {
		e.AMQP, err = f.endpoint(c.AMQP, name, why, "SIREN_AMQP", "amqp")
	}
	if e.Redis.URL == "" {
		e.Redis, err2 = f.endpoint(c.Redis, name, why, "SIREN_REDIS", "redis")
	}
	return operate.Invalid.With(errors.Join(err, err2, e.check()))
}

// Origin says where both are from; "" when nothing has been connected to.
func (e Endpoints) Origin() string {
	switch {
	case !e.complete():
		return ""
	case e.AMQP.source == e.Redis.source:
		return "RabbitMQ and Redis are those of " + e.AMQP.source
	default:
		return "RabbitMQ is that of " + e.AMQP.source + ", Redis that of " + e.Redis.source
	}
}

// Source says what the URL is from.
func (e Endpoint) Source() string { return e.source }

// Plain makes endpoints of two servers without TLS, such as private ones.
func Plain(amqpURL, redisURL string) Endpoints {
	return Endpoints{
		AMQP:  Endpoint{prefix: "SIREN_AMQP", scheme: "amqp", URL: amqpURL},
		Redis: Endpoint{prefix: "SIREN_REDIS", scheme: "redis", URL: redisURL},
	}
}

// newEndpoint goes by the flag, else by the environment if that is to be asked: for the role if there is something,
// else for all.
func newEndpoint(prefix, scheme, role, flag, value string, environment bool) (Endpoint, error) {
	e := Endpoint{
		prefix: prefix, scheme: scheme, source: flag, URL: value,
		ca: os.Getenv(prefix + "_CA_FILE"), cert: os.Getenv(prefix + "_CERT_FILE"),
		key: os.Getenv(prefix + "_KEY_FILE"),
	}
	if e.URL != "" || !environment {
		return e, nil
	}
	var variables []string
	if role != "" {
		own := prefix + "_" + strings.ToUpper(role)
		variables = append(variables, own+"_URL_FILE", own+"_URL")
	}
	for _, name := range append(variables, prefix+"_URL_FILE", prefix+"_URL") {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		e.source = name
		if !strings.HasSuffix(name, "_FILE") {
			e.URL = value
			return e, nil
		}
		var err error
		e.file = value
		e.URL, err = e.read()
		return e, err
	}
	return e, nil
}

// FallBack takes the server of `siren up`, unless another one was given. The certificates are for that one, if it has
// TLS.
func (e *Endpoint) FallBack(url string) {
	if e.URL != "" {
		return
	}
	e.source, e.URL = "`siren up`", url
	if e.isPlain() {
		e.ca, e.cert, e.key = "", "", ""
	}
}

// follow falls back for whoever outlives that `siren up`: each new connection goes to the one that runs then.
func (e *Endpoint) follow(l Up, url func(Up) string) {
	if e.URL == "" {
		e.FallBack(url(l))
		e.up, e.until = url, l.Until
	}
}

// Stopping returns when the `siren up` of these endpoints ends at the latest; false when it wasn't told to stop.
func (e Endpoints) Stopping() (until time.Time, ok bool) {
	until = e.Redis.until
	if until.IsZero() {
		until = e.AMQP.until
	}
	return until, !until.IsZero()
}

// ErrEnded is a `siren up` that isn't there any more, to somebody who goes on with the next one.
var ErrEnded error = ended{operate.Unreachable.Errorf("`siren up` has ended, and there is no other yet")}

// ended is the error that it is.
type ended struct{ error }

func (e ended) Unwrap() error { return e.error }

// Gist says that what it kept from being done is of no interest.
func (ended) Gist() {}

// check reports what can never work, all of it at once.
func (e Endpoints) check() error { return errors.Join(e.AMQP.check(), e.Redis.check()) }

func (e Endpoint) check() error {
	if (e.cert == "") != (e.key == "") {
		return fmt.Errorf("%s and %s go together: set both, or neither", e.setting("CERT_FILE"), e.setting("KEY_FILE"))
	}
	if _, err := e.TLS(); err != nil {
		return err
	}
	if e.usesFiles() && e.isPlain() {
		return fmt.Errorf("%s, %s and %s are for TLS, but the URL of %s begins with %s, which has none: write %ss "+
			"there",
			e.setting("CA_FILE"), e.setting("CERT_FILE"), e.setting("KEY_FILE"), e.source, e.scheme, e.scheme)
	}
	return nil
}

// setting returns a setting's name where it is made: in the environment, or in the file of contexts.
func (e Endpoint) setting(name string) string {
	if e.context == "" {
		return e.prefix + "_" + name
	}
	inFile := map[string]string{
		"CA_FILE": "caFile", "CERT_FILE": "certFile", "KEY_FILE": "keyFile",
		"PASSWORD_FILE": "passwordFile", "PASSWORD": "passwordEnv",
	}
	return fmt.Sprintf("%s.%s of context %q", e.scheme, inFile[name], e.context)
}

func (e Endpoint) usesFiles() bool { return e.ca != "" || e.cert != "" }

// isPlain reports whether the URL is one without TLS.
func (e Endpoint) isPlain() bool {
	return strings.HasPrefix(e.URL, e.scheme+":") || strings.HasPrefix(e.URL, e.scheme+"+")
}

// read returns the URL as its file, or the file of its password, says now. The error doesn't show any of it.
func (e Endpoint) read() (string, error) {
	switch {
	case e.up != nil:
		l, ok := Running()
		if !ok {
			return "", ErrEnded
		}
		return e.up(l), nil
	case e.file != "":
		return readSecret(e.source, e.file, "the URL", strings.TrimSpace)
	case e.passwordFile != "":
		password, err := readSecret(e.setting("PASSWORD_FILE"), e.passwordFile, "the password", func(s string) string {
			return strings.TrimRight(s, "\r\n")
		})
		return withPassword(e.bare, password), err
	case e.passwordEnv != "":
		password := os.Getenv(e.passwordEnv)
		if password == "" {
			return "", fmt.Errorf("%s: %s is empty; put the password into it", e.setting("PASSWORD"), e.passwordEnv)
		}
		return withPassword(e.bare, password), nil
	default:
		return e.URL, nil
	}
}

// readSecret returns the content of a file, trimmed. The error doesn't show any of it.
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

// TLS returns the settings as the files say now; nil without files. In the middle of a rotation certificate and key may
// not fit.
func (e Endpoint) TLS() (*tls.Config, error) {
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
func (e Endpoint) renewal() func() (string, error) {
	if e.file == "" && e.passwordFile == "" && e.up == nil {
		return nil
	}
	return e.read
}

func (e Endpoint) settings() func() (*tls.Config, error) {
	if !e.usesFiles() {
		return nil
	}
	return e.TLS
}

// Environ returns the environment in which a process of ours finds the same endpoints: ours, but for what it says about
// them. It has no password that ours doesn't have, unless a flag has one.
func (e Endpoints) Environ() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, e.AMQP.prefix+"_") && !strings.HasPrefix(pair, e.Redis.prefix+"_") &&
			!strings.HasPrefix(pair, "SIREN_CONTEXT=") {
			env = append(env, pair)
		}
	}
	for _, e := range []Endpoint{e.AMQP, e.Redis} {
		if e.context != "" { // the same one for both, if it is for both
			env = append(env, "SIREN_CONTEXT="+e.context)
			continue
		}
		if e.file == "" {
			env = append(env, e.prefix+"_URL="+e.URL)
		}
		for name, value := range map[string]string{
			"_URL_FILE": e.file, "_CA_FILE": e.ca, "_CERT_FILE": e.cert,
			"_KEY_FILE": e.key,
		} {
			if value != "" {
				env = append(env, e.prefix+name+"="+value)
			}
		}
	}
	return env
}

// Variables returns the environment in which any program finds these endpoints, as NAME=VALUE, passwords and all.
// RabbitMQ at several hosts is a list of URLs.
func (e Endpoints) Variables() (env []string) {
	e.AMQP.URL = perHost(e.AMQP.URL)
	for _, e := range []Endpoint{e.AMQP, e.Redis} {
		env = append(env, e.prefix+"_URL="+e.URL)
		for _, f := range []struct{ name, file string }{
			{"_CA_FILE", e.ca}, {"_CERT_FILE", e.cert}, {"_KEY_FILE", e.key},
		} {
			if f.file != "" {
				env = append(env, e.prefix+f.name+"="+f.file)
			}
		}
	}
	return env
}

// Overruling names the environment variable that says where the servers are, whatever the current context is; "" when
// there is none.
func Overruling() string {
	for _, name := range []string{
		"SIREN_AMQP_URL_FILE", "SIREN_AMQP_URL", "SIREN_REDIS_OPERATOR_URL_FILE", "SIREN_REDIS_OPERATOR_URL",
		"SIREN_REDIS_URL_FILE", "SIREN_REDIS_URL",
	} {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return ""
}
