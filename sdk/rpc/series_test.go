package rpc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// counted returns a model behind a socket, and how many streams its calls took.
func counted(t *testing.T, trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error), params ...sdk.Params) ([]sdk.Model, *atomic.Int64) {
	t.Helper()
	streams := &atomic.Int64{}
	p, err := growing(trouble)
	remote := over(t, p, err, grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		streams.Add(1)
		return handle(srv, s)
	}))
	var models []sdk.Model
	for _, p := range params {
		m, err := remote.NewModel(t.Context(), sdk.ModelConfig{Params: p})
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	return models, streams
}

// checkForecast makes a call and compares its answer with that of the model here.
func checkForecast(t *testing.T, m sdk.Model, rows int) {
	t.Helper()
	got, want := request(m, rows), request(m, rows)
	if _, err := (&grow{Rate: 1, Width: m.Layout().Size() - 2}).Forecast(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Forecast(t.Context(), got); err != nil || !mat.Equal(got.Into, want.Into) {
		t.Errorf("%d rows of %d values: the answer differs: %v", rows, m.Layout().Size(), err)
	}
}

// Calls of several configurations share a stream, but not their memory.
func TestSmallCallsShareAStream(t *testing.T) {
	models, streams := counted(t, nil, nil, sdk.Params{"width": 30})
	for _, rows := range []int{1, 100, 7} {
		for _, m := range models {
			checkForecast(t, m, rows)
		}
	}
	if n := streams.Load(); n != 1 {
		t.Errorf("%d streams for 6 calls, want 1", n)
	}
}

func TestLargeCallsHaveAStreamEach(t *testing.T) {
	models, streams := counted(t, nil, sdk.Params{"width": 2000})
	for range 3 {
		checkForecast(t, models[0], 10)
	}
	if n := streams.Load(); n != 3 {
		t.Errorf("%d streams for 3 calls, want 3", n)
	}
}

// Calls at the same time have streams of their own, which later calls use again.
func TestConcurrentCallsOnStreams(t *testing.T) {
	const callers = 4
	models, streams := counted(t, nil, nil, nil)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for k := range 50 {
				checkForecast(t, models[(i+k)%2], 1+k)
			}
		})
	}
	all.Wait()
	if n := streams.Load(); n < 1 || n > callers {
		t.Errorf("%d streams for %d callers", n, callers)
	}
}

// A call that fails or is cancelled ends its stream, with its own error, and no other call.
func TestFailureEndsItsStream(t *testing.T) {
	const diverges, hangs = 0, 1
	models, streams := counted(t, func(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		switch r.Cycle {
		case diverges:
			return nil, sdk.Errorf(sdk.KindDiverged, "", "overflow")
		case hangs:
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Second {
				t.Errorf("the plugin has until %v, %v", deadline, ok)
			}
			<-ctx.Done() // the host's deadline reaches the plugin
			return nil, ctx.Err()
		}
		return &sdk.ForecastResult{}, nil
	}, nil)
	m := models[0]
	for cycle, want := range []sdk.Kind{diverges: sdk.KindDiverged, hangs: sdk.KindDeadline} {
		checkForecast(t, m, 3)
		r := request(m, 3)
		r.Cycle = cycle
		deadline := time.Minute
		if cycle == hangs {
			deadline = 100 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		_, err := m.Forecast(ctx, r)
		cancel()
		if sdk.KindOf(err) != want {
			t.Errorf("got %v of kind %q, want kind %q", err, sdk.KindOf(err), want)
		}
		checkForecast(t, m, 3)
		if n := streams.Load(); n != int64(2+cycle) {
			t.Errorf("%d streams after %d failures, want %d", n, 1+cycle, 2+cycle)
		}
	}
}

// A stream outlives the context of the call that opened it.
func TestStreamOutlivesItsFirstCall(t *testing.T) {
	models, streams := counted(t, nil, nil)
	m := models[0]
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := m.Forecast(ctx, request(m, 3)); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if n := streams.Load(); n != 1 {
		t.Errorf("%d streams for 3 calls, want 1", n)
	}
}

// play is a stream that plays frames, and keeps those it is sent.
type play struct {
	frames []frame
	last   error
	sent   []*pb.Shared
	broken int // SendMsg fails after so many frames; 0: never
}

func (p *play) Context() context.Context { return context.Background() }

func (p *play) SendMsg(v any) error {
	if p.broken > 0 && len(p.sent) == p.broken {
		return errors.New("broken")
	}
	p.sent = append(p.sent, v.(*frame).shared)
	return nil
}

func (p *play) RecvMsg(v any) error {
	if len(p.frames) == 0 {
		return p.last
	}
	f := v.(*frame)
	f.channel, f.shared, f.end = p.frames[0].channel, p.frames[0].shared, p.frames[0].end
	p.frames = p.frames[1:]
	return nil
}

// A joined frame is what generated code writes and reads.
func TestJoinedFramesAreProtobuf(t *testing.T) {
	c := newCodec()
	header := &pb.CallHeader{Configuration: "7", Members: 3, Series: true}
	sent := &play{}
	o := &outgoing{stream: sent, joined: true}
	payload := []byte("abc")
	for _, f := range []*frame{{header: header}, {channel: pb.Channel_CHANNEL_ENSEMBLE, payload: [][]byte{payload[:2], payload[2:]}}, {end: &pb.CallEnd{Members: 3}}} {
		if err := o.push(f); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent.sent) != 0 {
		t.Fatalf("%d frames are not joined", len(sent.sent))
	}
	b, err := c.Marshal(o.last)
	if err != nil {
		t.Fatal(err)
	}
	copy(payload, "xyz") // what was sent stays
	var generated pb.Frame
	if err := proto.Unmarshal(b.Materialize(), &generated); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(generated.Header, header) || generated.End.GetMembers() != 3 || string(generated.Ipc) != "abc" {
		t.Errorf("got %v", &generated)
	}

	text, err := proto.Marshal(&generated)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	f := &frame{}
	f.open = func(h *pb.CallHeader) error {
		order = append(order, h.Configuration)
		f.sink = func(_ pb.Channel, p []byte) error { order = append(order, string(p)); return nil }
		return nil
	}
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, f); err != nil || f.fault != nil || f.end.GetMembers() != 3 || !slices.Equal(order, []string{"7", "abc"}) {
		t.Errorf("got %v, %v, %v, %v", order, f.end, f.fault, err)
	}
}

// A host that breaks the contract ends the stream with a contract error.
func TestBrokenSeries(t *testing.T) {
	p, err := growing(nil)
	_, conn := serving(t, p, err)
	remote, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	m, err := remote.NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	name := m.(*model).configuration
	header := &pb.CallHeader{Configuration: name, Members: 3, Series: true, Sends: []pb.Channel{pb.Channel_CHANNEL_ENSEMBLE}}
	for want, frames := range map[string][]*pb.Frame{
		`call: has two CallHeaders`:                  {{Header: header}, {Header: header}},
		`call: does not start with a CallHeader`:     {{End: &pb.CallEnd{}}},
		`call: there is no configuration "x"`:        {{Header: &pb.CallHeader{Configuration: "x"}, Channel: pb.Channel_CHANNEL_ENSEMBLE, Ipc: []byte("a")}},
		`call: the header says 3 members, the end 2`: {{Header: header, End: &pb.CallEnd{Members: 2}}},
	} {
		stream, err := pb.NewModelClient(conn).Forecast(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if err := stream.Send(f); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := stream.Recv(); sdk.KindOf(fromStatus(err)) != sdk.KindContract || fromStatus(err).Error() != want {
			t.Errorf("got %v, want %s", fromStatus(err), want)
		}
	}
}
