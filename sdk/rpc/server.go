package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc"
)

// protocolMinor counts additions within plume.v1.
const protocolMinor = 1

// Server answers the services of one plugin.
type Server struct {
	pb.UnimplementedPluginServer
	plugin *sdk.Plugin
	gone   chan struct{} // closed when the host ends its session
	once   sync.Once

	mu             sync.Mutex
	configurations map[string]*configuration
	memories       map[string]*memory // shared with the host; "" is none
}

// Register makes s answer the services of p: Plugin and that of its role.
func Register(s grpc.ServiceRegistrar, p *sdk.Plugin) *Server {
	srv := &Server{
		plugin: p, gone: make(chan struct{}),
		configurations: map[string]*configuration{}, memories: map[string]*memory{"": {}},
	}
	pb.RegisterPluginServer(s, srv)
	method := methodOf[p.Manifest.Role]
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: method.service,
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: method.name, Handler: srv.call, ServerStreams: true, ClientStreams: true}},
		Metadata:    "plume/v1/plugin.proto",
	}, srv)
	return srv
}

// HostGone is closed when the host's session has ended.
func (s *Server) HostGone() <-chan struct{} { return s.gone }

type method struct{ service, name string }

func (m method) path() string { return "/" + m.service + "/" + m.name }

var methodOf = map[sdk.Role]method{
	sdk.RoleModel:    {"plume.v1.Model", "Forecast"},
	sdk.RoleOperator: {"plume.v1.ObservationOperator", "Observe"},
	sdk.RoleFilter:   {"plume.v1.Filter", "Analyse"},
}

// Describe implements the Plugin service.
func (s *Server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Manifest: s.plugin.Manifest.Text, ProtocolMinor: protocolMinor, Features: features()}, nil
}

// Session implements the Plugin service: it lasts as long as the host.
func (s *Server) Session(stream grpc.BidiStreamingServer[pb.SessionRequest, pb.SessionEvent]) error {
	defer s.once.Do(func() { close(s.gone) })
	for {
		if _, err := stream.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// Configure implements the Plugin service.
func (s *Server) Configure(ctx context.Context, r *pb.ConfigureRequest) (res *pb.ConfigureResponse, err error) {
	defer func() { err = toStatus(err) }()
	defer recoverBug(&err)
	c := &configuration{}
	switch s.plugin.Manifest.Role {
	case sdk.RoleModel:
		res, err = c.model(ctx, s.plugin, r)
	case sdk.RoleOperator:
		res, err = c.operator(ctx, s.plugin, r)
	case sdk.RoleFilter:
		res, err = c.filter(ctx, s.plugin, r)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configurations[r.Configuration] = c
	return res, nil
}

// recoverBug turns a panic of the plugin into an error with its stack.
func recoverBug(err *error) {
	if p := recover(); p != nil {
		*err = &sdk.Error{Kind: sdk.KindBug, What: fmt.Sprintf("panic: %v", p), Trace: string(debug.Stack())}
	}
}

// call answers one call of the plugin's role.
func (s *Server) call(_ any, stream grpc.ServerStream) (err error) {
	defer func() { err = toStatus(err) }()
	defer recoverBug(&err)
	first := &frame{}
	if err := stream.RecvMsg(first); err != nil {
		return err
	}
	if first.fault != nil {
		return first.fault
	}
	if first.header == nil {
		return contract("call", "does not start with a CallHeader")
	}
	s.mu.Lock()
	c, shared := s.configurations[first.header.Configuration], s.memories[first.header.Shm]
	s.mu.Unlock()
	switch {
	case c == nil:
		return contract("call", "there is no configuration %q", first.header.Configuration)
	case shared == nil:
		return contract("call", "there is no shared memory %q", first.header.Shm)
	}
	j := c.takeJob(stream.Context())
	if err := j.prepare(first.header); err != nil {
		return err
	}
	in := newIncoming(j.in, shared, false) // what the host sends it has seen
	end, err := in.receive(stream)
	if err != nil {
		return err
	}
	if end.Members != first.header.Members {
		return contract("call", "the header says %d members, the end %d", first.header.Members, end.Members)
	}
	if err := in.complete(int(end.Members)); err != nil {
		return err
	}
	answer, err := c.run(stream.Context(), j, first.header)
	if err != nil {
		return err
	}
	out := &outgoing{stream: stream, memory: shared}
	defer out.takeBack()
	if j.scratch, err = out.send(j.out, j.scratch); err != nil {
		return err
	}
	if err := stream.SendMsg(&frame{end: answer}); err != nil {
		return err
	}
	// The transport may still be sending from j's memory, and the host still be
	// reading shared memory. The host closes its side when it has the whole answer;
	// after any other end j is left to the garbage collector.
	next := c.putJob()
	if err := stream.RecvMsg(&frame{sink: in.payload}); !errors.Is(err, io.EOF) {
		j = nil
	}
	next <- j
	return nil
}
