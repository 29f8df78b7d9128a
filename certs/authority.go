package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// authority is a CA that can sign.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a CA that is valid from skew before now, for an API server whose clock is behind.
func newAuthority(now time.Time, life, skew time.Duration) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "shmkeeper-ca"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := issue(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

// validAt reports whether the CA has begun to be valid and has not expired. Nobody accepts what one signs that has not, or has.
func (a *authority) validAt(now time.Time) bool {
	return !now.Before(a.cert.NotBefore) && now.Before(a.cert.NotAfter)
}

// sign makes a key and a leaf for it that outlives neither life nor the CA, dated back like a CA. The key exists in the result only.
func (a *authority) sign(dnsNames []string, now time.Time, life, skew time.Duration) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	end := now.Add(life)
	if a.cert.NotAfter.Before(end) {
		end = a.cert.NotAfter
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "shmkeeper-webhook"},
		DNSNames:              dnsNames,
		NotBefore:             now.Add(-skew),
		NotAfter:              end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf, err := issue(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// issue returns a certificate for a public key, with a random serial number.
func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (a *authority) encode() (cert, key []byte, err error) {
	if cert, err = certutil.EncodeCertificates(a.cert); err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, nil, err
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: keyutil.PrivateKeyBlockType, Bytes: der}), nil
}

// decodeAuthority refuses what cannot sign. Its errors are fixed sentences: one that quotes the parser could quote the key.
func decodeAuthority(certPEM, keyPEM []byte) (*authority, error) {
	if len(certPEM) == 0 || len(keyPEM) == 0 {
		return nil, errors.New("the certificate or the key is missing")
	}
	certs, err := certutil.ParseCertsPEM(certPEM)
	if err != nil {
		return nil, errors.New("the certificate cannot be parsed")
	}
	if !canSign(certs[0]) {
		return nil, errors.New("the certificate is not a CA's")
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	key, ok := pair.PrivateKey.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the key cannot be parsed, or does not belong to the certificate")
	}
	return &authority{cert: certs[0], key: key}, nil
}

// canSign reports whether a certificate may sign others. One without keyUsage may be used for
// anything.
func canSign(cert *x509.Certificate) bool {
	return cert.IsCA && (cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0)
}

// fingerprint names a certificate in annotations and logs. It tells nothing about the key.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:8])
}
