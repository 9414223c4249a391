package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// EnvConnections tells a plugin the path of a unix socket at which it may take the TCP
// connections of its host, see [HandOver]. A plugin that does not is sent what they carry.
const EnvConnections = "PLUME_CONNECTIONS"

// Admission is what the server of a TCP connection lets its host in with, all in DER.
type Admission struct {
	Certificate, Key []byte // of the server; the key is in PKCS #8
	Host             []byte // the certificate of the host: nobody else is let in
}

// TLS returns the server's side of mutual TLS.
func (a *Admission) TLS() (*tls.Config, error) {
	key, err := x509.ParsePKCS8PrivateKey(a.Key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{a.Certificate}, PrivateKey: key}}, MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2"}, // gRPC wants to be told
		ClientAuth: tls.RequireAnyClientCert, VerifyPeerCertificate: OnlyWith(a.Host),
		SessionTicketsDisabled: true, // a session that is resumed is not verified
	}, nil
}

// OnlyWith verifies that the other end of a connection has this certificate, whatever the
// clocks say.
func OnlyWith(certificate []byte) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 || !bytes.Equal(raw[0], certificate) {
			return errors.New("not the expected certificate")
		}
		return nil
	}
}

// TakeConnections listens at path for the connections that HandOver hands to this process,
// for a server with [ServerOptions].
func TakeConnections(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	return &taker{l}, err
}

type taker struct{ net.Listener }

// Accept implements net.Listener.
func (t *taker) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &handed{conn.(*net.UnixConn)}, nil
}

// handed is a connection over which another one is handed over. It is open as long as that is.
type handed struct{ *net.UnixConn }

// admitTime is how long a host may take to show its certificate.
const admitTime = 15 * time.Second

// secure takes the connection that h hands over, and lets the host in.
func (h *handed) secure() (net.Conn, credentials.AuthInfo, error) {
	tcp, admission, err := h.receive()
	if err != nil {
		return nil, nil, err
	}
	conn, err := admit(tcp, admission)
	if err == nil {
		_, err = h.Write([]byte{admitted})
	}
	if err != nil {
		return nil, nil, errors.Join(err, tcp.Close())
	}
	state := conn.Conn.(*tls.Conn).ConnectionState()
	return &taken{conn, h}, credentials.TLSInfo{State: state, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

// admitted is what the process that has taken a connection writes when the host is let in.
const admitted = 1

func admit(tcp net.Conn, a *Admission) (*Secure, error) {
	config, err := a.TLS()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), admitTime)
	defer cancel()
	return SecureServer(ctx, tcp, config)
}

// taken is a connection of the host that was handed over.
type taken struct {
	*Secure
	over *handed
}

// Close implements net.Conn.
func (t *taken) Close() error { return errors.Join(t.Secure.Close(), t.over.Close()) }
