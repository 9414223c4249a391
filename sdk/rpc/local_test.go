package rpc

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
)

// within returns p as seen through a local connection.
func within(t testing.TB, p *sdk.Plugin, err error) *sdk.Plugin {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err = Describe(t.Context(), Local(t.Context(), p))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The conformance suite passes without a socket.
func TestLocalConformance(t *testing.T) {
	if err := plugintest.Check(within(t, must(growing(nil)), nil), nil); err != nil {
		t.Error(err)
	}
}

func must(p *sdk.Plugin, err error) *sdk.Plugin {
	if err != nil {
		panic(err)
	}
	return p
}

// Answers, failed members and errors are the same with and without a socket, and in both
// cases a plugin cannot change the host's matrices.
func TestLocalIsRemote(t *testing.T) {
	type trouble = func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error)
	for name, trouble := range map[string]trouble{
		"none": nil,
		"scribbles on its input": func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			r.Ensemble.Zero()
			return &sdk.ForecastResult{}, nil
		},
		"loses members": func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return &sdk.ForecastResult{Failures: []sdk.MemberFailure{{Member: 2, Reason: "blew up"}, {Member: 4, Reason: "busy", Retryable: true}}}, nil
		},
		"answers with NaN": func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			r.Into.Set(1, 3, math.NaN())
			return &sdk.ForecastResult{}, nil
		},
		"says what it means": func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return nil, sdk.Errorf(sdk.KindDiverged, "member 3", "too large").WithHint("shorten the step")
		},
		"says something": func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return nil, errors.New("no")
		},
		"panics": func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			p := must(growing(trouble))
			far, farResult, farErr := forecastOf(t, over(t, p, nil))
			near, nearResult, nearErr := forecastOf(t, within(t, p, nil))
			if errorText(farErr) != errorText(nearErr) || sdk.KindOf(farErr) != sdk.KindOf(nearErr) {
				t.Fatalf("got error %v (%s), want %v (%s)", nearErr, sdk.KindOf(nearErr), farErr, sdk.KindOf(farErr))
			}
			if untouched := request(near.model, 6).Ensemble; !mat.Equal(near.request.Ensemble, untouched) {
				t.Error("the plugin reached the host's matrix")
			}
			if farErr != nil {
				return
			}
			if len(farResult.Failures) != len(nearResult.Failures) || len(farResult.Metrics) != len(nearResult.Metrics) {
				t.Fatalf("got %v, want %v", nearResult, farResult)
			}
			failed := map[int]bool{}
			for i, f := range nearResult.Failures {
				if f != farResult.Failures[i] {
					t.Errorf("got %v, want %v", f, farResult.Failures[i])
				}
				failed[f.Member] = true
			}
			for i := range 6 {
				if a, b := near.request.Into.RowView(i), far.request.Into.RowView(i); !failed[i] && !mat.Equal(a, b) {
					t.Errorf("member %d: got %v, want %v", i, a, b)
				}
			}
		})
	}
}

type asked struct {
	model   sdk.Model
	request *sdk.ForecastRequest
}

// forecastOf makes a call for six members, twice: the second one reuses memory.
func forecastOf(t *testing.T, p *sdk.Plugin) (asked, *sdk.ForecastResult, error) {
	t.Helper()
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"width": int64(3)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = m.Forecast(t.Context(), request(m, 6))
	r := request(m, 6)
	res, err := m.Forecast(t.Context(), r)
	return asked{m, r}, res, err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A call that does not watch its deadline is abandoned.
func TestLocalDeadline(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	p := within(t, must(growing(func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		<-release
		return &sdk.ForecastResult{}, nil
	})), nil)
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Forecast(ctx, request(m, 3)); sdk.KindOf(err) != sdk.KindDeadline {
		t.Errorf("got %v, want an error of kind deadline", err)
	}
}

// keeping keeps the streams of a local connection.
type keeping struct {
	*local
	streams []*caller
}

func (k *keeping) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := k.local.NewStream(ctx, d, method, o...)
	k.streams = append(k.streams, s.(*caller))
	return s, err
}

// Small calls follow one another on a stream within a process, too. Each sends what its matrix holds then, and the
// stream outlives the contexts of its calls, but not that of the connection.
func TestLocalCallsShareAStream(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	conn := &keeping{local: Local(ctx, must(growing(nil))).(*local)}
	p, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var models []sdk.Model
	for _, params := range []sdk.Params{nil, {"width": 30}} {
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params})
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	for _, rows := range []int{1, 100, 7} {
		for _, m := range models {
			checkForecast(t, m, rows)
			call, cancel := context.WithCancel(t.Context())
			if _, err := m.Forecast(call, request(m, rows)); err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	if len(conn.streams) != 1 {
		t.Fatalf("%d streams for 12 calls, want 1", len(conn.streams))
	}
	select {
	case <-conn.streams[0].answered:
		t.Fatal("the stream has ended before the connection")
	default:
	}
	hangUp()
	<-conn.streams[0].answered // the test's time limit ends it otherwise
}

// What a call has sent is a copy: a host whose call has missed its deadline may change its matrix while the plugin
// still reads.
func TestLocalPayloadIsCopied(t *testing.T) {
	ctx := t.Context()
	frames := make(chan *frame, 1)
	payload, header := []byte("abc"), &pb.CallHeader{LogWeights: []float64{1}}
	sender, receiver := &way{ctx: ctx, out: frames}, &way{ctx: ctx, in: frames}
	if err := sender.send(&frame{header: header, whole: true, channel: pb.Channel_CHANNEL_ENSEMBLE, payload: [][]byte{payload[:1], payload[1:]}}, nil); err != nil {
		t.Fatal(err)
	}
	copy(payload, "xyz")
	header.LogWeights[0] = 2
	var got []byte
	into := &frame{sink: func(_ pb.Channel, piece []byte) error { got = append(got, piece...); return nil }}
	if err := receiver.receive(into, nil); err != nil || string(got) != "abc" || into.header.LogWeights[0] != 1 {
		t.Errorf("got %q with %v, %v; want abc with 1", got, into.header, err)
	}
}

// A large call is not copied. When one that is cancelled has returned, the plugin does not read the host's matrices any more:
// neither what it was about to receive, nor what it receives at that moment, which the race detector would see.
func TestAbandonedCallLetsGo(t *testing.T) {
	frames := make(chan *frame, underWay)
	c, receiver := &caller{way: way{ctx: t.Context(), out: frames}}, &way{ctx: t.Context(), in: frames}
	var got []byte
	into := &frame{sink: func(_ pb.Channel, piece []byte) error { got = append(got, piece...); return nil }}
	for _, payload := range []string{"before", "after"} {
		if err := c.SendMsg(&frame{channel: pb.Channel_CHANNEL_ENSEMBLE, payload: [][]byte{[]byte(payload)}}); err != nil {
			t.Fatal(err)
		}
		if err := receiver.receive(into, nil); err != nil {
			t.Fatal(err)
		}
		abandon(c, func() {})
	}
	if string(got) != "before" || into.fault == nil {
		t.Errorf("got %q and the fault %v; want what was sent before the call was given up, and a fault", got, into.fault)
	}
}

// field is a model whose state is one variable, which is sent from the host's matrix itself.
type field struct{}

func (field) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{100_000}}}}
}

func (field) Forecast(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return &sdk.ForecastResult{}, nil
}

func TestMatricesAfterAbandonedCalls(t *testing.T) {
	conn := Local(t.Context(), must(sdk.ModelPlugin(manifest, func(sdk.ModelConfig) (sdk.Model, error) { return field{}, nil }))).(*local)
	var giveUp context.CancelFunc
	conn.server.Watched(func() { // the plugin begins to read, and goes on when the host has its matrices back
		giveUp()
		time.Sleep(20 * time.Millisecond)
	}, func(time.Duration) {})
	p, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := request(m, 20) // 16 MB
	for range 5 {
		var ctx context.Context
		ctx, giveUp = context.WithCancel(t.Context())
		if _, err := m.Forecast(ctx, r); sdk.KindOf(err) != sdk.KindCanceled {
			t.Errorf("got %v, want an error of kind canceled", err)
		}
		giveUp()
		for k := range r.Ensemble.RawMatrix().Data {
			r.Ensemble.RawMatrix().Data[k]++
			r.Into.RawMatrix().Data[k]++
		}
		giveUp()
	}
}

func BenchmarkLocalForecast100x3(b *testing.B) {
	m, err := within(b, must(growing(nil)), nil).NewModel(b.Context(), sdk.ModelConfig{Params: sdk.Params{"width": int64(1)}})
	if err != nil {
		b.Fatal(err)
	}
	r := request(m, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// A configuration that is made after a role was released takes its place in the plugin.
func TestRelease(t *testing.T) {
	conn := Local(t.Context(), must(growing(nil)))
	p, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	grown := func(width int) sdk.Model {
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"width": width}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	kept, given := grown(3), grown(4)
	Release(given)
	next := grown(5)
	if n := len(conn.(*local).server.configurations); n != 2 {
		t.Errorf("%d configurations, want 2", n)
	}
	for _, m := range []sdk.Model{kept, next} {
		checkForecast(t, m, 2)
	}
}
