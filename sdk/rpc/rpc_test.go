package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

const manifest = `
name = "grow"
version = "1"
role = "model"
summary = "x -> x exp(rate t) + noise, in three variables"
step = 0.5
[[param]]
name = "rate"
type = "float"
default = 1.0
min = 0.0
doc = "growth rate"
[[param]]
name = "width"
type = "int"
default = 4
min = 1
doc = "size of u"
`

// grow is a correct model; trouble makes it something else.
type grow struct {
	Rate    float64 `param:"rate"`
	Width   int     `param:"width"`
	trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error)
}

func (g *grow) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{
		{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{g.Width}, Dims: []string{"site"}}, {Name: "t"},
	}}
}

func (g *grow) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		for j := range n {
			r.Into.Set(i, j, r.Ensemble.At(i, j)*math.Exp(g.Rate*(r.To-r.From))+noise.NormFloat64())
		}
	}
	if g.trouble != nil {
		return g.trouble(ctx, r)
	}
	return &sdk.ForecastResult{Metrics: map[string]float64{"rows": float64(rows)}}, nil
}

// serving serves p on a unix socket and connects to it.
func serving(t testing.TB, p *sdk.Plugin, err error, more ...grpc.ServerOption) (*Server, *grpc.ClientConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	listener, listenErr := net.Listen("unix", path)
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	return servingAt(t, listener, "unix:"+path, p, err, more...)
}

func servingAt(t testing.TB, listener net.Listener, target string, p *sdk.Plugin, err error, more ...grpc.ServerOption) (*Server, *grpc.ClientConn) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(ServerOptions(), more...)...)
	srv := Register(server, p)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(target, DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return srv, conn
}

// over returns p as seen through a socket.
func over(t testing.TB, p *sdk.Plugin, err error, more ...grpc.ServerOption) *sdk.Plugin {
	t.Helper()
	_, conn := serving(t, p, err, more...)
	remote, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// carrying is a model that keeps the states it came from, under each member's name.
type carrying struct{ grow }

func (c *carrying) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := c.grow.Forecast(ctx, r)
	if err != nil {
		return nil, err
	}
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		if r.Carry == nil {
			res.Carry = append(res.Carry, fmt.Appendf(nil, "%d:", i))
		} else {
			res.Carry = append(res.Carry, append(slices.Clone(r.Carry[i]), strings.Repeat("x", i*n*1000)...))
		}
	}
	if c.trouble != nil {
		res.Failures = []sdk.MemberFailure{{Member: 0, Reason: "burst"}, {Member: 2, Reason: "burst"}}
	}
	return res, nil
}

// What members carry comes back as it was, whether calls are small or large and members fail
// or not, over a socket and within a process.
func TestCarryCrosses(t *testing.T) {
	text := strings.Replace(manifest, "step =", "carries = true\nstep =", 1)
	for name, trouble := range map[string]func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error){
		"all": nil,
		"but two": func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return &sdk.ForecastResult{}, nil
		},
	} {
		made := func() (*sdk.Plugin, error) {
			return sdk.ModelPlugin(text, func(c sdk.ModelConfig) (sdk.Model, error) {
				m := &carrying{grow{trouble: trouble}}
				c.Params.Decode(&m.grow)
				return m, nil
			})
		}
		p, err := made()
		there := over(t, p, err)
		p, err = made()
		for where, p := range map[string]*sdk.Plugin{"over a socket": there, "within": within(t, p, err)} {
			for _, rows := range []int{4, 40, 160} { // of which the last one carry 150 MB in the end
				if rows == 160 && (where == "within" || testing.Short()) {
					continue
				}
				m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
				if err != nil {
					t.Fatal(err)
				}
				var carry [][]byte
				for cycle := range 3 {
					r := request(m, rows)
					r.Carry = carry
					res, err := m.Forecast(t.Context(), r)
					if err != nil {
						t.Fatalf("%s, %s, %d members: %v", name, where, rows, err)
					}
					carry = res.Carry
					for i := range rows {
						want := len(fmt.Sprintf("%d:", i)) + cycle*i*6000
						if trouble != nil && (i == 0 || i == 2) {
							want = 0
						}
						if len(carry[i]) != want || want > 0 && !strings.HasPrefix(string(carry[i]), fmt.Sprintf("%d:", i)) {
							t.Fatalf("%s, %s, %d members, cycle %d: member %d carries %d bytes, want %d", name, where, rows, cycle, i, len(carry[i]), want)
						}
					}
				}
			}
		}
	}
}

// What a plugin sends in place of what members carry is refused.
func TestDamagedCarry(t *testing.T) {
	good := slices.Concat(carrySegments([][]byte{[]byte("ab"), nil, []byte("c")})...)
	if got, err := carryOf(good, 3, sdk.Call{}.Member); err != nil || string(got[0]) != "ab" || len(got[1]) != 0 || string(got[2]) != "c" {
		t.Fatalf("got %q, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"fewer members": slices.Concat(carrySegments([][]byte{[]byte("ab"), []byte("c")})...),
		"cut":           good[:len(good)-1],
		"cut head":      good[:20],
		"more":          append(slices.Clone(good), 0),
		"length":        append(append(slices.Clone(good[:8]), bytes.Repeat([]byte{0xff}, 8)...), good[16:]...),
	} {
		if got, err := carryOf(bad, 3, sdk.Call{}.Member); sdk.KindOf(err) != sdk.KindContract {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// A model whose manifest does not say that it carries something may not, and gets nothing.
func TestCarryNeedsTheManifest(t *testing.T) {
	m := configure(t, func(_ context.Context, _ *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		return &sdk.ForecastResult{Carry: [][]byte{[]byte("a"), nil, nil}}, nil
	}, nil)
	if _, err := m.Forecast(t.Context(), request(m, 3)); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), "carries = true") {
		t.Errorf("got %v", err)
	}
}

func growing(trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error)) (*sdk.Plugin, error) {
	return sdk.ModelPlugin(manifest, func(c sdk.ModelConfig) (sdk.Model, error) {
		g := &grow{trouble: trouble}
		c.Params.Decode(g)
		return g, nil
	})
}

func configure(t testing.TB, trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error), params sdk.Params) sdk.Model {
	t.Helper()
	p, err := growing(trouble)
	m, err := over(t, p, err).NewModel(t.Context(), sdk.ModelConfig{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func request(m sdk.Model, rows int) *sdk.ForecastRequest {
	n := m.Layout().Size()
	r := &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 17, Seed: rng.New(1)}.From(5), From: 1, To: 1.5,
		Ensemble: mat.NewDense(rows, n, nil), Into: mat.NewDense(rows, n, nil),
	}
	for i := range r.Ensemble.RawMatrix().Data {
		r.Ensemble.RawMatrix().Data[i] = float64(i)
	}
	return r
}

// The conformance suite passes through the socket.
func TestConformance(t *testing.T) {
	p, err := growing(nil)
	if err := plugintest.Check(over(t, p, err), nil); err != nil {
		t.Error(err)
	}
}

func TestRemoteIsLocal(t *testing.T) {
	for _, width := range []int{1, 4, 100_000} { // one frame, and many
		params := sdk.Params{"width": width, "rate": 0.25}
		remote := configure(t, nil, params)
		p, _ := growing(nil)
		local, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params})
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{1, 7, 30, 2} { // up and down: memory is reused
			a, b := request(remote, rows), request(local, rows)
			if _, err := local.Forecast(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			res, err := remote.Forecast(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if !mat.Equal(a.Into, b.Into) || res.Metrics["rows"] != float64(rows) {
				t.Errorf("width %d, %d rows: the answers differ", width, rows)
			}
		}
	}
}

func TestFailedMembersAreLeftOut(t *testing.T) {
	for _, failed := range [][]int{{0}, {2}, {4}, {1, 3}, {0, 1, 2, 3, 4}} {
		m := configure(t, func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			res := &sdk.ForecastResult{}
			for _, i := range failed {
				r.Into.SetRow(i, []float64{math.NaN(), 0, 0, 0, 0, 0})
				res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Reason: "burst", Retryable: true})
			}
			return res, nil
		}, nil)
		r, clean := request(m, 5), request(m, 5)
		if _, err := (&grow{Rate: 1, Width: 4}).Forecast(t.Context(), clean); err != nil {
			t.Fatal(err)
		}
		res, err := m.Forecast(t.Context(), r)
		if err != nil || len(res.Failures) != len(failed) || res.Failures[0].Reason != "burst" || !res.Failures[0].Retryable {
			t.Fatalf("%v: %+v, %v", failed, res, err)
		}
		for i := range 5 {
			isFailed := false
			for _, f := range failed {
				isFailed = isFailed || f == i
			}
			if !isFailed && !mat.Equal(r.Into.RowView(i), clean.Into.RowView(i)) {
				t.Errorf("%v: row %d differs", failed, i)
			}
		}
	}
}

func TestErrorsCrossTheWall(t *testing.T) {
	code := 3
	tests := []struct {
		name string
		err  error
		want sdk.Error
	}{
		{"config", sdk.Errorf(sdk.KindConfig, "rate", "is odd").WithHint("make it even"), sdk.Error{Kind: sdk.KindConfig, Where: "rate", What: "is odd", Hint: "make it even"}},
		{"diverged", sdk.Errorf(sdk.KindDiverged, "member 3", "overflow"), sdk.Error{Kind: sdk.KindDiverged, Where: "member 3", What: "overflow"}},
		{"external", &sdk.Error{Kind: sdk.KindExternal, What: "sim failed", ExitCode: &code, Stderr: "segfault"}, sdk.Error{Kind: sdk.KindExternal, What: "sim failed", ExitCode: &code, Stderr: "segfault"}},
		{"wrapped", fmt.Errorf("outside: %w", sdk.Errorf(sdk.KindShape, "n", "inside")), sdk.Error{Kind: sdk.KindShape, What: "outside: n: inside"}},
		{"plain", errors.New("some error"), sdk.Error{Kind: sdk.KindBug, What: "some error"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := configure(t, func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) { return nil, tt.err }, nil)
			_, err := m.Forecast(t.Context(), request(m, 3))
			var got *sdk.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if got.Kind != tt.want.Kind || got.Where != tt.want.Where || got.What != tt.want.What || got.Hint != tt.want.Hint || got.Stderr != tt.want.Stderr {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if (got.ExitCode == nil) != (tt.want.ExitCode == nil) || got.ExitCode != nil && *got.ExitCode != code {
				t.Errorf("exit code %v", got.ExitCode)
			}
		})
	}
}

func TestContractFaults(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error)
		kind    sdk.Kind
		want    string
	}{
		{"NaN", func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			r.Into.Set(2, 3, math.NaN())
			return &sdk.ForecastResult{}, nil
		}, sdk.KindContract, "channel ensemble: member 7, u[2] is NaN; want a finite number"},
		{"panic", func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) { panic("at the disco") },
			sdk.KindBug, "panic: at the disco"},
		{"hangs", func(ctx context.Context, _ *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond)
			return nil, ctx.Err()
		}, sdk.KindDeadline, "did not answer in time"},
		{"failure twice", func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return &sdk.ForecastResult{Failures: []sdk.MemberFailure{{Member: 1}, {Member: 1}}}, nil
		}, sdk.KindContract, "2 failures for 3 members"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := configure(t, tt.trouble, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := m.Forecast(ctx, request(m, 3))
			if err == nil || sdk.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v of kind %q, want %q of kind %q", err, sdk.KindOf(err), tt.want, tt.kind)
			}
			var e *sdk.Error
			if errors.As(err, &e) && tt.kind == sdk.KindBug && !strings.Contains(e.Trace, "rpc_test.go") {
				t.Error("the trace does not show where the panic was")
			}
		})
	}
}

func TestCanceledCall(t *testing.T) {
	m := configure(t, func(ctx context.Context, _ *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := m.Forecast(ctx, request(m, 3)); sdk.KindOf(err) != sdk.KindCanceled {
		t.Errorf("got %v of kind %q", err, sdk.KindOf(err))
	}
}

func TestConfigureRefusals(t *testing.T) {
	p, err := growing(nil)
	remote := over(t, p, err)
	_, err = remote.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"rate": -1.0}})
	if sdk.KindOf(err) != sdk.KindConfig || !strings.Contains(err.Error(), "must be a number >= 0, but is -1") {
		t.Errorf("got %v of kind %q", err, sdk.KindOf(err))
	}
}

// A model gets the configuration that the host gives.
func TestModelConfig(t *testing.T) {
	p, err := growing(nil)
	if err != nil {
		t.Fatal(err)
	}
	configs := make(chan sdk.ModelConfig, 1) // the race detector does not see that a socket orders things
	local := p.NewModel
	p.NewModel = func(ctx context.Context, c sdk.ModelConfig) (sdk.Model, error) {
		configs <- c
		return local(ctx, c)
	}
	want := sdk.ModelConfig{Params: sdk.Params{"rate": 0.5}, Step: 0.25, Dir: "/where/the workflow is",
		Dates: &sdk.Dates{Start: time.Date(2026, 3, 1, 6, 0, 0, 500, time.UTC), Seconds: 3600, Calendar: "noleap"}}
	if _, err := over(t, p, nil).NewModel(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got := <-configs; got.Params["rate"] != 0.5 || got.Step != want.Step || got.Dir != want.Dir || got.Dates == nil || *got.Dates != *want.Dates {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Generated code reads what the frame codec writes, and the other way round.
func TestFramesAreProtobuf(t *testing.T) {
	c := newCodec()
	ours := &frame{
		header: &pb.CallHeader{Configuration: "7", Members: 3, SeedHi: 1 << 63, Sends: []pb.Channel{pb.Channel_CHANNEL_ENSEMBLE}},
		end:    nil, channel: pb.Channel_CHANNEL_GRADIENT, payload: [][]byte{[]byte("ab"), []byte("c")},
	}
	b, err := c.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	var generated pb.Frame
	if err := proto.Unmarshal(b.Materialize(), &generated); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(generated.GetHeader(), ours.header) || generated.Channel != ours.channel || string(generated.Ipc) != "abc" {
		t.Errorf("got %v", &generated)
	}

	b, err = c.Marshal(&frame{channel: pb.Channel_CHANNEL_GRADIENT, shared: &pb.Shared{Slot: 9, Length: 1 << 18, Generation: 1<<63 + 1}})
	if err != nil {
		t.Fatal(err)
	}
	ours = &frame{sink: func(pb.Channel, []byte) error { return nil }}
	if err := proto.Unmarshal(b.Materialize(), &generated); err != nil || c.Unmarshal(b, ours) != nil {
		t.Fatal(err)
	}
	if !proto.Equal(generated.Shm, ours.shared) || ours.shared.Slot != 9 || generated.Shm.Generation != 1<<63+1 || generated.Channel != ours.channel {
		t.Errorf("got %v and %v", &generated, ours.shared)
	}

	text, err := proto.Marshal(&pb.Frame{
		End:     &pb.CallEnd{Members: 4, Metrics: map[string]float64{"a": 1}},
		Channel: pb.Channel_CHANNEL_PREDICTED, Ipc: []byte("payload"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(text); size++ { // however the transport cuts it
		var data mem.BufferSlice
		for at := 0; at < len(text); at += size {
			data = append(data, mem.SliceBuffer(text[at:min(at+size, len(text))]))
		}
		got := ""
		f := &frame{sink: func(id pb.Channel, p []byte) error {
			if id != pb.Channel_CHANNEL_PREDICTED {
				t.Errorf("channel %v", id)
			}
			got += string(p)
			return nil
		}}
		if err := c.Unmarshal(data, f); err != nil || got != "payload" || f.end.GetMembers() != 4 || f.end.Metrics["a"] != 1 {
			t.Errorf("pieces of %d: got %q, %v, %v", size, got, f.end, err)
		}
	}
}

func TestDamagedFrames(t *testing.T) {
	c := newCodec()
	sink := func(pb.Channel, []byte) error { return nil }
	for _, text := range []string{"\xff", "\x7a\xff\x01", "\x0a\x05abc", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x0b", "\x0d\x01", "\x22\x02\x18", "\x22\x01\xff"} {
		f := &frame{sink: sink}
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, f); err != nil || sdk.KindOf(f.fault) != sdk.KindContract || f.fault == nil {
			t.Errorf("%q: got %v, %v", text, err, f.fault)
		}
	}
	for _, text := range []string{"\x7a\x01a", "\x22\x02\x18\x01"} { // inline and shared
		early := &frame{}
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, early); err != nil || early.fault == nil {
			t.Errorf("%q in the first frame: %v, %v", text, err, early.fault)
		}
	}
}

// A wrong description of a plugin cannot harm the host.
func TestAbsurdLayouts(t *testing.T) {
	for _, shape := range [][]int64{{1 << 31}, {1 << 40, 1 << 40}, {0}, {-1}, {1 << 20, 1 << 20}} {
		if _, err := layoutFromProto(&pb.Layout{Variables: []*pb.Variable{{Name: "x", Shape: shape}}}); sdk.KindOf(err) != sdk.KindContract || err == nil {
			t.Errorf("%v: got %v", shape, err)
		}
	}
	half := &pb.Variable{Name: "a", Shape: []int64{1 << 30}}
	if _, err := layoutFromProto(&pb.Layout{Variables: []*pb.Variable{half, {Name: "b", Shape: []int64{1 << 30}}}}); err == nil {
		t.Error("two variables of 2^30 values are accepted")
	}
}

func TestSessionEndsWithItsContext(t *testing.T) {
	p, err := growing(nil)
	srv, conn := serving(t, p, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Session(ctx, conn, func(string, string, map[string]string) {}) }()
	select {
	case <-srv.HostGone():
		t.Fatal("the session ended by itself")
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("session: %v", err)
	}
	select {
	case <-srv.HostGone():
	case <-time.After(5 * time.Second):
		t.Error("the plugin does not notice that its host is gone")
	}
}

func BenchmarkForecast100x3(b *testing.B) { benchmark(b, 1, 100) }
func BenchmarkForecast8MB(b *testing.B)   { benchmark(b, 9_998, 100) }

func benchmark(b *testing.B, width, rows int) {
	m := configure(b, func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		return &sdk.ForecastResult{}, nil
	}, sdk.Params{"width": width})
	r := request(m, rows)
	b.SetBytes(int64(16 * rows * m.Layout().Size()))
	for b.Loop() {
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// What a plugin can send in one message has a bound, which is seen before there is memory
// for it.
func TestMessagesAreBounded(t *testing.T) {
	const want = "sent more than fits in a message"
	p, err := growing(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Manifest.Text += strings.Repeat("# a remark\n", manifestBytes/10)
	_, conn := serving(t, p, nil)
	if _, err := Describe(t.Context(), conn); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), want) {
		t.Errorf("manifest: got %v", err)
	}
	for size, fits := range map[int]bool{messageBytes - 1<<20: true, messageBytes + 1: false} {
		m := configure(t, func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			return &sdk.ForecastResult{Metrics: map[string]float64{strings.Repeat("x", size): 1}}, nil
		}, sdk.Params{"width": 1})
		_, err := m.Forecast(t.Context(), request(m, 3))
		if fits && err != nil || !fits && (sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

// Positions by rule arrive as a rule, and as the same numbers where that is not understood.
func TestGridsCross(t *testing.T) {
	dims := []string{"y", "x"}
	v := []sdk.Variable{{Name: "h", Shape: []int{2, 3}, Dims: dims}, {Name: "u", Shape: []int{3, 2}, Dims: []string{"x", "y"}, Diagnostic: true}}
	g, err := sdk.NewGrid(v, dims, []float64{10, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	sent := &sdk.Layout{Variables: v, Coordinates: &sdk.Coordinates{Dims: dims, Period: []float64{0, 1.5}, Points: g}}
	for _, c := range []struct {
		origin float64
		to     rules
		want   bool // as a rule
	}{
		{0, rules{}, false}, {0, rules{grid: true}, true}, {0, rules{true, true}, true},
		{-0.3, rules{}, false}, {-0.3, rules{grid: true}, false}, {-0.3, rules{true, true}, true},
	} {
		from := g.From(0, c.origin)
		sent.Coordinates.Points = from
		got, err := layoutFromProto(layoutToProto(sent, c.to))
		if err != nil {
			t.Fatal(err)
		}
		if _, rule := got.Coordinates.Points.(sdk.Grid); rule != c.want || !mat.Equal(got.Coordinates.Points, from) {
			t.Errorf("%+v: got %v", c, got.Coordinates.Points)
		}
		if got.Variables[0].Diagnostic || !got.Variables[1].Diagnostic {
			t.Errorf("got %v", got.Variables)
		}
	}
	absurd := layoutToProto(sent, rules{true, true})
	absurd.Coordinates.Grid[0].Axes[1].Length = 0
	if _, err := layoutFromProto(absurd); sdk.KindOf(err) != sdk.KindContract {
		t.Errorf("got %v", err)
	}
}

// placed is a model of which only the layout matters.
type placed struct {
	grow
	layout *sdk.Layout
}

func (p *placed) Layout() *sdk.Layout { return p.layout }

// A host that does not know origins gets the positions of a model that has them in full, and a plugin
// that does not know them those of a state.
func TestOriginsForOlderPrograms(t *testing.T) {
	v := []sdk.Variable{{Name: "u", Shape: []int{5}, Dims: []string{"x"}}}
	g, err := sdk.NewGrid(v, []string{"x"}, []float64{0.1})
	if err != nil {
		t.Fatal(err)
	}
	g = g.From(-0.05)
	layout := &sdk.Layout{Variables: v, Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{0.5}, Points: g}}
	model, err := sdk.ModelPlugin(manifest, func(sdk.ModelConfig) (sdk.Model, error) { return &placed{layout: layout}, nil })
	_, conn := serving(t, model, err)
	for _, c := range []struct {
		request *pb.ConfigureRequest
		points  int
	}{{&pb.ConfigureRequest{}, 5}, {&pb.ConfigureRequest{Grid: true}, 5}, {&pb.ConfigureRequest{Grid: true, Origins: true}, 0}} {
		c.request.Configuration, c.request.Step = "a", 1
		res, err := pb.NewPluginClient(conn).Configure(t.Context(), c.request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := layoutFromProto(res.State)
		if err != nil || len(res.State.Coordinates.Points) != c.points || !mat.Equal(got.Coordinates.Points, g) {
			t.Errorf("%v: got %v, %v", c.request, res.State.Coordinates, err)
		}
	}
	without := func(features ...string) grpc.ServerOption {
		return grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			res, err := handle(ctx, req)
			if d, ok := res.(*pb.DescribeResponse); ok {
				d.Features = features
			}
			return res, err
		})
	}
	for _, features := range [][]string{{}, {featureGrid}, {featureGrid, featureOrigins}} {
		configured := make(chan *sdk.Layout, 1) // the race detector does not see what sockets order
		operator, err := sdk.OperatorPlugin("name = \"all\"\nversion = \"1\"\nrole = \"operator\"\nsummary = \"sees all\"\nerrors = [\"normal\"]\n", func(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
			configured <- c.State
			return nil, sdk.Errorf(sdk.KindConfig, "here", "is enough")
		})
		p := over(t, operator, err, without(features...))
		_, err = p.NewOperator(t.Context(), sdk.OperatorConfig{State: layout, Error: sdk.ErrorModel{Dist: "normal", SD: []float64{1}}})
		if len(configured) == 0 {
			t.Fatalf("%v: the plugin was not configured: %v", features, err)
		}
		if got := <-configured; !mat.Equal(got.Coordinates.Points, g) {
			t.Errorf("%v: got %+v", features, got)
		} else if _, rule := got.Coordinates.Points.(sdk.Grid); rule != (len(features) == 2) {
			t.Errorf("%v: got %T", features, got.Coordinates.Points)
		}
	}
}

// A filter is told cutoffs for all components or for none.
func TestCutoffsCross(t *testing.T) {
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "y", Shape: []int{3}}}}
	for _, cutoffs := range [][]float64{nil, {0, 2, 5}} {
		got, err := spaceFromProto(spaceToProto(&sdk.ObservationSpace{Layout: layout, Cutoffs: cutoffs}, rules{}))
		if err != nil || !slices.Equal(got.Cutoffs, cutoffs) {
			t.Errorf("got %v, %v, want %v", got, err, cutoffs)
		}
	}
	if _, err := spaceFromProto(spaceToProto(&sdk.ObservationSpace{Layout: layout, Cutoffs: []float64{1}}, rules{})); err == nil || !strings.Contains(err.Error(), "1 cutoffs for 3 values") {
		t.Errorf("too few: %v", err)
	}
}
