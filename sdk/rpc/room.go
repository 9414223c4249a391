package rpc

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// socketBytes is how much a socket may hold that its reader has not taken. The
// kernel grants what it allows, which is twice its default or more; with less, the
// writer sleeps and is woken several hundred times in 80 MB.
const socketBytes = 4 << 20

// room is no transport security at all, on sockets with more room that are used
// directly.
type room struct {
	credentials.TransportCredentials
}

func newRoom() room { return room{insecure.NewCredentials()} }

// ClientHandshake implements credentials.TransportCredentials.
func (r room) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	widen(conn)
	return r.TransportCredentials.ClientHandshake(ctx, authority, direct(conn))
}

// ServerHandshake implements credentials.TransportCredentials.
func (r room) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	widen(conn)
	return r.TransportCredentials.ServerHandshake(direct(conn))
}

// Clone implements credentials.TransportCredentials.
func (r room) Clone() credentials.TransportCredentials {
	return room{r.TransportCredentials.Clone()}
}

// widen asks for a larger send buffer. A socket that does not grant it works all
// the same.
func widen(conn net.Conn) {
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(socketBytes)
	}
}
