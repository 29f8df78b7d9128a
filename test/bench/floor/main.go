// Command floor is a webhook that does the least that a webhook can do, as a measure for others: it
// reads a review, takes its uid from it and answers the same to each. It serves by TLS 1.3 and
// HTTP/1.1, like shmkeeper, with net/http alone.
//
//	/allow        allows, and changes nothing
//	/patch/NAME   answers the patch in patch-NAME.json, which is read once
//	/record/NAME  allows, and writes the review to review-NAME.json
//
// The files are in the folder -dir. It prints a line of JSON with its address and its certificate
// when it serves, and ends when its standard input does.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	host := flags.String("host", "localhost", "the name in the certificate")
	dir := flags.String("dir", ".", "the folder of patches and recorded reviews")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w := webhook{dir: *dir}
	mux := http.NewServeMux()
	mux.HandleFunc("/allow", w.allow)
	mux.HandleFunc("/patch/{name}", w.patch)
	mux.HandleFunc("/record/{name}", w.record)
	certificate, err := selfSigned(*host)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	if err := json.NewEncoder(stdout).Encode(map[string]string{
		"address":     listener.Addr().String(),
		"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})),
	}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // its end is all that it says
		ended <- server.Close()
	}()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type webhook struct {
	dir    string
	fields sync.Map // by the name of a patch: its fields of the response, a string
}

func (h *webhook) allow(w http.ResponseWriter, r *http.Request) {
	if body, err := io.ReadAll(r.Body); err == nil { // or the caller has gone
		answer(w, body, "")
	}
}

func (h *webhook) patch(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	name := r.PathValue("name")
	fields, found := h.fields.Load(name)
	if !found {
		patch, err := os.ReadFile(filepath.Join(h.dir, "patch-"+filepath.Base(name)+".json"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fields, _ = h.fields.LoadOrStore(name, `,"patchType":"JSONPatch","patch":"`+base64.StdEncoding.EncodeToString(patch)+`"`)
	}
	answer(w, body, fmt.Sprint(fields))
}

func (h *webhook) record(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.WriteFile(filepath.Join(h.dir, "review-"+filepath.Base(r.PathValue("name"))+".json"), body, 0o600)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, body, "")
}

// answer allows the request of a review, with more fields of the response as JSON.
func answer(w http.ResponseWriter, body []byte, fields string) {
	var review struct {
		Request struct {
			UID json.RawMessage `json:"uid"`
		} `json:"request"`
	}
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":`+
		string(review.Request.UID)+`,"allowed":true`+fields+"}}")
}

// selfSigned returns a certificate for a host that is its own authority, with a key of the kind that
// shmkeeper's has.
func selfSigned(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
