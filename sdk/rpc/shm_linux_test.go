package rpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
)

// Sizes of states and observations: in seven members, and in the one vector of
// observations, more than leastShared; a state ensemble is more than all slots.
const wide, observed, members = 100_000, 5_000, 7

func single(name string, n int) *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: name, Shape: []int{n}}}}
}

// numbers returns rows x n different numbers.
func numbers(rows, n int, start float64) *mat.Dense {
	m := mat.NewDense(rows, n, nil)
	for i := range m.RawMatrix().Data {
		m.RawMatrix().Data[i] = start + float64(i)
	}
	return m
}

// mix fills dst with values that depend on every value of the sources.
func mix(dst *mat.Dense, sources ...[]float64) {
	if dst == nil {
		return
	}
	sum := 0.0
	for k, s := range sources {
		for i, v := range s {
			sum += v * float64((i+k)%7)
		}
	}
	for i := range dst.RawMatrix().Data {
		dst.RawMatrix().Data[i] = sum + float64(i)
	}
}

// every is an operator and a filter that use all channels there are.
type every struct{}

func (every) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: single("y", observed)}
}

func (every) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	for _, m := range []*mat.Dense{r.Predicted, r.Simulated, r.LogLikelihood, r.Gradient} {
		mix(m, r.Ensemble.RawMatrix().Data, r.Observation)
	}
	return &sdk.ObserveResult{}, nil
}

func (every) Needs() []sdk.Capability { return nil }

func (every) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	mix(p.Into, p.Ensemble.RawMatrix().Data, p.Observation, p.Predicted.RawMatrix().Data, p.Simulated.RawMatrix().Data,
		p.LogLikelihood.RawMatrix().Data, p.Gradient.RawMatrix().Data)
	return &sdk.Analysis{}, nil
}

func observing(t *testing.T) *sdk.Plugin {
	t.Helper()
	p, err := sdk.OperatorPlugin("name = \"every\"\nversion = \"1\"\nrole = \"operator\"\nsummary = \"all channels\"\nerrors = [\"normal\"]",
		func(sdk.OperatorConfig) (sdk.ObservationOperator, error) { return every{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func analysing(t *testing.T) *sdk.Plugin {
	t.Helper()
	p, err := sdk.FilterPlugin("name = \"every\"\nversion = \"1\"\nrole = \"filter\"\nsummary = \"all channels\"",
		func(sdk.FilterConfig) (sdk.Filter, error) { return every{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// without hides what a plugin can do: its features, or the service behind them.
func without(hide func(method string, res any) error) grpc.ServerOption {
	return grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		res, err := handle(ctx, req)
		if err != nil {
			return nil, err
		}
		return res, hide(info.FullMethod, res)
	})
}

var (
	noFeatures = without(func(_ string, res any) error {
		if d, ok := res.(*pb.DescribeResponse); ok {
			d.Features = nil
		}
		return nil
	})
	noShare = without(func(method string, _ any) error {
		if strings.HasSuffix(method, "/Share") {
			return errors.New("mmap: no")
		}
		return nil
	})
)

// All channels, in both directions, are the same in shared memory, inline and
// without a process boundary.
func TestSharedIsInline(t *testing.T) {
	state := numbers(members, wide, 1)
	y := numbers(1, observed, -3).RawRowView(0)
	type answers struct {
		observe sdk.ObserveRequest
		analyse sdk.Problem
		memory  []*memory
	}
	ask := func(seen func(*sdk.Plugin) *sdk.Plugin) *answers {
		a := &answers{
			observe: sdk.ObserveRequest{
				Ensemble: state, Observation: y, Predicted: mat.NewDense(members, observed, nil), Simulated: mat.NewDense(members, observed, nil),
				LogLikelihood: mat.NewDense(members, observed, nil), Gradient: mat.NewDense(members, wide, nil),
			},
			analyse: sdk.Problem{
				Ensemble: state, Observation: y, Predicted: numbers(members, observed, 2), Simulated: numbers(members, observed, 3),
				LogLikelihood: numbers(members, observed, 4), Gradient: numbers(members, wide, 5), Into: mat.NewDense(members, wide, nil),
			},
		}
		o, err := seen(observing(t)).NewOperator(t.Context(), sdk.OperatorConfig{State: single("x", wide), Error: sdk.ErrorModel{Dist: "normal", SD: []float64{1}}})
		if err != nil {
			t.Fatal(err)
		}
		f, err := seen(analysing(t)).NewFilter(t.Context(), sdk.FilterConfig{State: single("x", wide), Observations: every{}.Space(), Members: members})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := o.Observe(t.Context(), &a.observe); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Analyse(t.Context(), &a.analyse); err != nil {
				t.Fatal(err)
			}
		}
		if o, ok := o.(*operator); ok {
			a.memory = []*memory{o.client.memory, f.(*filter).client.memory}
		}
		return a
	}
	local := ask(func(p *sdk.Plugin) *sdk.Plugin { return p })
	for name, options := range map[string][]grpc.ServerOption{"shared": nil, "no feature": {noFeatures}, "cannot share": {noShare}} {
		got := ask(func(p *sdk.Plugin) *sdk.Plugin { return over(t, p, nil, options...) })
		for channel, pair := range map[string][2]*mat.Dense{
			"predicted": {got.observe.Predicted, local.observe.Predicted}, "simulated": {got.observe.Simulated, local.observe.Simulated},
			"log-likelihood": {got.observe.LogLikelihood, local.observe.LogLikelihood}, "gradient": {got.observe.Gradient, local.observe.Gradient},
			"ensemble": {got.analyse.Into, local.analyse.Into},
		} {
			if !slices.Equal(pair[0].RawMatrix().Data, pair[1].RawMatrix().Data) {
				t.Errorf("%s: channel %s differs", name, channel)
			}
		}
		for _, m := range got.memory {
			if shared := m.bytes != nil; shared != (options == nil) {
				t.Errorf("%s: memory is shared: %v", name, shared)
			} else if shared && (!used(m, m.sends) || !used(m, m.receives)) {
				t.Errorf("%s: nothing went through it", name)
			}
		}
	}
}

// used says whether a slot of the direction that starts with slot first has ever
// been taken.
func used(m *memory, first int) bool {
	for i := range slots {
		if m.taken(first+i).Load() != 0 {
			return true
		}
	}
	return false
}

// checkFree waits for all slots to be free.
func checkFree(t *testing.T, m *memory) {
	t.Helper()
	var taken []int
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		taken = nil
		for i := range 2 * slots {
			if g := m.taken(i).Load(); g%2 == 1 && m.read(i).Load() != g {
				taken = append(taken, i)
			}
		}
		if taken == nil {
			return
		}
	}
	t.Errorf("slots %v are still taken", taken)
}

func memoryOf(m sdk.Model) *memory { return m.(*model).client.memory }

func TestSmallCallsShareNothing(t *testing.T) {
	m := configure(t, nil, nil)
	if _, err := m.Forecast(t.Context(), request(m, 100)); err != nil {
		t.Fatal(err)
	}
	if memoryOf(m).bytes != nil {
		t.Error("memory was made for 100 x 6 values")
	}
}

func TestConcurrentCallsShare(t *testing.T) {
	m := configure(t, nil, sdk.Params{"width": 20_000})
	want := request(m, members)
	if _, err := (&grow{Rate: 1, Width: 20_000}).Forecast(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			r := request(m, members)
			for range 5 {
				r.Into.Zero()
				if _, err := m.Forecast(t.Context(), r); err != nil || !mat.Equal(r.Into, want.Into) {
					t.Errorf("a call went wrong: %v", err)
				}
			}
		})
	}
	all.Wait()
	checkFree(t, memoryOf(m))
}

// A sender that finds no slot sends inline.
func TestNoSlotIsFree(t *testing.T) {
	m := configure(t, nil, sdk.Params{"width": 20_000})
	r := request(m, members)
	for range 2 {
		r.Into.Zero()
		if _, err := m.Forecast(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		want := request(m, members)
		if _, err := (&grow{Rate: 1, Width: 20_000}).Forecast(t.Context(), want); err != nil || !mat.Equal(r.Into, want.Into) {
			t.Errorf("the answer differs: %v", err)
		}
		for i := range 2 * slots {
			memoryOf(m).taken(i).Store(1)
			memoryOf(m).read(i).Store(0)
		}
	}
}

// Calls that end early, in any phase and on either side, leave no slot taken.
func TestAbortedCallsFreeTheirSlots(t *testing.T) {
	var fail atomic.Bool
	m := configure(t, func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		if fail.Load() {
			return nil, sdk.Errorf(sdk.KindDiverged, "", "overflow")
		}
		return &sdk.ForecastResult{}, nil
	}, sdk.Params{"width": 20_000})
	r := request(m, members)
	start := time.Now()
	if _, err := m.Forecast(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(start)
	canceled := 0
	for range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.Int64N(int64(whole))))
		if _, err := m.Forecast(ctx, r); err != nil {
			canceled++
			if k := sdk.KindOf(err); k != sdk.KindDeadline {
				t.Errorf("kind %q: %v", k, err)
			}
		}
		cancel()
	}
	if canceled == 0 {
		t.Error("no call was cut short")
	}
	checkFree(t, memoryOf(m))
	fail.Store(true)
	if _, err := m.Forecast(t.Context(), r); sdk.KindOf(err) != sdk.KindDiverged {
		t.Errorf("got %v", err)
	}
	checkFree(t, memoryOf(m))
}

// received returns what a call makes of the frames of a stream.
func received(into *channel, m *memory, s stream) (*pb.CallEnd, error) {
	in := newIncoming([]*channel{into}, m, true)
	end, err := in.receive(s, &frame{sink: in.payload})
	if err != nil {
		return nil, err
	}
	return end, in.complete(sdk.Call{}.Member, int(end.Members))
}

// ends returns both ends of new memory.
func ends(t *testing.T) (host, plugin *memory) {
	t.Helper()
	host, path, done, err := newMemory("lake")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if plugin, err = openMemory("lake", path); err != nil {
		t.Fatal(err)
	}
	return host, plugin
}

// A slot that was taken back can be taken again; a late reader of it neither frees it
// nor uses what it read.
func TestLateReceiver(t *testing.T) {
	host, plugin := ends(t)
	space, err := newSpace(single("x", wide), wire.Double)
	if err != nil {
		t.Fatal(err)
	}
	ensemble := &channel{id: pb.Channel_CHANNEL_ENSEMBLE, space: space, matrix: numbers(members, wide, 1)}
	aborted := &play{broken: 2}
	out := &outgoing{stream: aborted, memory: host}
	if _, err := out.channels([]*channel{ensemble}, nil); err == nil {
		t.Fatal("the stream is not broken")
	}
	out.takeBack()
	checkFree(t, host)
	slot, generation, ok := host.take(t.Context())
	if !ok || slot != int(aborted.sent[0].Slot) {
		t.Fatalf("slot %d was not taken again", aborted.sent[0].Slot)
	}

	late := frame{channel: ensemble.id, shared: aborted.sent[0]}
	end := frame{end: &pb.CallEnd{Members: members}}
	status := sdk.Errorf(sdk.KindDiverged, "", "overflow")
	into := &channel{id: ensemble.id, space: space, matrix: mat.NewDense(members, wide, nil)}
	for name, c := range map[string]struct {
		stream *play
		want   sdk.Kind
	}{
		"answered":  {&play{frames: []frame{late, end}}, sdk.KindContract},
		"ends late": {&play{frames: []frame{late, late}, last: status}, sdk.KindDiverged},
	} {
		if _, err := received(into, plugin, c.stream); sdk.KindOf(err) != c.want {
			t.Errorf("%s: got %v", name, err)
		}
		if g, read := host.taken(slot).Load(), host.read(slot).Load(); g != generation || read == g {
			t.Errorf("%s: generation %d of the new call became %d", name, generation, g)
		}
	}
}

func TestBrokenSharedFrames(t *testing.T) {
	host, plugin := ends(t)
	space, err := newSpace(single("x", wide), wire.Double)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		memory *memory
		shared *pb.Shared
		want   string
	}{
		{"no memory", &memory{}, &pb.Shared{Generation: 1}, "of which the call has none"},
		{"beyond the last slot", host, &pb.Shared{Slot: 2 * slots, Generation: 1}, "in slot 6; want 3 to 5"},
		{"beyond any slot", host, &pb.Shared{Slot: 1<<32 - 1, Generation: 1}, "in slot 4294967295; want 3 to 5"},
		{"our own slot", host, &pb.Shared{Slot: 0, Generation: 1}, "in slot 0; want 3 to 5"},
		{"their own slot", plugin, &pb.Shared{Slot: slots, Generation: 1}, "in slot 3; want 0 to 2"},
		{"too long", host, &pb.Shared{Slot: slots, Length: slotBytes + 1, Generation: 1}, "has 1048577 bytes; want at most 1048576"},
		{"free", host, &pb.Shared{Slot: slots, Generation: 2}, "which is a free one"},
		{"never taken", host, &pb.Shared{Slot: slots, Generation: 7}, "was taken back before it was read"},
		{"not asked for", host, &pb.Shared{Slot: slots + 1, Length: 1, Generation: 1}, "channel gradient: was not asked for"},
	} {
		host.taken(slots + 1).Store(1)
		into := &channel{id: pb.Channel_CHANNEL_ENSEMBLE, space: space, matrix: mat.NewDense(2, wide, nil)}
		s := &play{frames: []frame{{channel: pb.Channel_CHANNEL_GRADIENT, shared: c.shared}, {end: &pb.CallEnd{}}}}
		if _, err := received(into, c.memory, s); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// The host survives whatever a plugin writes into shared memory, at any time.
func TestVandal(t *testing.T) {
	m := configure(t, nil, sdk.Params{"width": 20_000})
	r := request(m, members)
	if _, err := m.Forecast(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	shared := memoryOf(m)
	stop := make(chan struct{})
	var vandal sync.WaitGroup
	vandal.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for {
			select {
			case <-stop:
				return
			default:
			}
			at := random.IntN(2 * slots)
			if random.IntN(10) == 0 {
				shared.word(2*at + random.IntN(2)).Add(random.Uint64N(3))
			}
			for range 100 {
				// The stream's metadata is at the start of slots.
				shared.slot(at)[random.IntN(1<<random.IntN(21))] = byte(random.Uint32())
			}
		}
	})
	spoilt := 0
	for range 50 {
		if _, err := m.Forecast(t.Context(), r); err != nil {
			spoilt++
		}
	}
	close(stop)
	vandal.Wait()
	if spoilt == 0 {
		t.Error("no call was spoilt: the test tests nothing")
	}
}

func TestOpenMemoryRefusals(t *testing.T) {
	host, path, done, err := newMemory("lake")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("lake"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"lake", short, "has 4 bytes; want 6295552"},
		{"lake", short + "er", "no such file"},
		{"pond", path, "is another file here"},
		{"", path, "is another file here"},
		{strings.Repeat("lake", 17), path, "is another file here"},
	} {
		if _, err := openMemory(c.name, c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q at %s: got %v, want %q", c.name, c.path, err, c.want)
		}
	}
	if err := syscall.Truncate(path, 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("memory can be taken away from a host that reads it: %v", err)
	}
	if _, err := openMemory(host.name, path); err != nil {
		t.Error(err)
	}
}

// A call that names memory the plugin does not have is refused.
func TestUnknownMemory(t *testing.T) {
	m := configure(t, nil, sdk.Params{"width": 20_000})
	c := m.(*model).client
	c.shares, c.memory = false, &memory{name: "elsewhere"}
	_, err := m.Forecast(t.Context(), request(m, members))
	if sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), `there is no shared memory "elsewhere"`) {
		t.Errorf("got %v", err)
	}
}

// Over TCP host and plugin may be on two machines.
func TestNothingIsSharedOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := growing(nil)
	_, conn := servingAt(t, listener, listener.Addr().String(), p, err)
	remote, err := Describe(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	m, err := remote.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"width": 20_000}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Forecast(t.Context(), request(m, members)); err != nil || memoryOf(m).bytes != nil {
		t.Errorf("memory: %v, %v", memoryOf(m).bytes != nil, err)
	}
}
