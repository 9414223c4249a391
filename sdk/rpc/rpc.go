// Package rpc is both ends of the protocol plume.v1: it makes a plugin answer
// over gRPC ([Register]) and makes what answers over gRPC look like a plugin
// ([Describe]).
//
// A call is one bidirectional stream, or, if it is small and the plugin supports it,
// one of a series on a stream that stays open. Matrices travel as Arrow IPC streams in
// pieces, see package wire; a codec of our own keeps the payload from being
// copied on its way through gRPC. The bytes on the wire are plain protobuf. If both
// ends are on one machine and support it, large pieces travel in shared memory and
// frames say where they are.
package rpc

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
)

// ProtocolVersion is the go-plugin protocol version of package plume.v1.
const ProtocolVersion = 1

// Handshake is what host and plugin check before they talk.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "PLUME_PLUGIN",
	MagicCookieValue: "plume.v1",
}

// Name is the name under which go-plugin dispenses the only plugin of a process.
const Name = "plume"

// Flow control windows of two of our frames, so that neither side waits for the other's
// acknowledgements on a local socket, and not more, because what is in transit takes
// memory; and buffers that hold many HTTP/2 frames.
const (
	windowBytes = 2 * maxPayload
	bufferBytes = 128 << 10
)

// Limits of what a host takes from a plugin in one message. A frame has a payload of 1 MiB
// at most, and next to it numbers that there is one of for each member or observation, see
// answerBytes. The layout of a state has its coordinates.
const (
	messageBytes  = 64 << 20
	layoutBytes   = 512 << 20
	manifestBytes = 1 << 20
)

// answerBytes is the limit of a message that answers a call: messageBytes, and what the
// numbers take that there is one of for each member (a weight and an ancestor) and for each
// observation (an error variance).
func answerBytes(members int64, observed int) int {
	const member, observation = 8 + binary.MaxVarintLen64, 8
	return int(min(math.MaxInt32, messageBytes+float64(members)*member+float64(observed)*observation))
}

// ServerOptions are the gRPC options of a plugin.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()), grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.StaticStreamWindowSize(windowBytes), grpc.StaticConnWindowSize(windowBytes),
		grpc.ReadBufferSize(bufferBytes), grpc.WriteBufferSize(bufferBytes),
		experimental.BufferPool(&buffers{}), grpc.Creds(newPlainSockets()),
	}
}

// DialOptions are the gRPC options of a host for a unix socket in a directory of the user.
func DialOptions() []grpc.DialOption {
	return append(dialOptions(), grpc.WithReadBufferSize(bufferBytes), grpc.WithTransportCredentials(newPlainSockets()))
}

// TLSDialOptions are the gRPC options of a host for a connection with mutual TLS. config need
// not have the certificate of the plugin before that is connected.
func TLSDialOptions(config *tls.Config) []grpc.DialOption {
	below := grpc.WithReadBufferSize(0) // records have one
	return append(dialOptions(), below, grpc.WithTransportCredentials(secureSockets{credentials.NewTLS(config), config}))
}

func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(newCodec()), grpc.MaxCallRecvMsgSize(messageBytes), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		grpc.WithStaticStreamWindowSize(windowBytes), grpc.WithStaticConnWindowSize(windowBytes),
		grpc.WithWriteBufferSize(bufferBytes),
		experimental.WithBufferPool(&buffers{}),
	}
}

// GoPlugin joins a plugin to hashicorp/go-plugin: on the plugin's side it
// registers Plugin, on the host's side it dispenses the gRPC connection.
type GoPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	Plugin     *sdk.Plugin   // on the plugin's side only
	Registered func(*Server) // may be nil
}

// GRPCServer implements plugin.GRPCPlugin.
func (g *GoPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if g.Plugin == nil {
		return errors.New("rpc: no plugin to serve")
	}
	srv := Register(s, g.Plugin)
	if g.Registered != nil {
		g.Registered(srv)
	}
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (g *GoPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
