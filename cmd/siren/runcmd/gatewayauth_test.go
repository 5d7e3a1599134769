package runcmd

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/gateway/auth"
)

// What lacks is said with what to do next; what others can reach never lets everybody in.
func TestAdmission(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(file, []byte("tokens: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	provider := auth.OIDCOptions{Issuer: "http://127.0.0.1:1", Audience: "siren"}
	nameless := auth.OIDCOptions{Issuer: "https://x"}
	clear := auth.OIDCOptions{Issuer: "http://x.example", Audience: "y"}
	tokens, oidc, both := []string{"tokens"}, []string{"oidc"}, []string{"tokens", "oidc"}
	const local, open = "127.0.0.1:8080", "0.0.0.0:8080"
	for name, c := range map[string]struct {
		m        admission
		address  string
		variable string
		fails    string
	}{
		"a file":                   {admission{by: tokens, tokens: file}, open, "", ""},
		"a file by the variable":   {admission{by: tokens}, open, file, ""},
		"no file":                  {admission{by: tokens}, local, "", "siren tokens create"},
		"a file that isn't there":  {admission{by: tokens, tokens: file + "x"}, local, "", "siren tokens create"},
		"a provider":               {admission{by: oidc, oidc: provider}, open, "", ""},
		"both":                     {admission{by: both, tokens: file, oidc: provider}, open, "", ""},
		"both, and no file":        {admission{by: both, oidc: provider}, open, "", "siren tokens create"},
		"no issuer":                {admission{by: oidc}, open, "", "--oidc-issuer"},
		"no audience":              {admission{by: oidc, oidc: nameless}, open, "", "--oidc-audience"},
		"an issuer in clear":       {admission{by: oidc, oidc: clear}, open, "", "https"},
		"a provider for nothing":   {admission{by: tokens, tokens: file, oidc: provider}, open, "", "tokens,oidc"},
		"a file for nothing":       {admission{by: oidc, tokens: file, oidc: provider}, open, "", "tokens,oidc"},
		"nobody asked":             {admission{by: []string{"none"}}, local, "", ""},
		"nobody asked, by name":    {admission{by: []string{"none"}}, "localhost:0", "", ""},
		"nobody asked, for all":    {admission{by: []string{"none"}}, open, "", "loopback"},
		"nobody asked, anywhere":   {admission{by: []string{"none"}}, ":8080", "", "loopback"},
		"nobody asked, and tokens": {admission{by: []string{"none", "tokens"}, tokens: file}, local, "", "goes alone"},
		"something else":           {admission{by: []string{"ldap"}}, local, "", `--auth "ldap"`},
		"nothing":                  {admission{}, local, "", "--auth says nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(auth.TokensVariable, c.variable)
			g, err := c.m.guard(t.Context(), c.address, slog.New(slog.DiscardHandler))
			switch {
			case c.fails == "" && (err != nil || g == nil):
				t.Errorf("%v, %v", g, err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Errorf("%v", err)
			case c.fails != "" && name != "a file that isn't there" && exit.Code(err) != exit.Usage:
				t.Errorf("exit code %d", exit.Code(err))
			}
			if _, anybody := g.(auth.Anybody); err == nil && anybody != strings.HasPrefix(name, "nobody asked") {
				t.Errorf("%T", g)
			}
		})
	}
}
