package servers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Authority is a certificate authority of its own, for private servers with TLS (Options.TLS) and their clients.
// For tests.
type Authority struct {
	CA string // file of its certificate (PEM)

	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes an authority that keeps its files in dir and is good for a day.
func NewAuthority(dir string) (*Authority, error) {
	a := &Authority{dir: dir, cert: template("siren test authority")}
	a.cert.IsCA, a.cert.BasicConstraintsValid, a.cert.KeyUsage = true, true, x509.KeyUsageCertSign
	var err error
	if a.CA, _, err = a.issue("ca", a.cert); err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	return a, nil
}

// Issue writes the certificate of a server on loopback, or of a client, and its key, as PEM files that are named after
// it.
func (a *Authority) Issue(name string) (certFile, keyFile string, err error) {
	c := template(name)
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	if certFile, keyFile, err = a.issue(name, c); err != nil {
		return "", "", fmt.Errorf("issue the certificate of %s: %w", name, err)
	}
	return certFile, keyFile, nil
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // the system's generator doesn't fail
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

// issue signs the certificate: with the authority's key, or with its own, which then becomes the authority's.
func (a *Authority) issue(name string, c *x509.Certificate) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	if a.key == nil {
		a.key = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", err
		}
	}
	return certFile, keyFile, nil
}

// withTLS adds the listener for TLS: it fills format with the port, the authority's certificate, and the server's own
// certificate and key, and returns the configuration with that.
func (s *Server) withTLS(o Options, keys secrets, scheme, format string) (config string, err error) {
	if o.TLS == nil {
		return o.Config, nil
	}
	cert, key, err := o.TLS.Issue(s.name)
	if err != nil {
		return "", err
	}
	port := keys.Ports[len(keys.Ports)-1]
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", err
	}
	u.Scheme, u.Host = scheme, local(port)
	s.TLSURL = u.String()
	return o.Config + "\n" + fmt.Sprintf(format, port, o.TLS.CA, cert, key), nil
}
