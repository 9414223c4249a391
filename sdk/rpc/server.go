package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc"
)

// protocolMinor counts additions within plume.v1.
const protocolMinor = 9

// Server answers the services of one plugin.
type Server struct {
	pb.UnimplementedPluginServer
	plugin *sdk.Plugin
	gone   chan struct{} // closed when the host ends its session
	once   sync.Once
	began  func()              // told when a call begins
	ended  func(time.Duration) // told how long each call took

	mu             sync.Mutex
	configurations map[string]*configuration
	memories       map[string]*memory // shared with the host; "" is none
	answered       []chan *job        // the memory of calls that have sent their answer
}

// Register makes s answer the services of p: Plugin and that of its role.
func Register(s grpc.ServiceRegistrar, p *sdk.Plugin) *Server {
	srv := &Server{
		plugin: p, gone: make(chan struct{}), began: func() {}, ended: func(time.Duration) {},
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

// Watched makes the server call began at the header of every call, and ended with the time
// from there to the last frame of its answer or to its error; from several goroutines at
// once. Watched must be called before the first call.
func (s *Server) Watched(began func(), ended func(took time.Duration)) {
	s.began, s.ended = began, ended
}

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

// Session implements the Plugin service. It lasts as long as the host.
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

// call answers the calls of one stream, one after the other.
func (s *Server) call(_ any, stream grpc.ServerStream) (err error) {
	defer func() { err = toStatus(err) }()
	defer recoverBug(&err)
	for again := true; again && err == nil; {
		again, err = s.answer(stream)
	}
	return err
}

// answer answers one call, and says whether another may follow.
func (s *Server) answer(stream grpc.ServerStream) (again bool, err error) {
	var a *pending
	var start time.Time
	ended := func() {
		if !start.IsZero() {
			s.ended(time.Since(start))
			start = time.Time{}
		}
	}
	defer ended()
	f := &frame{}
	f.open = func(h *pb.CallHeader) (err error) {
		if !start.IsZero() {
			return contract("call", "has two CallHeaders")
		}
		start = time.Now()
		s.began()
		if a, err = s.open(stream.Context(), h); err == nil {
			f.sink = a.in.payload
		}
		return err
	}
	switch err := stream.RecvMsg(f); {
	case errors.Is(err, io.EOF): // no more calls from the host
		return false, nil
	case err != nil:
		return false, err
	case f.fault != nil:
		return false, f.fault
	case a == nil:
		return false, contract("call", "does not start with a CallHeader")
	}
	end, err := a.in.look(f)
	if end == nil && err == nil {
		end, err = a.in.receive(stream, f)
	}
	if err != nil {
		return false, err
	}
	if end.Members != a.header.Members {
		return false, contract("call", "the header says %d members, the end %d", a.header.Members, end.Members)
	}
	if err := a.in.complete(callOf(a.header).Member, int(end.Members)); err != nil {
		return false, err
	}
	out := &outgoing{stream: stream, memory: a.memory, joined: a.header.Series}
	defer out.takeBack()
	if err := a.run(stream.Context(), out); err != nil {
		return false, err
	}
	ended() // what follows is waiting for the host
	return a.header.Series, a.release(stream)
}

// pending is a call that has been announced.
type pending struct {
	server *Server
	header *pb.CallHeader
	c      *configuration
	memory *memory
	job    *job
	in     *incoming
}

// open prepares for the call that h announces.
func (s *Server) open(ctx context.Context, h *pb.CallHeader) (*pending, error) {
	s.mu.Lock()
	c, shared := s.configurations[h.Configuration], s.memories[h.Shm]
	s.mu.Unlock()
	switch {
	case c == nil:
		return nil, contract("call", "there is no configuration %q", h.Configuration)
	case shared == nil:
		return nil, contract("call", "there is no shared memory %q", h.Shm)
	}
	j := s.takeJob(ctx, c)
	if err := j.prepare(h); err != nil {
		return nil, err
	}
	return &pending{s, h, c, shared, j, newIncoming(j.in, shared, false)}, nil // the host has checked what it sends
}

// run does what is asked and sends the answer.
func (a *pending) run(ctx context.Context, out *outgoing) error {
	if a.header.Timeout > 0 {
		ctx = told{ctx, time.Now().Add(sdk.Seconds(a.header.Timeout))}
	}
	end, err := a.c.run(ctx, a.job, a.header)
	if err != nil {
		return err
	}
	a.job.scratch, err = out.send(nil, a.job.out, end, a.job.scratch)
	return err
}

// told is the context of a call that the host ends at a deadline.
type told struct {
	context.Context
	deadline time.Time
}

// Deadline implements context.Context.
func (t told) Deadline() (time.Time, bool) { return t.deadline, true }

// release gives the memory of the call to the next one when nothing reads it any longer.
func (a *pending) release(stream grpc.ServerStream) error {
	next, j := a.server.putJob(), a.job
	if !a.header.Series {
		// The transport may still be sending j's memory, and the host may still be
		// reading shared memory. The host closes its side when it has the whole answer;
		// after any other end j is left to the garbage collector.
		if err := stream.RecvMsg(&frame{sink: a.in.payload}); !errors.Is(err, io.EOF) {
			j = nil
		}
	}
	next <- j
	return nil
}
