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
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
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
	g, host := openGate(t, socket, nil)
	stranger := selfSigned(t)
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
	if _, err := newAdmission(""); err == nil {
		t.Error("a gate opened without the certificate of the host")
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	pair, err := launch.SelfSigned(x509.ExtKeyUsageClientAuth)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// openGate returns a gate of the plugin that listens at socket, and the certificate of its host. It sends its first
// connections to seen.
func openGate(t *testing.T, socket string, seen chan<- net.Conn) (*gate, tls.Certificate) {
	t.Helper()
	host := selfSigned(t)
	g, err := newGate(&request{Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: host.Certificate[0]})), Ports: "20000-60000"}, socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.listener.Close() })
	go accept(g.listener, func(conn net.Conn) {
		select {
		case seen <- conn:
		default:
		}
		g.admit(conn)
	})
	return g, host
}

// keepAliveInterval returns how often the other end of a connection that says nothing is asked for a sign.
func keepAliveInterval(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var seconds int
	if failed := raw.Control(func(fd uintptr) { seconds, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return time.Duration(seconds) * time.Second
}

// waitOpen waits until the host has n connections.
func waitOpen(t *testing.T, g *gate, n int32) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); g.open.Load() != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the gate counts %d connections, want %d", g.open.Load(), n)
		}
	}
}

// A plugin of the Go kit is handed the connections of its host, and of nobody else: this one has no other socket.
func TestGateHandsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := rpc.TakeConnections(connections(dir))
	if err != nil {
		t.Fatal(err)
	}
	p, err := sdk.ModelPlugin(pondManifest, newPond)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(rpc.ServerOptions()...)
	rpc.Register(server, p)
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(l) }()
	seen := make(chan net.Conn, 3)
	g, host := openGate(t, filepath.Join(dir, "nobody"), seen)
	describe := func(certificates ...tls.Certificate) (*grpc.ClientConn, error) {
		conn, err := grpc.NewClient("passthrough:///"+g.listener.Addr().String(), rpc.TLSDialOptions(&tls.Config{InsecureSkipVerify: true, Certificates: certificates})...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, err = rpc.Describe(t.Context(), conn)
		return conn, err
	}
	conn, err := describe(host)
	if err != nil {
		t.Fatal(err)
	}
	waitOpen(t, g, 1)
	if every := keepAliveInterval(t, <-seen); every != alive.Interval {
		t.Errorf("a host that is gone is looked for every %v, want %v", every, alive.Interval)
	}
	for _, certificates := range [][]tls.Certificate{{selfSigned(t)}, nil} {
		if _, err := describe(certificates...); err == nil {
			t.Error("a stranger got in")
		}
	}
	waitOpen(t, g, 1)
	_ = conn.Close()
	waitOpen(t, g, 0)
}

// A plugin that hangs with a connection that it was handed does not keep the lease of a host that is gone.
func TestGateOfHangingPlugin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("unix", connections(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g, _ := openGate(t, filepath.Join(dir, "nobody"), nil)
	host, err := net.Dial("tcp", g.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer plugin.Close()
	if _, err := plugin.Write([]byte("!")); err != nil { // it has let the host in
		t.Fatal(err)
	}
	waitOpen(t, g, 1)
	if err := host.Close(); err != nil {
		t.Error(err)
	}
	waitOpen(t, g, 0)
}
