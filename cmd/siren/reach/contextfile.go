package reach

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

	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/lanes/plain"
)

// Contexts is the user's file of contexts: the installations of Siren that there are to talk to. It has no password in
// it, so that it can be shown, copied and kept in a repository.
type Contexts struct {
	Current  string    `json:"current,omitempty"` // the context that is used where nothing else is said
	Contexts []Context `json:"contexts,omitempty"`

	path string
}

// Context is a context: where one Siren's RabbitMQ and Redis are.
type Context struct {
	Name  string `json:"name"`
	AMQP  Server `json:"amqp"`
	Redis Server `json:"redis"`
}

// Server is a server of a context. The paths of its files are absolute, begin with ~/, or are relative to the file of
// contexts.
type Server struct {
	URL          string `json:"url"` // without a password
	PasswordEnv  string `json:"passwordEnv,omitempty"`
	PasswordFile string `json:"passwordFile,omitempty"` // read anew for every connection
	CAFile       string `json:"caFile,omitempty"`
	CertFile     string `json:"certFile,omitempty"`
	KeyFile      string `json:"keyFile,omitempty"`
}

// UpContext is the context of the running `siren up`. It needs no file.
const UpContext = "up"

// contextPath returns where the file of contexts is: $SIREN_CONFIG, else in the user's folder for configuration.
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

// LoadContexts reads the file of contexts. One that isn't there has none.
func LoadContexts() (Contexts, error) {
	path, err := contextPath()
	if err != nil {
		return Contexts{}, nil //nolint:nilerr // without a home there is no file
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Contexts{path: path}, nil
	}
	if err != nil {
		return Contexts{}, operate.Invalid.Errorf("read the file of contexts: %w", err)
	}
	f, err := parseContexts(text)
	if err != nil {
		return Contexts{}, operate.Invalid.Errorf("contexts in %s:\n%w", path, err)
	}
	f.path = path
	return f, nil
}

// parseContexts decodes strictly. The error names everything that is wrong, and cites no URL: there may be a password
// in it.
func parseContexts(text []byte) (Contexts, error) {
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return Contexts{}, fmt.Errorf("not YAML: %w", err)
	}
	var f Contexts
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, &f); {
	case errors.As(err, &wrong):
		return Contexts{}, fmt.Errorf("%s: must be %s", cmp.Or(wrong.Field, "the file"), shape[wrong.Type.Kind()])
	case err != nil:
		return Contexts{}, err
	}
	unknown, err := strictjson.UnmarshalStrict(raw, &f)
	if err != nil {
		return Contexts{}, err
	}
	return f, errors.Join(append(unknown, f.check()...)...)
}

// shape is what a field has to be, for people.
var shape = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Slice: "a list",
	reflect.Struct: "a map of fields",
}

// contextName is what a context may be called: a shell takes it as it is.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// check returns everything that is wrong, with its path.
func (f Contexts) check() (problems []error) {
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
		case c.Name == UpContext:
			problem(path+".name", "%q is the running `siren up`; choose another name", c.Name)
		case seen[c.Name]:
			problem(path+".name", "there is a context %q already", c.Name)
		}
		seen[c.Name] = true
		c.AMQP.check(path+".amqp", "amqp", problem)
		c.Redis.check(path+".redis", "redis", problem)
	}
	if _, err := f.Find(f.Current); f.Current != "" && f.Current != UpContext && err != nil {
		problem("current", "%w", err)
	}
	return problems
}

func (l Server) check(path, scheme string, problem func(path, format string, args ...any)) {
	user, password := credentials(l.URL)
	begins, _, _ := strings.Cut(l.URL, "://")
	switch {
	case l.URL == "":
		problem(path+".url", "is required")
	case begins != scheme && begins != scheme+"s" &&
		(scheme != "redis" || begins != "redis+sentinel" && begins != "rediss+sentinel"):
		problem(path+".url", "must begin with %s:// or, for TLS, %[1]ss://", scheme)
	case password:
		problem(path+".url", "has a password in it: write that into a file that only you can read, and name the "+
			"file as passwordFile (or an environment variable that has it as passwordEnv)")
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

// Find returns the context of that name.
func (f Contexts) Find(name string) (Context, error) {
	names := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		if c.Name == name {
			return c, nil
		}
		names[i] = c.Name
	}
	return Context{}, operate.NotFound.Errorf("no context %q%s", name, plain.Suggest(name, names))
}

// Standing returns the context that holds without being named, and what says so: $SIREN_CONTEXT, the file's current
// one, the running `siren up`; "" when there is none.
func (f Contexts) Standing() (name, why string) {
	if name := os.Getenv("SIREN_CONTEXT"); name != "" {
		return name, "SIREN_CONTEXT"
	}
	if f.Current != "" {
		return f.Current, "the current one of " + f.path
	}
	if _, ok := Running(); ok {
		return UpContext, "the one that runs"
	}
	return "", ""
}

// All returns every context there is: those of the file, and the running `siren up`.
func (f Contexts) All() []Context {
	all := slices.Clone(f.Contexts)
	if l, ok := Running(); ok {
		all = append(all, Context{
			UpContext,
			Server{URL: plain.HideSecrets(l.AMQPURL)},
			Server{URL: plain.HideSecrets(l.RedisURL)},
		})
	}
	return all
}

// resolve returns the path of a file that the context names.
func (f Contexts) resolve(path string) string {
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

// endpoint returns the server of a context as everything that connects takes it; why says why it is this context.
func (f Contexts) endpoint(l Server, context, why, prefix, scheme string) (Endpoint, error) {
	e := Endpoint{
		prefix: prefix, scheme: scheme, context: context, source: fmt.Sprintf("context %q (%s)", context, why),
		URL:         l.URL,
		passwordEnv: l.PasswordEnv, passwordFile: f.resolve(l.PasswordFile),
		ca: f.resolve(l.CAFile), cert: f.resolve(l.CertFile), key: f.resolve(l.KeyFile),
	}
	e.bare = e.URL
	var err error
	e.URL, err = e.read()
	return e, err
}

// Password says where the password is.
func (l Server) Password() string {
	if l.PasswordEnv != "" {
		return "$" + l.PasswordEnv
	}
	return cmp.Or(l.PasswordFile, "-")
}
