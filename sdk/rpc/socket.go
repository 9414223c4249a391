package rpc

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// sendBufferBytes is how much a socket may hold that its reader has not taken. The
// kernel grants what it allows, which is twice its default or more; with less, the
// writer sleeps and is woken several hundred times in 80 MB.
const sendBufferBytes = 4 << 20

// plainSockets is no transport security at all, on sockets with more room that are used
// directly.
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
	growSendBuffer(conn)
	return p.TransportCredentials.ServerHandshake(direct(conn))
}

// Clone implements credentials.TransportCredentials.
func (p plainSockets) Clone() credentials.TransportCredentials {
	return plainSockets{p.TransportCredentials.Clone()}
}

// growSendBuffer asks for a larger send buffer. A socket that does not grant it works all
// the same.
func growSendBuffer(conn net.Conn) {
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(sendBufferBytes)
	}
}
