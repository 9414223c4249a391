package rpc

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
)

// Describe asks the plugin behind conn for its manifest and returns it as a
// plugin whose constructors and roles make calls over conn. Everything that comes
// back is checked: what the plugin answers cannot harm the caller, and a broken
// promise is an error of kind contract.
func Describe(ctx context.Context, conn grpc.ClientConnInterface) (*sdk.Plugin, error) {
	c := &client{conn: conn, plugin: pb.NewPluginClient(conn), memory: &memory{}}
	from := &peer.Peer{}
	res, err := c.plugin.Describe(ctx, &pb.DescribeRequest{}, grpc.Peer(from))
	if err != nil {
		return nil, fromStatus(err)
	}
	m, err := sdk.ParseManifest(res.Manifest)
	if err != nil {
		return nil, err
	}
	c.method = methodOf[m.Role]
	c.shares = from.Addr != nil && from.Addr.Network() == "unix" && slices.Contains(res.Features, featureShared)
	c.series = from.Addr != nil && slices.Contains(res.Features, featureSeries) // within a process a stream costs nothing
	p := &sdk.Plugin{Manifest: m}
	switch m.Role {
	case sdk.RoleModel:
		p.NewModel = c.newModel
	case sdk.RoleOperator:
		p.NewOperator = c.newOperator
	case sdk.RoleFilter:
		p.NewFilter = c.newFilter
	}
	return p, nil
}

// Session holds the session of the plugin behind conn open until ctx ends, and
// hands the plugin's log records to log. It returns nil when ctx has ended and
// the reason when the plugin ended the session.
func Session(ctx context.Context, conn grpc.ClientConnInterface, log func(level, message string, fields map[string]string)) error {
	stream, err := pb.NewPluginClient(conn).Session(ctx)
	if err != nil {
		return fromStatus(err)
	}
	for {
		event, err := stream.Recv()
		if err != nil {
			return unlessEnded(ctx, fromStatus(err))
		}
		if event.Log != nil {
			log(event.Log.Level, event.Log.Message, event.Log.Fields)
		}
	}
}

// unlessEnded returns err, or nil when ctx has ended, which explains err.
func unlessEnded(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// client makes calls to one plugin process.
type client struct {
	conn   grpc.ClientConnInterface
	plugin pb.PluginClient
	method method
	calls  atomic.Uint64

	series bool // the plugin takes several calls on a stream

	mu     sync.Mutex
	names  int      // of configurations, made so far
	free   []string // those of them that are not in use
	shares bool     // memory can be shared, and nobody has tried yet
	memory *memory
	idle   []*line // streams that wait for their next call
}

func (c *client) configure(ctx context.Context, params sdk.Params, r *pb.ConfigureRequest) (*remote, *pb.ConfigureResponse, error) {
	s, err := paramsToProto(params)
	if err != nil {
		return nil, nil, err
	}
	r.Configuration, r.Params = c.takeName(), s
	res, err := c.plugin.Configure(ctx, r)
	if err != nil {
		c.putName(r.Configuration)
		return nil, nil, fromStatus(err)
	}
	return &remote{client: c, configuration: r.Configuration}, res, nil
}

// takeName returns a name for a configuration, which replaces the one that had it.
func (c *client) takeName() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.free) - 1; last >= 0 {
		name := c.free[last]
		c.free = c.free[:last]
		return name
	}
	c.names++
	return strconv.Itoa(c.names)
}

func (c *client) putName(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, name)
}

// Release gives up a role that a plugin from [Describe] has made: a model, an operator
// or a filter that is not called any more. The plugin keeps its configuration until
// another one takes its place.
func Release(role any) {
	if r, ok := role.(interface{ release() }); ok {
		r.release()
	}
}

func (r *remote) release() { r.client.putName(r.configuration) }

func (c *client) newModel(ctx context.Context, config sdk.ModelConfig) (sdk.Model, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{Step: config.Step, Dir: config.Dir, PerMember: config.PerMember})
	if err != nil {
		return nil, err
	}
	if r.parameters, err = parameterSpace(config.PerMember); err != nil {
		return nil, err
	}
	layout, err := layoutFromProto(res.State)
	if err != nil {
		return nil, err
	}
	if r.state, err = newSpace(layout); err != nil {
		return nil, err
	}
	return &model{r}, nil
}

func (c *client) newOperator(ctx context.Context, config sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{
		State: layoutToProto(config.State),
		Error: &pb.ErrorModel{Dist: config.Error.Dist, Sd: config.Error.SD, Df: config.Error.DF},
	})
	if err != nil {
		return nil, err
	}
	observed, err := spaceFromProto(res.Observations)
	if err != nil {
		return nil, err
	}
	if err := r.spaces(config.State, observed.Layout); err != nil {
		return nil, err
	}
	return &operator{r, observed}, nil
}

func (c *client) newFilter(ctx context.Context, config sdk.FilterConfig) (sdk.Filter, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{
		State: layoutToProto(config.State), Observations: spaceToProto(config.Observations), Members: int64(config.Members),
	})
	if err != nil {
		return nil, err
	}
	if err := r.spaces(config.State, config.Observations.Layout); err != nil {
		return nil, err
	}
	f := &filter{remote: r}
	for _, need := range res.Needs {
		f.needs = append(f.needs, sdk.Capability(need))
	}
	return f, nil
}

// remote is one configuration of a plugin behind a connection.
type remote struct {
	client              *client
	configuration       string
	state, observations *space
	parameters          *space // of models: one value for each parameter by member; nil: none

	mu      sync.Mutex
	scratch [][][]float64 // of calls that have ended
}

func (r *remote) spaces(state, observations *sdk.Layout) (err error) {
	if r.state, err = newSpace(state); err != nil {
		return err
	}
	r.observations, err = newSpace(observations)
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
func (r *remote) header(call sdk.Call, ensemble *mat.Dense) *pb.CallHeader {
	return &pb.CallHeader{
		Configuration: r.configuration, Call: r.client.calls.Add(1), Cycle: int64(call.Cycle),
		Members: int64(ensemble.RawMatrix().Rows), FirstMember: int64(call.First),
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
	failed := len(end.Failures)
	if int(end.Members)+failed != int(h.Members) {
		return nil, contract("answer", "%d members and %d failures for %d members", end.Members, failed, h.Members)
	}
	return end, answer.complete(int(h.FirstMember), int(end.Members))
}

// callSmall makes a call whose channels do not fill what the transport takes at once,
// so that all can be sent before the answer is awaited.
func (r *remote) callSmall(ctx context.Context, h *pb.CallHeader, out []*channel, answer *incoming) (*pb.CallEnd, error) {
	h.Series = r.client.series
	l, err := r.client.takeLine(ctx)
	if err != nil {
		return nil, err
	}
	asked := &outgoing{stream: l.stream, memory: answer.memory, joined: h.Series}
	scratch, sent := asked.send(h, out, &pb.CallEnd{Members: h.Members}, r.takeScratch())
	if sent != nil && !errors.Is(sent, io.EOF) { // else the answer says why it ended
		return nil, l.fail(ctx, sent)
	}
	end, err := answer.receive(l.stream, &frame{sink: answer.payload})
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	r.putScratch(scratch)
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
// side waits for room.
func (r *remote) callLarge(ctx context.Context, h *pb.CallHeader, out []*channel, answer *incoming) (*pb.CallEnd, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := r.client.newStream(ctx)
	if err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	scratch := r.takeScratch()
	asked := &outgoing{stream: stream, memory: answer.memory}
	defer asked.takeBack()
	sent := make(chan error, 1)
	go func() {
		var err error
		scratch, err = asked.send(h, out, &pb.CallEnd{Members: h.Members}, scratch)
		sent <- err
	}()
	end, err := answer.receive(stream, &frame{sink: answer.payload})
	if err != nil {
		cancel()
		return nil, firstCause(<-sent, fromStatus(err))
	}
	if err := <-sent; err != nil {
		cancel()
		return nil, fromStatus(err)
	}
	r.putScratch(scratch)
	if answer.lost {
		defer cancel()
		return nil, whyLost(stream)
	}
	finish(stream, cancel)
	return end, nil
}

// finish tells the plugin that its answer has arrived, and waits for its status
// in the background.
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

// whyLost says why the plugin took back what it had sent: its status, when the
// call has ended on its side before the host had read the answer.
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

// firstCause prefers a fault of the sender that is its own: when the plugin ends
// a call early, SendMsg says no more than io.EOF.
func firstCause(sent, received error) error {
	if e := (*sdk.Error)(nil); errors.As(sent, &e) {
		return e
	}
	return received
}

func (r *remote) takeScratch() [][]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.scratch)
	if n == 0 {
		return nil
	}
	s := r.scratch[n-1]
	r.scratch = r.scratch[:n-1]
	return s
}

func (r *remote) putScratch(s [][]float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scratch = append(r.scratch, s)
}

type model struct{ *remote }

func (m *model) Layout() *sdk.Layout { return m.state.layout }

func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	h := m.header(r.Call, r.Ensemble)
	h.TimeFrom, h.TimeTo = r.From, r.To
	end, err := m.call(ctx, h,
		join(m.channel(pb.Channel_CHANNEL_PARAMETERS, m.parameters, r.Parameters), m.channel(pb.Channel_CHANNEL_ENSEMBLE, m.state, r.Ensemble)),
		m.channel(pb.Channel_CHANNEL_ENSEMBLE, m.state, r.Into))
	if err != nil {
		return nil, err
	}
	res := &sdk.ForecastResult{Metrics: end.Metrics}
	for _, f := range end.Failures {
		res.Failures = append(res.Failures, sdk.MemberFailure{Member: int(f.Member), Reason: f.Reason, Retryable: f.Retryable})
	}
	return res, openGaps(r.Into, res.Failures)
}

// openGaps moves the rows of m, which lie together, to where they belong between
// the failed ones.
func openGaps(m *mat.Dense, failures []sdk.MemberFailure) error {
	if len(failures) == 0 {
		return nil
	}
	rows, _ := m.Dims()
	failed := make([]bool, rows)
	for _, f := range failures {
		if f.Member < 0 || f.Member >= rows || failed[f.Member] {
			return contract("answer", "member %d is listed as failed; want each of 0 to %d at most once", f.Member, rows-1)
		}
		failed[f.Member] = true
	}
	from := rows - len(failures)
	for i := rows - 1; i >= 0; i-- {
		if !failed[i] {
			from--
			copy(m.RawRowView(i), m.RawRowView(from))
		}
	}
	return nil
}

type operator struct {
	*remote
	observed *sdk.ObservationSpace
}

func (o *operator) Space() *sdk.ObservationSpace { return o.observed }

func (o *operator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	h := o.header(r.Call, r.Ensemble)
	h.TimeFrom = r.Time
	logLikelihood := o.channel(pb.Channel_CHANNEL_LOG_LIKELIHOOD, o.observations, r.LogLikelihood)
	for _, c := range logLikelihood {
		c.loose = impossible
	}
	end, err := o.call(ctx, h,
		join(o.observation(r.Observation), o.channel(pb.Channel_CHANNEL_ENSEMBLE, o.state, r.Ensemble)),
		join(o.channel(pb.Channel_CHANNEL_PREDICTED, o.observations, r.Predicted),
			o.channel(pb.Channel_CHANNEL_SIMULATED, o.observations, r.Simulated), logLikelihood,
			o.channel(pb.Channel_CHANNEL_GRADIENT, o.state, r.Gradient)))
	if err != nil {
		return nil, err
	}
	if len(end.Failures) > 0 {
		return nil, contract("answer", "lists %d failed members, which only a model may", len(end.Failures))
	}
	if m := o.observed.Layout.Size(); len(end.ErrorVariance) != 0 && len(end.ErrorVariance) != m {
		return nil, contract("answer", "%d error variances for %d observed values", len(end.ErrorVariance), m)
	}
	for j, v := range end.ErrorVariance {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, contract("answer", "error variance %d is %v; want a finite number above 0", j, v)
		}
	}
	return &sdk.ObserveResult{ErrorVariance: end.ErrorVariance, Metrics: end.Metrics}, nil
}

type filter struct {
	*remote
	needs []sdk.Capability
}

func (f *filter) Needs() []sdk.Capability { return f.needs }

func (f *filter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	h := f.header(p.Call, p.Ensemble)
	h.TimeFrom, h.Carry, h.LogWeights, h.ErrorVariance = p.Time, p.Carry, p.LogWeights, p.ErrorVariance
	end, err := f.call(ctx, h,
		join(f.observation(p.Observation),
			f.channel(pb.Channel_CHANNEL_PREDICTED, f.observations, p.Predicted),
			f.channel(pb.Channel_CHANNEL_SIMULATED, f.observations, p.Simulated),
			f.channel(pb.Channel_CHANNEL_LOG_LIKELIHOOD, f.observations, p.LogLikelihood),
			f.channel(pb.Channel_CHANNEL_GRADIENT, f.state, p.Gradient),
			f.channel(pb.Channel_CHANNEL_ENSEMBLE, f.state, p.Ensemble)),
		f.channel(pb.Channel_CHANNEL_ENSEMBLE, f.state, p.Into))
	if err != nil {
		return nil, err
	}
	return analysisOf(end, int(h.Members))
}

// analysisOf checks what a filter says beside the ensemble.
func analysisOf(end *pb.CallEnd, members int) (*sdk.Analysis, error) {
	if len(end.Failures) > 0 {
		return nil, contract("answer", "lists %d failed members, which only a model may", len(end.Failures))
	}
	a := &sdk.Analysis{Metrics: end.Metrics, Carry: end.Carry}
	if len(end.LogWeights) > 0 {
		a.LogWeights = end.LogWeights
	}
	for _, i := range end.Ancestors {
		if i < 0 || i >= int64(members) {
			return nil, contract("answer", "ancestor %d; want 0 to %d", i, members-1)
		}
		a.Ancestors = append(a.Ancestors, int(i))
	}
	for name, n := range map[string]int{"log-weights": len(a.LogWeights), "ancestors": len(a.Ancestors)} {
		if n != 0 && n != members {
			return nil, contract("answer", "%d %s for %d members", n, name, members)
		}
	}
	return a, checkWeights(a.LogWeights)
}

// checkWeights says whether logWeights are normalised, within 1e-9: the rounding of
// members and of their logarithms is far below that. None are all equal.
func checkWeights(logWeights []float64) error {
	if logWeights == nil {
		return nil
	}
	var sum float64
	for _, w := range logWeights {
		sum += math.Exp(w)
	}
	if !(math.Abs(sum-1) < 1e-9) {
		return contract("answer", "the weights sum to %v, want 1; normalise the log-weights", sum)
	}
	return nil
}
