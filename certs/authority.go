package certs

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"time"

	"github.com/cert-manager/cert-manager/pkg/util/pki"
)

// authority is a CA that can sign.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a CA that is valid from skew before now, for an API server whose clock is behind.
func newAuthority(now time.Time, life, skew time.Duration) (*authority, error) {
	key, err := pki.GenerateECPrivateKey(pki.ECCurve256)
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
	_, cert, err := pki.SignCertificate(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

// sign makes a key and a leaf for it that outlives neither life nor the CA, dated back like a CA. The key exists in the result only.
func (a *authority) sign(dnsNames []string, now time.Time, life, skew time.Duration) (*tls.Certificate, error) {
	key, err := pki.GenerateECPrivateKey(pki.ECCurve256)
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
	_, leaf, err := pki.SignCertificate(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func (a *authority) encode() (cert, key []byte, err error) {
	if cert, err = pki.EncodeX509(a.cert); err != nil {
		return nil, nil, err
	}
	key, err = pki.EncodePKCS8PrivateKey(a.key)
	return cert, key, err
}

// decodeAuthority refuses what cannot sign. Its errors are fixed sentences: one that quotes the parser could quote the key.
func decodeAuthority(certPEM, keyPEM []byte) (*authority, error) {
	if len(certPEM) == 0 || len(keyPEM) == 0 {
		return nil, errors.New("the certificate or the key is missing")
	}
	certs, err := pki.DecodeX509CertificateSetBytes(certPEM)
	if err != nil {
		return nil, errors.New("the certificate cannot be parsed")
	}
	key, err := pki.DecodePrivateKeyBytes(keyPEM)
	if err != nil {
		return nil, errors.New("the key cannot be parsed")
	}
	cert := certs[0]
	if !canSign(cert) {
		return nil, errors.New("the certificate is not a CA's")
	}
	if same, err := pki.PublicKeyMatchesCertificate(key.Public(), cert); err != nil || !same {
		return nil, errors.New("the key does not belong to the certificate")
	}
	return &authority{cert: cert, key: key}, nil
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
