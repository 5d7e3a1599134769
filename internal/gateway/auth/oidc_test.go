package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// provider is an OpenID provider of a test's own, with real keys.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	keys    map[string]crypto.Signer // by kid
	away    atomic.Bool
	fetched atomic.Int32 // times that the keys were
	later   atomic.Int64 // how far its clock and the guard's have gone on
	log     logged
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keys: map[string]crypto.Signer{}}
	p.rotate(t, "one")
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// rotate gives the provider one new key, and takes back all others.
func (p *provider) rotate(t *testing.T, kid string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]crypto.Signer{kid: key}
}

func (p *provider) key(kid string) crypto.Signer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[kid]
}

func (p *provider) now() time.Time { return time.Now().Add(time.Duration(p.later.Load())) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// ServeHTTP answers who it is, and with its keys.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.away.Load() {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "openid-configuration") {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
		})
		return
	}
	p.fetched.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []map[string]string
	for kid, k := range p.keys {
		switch public := k.Public().(type) {
		case *rsa.PublicKey:
			keys = append(keys, map[string]string{
				"kty": "RSA", "kid": kid, "use": "sig", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes()),
			})
		case *ecdsa.PublicKey:
			point, _ := public.Bytes()
			keys = append(keys, map[string]string{
				"kty": "EC", "kid": kid, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]),
			})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// sign makes a JWT of claims, which change those of a good one; nil takes one away.
func (p *provider) sign(t *testing.T, kid string, change claims) string {
	t.Helper()
	return p.signBy(t, map[string]any{"alg": "RS256", "kid": kid, "typ": "JWT"}, change, func(text []byte) []byte {
		sum := sha256.Sum256(text)
		signature, err := p.key(kid).Sign(rand.Reader, sum[:], crypto.SHA256)
		must(t, err)
		return signature
	})
}

func (p *provider) signBy(t *testing.T, header map[string]any, change claims, by func([]byte) []byte) string {
	t.Helper()
	c := claims{
		"iss": p.URL, "aud": "siren", "sub": "ann", "exp": p.now().Add(time.Hour).Unix(), "iat": p.now().Unix(),
		"roles": []string{"reader"},
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	h, err := json.Marshal(header)
	must(t, err)
	body, err := json.Marshal(map[string]any(c))
	must(t, err)
	text := b64(h) + "." + b64(body)
	return text + "." + b64(by([]byte(text)))
}

// guard makes a guard of the provider's tokens.
func (p *provider) guard(t *testing.T, change func(*OIDCOptions)) *OIDC {
	t.Helper()
	o := OIDCOptions{Issuer: p.URL, Audience: "siren", Now: p.now, Log: p.log.log()}
	if change != nil {
		change(&o)
	}
	g, err := NewOIDC(t.Context(), o)
	must(t, err)
	return g
}

func TestOIDC(t *testing.T) {
	p := newProvider(t)
	g := p.guard(t, nil)
	good := p.sign(t, "one", nil)
	if i, err := g.Identify(t.Context(), good); err != nil || i.Subject != "ann" || !slices.Equal(i.Roles, []Role{Reader}) {
		t.Fatalf("%+v, %v", i, err)
	}
	if _, err := g.Identify(t.Context(), p.sign(t, "one", claims{"aud": []string{"other", "siren"}})); err != nil {
		t.Error("one of several audiences:", err)
	}
	if _, err := g.Identify(t.Context(), p.sign(t, "one", claims{"exp": p.now().Add(-skew / 2).Unix()})); err != nil {
		t.Error("a clock that is a little wrong:", err)
	}
	public, err := x509.MarshalPKIXPublicKey(p.key("one").Public())
	must(t, err)
	byPublicKey := func(text []byte) []byte {
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
		mac.Write(text)
		return mac.Sum(nil)
	}
	other := newProvider(t)
	parts := strings.Split(good, ".")
	for name, wrong := range map[string]string{
		"no JWT":                "siren_abc",
		"not even base64":       "a.b.c",
		"expired":               p.sign(t, "one", claims{"exp": p.now().Add(-time.Minute).Unix()}),
		"never expires":         p.sign(t, "one", claims{"exp": nil}),
		"not yet":               p.sign(t, "one", claims{"nbf": p.now().Add(time.Minute).Unix()}),
		"another's audience":    p.sign(t, "one", claims{"aud": "other"}),
		"no audience":           p.sign(t, "one", claims{"aud": nil}),
		"another issuer":        p.sign(t, "one", claims{"iss": "https://login.example.com"}),
		"no subject":            p.sign(t, "one", claims{"sub": nil}),
		"a subject that steers": p.sign(t, "one", claims{"sub": "ann\x1b[31m"}),
		"a subject backwards":   p.sign(t, "one", claims{"sub": "ann\u202e"}),
		"another's key":         other.sign(t, "one", claims{"iss": p.URL}),
		"no signature":          parts[0] + "." + parts[1] + ".",
		"other claims":          parts[0] + "." + strings.Split(p.sign(t, "one", claims{"sub": "bob"}), ".")[1] + "." + parts[2],
		"none":                  p.signBy(t, map[string]any{"alg": "none"}, nil, func([]byte) []byte { return nil }),
		"None": p.signBy(t, map[string]any{"alg": "None", "kid": "one"}, nil,
			func([]byte) []byte { return nil }),
		"HS256 with the public key": p.signBy(t, map[string]any{"alg": "HS256", "kid": "one"}, nil, byPublicKey),
	} {
		_, err := g.Identify(t.Context(), wrong)
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		} else if signature := wrong[strings.LastIndex(wrong, ".")+1:]; len(signature) > 10 &&
			strings.Contains(err.Error(), signature) {
			t.Errorf("%s: the token is in the error: %v", name, err)
		}
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p.mu.Lock()
	p.keys["curve"] = ec
	p.mu.Unlock()
	p.later.Add(int64(time.Minute)) // or the provider would have been asked too often
	curve := p.signBy(t, map[string]any{"alg": "ES256", "kid": "curve"}, nil, func(text []byte) []byte {
		sum := sha256.Sum256(text)
		r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
		must(t, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	})
	if _, err := g.Identify(t.Context(), curve); err != nil {
		t.Error("ES256:", err)
	}
}

// The keys are fetched again for one that isn't known, but not as often as somebody shows one; a key that was taken
// back doesn't count for long; and while the provider is away those that are known do.
func TestOIDCKeys(t *testing.T) {
	p := newProvider(t)
	g := p.guard(t, nil)
	in := func(token string) error {
		_, err := g.Identify(t.Context(), token)
		return err
	}
	old := p.sign(t, "one", claims{"exp": p.now().Add(24 * time.Hour).Unix()})
	must(t, in(old))
	for range 20 {
		must(t, in(old))
	}
	if n := p.fetched.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	p.rotate(t, "two")
	fresh := p.sign(t, "two", claims{"exp": p.now().Add(24 * time.Hour).Unix()})
	must(t, in(fresh))
	if err := in(old); err == nil {
		t.Error("a key that was taken back counts, though the keys were fetched since")
	}

	p.later.Add(int64(time.Minute))
	before := p.fetched.Load()
	forged := newProvider(t).sign(t, "one", claims{"iss": p.URL})
	cantTell := 0
	for range 50 {
		if errors.Is(in(forged), ErrCantTell) {
			cantTell++
		}
	}
	if n := p.fetched.Load() - before; n > askBurst || cantTell == 0 {
		t.Errorf("50 forged tokens had the keys fetched %d times, and %d weren't decided", n, cantTell)
	}
	must(t, in(fresh))

	p.away.Store(true)
	p.later.Add(int64(keysFor + time.Minute))
	if err := in(fresh); err != nil {
		t.Error("the provider is away, and its keys are known:", err)
	}
	if err := in(forged); !errors.Is(err, ErrCantTell) {
		t.Error("the provider is away, and the key isn't known:", err)
	}
	p.away.Store(false)
	p.rotate(t, "three")
	p.later.Add(int64(keysFor + time.Minute))
	if err := in(fresh); !errors.Is(err, ErrUnknown) {
		t.Error("a key that was taken back counts:", err)
	}
}

// A provider that is away at the start is asked until it answers. A token of another kind isn't its matter.
func TestOIDCWhoseProviderIsAwayAtTheStart(t *testing.T) {
	p := newProvider(t)
	p.away.Store(true)
	g := p.guard(t, nil)
	token := p.sign(t, "one", nil)
	if _, err := g.Identify(t.Context(), token); !errors.Is(err, ErrCantTell) {
		t.Errorf("away: %v", err)
	}
	if _, err := g.Identify(t.Context(), "siren_abc"); !errors.Is(err, ErrUnknown) {
		t.Errorf("away, another kind: %v", err)
	}
	if !strings.Contains(p.log.String(), "retrying") {
		t.Errorf("it isn't said: %s", p.log.String())
	}
	p.away.Store(false)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		_, err := g.Identify(t.Context(), token)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		p.later.Add(int64(time.Second))
	}
}

func TestOIDCClaims(t *testing.T) {
	p := newProvider(t)
	g := p.guard(t, func(o *OIDCOptions) {
		o.Subject, o.Tenant, o.Roles, o.RolePrefix = "email", "https://siren.example/claims.tenant", "realm_access.roles", "siren-"
	})
	good := claims{
		"email": "ann@example.com", "email_verified": true,
		"https://siren.example/claims": map[string]any{"tenant": "acme"},
		"realm_access":                 map[string]any{"roles": []any{"siren-producer", "operator", 7, "siren-root"}},
	}
	with := func(change claims) claims {
		c := maps.Clone(good)
		maps.Copy(c, change)
		return c
	}
	tenant := func(v any) claims {
		return with(claims{"https://siren.example/claims": map[string]any{"tenant": v}})
	}
	roles := func(v any) claims { return with(claims{"realm_access": map[string]any{"roles": v}}) }
	ann := Identity{Subject: "ann@example.com", Tenant: "acme", Roles: []Role{Producer}}
	everybody := ann
	everybody.Tenant = ""
	no := ann
	no.Roles = nil
	two := ann
	two.Roles = []Role{Reader, Producer}
	for name, c := range map[string]struct {
		claims claims
		want   Identity
	}{
		"good":                      {good, ann},
		"a list of one tenant":      {tenant([]any{"acme"}), ann},
		"everybody's jobs":          {tenant("*"), everybody},
		"roles in a string":         {roles("openid siren-reader siren-producer siren-reader"), two},
		"no roles":                  {with(claims{"realm_access": nil}), no},
		"roles of something else":   {roles(map[string]any{"siren-operator": true}), no},
		"a flat name comes first":   {with(claims{"realm_access.roles": "siren-producer", "realm_access": nil}), ann},
		"no tenant":                 {with(claims{"https://siren.example/claims": nil}), Identity{}},
		"an empty tenant":           {tenant(""), Identity{}},
		"a tenant with a dot":       {tenant("a.b"), Identity{}},
		"two tenants":               {tenant([]any{"a", "b"}), Identity{}},
		"a number for a tenant":     {tenant(7), Identity{}},
		"no subject":                {with(claims{"email": nil}), Identity{}},
		"an email of anybody's":     {with(claims{"email_verified": false}), Identity{}},
		"an email nobody looked at": {with(claims{"email_verified": nil}), Identity{}},
	} {
		i, err := g.Identify(t.Context(), p.sign(t, "one", c.claims))
		if (err == nil) != (c.want.Subject != "") || err != nil && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
		if i.Subject != c.want.Subject || i.Tenant != c.want.Tenant || !slices.Equal(i.Roles, c.want.Roles) {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

func TestOIDCOptions(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://login.example.com/realms/a": true, "http://127.0.0.1:5556/dex": true, "http://localhost:1": true,
		"": false, "login.example.com": false, "http://login.example.com": false, "ftp://127.0.0.1/": false,
		"https://a:b@login.example.com": false, "https://login.example.com?x=1": false,
	} {
		if err := (OIDCOptions{Issuer: issuer, Audience: "siren"}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
	if (OIDCOptions{Issuer: "https://login.example.com"}).Check() == nil {
		t.Error("no audience is taken")
	}
}

// Keys that come in clear from elsewhere aren't fetched, whatever the provider says.
func TestOIDCKeysInClear(t *testing.T) {
	g := &gentle{now: time.Now, next: http.DefaultTransport}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://login.example.com/keys", nil)
	must(t, err)
	if _, err := g.RoundTrip(r); err == nil || !strings.Contains(err.Error(), "isn't https") {
		t.Error(err)
	}
}
