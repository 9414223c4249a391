package remote

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk/rpc"
)

// gate is the TCP address of a plugin that listens on a Unix socket. It is the end of
// mutual TLS, so that plugins in any language are safe on a network, and lets in the one
// host whose certificate it was given.
type gate struct {
	listener    net.Listener
	admission   *rpc.Admission
	certificate string // its own, as in a handshake
	socket      string // of the plugin

	open atomic.Int32 // connections of the host
	last atomic.Int64 // when there was one: nanoseconds since 1970
}

func newGate(run *request, socket string) (*gate, error) {
	g := &gate{socket: socket}
	var err error
	if g.admission, err = newAdmission(run.Certificate); err != nil {
		return nil, err
	}
	g.certificate = base64.RawStdEncoding.EncodeToString(g.admission.Certificate)
	ip, err := address(run)
	if err != nil {
		return nil, err
	}
	if g.listener, err = listen(ip, run.Ports); err != nil {
		return nil, err
	}
	g.touch()
	return g, nil
}

// listen listens on a port of a range of ip, "FROM-TO"; empty: any.
func listen(ip, ports string) (net.Listener, error) {
	from, to, err := portRange(ports)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAliveConfig: alive}
	var l net.Listener
	n := to - from + 1
	start := mrand.IntN(n)
	for i := range n {
		if l, err = config.Listen(context.Background(), "tcp", net.JoinHostPort(ip, strconv.Itoa(from+(start+i)%n))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// portRange returns the first and the last port of a range, FROM-TO; zeros if it is empty.
func portRange(text string) (from, to int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(text, "-")
	from, err1 := strconv.Atoi(a)
	to, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || from < 1 || to < from || to > 65535 {
		return 0, 0, fmt.Errorf("ports must be FROM-TO, such as 40000-40999, but is %q", text)
	}
	return from, to, nil
}

// accept calls do for every connection, until l is closed.
func accept(l net.Listener, do func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go do(conn)
	}
}

// alive finds within 20 s that the machine at the other end is gone: it sends no sign.
var alive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// admit lets the host in, to the plugin itself if it takes connections.
func (g *gate) admit(tcp net.Conn) {
	defer tcp.Close()
	hold := func() (release func()) {
		_ = tcp.(*net.TCPConn).SetKeepAliveConfig(alive) // Go has set its own in the process that took it
		return g.hold()
	}
	if rpc.HandOver(tcp, connections(filepath.Dir(g.socket)), g.admission, hold) {
		return
	}
	g.relay(tcp)
}

// relay is the end of TLS, and passes on what the host and the plugin send.
func (g *gate) relay(tcp net.Conn) {
	config, err := g.admission.TLS()
	if err != nil {
		return
	}
	hello, cancel := context.WithTimeout(context.Background(), lease)
	defer cancel()
	conn, err := rpc.SecureServer(hello, tcp, config)
	if err != nil {
		return
	}
	defer g.hold()()
	inside, err := rpc.DialSocket(g.socket)
	if err != nil {
		return
	}
	defer inside.Close()
	// Both directions end together: a connection that is half open hides that a side is gone.
	done := make(chan struct{}, 2)
	go func() { pass(inside, conn.ReadAll); done <- struct{}{} }()
	go func() { pass(conn, inside.Read); done <- struct{}{} }()
	<-done
}

// hold counts a connection of the host until it is released.
func (g *gate) hold() (release func()) {
	g.open.Add(1)
	return func() { g.touch(); g.open.Add(-1) }
}

// passBytes is how much is passed on at a time.
const passBytes = 256 << 10

// pass writes to a connection what read gives, until one of them ends.
func pass(to io.Writer, read func([]byte) (int, error)) {
	data := make([]byte, passBytes)
	for {
		n, err := read(data)
		if n > 0 {
			if _, err := to.Write(data[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (g *gate) touch() { g.last.Store(time.Now().UnixNano()) }

// waitIdle returns when the host has had no connection for the time of a lease.
func (g *gate) waitIdle() {
	for range time.Tick(time.Second) {
		if g.open.Load() == 0 && time.Since(time.Unix(0, g.last.Load())) > lease {
			return
		}
	}
}

// newAdmission returns what lets the host in that shows the certificate client, in PEM.
func newAdmission(client string) (*rpc.Admission, error) {
	block, _ := pem.Decode([]byte(client))
	if block == nil {
		return nil, errors.New("the host has sent no certificate")
	}
	pair, err := launch.SelfSigned(x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	return &rpc.Admission{Certificate: pair.Certificate[0], Key: key, Host: block.Bytes}, err
}
