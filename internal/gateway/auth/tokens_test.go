package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add makes a token in a file.
func add(t *testing.T, path string, what Token) (token string) {
	t.Helper()
	token, what.SHA256 = NewToken()
	if what.Roles == nil {
		what.Roles = []Role{Producer}
	}
	_, err := AddToken(path, what)
	must(t, err)
	return token
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		ann := add(t, path, Token{Name: "ann", Roles: []Role{Reader, Operator}})
		acme := add(t, path, Token{Name: "upload", Tenant: "acme", Expires: time.Now().Add(time.Hour)})
		var l logged
		g, err := OpenTokens(t.Context(), path, time.Now, l.log())
		must(t, err)
		in := func(token string) (Identity, error) { return g.Identify(t.Context(), token) }

		if i, err := in(ann); err != nil || i.Subject != "ann" || i.Tenant != "" || !i.May(Operator) || i.May(Producer) {
			t.Errorf("ann: %+v, %v", i, err)
		}
		if i, err := in(acme); err != nil || i.Subject != "upload" || i.Tenant != "acme" || !i.May(Producer) {
			t.Errorf("upload: %+v, %v", i, err)
		}
		for name, wrong := range map[string]string{
			"none": "", "another": "siren_" + strings.Repeat("a", 52), "cut": ann[:len(ann)-1], "longer": ann + "a",
			"in capitals": strings.ToUpper(ann), "without its prefix": strings.TrimPrefix(ann, tokenPrefix),
		} {
			if _, err := in(wrong); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}

		later := add(t, path, Token{Name: "later"})
		time.Sleep(readEvery + time.Second)
		if _, err := in(later); err != nil {
			t.Errorf("a new token: %v", err)
		}
		_, err = RemoveToken(path, "ann")
		must(t, err)
		time.Sleep(readEvery + time.Second)
		if _, err := in(ann); !errors.Is(err, ErrUnknown) {
			t.Errorf("a revoked token: %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := in(acme); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("an expired token: %v", err)
		}
		for _, token := range []string{ann, acme, later} {
			if strings.Contains(l.String(), token) {
				t.Error("a token is in the log")
			}
		}
	})
}

// A file that breaks leaves things as they were, and that is said once; a Secret's file is a link that is changed.
func TestTokensOfAFileThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "1"), 0o755))
		must(t, os.MkdirAll(filepath.Join(dir, "2"), 0o755))
		one := add(t, filepath.Join(dir, "1", "tokens.yaml"), Token{Name: "one"})
		two := add(t, filepath.Join(dir, "2", "tokens.yaml"), Token{Name: "two"})
		point := func(to string) {
			must(t, os.Symlink(to, filepath.Join(dir, "next")))
			must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "..data")))
		}
		point("1")
		path := filepath.Join(dir, "tokens.yaml")
		must(t, os.Symlink("..data/tokens.yaml", path))
		var l logged
		g, err := OpenTokens(t.Context(), path, time.Now, l.log())
		must(t, err)
		lets := func(token string) bool {
			time.Sleep(3*readEvery + time.Millisecond) // and not while the file is being read
			_, err := g.Identify(t.Context(), token)
			return err == nil
		}
		if !lets(one) || lets(two) {
			t.Error("the first file isn't what counts")
		}
		point("2")
		if lets(one) || !lets(two) {
			t.Error("the second file isn't what counts")
		}
		good, err := os.ReadFile(path)
		must(t, err)
		for name, broken := range map[string]string{
			"no YAML": "tokens: [", "nothing": "\n", "an unknown field": "tokens: []\nfoo: 1", "no hash": "tokens: [{name: x, roles: [reader]}]",
		} {
			before := strings.Count(l.String(), "level=ERROR")
			must(t, os.WriteFile(filepath.Join(dir, "2", "tokens.yaml"), []byte(broken), 0o600))
			if !lets(two) {
				t.Errorf("%s: the token known before doesn't count", name)
			}
			if said := strings.Count(l.String(), "level=ERROR") - before; said != 1 {
				t.Errorf("%s: said %d times", name, said)
			}
		}
		must(t, os.Remove(path))
		if !lets(two) || !strings.Contains(l.String(), "no such file") {
			t.Error("without the file")
		}
		must(t, os.WriteFile(path, good, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "2", "tokens.yaml"), good, 0o600))
		if !lets(two) {
			t.Error("the file is there again")
		}
		must(t, os.WriteFile(path, []byte("tokens: []"), 0o600))
		if lets(two) {
			t.Error("a file without tokens lets somebody in")
		}
	})
}

func TestTokensThatOthersMayWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		add(t, path, Token{Name: "ann"})
		if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o600 {
			t.Errorf("a new file has %v, %v", s.Mode(), err)
		}
		must(t, os.Chmod(path, 0o662))
		var l logged
		_, err := OpenTokens(t.Context(), path, time.Now, l.log())
		must(t, err)
		time.Sleep(5 * readEvery)
		if n := strings.Count(l.String(), "others may write"); n != 1 {
			t.Errorf("said %d times: %s", n, l.String())
		}
		token, sum := NewToken()
		odd, err := AddToken(path, Token{Name: "bob", Roles: []Role{Reader}, SHA256: sum})
		if err != nil || odd == "" {
			t.Errorf("said %q, %v", odd, err)
		}
		if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o640 {
			t.Errorf("a changed file has %v, %v", s.Mode(), err)
		}
		if text, err := os.ReadFile(path); err != nil || bytes.Contains(text, []byte(token)) {
			t.Error("the token is in the file")
		}
	})
}

func TestOpenTokensOfNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenTokens(t.Context(), filepath.Join(dir, "none"), time.Now, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "siren tokens create") {
		t.Errorf("no file: %v", err)
	}
	if _, err := OpenTokens(t.Context(), dir, time.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder is taken for a file")
	}
}

func TestParseTokens(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	line := func(fields string) string {
		return "tokens:\n- {name: x, roles: [reader], sha256: " + sum + fields + "}\n"
	}
	all, err := parseTokens([]byte(line(", tenant: a-1, expires: 2030-01-02T03:04:05Z")))
	if err != nil || len(all) != 1 || all[0].Expires.Year() != 2030 || all[0].Tenant != "a-1" {
		t.Errorf("%+v, %v", all, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":  {line(", expiry: 1"), "expiry"},
		"doubled field":  {line(", name: y"), "name"},
		"tenant's dot":   {line(", tenant: a.b"), "tenant"},
		"empty name":     {strings.Replace(line(""), "name: x", `name: ""`, 1), "name"},
		"name that acts": {strings.Replace(line(""), "name: x", `name: "x\e[1m"`, 1), "name"},
		"no roles":       {strings.Replace(line(""), "reader", "", 1), "no roles"},
		"unknown role":   {strings.Replace(line(""), "reader", "root", 1), `role "root"`},
		"short hash":     {strings.Replace(line(""), sum, sum[2:], 1), "sha256"},
		"the same name":  {line("") + strings.Replace(line(""), "tokens:\n", "", 1), "another token"},
		"not a time":     {line(", expires: tomorrow"), "time"},
		"token itself":   {strings.Replace(line(""), "sha256: "+sum, "token: siren_x", 1), "token"},
	} {
		if _, err := parseTokens([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever changes the file at the same time as others loses nothing of theirs.
func TestTokensMadeAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	var together sync.WaitGroup
	const many = 20
	for n := range many {
		together.Go(func() { add(t, path, Token{Name: fmt.Sprint("t", n)}) })
	}
	together.Wait()
	all, _, err := ReadTokens(path)
	if err != nil || len(all) != many {
		t.Errorf("%d tokens of %d, %v", len(all), many, err)
	}
	taken := make(chan error, many)
	for range many {
		together.Go(func() {
			_, sum := NewToken()
			_, err := AddToken(path, Token{Name: "same", Roles: []Role{Reader}, SHA256: sum})
			taken <- err
		})
	}
	together.Wait()
	close(taken)
	made := 0
	for err := range taken {
		if err == nil {
			made++
		} else if !errors.Is(err, ErrTaken) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("the same name was made %d times", made)
	}
	if _, err := RemoveToken(path, "gone"); !errors.Is(err, ErrNoToken) {
		t.Errorf("no such token: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCheckTenant(t *testing.T) {
	for _, good := range []string{"a", "0", "acme", "a-b", strings.Repeat("a", 63)} {
		if err := CheckTenant(good); err != nil {
			t.Error(err)
		}
	}
	for _, wrong := range []string{"", "-a", "a.b", "A", "a_b", "ä", "a\n", "*", strings.Repeat("a", 64)} {
		if CheckTenant(wrong) == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// Who of several guards knows a token says who it is; where one can't tell, nobody says that it lets nobody in.
func TestGuards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	token := add(t, path, Token{Name: "ann"})
	tokens, err := OpenTokens(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	must(t, err)
	_, revoked := NewToken()
	for _, g := range []Guards{{tokens, deaf{}}, {deaf{}, tokens}} {
		if i, err := g.Identify(t.Context(), token); err != nil || i.Subject != "ann" {
			t.Errorf("%v, %v", i, err)
		}
		if _, err := g.Identify(t.Context(), revoked); !errors.Is(err, ErrCantTell) {
			t.Error(err)
		}
	}
}

type deaf struct{}

func (deaf) Identify(_ context.Context, _ string) (Identity, error) { return Identity{}, ErrCantTell }
