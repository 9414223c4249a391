package launch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

// The variables that tell a plugin to listen on TCP, and the certificate of its only
// client. The second is go-plugin's.
const (
	envListen      = "PLUME_LISTEN"
	envCertificate = "PLUGIN_CLIENT_CERT"
)

// mutualTLS returns the host's side of a connection on which both ends show
// certificates made for this one process, and the variables that tell the plugin. The
// plugin's certificate comes with its handshake, over a pipe; go-plugin trusts no other.
// gRPC supports the curve in every language, unlike that of go-plugin's own certificates.
func mutualTLS() (*tls.Config, []string, error) {
	pair, err := SelfSigned(x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      x509.NewCertPool(), // empty until the plugin has shown its own
		ServerName:   "localhost", MinVersion: tls.VersionTLS13,
	}
	return config, []string{envListen + "=tcp", envCertificate + "=" + string(text)}, nil
}

// SelfSigned returns a new key and its certificate, for one process that others trust
// because they have been given the certificate. It is valid since yesterday: clocks differ.
func SelfSigned(use x509.ExtKeyUsage) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().AddDate(0, 0, -1), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{use},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
