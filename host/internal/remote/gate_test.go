package remote

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// Nobody but the host gets through a gate, and the plugin is given up when the host has
// had no connection for the time of a lease.
func TestGate(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	inside, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := inside.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }() // an echo
		}
	}()
	t.Cleanup(func() { _ = inside.Close() })
	pair := func() tls.Certificate {
		p, err := launch.SelfSigned(x509.ExtKeyUsageClientAuth)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	host, stranger := pair(), pair()
	g, err := newGate(&request{Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: host.Certificate[0]})), Ports: "20000-60000"}, socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.listener.Close() })
	go accept(g.listener, g.admit)
	echo := func(certificates ...tls.Certificate) error {
		conn, err := tls.Dial("tcp", g.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: certificates, NextProtos: []string{"h2"}})
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
		back := make([]byte, 5)
		if _, err := io.ReadFull(conn, back); err != nil {
			return err
		}
		if !bytes.Equal(back, []byte("hello")) {
			t.Errorf("got %q", back)
		}
		return nil
	}
	if err := echo(host); err != nil {
		t.Errorf("the host: %v", err)
	}
	if err := echo(stranger); err == nil {
		t.Error("a stranger got in")
	}
	if err := echo(); err == nil {
		t.Error("somebody without a certificate got in")
	}
	start := time.Now()
	g.waitIdle()
	if took := time.Since(start); took > lease+5*time.Second {
		t.Errorf("the lease took %v", took)
	}
	if _, _, err := serverTLS(""); err == nil {
		t.Error("a gate opened without the certificate of the host")
	}
}
