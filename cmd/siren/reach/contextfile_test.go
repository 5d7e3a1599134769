package reach

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
)

const twoContexts = `
contexts:
  - name: lab
    amqp: {url: amqps://me@rabbit.lab/media, passwordFile: pw/amqp}
    redis: {url: rediss://redis.lab/1, passwordEnv: TEST_LAB_REDIS}
  - name: prod
    amqp: {url: "amqp://rabbit.prod"}
    redis: {url: "redis+sentinel://me@s1.prod:1,s2.prod:2/main?db=3"}
`

// siteFiles writes the file of contexts and its passwords, and returns its path.
func siteFiles(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	must(t, os.Mkdir(filepath.Join(dir, "pw"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "pw", "amqp"), []byte("p@ss/word \n"), 0o600))
	must(t, os.WriteFile(path, []byte(text), 0o600))
	t.Setenv("TEST_LAB_REDIS", "red:is")
	return path
}

func TestParseContexts(t *testing.T) {
	f, err := parseContexts([]byte("current: prod\n" + twoContexts))
	if err != nil || f.Current != "prod" || len(f.Contexts) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, empty := range []string{"", "# nothing yet\n"} {
		if _, err := parseContexts([]byte(empty)); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

// All that is wrong is named at once, and no password with it.
func TestBadContexts(t *testing.T) {
	_, err := parseContexts([]byte(`
current: lba
contxts: []
contexts:
  - name: lab
    amqp: {url: amqps://me:secret@rabbit, passwordfile: x}
    redis: {url: "redis+sentinel://s1:1,s2:2/main?sentinelPassword=secret", certFile: x}
  - name: up
    amqp: {url: amqps://rabbit, passwordFile: x}
    redis: {url: https://secret@redis, passwordFile: x, passwordEnv: YY}
  - name: lab
    redis: {url: redis://redis}
  - name: a/b
    amqp: {url: amqp://r}
    redis: {url: redis://r}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`unknown field "contxts"`, `unknown field "contexts[0].amqp.passwordfile"`,
		`current: no context "lba"; did you mean "lab"?`,
		"contexts[0].amqp.url: has a password in it: write that into a file",
		"contexts[0].redis.url: has a password in it", "contexts[0].redis: certFile and keyFile go together",
		"contexts[1].name: \"up\" is the running `siren up`",
		"contexts[1].amqp.url: has no user for the password: write amqps://USER@HOST",
		"contexts[1].redis.url: must begin with redis:// or, for TLS, rediss://",
		"contexts[1].redis: passwordEnv and passwordFile are both set",
		`contexts[2].name: there is a context "lab" already`, "contexts[2].amqp.url: is required",
		`contexts[3].name: must be at most 63 letters`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a password in %v", err)
	}
	for text, want := range map[string]string{
		"contexts: 3":                           "contexts: must be a list",
		"contexts: [{name: [a]}]":               "contexts.name: must be a string",
		"contexts: [{name: a, amqp: amqp://s}]": "contexts.amqp: must be a map of fields",
		"- a":                                   "the file: must be a map of fields",
		"contexts: [":                           "not YAML",
		"current: a\ncurrent: b":                "already set",
	} {
		if _, err := parseContexts([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
}

// What comes first counts, for each of the two servers.
func TestWhichContext(t *testing.T) {
	const (
		labAMQP, labRedis   = "amqps://me:p%40ss%2Fword%20@rabbit.lab/media", "rediss://:red%3Ais@redis.lab/1"
		prodAMQP, prodRedis = "amqp://rabbit.prod", "redis+sentinel://me@s1.prod:1,s2.prod:2/main?db=3"
	)
	for name, c := range map[string]struct {
		asked       Flags
		env         map[string]string
		current     string
		amqp, redis string
		origin      string
	}{
		"the current one": {
			Flags{},
			nil, "lab", labAMQP, labRedis,
			`RabbitMQ and Redis are those of context "lab" (the current one of `,
		},
		"variable": {
			Flags{},
			map[string]string{"SIREN_CONTEXT": "prod"},
			"lab", prodAMQP, prodRedis,
			`context "prod" (SIREN_CONTEXT)`,
		},
		"flag": {
			Flags{Context: "prod"},
			map[string]string{"SIREN_CONTEXT": "lab", "SIREN_AMQP_URL": "amqp://env", "SIREN_REDIS_URL": "redis://env"},
			"lab", prodAMQP, prodRedis, `(--context)`,
		},
		"URLs of the environment": {
			Flags{},
			map[string]string{"SIREN_CONTEXT": "lab", "SIREN_AMQP_URL": "amqp://env", "SIREN_REDIS_URL": "redis://env"},
			"lab",
			"amqp://env", "redis://env", "RabbitMQ is that of SIREN_AMQP_URL, Redis that of SIREN_REDIS_URL",
		},
		"one of them": {
			Flags{},
			map[string]string{"SIREN_REDIS_URL": "redis://env"},
			"lab", labAMQP, "redis://env",
			"",
		},
		"one flag": {
			Flags{Context: "lab", RedisURL: "redis://flag"},
			nil, "", labAMQP, "redis://flag",
			`RabbitMQ is that of context "lab" (--context), Redis that of --redis-url`,
		},
		"siren up":        {Flags{}, nil, "", "amqp://up", "redis://up", "those of `siren up`"},
		"siren up, named": {Flags{Context: "up"}, nil, "lab", "amqp://up", "redis://up", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := twoContexts
			if c.current != "" {
				text = "current: " + c.current + "\n" + text
			}
			path := siteFiles(t, text)
			if c.env == nil {
				c.env = map[string]string{}
			}
			c.env["SIREN_CONFIG"] = path
			reachtest.SetEndpoints(t, c.env)
			forget, err := Register("amqp://up", "redis://up", nil)
			must(t, err)
			defer forget()
			e, err := c.asked.Find()
			if err != nil || e.AMQP.URL != c.amqp || e.Redis.URL != c.redis || !strings.Contains(e.Origin(), c.origin) {
				t.Errorf("%q, %q, %q, %v; want %q, %q, %q", e.AMQP.URL, e.Redis.URL, e.Origin(), err, c.amqp, c.redis,
					c.origin)
			}
		})
	}
}

func TestContextsThatFail(t *testing.T) {
	path := siteFiles(t, twoContexts)
	reachtest.SetEndpoints(t, map[string]string{"SIREN_CONFIG": path})
	for want, w := range map[string]Flags{
		`--context: no context "lba"; did you mean "lab"?`: {Context: "lba"},
		`is the running ` + "`siren up`, and none runs":    {Context: "up"},
		"no RabbitMQ and Redis to talk to":                 {},
	} {
		if _, err := w.Find(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
	t.Setenv("TEST_LAB_REDIS", "")
	must(t, os.Remove(filepath.Join(filepath.Dir(path), "pw", "amqp")))
	_, err := Flags{Context: "lab"}.Find()
	for _, want := range []string{
		`redis.passwordEnv of context "lab": TEST_LAB_REDIS is empty`,
		`amqp.passwordFile of context "lab": open `,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}

// A rotated password needs no restart, and a child process finds what its parent found.
func TestContextForLong(t *testing.T) {
	path := siteFiles(t, twoContexts)
	reachtest.SetEndpoints(t, map[string]string{"SIREN_CONFIG": path})
	e, err := Flags{Context: "lab", RedisURL: "redis://flag"}.Find()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(filepath.Dir(path), "pw", "amqp"), []byte("new"), 0o600))
	if url, err := e.AMQP.renewal()(); err != nil || url != "amqps://me:new@rabbit.lab/media" {
		t.Errorf("%q, %v", url, err)
	}
	env := e.Environ()
	if !slices.Contains(env, "SIREN_CONTEXT=lab") || !slices.Contains(env, "SIREN_REDIS_URL=redis://flag") ||
		!slices.Contains(env, "SIREN_CONFIG="+path) {
		t.Errorf("%q", env)
	}
	if i := slices.IndexFunc(env, func(pair string) bool {
		return strings.HasPrefix(pair, "SIREN_AMQP_URL=")
	}); i >= 0 {
		t.Errorf("the child gets %q", env[i])
	}
}

// Choosing a context changes its line and nothing else.
func TestUseContext(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"there":   {"# mine\ncurrent: lab # for now\n" + twoContexts, "# mine\ncurrent: prod\n" + twoContexts},
		"missing": {"# mine\n" + twoContexts, "current: prod\n# mine\n" + twoContexts},
		"in JSON": {`{"contexts": [{"name": "prod", "amqp": {"url": "amqp://r"}, "redis": {"url": "redis://r"}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := siteFiles(t, c.text)
			t.Setenv("SIREN_CONFIG", path)
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(path, link))
			f, err := LoadContexts()
			must(t, err)
			f.path = link
			err = f.Use("prod")
			got, readErr := os.ReadFile(path)
			must(t, readErr)
			info, statErr := os.Stat(path)
			must(t, statErr)
			switch {
			case c.want == "" && (err == nil || !strings.Contains(err.Error(),
				"write `current: prod` into it yourself") || string(got) != c.text):
				t.Errorf("%v, %q", err, got)
			case c.want != "" && (err != nil || string(got) != c.want || info.Mode().Perm() != 0o600):
				t.Errorf("%v, %v, %q", err, info.Mode(), got)
			}
		})
	}
	t.Setenv("SIREN_CONFIG", filepath.Join(t.TempDir(), "new", "config.yaml"))
	f, err := LoadContexts()
	must(t, err)
	must(t, f.Use(UpContext))
	if f, err := LoadContexts(); err != nil || f.Current != UpContext {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestCredentials(t *testing.T) {
	for url, c := range map[string]struct {
		user     string
		password bool
		with     string
	}{
		"amqp://h":                        {"", false, "amqp://:a%2Fb@h"},
		"amqp://u@h/v@w":                  {"u", false, "amqp://u:a%2Fb@h/v@w"},
		"amqp://u:p@h?x=1":                {"u", true, ""},
		"redis://:p@h/0":                  {"", true, ""},
		"redis://p:@h":                    {"p", true, ""},
		"redis+sentinel://u@a:1,b:2/m?d":  {"u", false, "redis+sentinel://u:a%2Fb@a:1,b:2/m?d"},
		"redis://h/0?sentinelPassword=xy": {"", true, ""},
		"amqp://u@a,b:1/v":                {"u", false, "amqp://u:a%2Fb@a,b:1/v"},
		"amqp://u@a/v, amqp://u@b":        {"u", false, "amqp://u:a%2Fb@a/v,amqp://u:a%2Fb@b"},
		"amqp://u@a/v,amqp://u:p@b":       {"u", true, ""},
	} {
		user, password := credentials(url)
		if user != c.user || password != c.password {
			t.Errorf("%s: %q, %t", url, user, password)
		}
		if c.with != "" && withPassword(url, "a/b") != c.with {
			t.Errorf("%s with a password: %s", url, withPassword(url, "a/b"))
		}
	}
}
