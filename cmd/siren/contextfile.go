package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/lanes"
)

// contextFile is the user's file of contexts: the installations of Siren that there are to talk to. It has no password in it, so that it can be
// shown, copied and kept in a repository.
type contextFile struct {
	Current  string         `json:"current,omitempty"` // the context that is used where nothing else is said
	Contexts []installation `json:"contexts,omitempty"`

	path string
}

// installation is a context: where one Siren's RabbitMQ and Redis are.
type installation struct {
	Name  string   `json:"name"`
	AMQP  location `json:"amqp"`
	Redis location `json:"redis"`
}

// location is a server of a context. The paths of its files are absolute, begin with ~/, or are relative to the file of contexts.
type location struct {
	URL          string `json:"url"` // without a password
	PasswordEnv  string `json:"passwordEnv,omitempty"`
	PasswordFile string `json:"passwordFile,omitempty"` // read anew for every connection
	CAFile       string `json:"caFile,omitempty"`
	CertFile     string `json:"certFile,omitempty"`
	KeyFile      string `json:"keyFile,omitempty"`
}

// upContext is the context of the running `siren up`. It needs no file.
const upContext = "up"

// contextPath is where the file of contexts is: $SIREN_CONFIG, else in the user's folder for configuration.
func contextPath() (string, error) {
	if path := os.Getenv("SIREN_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the file of contexts: %w; set SIREN_CONFIG", err)
	}
	return filepath.Join(dir, "siren", "config.yaml"), nil
}

// loadContexts reads the file of contexts. One that isn't there has none.
func loadContexts() (contextFile, error) {
	path, err := contextPath()
	if err != nil {
		return contextFile{}, nil //nolint:nilerr // without a home there is no file
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return contextFile{path: path}, nil
	}
	if err != nil {
		return contextFile{}, exit.With(exit.Usage, fmt.Errorf("read the file of contexts: %w", err))
	}
	f, err := parseContexts(text)
	if err != nil {
		return contextFile{}, exit.With(exit.Usage, fmt.Errorf("contexts in %s:\n%w", path, err))
	}
	f.path = path
	return f, nil
}

// parseContexts decodes strictly. The error names everything that is wrong, and cites no URL: there may be a password in it.
func parseContexts(text []byte) (contextFile, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return contextFile{}, fmt.Errorf("not YAML: %w", err)
	}
	var f contextFile
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, &f); {
	case errors.As(err, &wrong):
		return contextFile{}, fmt.Errorf("%s: must be %s", cmp.Or(wrong.Field, "the file"), shape[wrong.Type.Kind()])
	case err != nil:
		return contextFile{}, err
	}
	unknown, err := strictjson.UnmarshalStrict(raw, &f)
	if err != nil {
		return contextFile{}, err
	}
	return f, errors.Join(append(unknown, f.check()...)...)
}

// shape is what a field has to be, for people.
var shape = map[reflect.Kind]string{reflect.String: "a text", reflect.Slice: "a list", reflect.Struct: "a map of fields"}

// contextName is what a context may be called: a shell takes it as it is.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// check is everything that is wrong, with its path.
func (f contextFile) check() (problems []error) {
	problem := func(path, format string, args ...any) {
		problems = append(problems, fmt.Errorf(path+": "+format, args...))
	}
	seen := map[string]bool{}
	for i, c := range f.Contexts {
		path := fmt.Sprintf("contexts[%d]", i)
		switch {
		case c.Name == "":
			problem(path+".name", "is required")
		case !contextName.MatchString(c.Name):
			problem(path+".name", "must be at most 63 letters, digits, dots, dashes and underscores, not %q", c.Name)
		case c.Name == upContext:
			problem(path+".name", "%q is the running `siren up`; choose another name", c.Name)
		case seen[c.Name]:
			problem(path+".name", "there is a context %q already", c.Name)
		}
		seen[c.Name] = true
		c.AMQP.check(path+".amqp", "amqp", problem)
		c.Redis.check(path+".redis", "redis", problem)
	}
	if _, err := f.find(f.Current); f.Current != "" && f.Current != upContext && err != nil {
		problem("current", "%w", err)
	}
	return problems
}

func (l location) check(path, scheme string, problem func(path, format string, args ...any)) {
	user, password := credentials(l.URL)
	begins, _, _ := strings.Cut(l.URL, "://")
	switch {
	case l.URL == "":
		problem(path+".url", "is required")
	case begins != scheme && begins != scheme+"s" && (scheme != "redis" || begins != "redis+sentinel" && begins != "rediss+sentinel"):
		problem(path+".url", "must begin with %s:// or, for TLS, %[1]ss://", scheme)
	case password:
		problem(path+".url", "has a password in it: write that into a file that only you can read, and name the file as passwordFile (or an environment variable that has it as passwordEnv)")
	case scheme == "amqp" && user == "" && l.PasswordEnv+l.PasswordFile != "":
		problem(path+".url", "has no user for the password: write %s://USER@HOST", begins)
	}
	if l.PasswordEnv != "" && l.PasswordFile != "" {
		problem(path, "passwordEnv and passwordFile are both set: leave one out")
	}
	if (l.CertFile == "") != (l.KeyFile == "") {
		problem(path, "certFile and keyFile go together: set both, or neither")
	}
}

// find is the context of that name.
func (f contextFile) find(name string) (installation, error) {
	names := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		if c.Name == name {
			return c, nil
		}
		names[i] = c.Name
	}
	return installation{}, exit.With(exit.NotFound, fmt.Errorf("no context %q%s", name, lanes.Suggest(name, names)))
}

// standing is the context that needn't be said each time, and what says it: $SIREN_CONTEXT, the file's current one, the running `siren up`; ""
// when there is none.
func (f contextFile) standing() (name, why string) {
	if name := os.Getenv("SIREN_CONTEXT"); name != "" {
		return name, "SIREN_CONTEXT"
	}
	if f.Current != "" {
		return f.Current, "the current one of " + f.path
	}
	if _, ok := running(); ok {
		return upContext, "the one that runs"
	}
	return "", ""
}

// all is every context there is: those of the file, and the running `siren up`.
func (f contextFile) all() []installation {
	all := slices.Clone(f.Contexts)
	if l, ok := running(); ok {
		all = append(all, installation{upContext, location{URL: withoutPassword(l.AMQPURL)}, location{URL: withoutPassword(l.RedisURL)}})
	}
	return all
}

// resolve is the path of a file that the context names.
func (f contextFile) resolve(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// endpoint is the server of a context as everything that connects takes it; why says why it is this context.
func (f contextFile) endpoint(l location, context, why, prefix, scheme string) (endpoint, error) {
	e := endpoint{
		prefix: prefix, scheme: scheme, context: context, source: fmt.Sprintf("context %q (%s)", context, why), url: l.URL,
		passwordEnv: l.PasswordEnv, passwordFile: f.resolve(l.PasswordFile),
		ca: f.resolve(l.CAFile), cert: f.resolve(l.CertFile), key: f.resolve(l.KeyFile),
	}
	e.bare = e.url
	var err error
	e.url, err = e.read()
	return e, err
}

// password is where the password is.
func (l location) password() string {
	if l.PasswordEnv != "" {
		return "$" + l.PasswordEnv
	}
	return cmp.Or(l.PasswordFile, "-")
}
