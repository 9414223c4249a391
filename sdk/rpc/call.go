package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
)

// remote is one configuration of a plugin behind a connection.
type remote struct {
	client              *client
	configuration       string
	state, observations *space
	parameters          *space // of models: one value for each parameter by member; nil: none
}

func (r *remote) release() { r.client.putName(r.configuration) }

func (r *remote) spaces(state, observations *sdk.Layout) (err error) {
	if r.state, err = newSpace(state, wire.Double); err != nil {
		return err
	}
	r.observations, err = newSpace(observations, wire.Double)
	return err
}

// channel returns a channel of matrix m, or nil when m is.
func (r *remote) channel(id pb.Channel, s *space, m *mat.Dense) []*channel {
	if m == nil {
		return nil
	}
	return []*channel{{id: id, space: s, matrix: m}}
}

func (r *remote) observation(y []float64) []*channel {
	if y == nil {
		return nil
	}
	return r.channel(pb.Channel_CHANNEL_OBSERVATIONS, r.observations, mat.NewDense(1, len(y), y))
}

func join(groups ...[]*channel) []*channel {
	var all []*channel
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// header starts a call.
func (r *remote) header(ctx context.Context, call sdk.Call, ensemble *mat.Dense) *pb.CallHeader {
	timeout := 0.0
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline).Seconds()
	}
	return &pb.CallHeader{
		Timeout:       timeout,
		Configuration: r.configuration, Call: r.client.calls.Add(1), Cycle: int64(call.Cycle),
		Members: int64(ensemble.RawMatrix().Rows), FirstMember: int64(call.Member(0)), Numbers: integers[int64](call.Numbers()),
		SeedHi: call.Seed.Hi, SeedLo: call.Seed.Lo,
	}
}

// call sends one side of a call and receives the other at the same time: a
// plugin may answer while it is still being asked.
func (r *remote) call(ctx context.Context, h *pb.CallHeader, out, in []*channel) (*pb.CallEnd, error) {
	for _, c := range out {
		h.Sends = append(h.Sends, c.id)
	}
	for _, c := range in {
		h.Wants = append(h.Wants, c.id)
	}
	var end *pb.CallEnd
	var answer *incoming
	var err error
	if small(out) && small(in) {
		answer = newIncoming(in, &memory{}, true)
		end, err = r.callSmall(ctx, h, out, answer)
	} else {
		shared := r.client.memoryFor(ctx)
		h.Shm, answer = shared.name, newIncoming(in, shared, true)
		end, err = r.callLarge(ctx, h, out, answer)
	}
	if err != nil {
		return nil, err
	}
	member, err := membersOf(end, h)
	if err != nil {
		return nil, err
	}
	return end, answer.complete(member, int(end.Members))
}

// membersOf returns what gives the number of the member in a row of the answer that ends with end,
// which lacks the members that failed.
func membersOf(end *pb.CallEnd, h *pb.CallHeader) (func(row int) int, error) {
	if failed := len(end.Failures); int(end.Members)+failed != int(h.Members) {
		return nil, contract("answer", "%d members and %d failures for %d members", end.Members, failed, h.Members)
	}
	call := callOf(h)
	if len(end.Failures) == 0 {
		return call.Member, nil
	}
	failed := make([]bool, h.Members)
	for _, f := range end.Failures {
		if f.Member < 0 || f.Member >= h.Members || failed[f.Member] {
			return nil, contract("answer", "member %d is listed as failed; want each of 0 to %d at most once", f.Member, h.Members-1)
		}
		failed[f.Member] = true
	}
	var rows []int // of the request
	for i, f := range failed {
		if !f {
			rows = append(rows, i)
		}
	}
	return func(row int) int { return call.Member(rows[row]) }, nil
}

// callSmall makes a call whose channels fit into what the transport takes at once, so
// that everything can be sent before the answer is awaited.
func (r *remote) callSmall(ctx context.Context, h *pb.CallHeader, out []*channel, answer *incoming) (*pb.CallEnd, error) {
	h.Series = r.client.series
	l, err := r.client.takeLine(ctx)
	if err != nil {
		return nil, err
	}
	asked := &outgoing{stream: l.stream, memory: answer.memory, joined: h.Series, refuse: refusing(h)}
	scratch, sent := asked.send(h, out, &pb.CallEnd{Members: h.Members}, r.client.takeScratch())
	if sent != nil && !errors.Is(sent, io.EOF) { // else the answer says why it ended
		return nil, l.fail(ctx, sent)
	}
	end, err := answer.receive(l.stream, &frame{sink: answer.payload})
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	r.client.putScratch(scratch)
	switch {
	case !h.Series:
		l.release()
		finish(l.stream, l.cancel)
	case l.release():
		r.client.putLine(l)
	}
	return end, nil
}

// callLarge makes a call that sends and receives at the same time, so that neither
// side waits for the other to empty the transport's buffers. After a call that has failed
// the matrices may change, see abandon.
func (r *remote) callLarge(ctx context.Context, h *pb.CallHeader, out []*channel, answer *incoming) (*pb.CallEnd, error) {
	ctx, cancel := context.WithCancel(ctx)
	observed := 0
	if r.observations != nil {
		observed = r.observations.layout.Size()
	}
	stream, err := r.client.newStream(ctx, grpc.MaxCallRecvMsgSize(answerBytes(h.Members, observed)))
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	scratch := r.client.takeScratch()
	asked := &outgoing{stream: stream, memory: answer.memory, refuse: refusing(h)}
	defer asked.takeBack()
	sent := make(chan error, 1)
	go func() {
		var err error
		scratch, err = asked.send(h, out, &pb.CallEnd{Members: h.Members}, scratch)
		if isOwn(err) {
			cancel() // the plugin waits for the rest
		}
		sent <- err
	}()
	end, err := answer.receive(stream, &frame{sink: answer.payload})
	if err != nil {
		abandon(stream, cancel)
		return nil, firstCause(<-sent, fromStatus(err))
	}
	if err := <-sent; err != nil {
		abandon(stream, cancel)
		return nil, fromStatus(err)
	}
	r.client.putScratch(scratch)
	if answer.lost {
		defer cancel()
		return nil, whyLost(stream)
	}
	finish(stream, cancel)
	return end, nil
}

// abandon gives up a call. A plugin in this process reads nothing of it any more when it
// returns. The transport to another process may, of a call that is cancelled: what the plugin
// makes of it goes nowhere.
func abandon(stream grpc.ClientStream, cancel context.CancelFunc) {
	cancel()
	if c, ok := stream.(*caller); ok {
		c.loan.end()
	}
}

// finish tells the plugin that its answer has arrived, and waits in the background for
// the status.
func finish(stream grpc.ClientStream, cancel context.CancelFunc) {
	if err := stream.CloseSend(); err != nil {
		cancel()
		return
	}
	go func() {
		defer cancel()
		_ = drain(stream)
	}()
}

// drain reads the stream to its end and returns its status.
func drain(stream grpc.ClientStream) error {
	rest := &frame{sink: func(pb.Channel, []byte) error { return nil }}
	for {
		if err := stream.RecvMsg(rest); err != nil {
			return err
		}
	}
}

// whyLost says why the plugin took back what it had sent: the status, if the call
// ended on the plugin's side before the host had read the answer.
func whyLost(stream grpc.ClientStream) error {
	err := stream.CloseSend()
	if err == nil {
		err = drain(stream)
	}
	if errors.Is(err, io.EOF) {
		return errLost()
	}
	return fromStatus(err)
}

// firstCause returns the error of the sender if it is a fault of its own, and else that
// of the receiver: when the plugin ends a call early, SendMsg only returns io.EOF.
func firstCause(sent, received error) error {
	if isOwn(sent) {
		return sent
	}
	return received
}

// isOwn reports whether an error of a sender is about what was to be sent.
func isOwn(err error) bool { return errors.As(err, new(*sdk.Error)) }

func (c *client) takeScratch() [][]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.scratch)
	if n == 0 {
		return nil
	}
	s := c.scratch[n-1]
	c.scratch = c.scratch[:n-1]
	return s
}

func (c *client) putScratch(s [][]float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scratch = append(c.scratch, s)
}
