package rpc

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Local returns a connection to p in this process, for [Describe], until ctx ends. Except for
// the transport, calls are made as to another process: both ends are the same, with the
// same checks, each has its own matrices, and answers and errors are the same to the
// bit. What p does to the process, it does to the caller.
func Local(ctx context.Context, p *sdk.Plugin) grpc.ClientConnInterface {
	l := &local{ctx: ctx}
	l.server = Register(l, p)
	return l
}

// local is a connection without a transport, and where its server is registered.
type local struct {
	ctx    context.Context
	server *Server
}

// RegisterService implements grpc.ServiceRegistrar. It does nothing: the only server is
// called directly.
func (l *local) RegisterService(*grpc.ServiceDesc, any) {}

// Invoke implements grpc.ClientConnInterface.
func (l *local) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	var answer proto.Message
	var err error
	switch r := request.(type) {
	case *pb.DescribeRequest:
		answer, err = l.server.Describe(ctx, r)
	case *pb.ConfigureRequest:
		answer, err = l.server.Configure(ctx, r)
	default:
		return status.Errorf(codes.Unimplemented, "%s is for processes", method)
	}
	if err != nil {
		return err
	}
	proto.Merge(reply.(proto.Message), answer)
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (l *local) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if method != methodOf[l.server.plugin.Manifest.Role].path() {
		return nil, status.Errorf(codes.Unimplemented, "%s is for processes", method)
	}
	asked, answers := make(chan *frame, underWay), make(chan *frame, underWay)
	ctx, cancel := context.WithCancel(ctx)
	hungUp := context.AfterFunc(l.ctx, cancel)
	c := &caller{way: way{ctx, asked, answers}, asked: make(chan struct{}), answered: make(chan struct{})}
	go func() {
		defer cancel()
		defer hungUp()
		c.status = l.server.call(nil, &answerer{way{ctx, answers, asked}, c})
		close(c.answered)
	}()
	return c, nil
}

// underWay is how many frames may be waiting to be received: as many as a small call has.
const underWay = 8

// way is what both ends of a stream have in common.
type way struct {
	ctx context.Context
	out chan<- *frame
	in  <-chan *frame
}

// Context implements grpc.Stream.
func (w *way) Context() context.Context { return w.ctx }

// send returns io.EOF when the receiver has gone.
func (w *way) send(m any, gone <-chan struct{}) error {
	f := m.(*frame)
	if f.header != nil {
		f.header = proto.CloneOf(f.header)
	}
	if f.end != nil {
		f.end = proto.CloneOf(f.end)
	}
	if f.whole {
		f.copied()
	}
	select {
	case w.out <- f:
		return nil
	default: // the receiver is behind
	}
	select {
	case w.out <- f:
		return nil
	case <-gone:
		return io.EOF
	case <-w.ctx.Done():
		return status.FromContextError(w.ctx.Err()).Err()
	}
}

// receive returns io.EOF when the sender has sent everything.
func (w *way) receive(m any, silent <-chan struct{}) error {
	into := m.(*frame)
	select {
	case f := <-w.in:
		into.take(f)
		return nil
	default: // nothing has come yet
	}
	select {
	case f := <-w.in:
		into.take(f)
		return nil
	case <-silent:
	case <-w.ctx.Done():
		return status.FromContextError(w.ctx.Err()).Err()
	}
	select {
	case f := <-w.in: // what was sent last
		into.take(f)
		return nil
	default:
		return io.EOF
	}
}

// copied copies the payload of f, since the sender's memory may change.
func (f *frame) copied() {
	length := 0
	for _, p := range f.payload {
		length += len(p)
	}
	f.lent = lent.Get(length)
	whole := (*f.lent)[:0]
	for _, p := range f.payload {
		whole = append(whole, p...)
	}
	f.payload = append(f.payload[:0], whole)
}

// take does to f what the codec does when it receives sent.
func (f *frame) take(sent *frame) {
	f.header, f.end, f.channel, f.shared, f.fault = sent.header, sent.end, sent.channel, nil, nil
	if f.header != nil {
		f.begin()
	}
	f.read(sent)
	if sent.lent != nil {
		lent.Put(sent.lent)
	}
}

// read passes the payload of sent to f's sink, unless its memory is not to be read any more.
func (f *frame) read(sent *frame) {
	if sent.loan != nil {
		sent.loan.mu.Lock()
		defer sent.loan.mu.Unlock()
		if sent.loan.ended {
			f.fault = contract("call", "was given up")
		}
	}
	for _, piece := range sent.payload {
		switch {
		case f.fault != nil:
		case f.sink == nil:
			f.fault = contract("frame", "%v", errUnannounced)
		default:
			f.fault = f.sink(f.channel, piece)
		}
	}
}

// loan is the memory of a caller that the other end may read, in pieces of maxPayload at most.
type loan struct {
	mu    sync.Mutex // held while a piece is read
	ended bool
}

// end returns when nothing is read any more.
func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// caller is the host's end.
type caller struct {
	way
	asked    chan struct{} // closed when everything has been sent
	answered chan struct{} // closed when the answer has ended; status may then be read
	status   error
	loan     loan
}

// Header implements grpc.ClientStream.
func (c *caller) Header() (metadata.MD, error) { return nil, nil }

// Trailer implements grpc.ClientStream.
func (c *caller) Trailer() metadata.MD { return nil }

// SendMsg implements grpc.Stream.
func (c *caller) SendMsg(m any) error {
	m.(*frame).loan = &c.loan
	return c.send(m, c.answered)
}

// CloseSend implements grpc.ClientStream.
func (c *caller) CloseSend() error {
	close(c.asked)
	return nil
}

// RecvMsg implements grpc.Stream.
func (c *caller) RecvMsg(m any) error {
	err := c.receive(m, c.answered)
	if errors.Is(err, io.EOF) && c.status != nil {
		return c.status
	}
	return err
}

// answerer is the plugin's end.
type answerer struct {
	way
	to *caller
}

// SetHeader implements grpc.ServerStream.
func (a *answerer) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (a *answerer) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (a *answerer) SetTrailer(metadata.MD) {}

// SendMsg implements grpc.Stream.
func (a *answerer) SendMsg(m any) error { return a.send(m, nil) }

// RecvMsg implements grpc.Stream.
func (a *answerer) RecvMsg(m any) error { return a.receive(m, a.to.asked) }
