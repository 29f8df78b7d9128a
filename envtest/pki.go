package envtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// validity is how long certificates are valid: longer than any test, and than a day of `make run`.
const validity = 7 * 24 * time.Hour

// pki is the one authority of a control plane. It signs the API server's certificate and those of all users.
type pki struct {
	dir  string
	host string // "https://..." of the API server
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// newPKI makes an authority, and writes into dir what the API server and the controllers need:
// ca.crt, apiserver.crt and .key, and sa.key, which signs the tokens of service accounts.
func newPKI(dir string) (*pki, error) {
	p := &pki{dir: dir}
	var err error
	if p.key, err = newKey(); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "envtest"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if p.pem, err = p.sign(template, template, p.key); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(p.pem)
	if p.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("the certificate authority: %w", err)
	}

	serving, servingKey, err := p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.ParseIP(loopback), net.ParseIP(ServiceAddress)},
	})
	if err != nil {
		return nil, err
	}
	tokens, err := newKey()
	if err != nil {
		return nil, err
	}
	tokensPEM, err := encodeKey(tokens)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"ca.crt": p.pem, "apiserver.crt": serving, "apiserver.key": servingKey, "sa.key": tokensPEM}
	if err := p.write(files); err != nil {
		return nil, err
	}
	return p, nil
}

// writeKubeletClient writes kubelet-client.crt and .key, which the API server shows to kubelets.
func (p *pki) writeKubeletClient() error {
	cert, key, err := p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "envtest:kubelet-client", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	return p.write(map[string][]byte{"kubelet-client.crt": cert, "kubelet-client.key": key})
}

// write writes files that only their owner may read.
func (p *pki) write(files map[string][]byte) error {
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), data, 0o600); err != nil {
			return fmt.Errorf("the keys of the control plane: %w; make room in TMPDIR", err)
		}
	}
	return nil
}

// issue makes a key and a certificate for it, both in PEM.
func (p *pki) issue(template *x509.Certificate) (cert, key []byte, err error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	signer, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if cert, err = p.sign(template, p.cert, signer); err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(signer)
	return cert, key, err
}

// sign completes the template with a serial number and dates, and returns the certificate in PEM.
func (p *pki) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Minute)
	template.NotAfter = time.Now().Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), p.key)
	if err != nil {
		return nil, fmt.Errorf("the certificate of %q: %w", template.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("a key: %w", err)
	}
	return key, nil
}

// encodeKey uses the one form in which the API server reads keys of all purposes.
func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// CertificateAuthority returns the path of the authority's certificate, in PEM, by which kubelets
// know the API server and the administrator.
func (cp *ControlPlane) CertificateAuthority() string { return filepath.Join(cp.dir, "ca.crt") }

// KubeletCertificate returns a serving certificate of a node's kubelet, signed by the cluster's
// authority for the address, as one is that the node has asked the API server for.
func (cp *ControlPlane) KubeletCertificate(node string, address net.IP) (tls.Certificate, error) {
	cert, key, err := cp.pki.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{address},
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// User returns the configuration of a client with this name and these groups, proven by a client
// certificate and without a rate limit. It may do what RBAC grants the name or a group; the group
// "system:authenticated" comes on its own.
func (cp *ControlPlane) User(name string, groups ...string) (*rest.Config, error) {
	cert, key, err := cp.pki.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            cp.pki.host,
		QPS:             -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: cp.pki.pem, CertData: cert, KeyData: key},
	}, nil
}

// ServiceAccount returns the configuration of a client that the API server takes for the service account, whether or not there is one.
func (cp *ControlPlane) ServiceAccount(namespace, name string) (*rest.Config, error) {
	for _, part := range []string{namespace, name} {
		if msgs := validation.IsDNS1123Subdomain(part); len(msgs) > 0 {
			return nil, fmt.Errorf("service account %q in namespace %q: %q is not a name: %s; give both by their names alone", name, namespace, part, msgs[0])
		}
	}
	return cp.User("system:serviceaccount:"+namespace+":"+name, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
}

// WriteKubeconfig writes a kubeconfig file that says the same as cfg, readable by its owner only.
func WriteKubeconfig(path string, cfg *rest.Config) error {
	const name = "envtest"
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server: cfg.Host, CertificateAuthorityData: cfg.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, Token: cfg.BearerToken,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
	if err := clientcmd.WriteToFile(config, path); err != nil {
		return fmt.Errorf("kubeconfig %q: %w; choose a path that can be written to", path, err)
	}
	return nil
}
