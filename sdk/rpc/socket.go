package rpc

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// sendBufferBytes is how many bytes a socket shall hold that its reader has not taken
// yet. The kernel grants what its own limit allows, at least twice its default. With a
// smaller buffer the writer sleeps and is woken several hundred times in 80 MB.
const sendBufferBytes = 4 << 20

// plainSockets are credentials without encryption, for unix sockets. They also prepare
// the sockets: see growSendBuffer and direct. TCP connections that a server was handed are secure.
type plainSockets struct {
	credentials.TransportCredentials
}

func newPlainSockets() plainSockets { return plainSockets{insecure.NewCredentials()} }

// ClientHandshake implements credentials.TransportCredentials.
func (p plainSockets) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	growSendBuffer(conn)
	return p.TransportCredentials.ClientHandshake(ctx, authority, direct(conn))
}

// ServerHandshake implements credentials.TransportCredentials.
func (p plainSockets) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if h, ok := conn.(*handed); ok {
		return h.secure()
	}
	growSendBuffer(conn)
	return p.TransportCredentials.ServerHandshake(direct(conn))
}

// Clone implements credentials.TransportCredentials.
func (p plainSockets) Clone() credentials.TransportCredentials {
	return plainSockets{p.TransportCredentials.Clone()}
}

// DialSocket connects to a unix socket as a host does.
func DialSocket(path string) (net.Conn, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	growSendBuffer(conn)
	return direct(conn), nil
}

// growSendBuffer asks for a larger send buffer. A socket that does not grant it works
// all the same.
func growSendBuffer(conn net.Conn) {
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(sendBufferBytes)
	}
}
