package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"
)

// Token is what a file of tokens knows of one. The token itself isn't there, and can't be found out from it.
type Token struct {
	Name    string    `json:"name"`
	Roles   []Role    `json:"roles"`
	Tenant  string    `json:"tenant,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	SHA256  string    `json:"sha256"`           // of the token, in hex: it has 256 random bits, so a slow hash adds nothing
}

// Expired reports whether the token lets nobody in any more.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// Errors of Add and Remove.
var (
	ErrTaken   = errors.New("there is such a token already")
	ErrNoToken = errors.New("there is no such token")
)

// TokensVariable is the environment variable with the file of tokens, where no flag names one.
const TokensVariable = "SIREN_GATEWAY_TOKENS"

// tokenPrefix begins each token, so that scanners for secrets find one where it doesn't belong.
const tokenPrefix = "siren_"

// spelling is how the random bits of a token are written.
var spelling = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken makes a token of 256 random bits, and returns it with its SHA-256 in hex.
func NewToken() (token, sum string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	token = tokenPrefix + spelling.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(hash[:])
}

// maxFile is how many bytes a file of tokens may have.
const maxFile = 8 << 20

// tokenList is what a file of tokens holds.
type tokenList struct {
	Tokens []Token `json:"tokens"`
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)
	tenantForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	sumForm    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// CheckTenant refuses what can't be a tenant's name. It has no dot: that parts a tenant from the rest of a job's id.
func CheckTenant(name string) error {
	if !tenantForm.MatchString(name) {
		return fmt.Errorf("tenant %q: write at most 63 of a-z, 0-9 and -, with no - in front", name)
	}
	return nil
}

// Check refuses a token that can't be meant so.
func (t Token) Check() error {
	var errs []error
	if !nameForm.MatchString(t.Name) {
		errs = append(errs, fmt.Errorf("name %q: write at most 63 letters, digits and . _ @ -, a letter or digit first", t.Name))
	}
	if len(t.Roles) == 0 {
		errs = append(errs, fmt.Errorf("no roles: say some of %s", roleNames()))
	}
	for _, r := range t.Roles {
		if !slices.Contains(Roles, r) {
			errs = append(errs, fmt.Errorf("role %q: there are %s", r, roleNames()))
		}
	}
	if t.Tenant != "" {
		errs = append(errs, CheckTenant(t.Tenant))
	}
	if !sumForm.MatchString(t.SHA256) {
		errs = append(errs, errors.New("sha256: write the 64 hex digits that `siren tokens create` wrote"))
	}
	return errors.Join(errs...)
}

func roleNames() string {
	names := make([]string, len(Roles))
	for i, r := range Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// parseTokens reads the text of a file of tokens, strictly. The error says all that is wrong.
func parseTokens(text []byte) ([]Token, error) {
	var l tokenList
	if err := yaml.UnmarshalStrict(text, &l); err != nil {
		return nil, err
	}
	var errs []error
	names, sums := map[string]bool{}, map[string]bool{}
	for i, t := range l.Tokens {
		err := t.Check()
		switch {
		case err != nil:
		case names[t.Name]:
			err = fmt.Errorf("name %q: another token has it", t.Name)
		case sums[t.SHA256]:
			err = errors.New("sha256: another token has it")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tokens[%d]: %w", i, err))
		}
		names[t.Name], sums[t.SHA256] = true, true
	}
	return l.Tokens, errors.Join(errs...)
}

// readFile reads a file of tokens, and says what is odd about it: that others may write it.
func readFile(path string) (text []byte, odd string, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // of a pipe it waits for nobody
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	s, err := f.Stat()
	switch {
	case err != nil:
		return nil, "", err
	case !s.Mode().IsRegular():
		return nil, "", fmt.Errorf("%s is no file", path)
	}
	if text, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err != nil {
		return nil, "", err
	}
	if len(text) > maxFile {
		return nil, "", fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	if s.Mode()&0o022 != 0 {
		odd = fmt.Sprintf("others may write %s (%#o), and so let anybody in: chmod go-w it", path, s.Mode().Perm())
	}
	return text, odd, nil
}

// ReadTokens reads a file of tokens; odd says what is odd about it, "" for nothing.
func ReadTokens(path string) (all []Token, odd string, err error) {
	text, odd, err := readFile(path)
	if err != nil {
		return nil, "", err
	}
	if all, err = parseTokens(text); err != nil {
		return nil, "", fmt.Errorf("file of tokens %s: %w", path, err)
	}
	return all, odd, nil
}

// AddToken puts a token into a file, which it makes if there is none; ErrTaken.
func AddToken(path string, t Token) (odd string, err error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	return change(path, func(all []Token) ([]Token, error) {
		if slices.ContainsFunc(all, func(x Token) bool { return x.Name == t.Name }) {
			return nil, ErrTaken
		}
		return append(all, t), nil
	})
}

// RemoveToken takes the token with that name out of a file; ErrNoToken.
func RemoveToken(path, name string) (odd string, err error) {
	return change(path, func(all []Token) ([]Token, error) {
		i := slices.IndexFunc(all, func(t Token) bool { return t.Name == name })
		if i < 0 {
			return nil, ErrNoToken
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// change changes a file of tokens in one step. Whoever changes it at the same time waits.
func change(path string, do func([]Token) ([]Token, error)) (odd string, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays
	}
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer unlock()
	all, odd, err := ReadTokens(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if all, err = do(all); err != nil {
		return odd, err
	}
	text, err := yaml.Marshal(tokenList{append([]Token{}, all...)})
	if err != nil {
		return odd, err
	}
	return odd, replaceFile(path, append([]byte("# Written by siren tokens. The tokens themselves aren't kept anywhere.\n"), text...))
}

// lockFolder waits until nobody else has locked the folder: a lock on the file itself would go when it is replaced.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

// replaceFile writes a file in one step, so that nobody reads half of it. Only its owner may read a new one; one that was
// there keeps its owner and who may read it.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tokens-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // but for what has become the file
	_, err = io.Copy(f, bytes.NewReader(text))
	if was, missing := os.Stat(path); missing == nil {
		err = errors.Join(err, f.Chmod(was.Mode().Perm()&^0o022))
		if s, ok := was.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
			_ = f.Chown(int(s.Uid), int(s.Gid)) // root alone may; anybody else has made it their own
		}
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
