package rpc

import (
	"context"
	"slices"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/rng"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
)

// configuration is a configured role on the server, with the spaces of its
// matrices.
type configuration struct {
	state, observations *space
	parameters          *space // of a model: see ConfigureRequest.per_member; nil: none
	carries             bool   // of a model: the manifest says so
	inPlace             bool   // the answer is written over the ensemble, see sdk.Memory
	run                 func(context.Context, *job, *pb.CallHeader) (*pb.CallEnd, error)
}

func (c *configuration) model(ctx context.Context, p *sdk.Plugin, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	dates, err := datesFromProto(r.Dates)
	if err != nil {
		return nil, err
	}
	model, err := p.NewModel(ctx, sdk.ModelConfig{Params: r.Params.AsMap(), Step: r.Step, Dir: r.Dir, PerMember: r.PerMember, Dates: dates})
	if err != nil {
		return nil, err
	}
	if c.parameters, err = parameterSpace(r.PerMember); err != nil {
		return nil, err
	}
	numbers := wire.Double
	if r.Single {
		numbers = wire.Single
	}
	if c.state, err = newSpace(model.Layout(), numbers); err != nil {
		return nil, err
	}
	c.carries, c.inPlace = p.Manifest.Carries, p.Manifest.MemoryWith(r.Params.AsMap()).InPlace
	c.run = func(ctx context.Context, j *job, h *pb.CallHeader) (*pb.CallEnd, error) {
		res, err := model.Forecast(ctx, &sdk.ForecastRequest{
			Call: callOf(h), From: h.TimeFrom, To: h.TimeTo,
			Ensemble: j.matrixIn(pb.Channel_CHANNEL_ENSEMBLE), Into: j.matrixOut(pb.Channel_CHANNEL_ENSEMBLE),
			Parameters: j.matrixIn(pb.Channel_CHANNEL_PARAMETERS), Carry: j.carryIn(),
		})
		if err != nil {
			return nil, err
		}
		if err := j.setCarry(res.Carry, res.Failures); err != nil {
			return nil, err
		}
		return j.leaveOut(res.Failures, &pb.CallEnd{Metrics: res.Metrics}), nil
	}
	return &pb.ConfigureResponse{State: layoutToProto(model.Layout(), rules{r.Grid, r.Origins})}, nil
}

func (c *configuration) operator(ctx context.Context, p *sdk.Plugin, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	state, err := layoutFromProto(r.State)
	if err != nil {
		return nil, err
	}
	config := sdk.OperatorConfig{Params: r.Params.AsMap(), State: state}
	if e := r.Error; e != nil {
		config.Error = sdk.ErrorModel{Dist: e.Dist, SD: e.Sd, DF: e.Df}
	}
	operator, err := p.NewOperator(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := c.spaces(state, operator.Space().Layout); err != nil {
		return nil, err
	}
	c.run = func(ctx context.Context, j *job, h *pb.CallHeader) (*pb.CallEnd, error) {
		req := &sdk.ObserveRequest{
			Call: callOf(h), Time: h.TimeFrom,
			Ensemble:  j.matrixIn(pb.Channel_CHANNEL_ENSEMBLE),
			Predicted: j.matrixOut(pb.Channel_CHANNEL_PREDICTED), Simulated: j.matrixOut(pb.Channel_CHANNEL_SIMULATED),
			LogLikelihood: j.matrixOut(pb.Channel_CHANNEL_LOG_LIKELIHOOD), Gradient: j.matrixOut(pb.Channel_CHANNEL_GRADIENT),
		}
		if y := j.matrixIn(pb.Channel_CHANNEL_OBSERVATIONS); y != nil {
			req.Observation = y.RawRowView(0)
		}
		res, err := operator.Observe(ctx, req)
		if err != nil {
			return nil, err
		}
		return &pb.CallEnd{Members: h.Members, Metrics: res.Metrics, ErrorVariance: res.ErrorVariance}, nil
	}
	return &pb.ConfigureResponse{Observations: spaceToProto(operator.Space(), rules{r.Grid, r.Origins})}, nil
}

func (c *configuration) filter(ctx context.Context, p *sdk.Plugin, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	state, err := layoutFromProto(r.State)
	if err != nil {
		return nil, err
	}
	observations, err := spaceFromProto(r.Observations)
	if err != nil {
		return nil, err
	}
	if r.Past < 0 || r.Past > 0 && !p.Manifest.Smooths {
		return nil, contract("configure", "%d earlier times, for a filter whose manifest says smooths = %v", r.Past, p.Manifest.Smooths)
	}
	filter, err := p.NewFilter(ctx, sdk.FilterConfig{Params: r.Params.AsMap(), State: state, Observations: observations, Members: int(r.Members), Past: int(r.Past)})
	if err != nil {
		return nil, err
	}
	if err := c.spaces(statesOf(state, int(r.Past)), observations.Layout); err != nil {
		return nil, err
	}
	c.inPlace = r.Past == 0 && p.Manifest.MemoryWith(r.Params.AsMap()).InPlace
	m := observations.Layout.Size()
	c.run = func(ctx context.Context, j *job, h *pb.CallHeader) (*pb.CallEnd, error) {
		if len(h.Fraction) != 0 && len(h.Fraction) != m || h.Seen < 0 || h.Seen > int64(m) {
			return nil, contract("call", "%d fractions and %d components seen before, for %d observed values", len(h.Fraction), h.Seen, m)
		}
		a, err := filter.Analyse(ctx, &sdk.Problem{
			Call: callOf(h), Time: h.TimeFrom,
			Ensemble: j.matrixIn(pb.Channel_CHANNEL_ENSEMBLE), LogWeights: h.LogWeights,
			Observation: j.matrixIn(pb.Channel_CHANNEL_OBSERVATIONS).RawRowView(0), ErrorVariance: h.ErrorVariance,
			Predicted: j.matrixIn(pb.Channel_CHANNEL_PREDICTED), Simulated: j.matrixIn(pb.Channel_CHANNEL_SIMULATED),
			LogLikelihood: j.matrixIn(pb.Channel_CHANNEL_LOG_LIKELIHOOD), Gradient: j.matrixIn(pb.Channel_CHANNEL_GRADIENT),
			Carry: h.Carry, Into: j.matrixOut(pb.Channel_CHANNEL_ENSEMBLE),
			Fraction: h.Fraction, Seen: int(h.Seen),
		})
		if err != nil {
			return nil, err
		}
		end := &pb.CallEnd{Members: h.Members, Metrics: a.Metrics, Carry: a.Carry, LogWeights: a.LogWeights}
		for _, i := range a.Ancestors {
			end.Ancestors = append(end.Ancestors, int64(i))
		}
		return end, nil
	}
	res := &pb.ConfigureResponse{}
	for _, need := range filter.Needs() {
		res.Needs = append(res.Needs, string(need))
	}
	return res, nil
}

func (c *configuration) spaces(state, observations *sdk.Layout) (err error) {
	if c.state, err = newSpace(state, wire.Double); err != nil {
		return err
	}
	c.observations, err = newSpace(observations, wire.Double)
	return err
}

func callOf(h *pb.CallHeader) sdk.Call {
	c := sdk.Call{Cycle: int(h.Cycle), Seed: rng.Seed{Hi: h.SeedHi, Lo: h.SeedLo}}
	if len(h.Numbers) > 0 {
		return c.Of(integers[int](h.Numbers))
	}
	return c.From(int(h.FirstMember))
}

// takeJob returns the memory for a call of c: that of an earlier call of any configuration,
// as soon as its answer has arrived, or new memory. Without the wait a second set of
// matrices would be made for a host that calls again at once.
func (s *Server) takeJob(ctx context.Context, c *configuration) *job {
	for {
		earlier := s.takeAnswered()
		if earlier == nil {
			return &job{c: c}
		}
		select {
		case j := <-earlier:
			if j != nil {
				j.c = c
				return j
			}
		case <-ctx.Done():
			return &job{c: c}
		}
	}
}

func (s *Server) takeAnswered() <-chan *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answered) == 0 {
		return nil
	}
	earlier := s.answered[0]
	s.answered = s.answered[1:]
	return earlier
}

// putJob offers the memory of an answered call to the next one. It returns the channel
// to send it on when nothing reads it any longer; send nil if that cannot be known.
func (s *Server) putJob() chan<- *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	answered := make(chan *job, 1)
	s.answered = append(s.answered, answered)
	return answered
}

// job is the memory of one call.
type job struct {
	c       *configuration
	in, out []*channel
	scratch [][]float64
	memory  []buffer
}

// buffer is the memory of one channel in one direction.
type buffer struct {
	id   pb.Channel
	out  bool
	data []float64
}

// prepare makes the matrices of the channels that h announces and asks for.
func (j *job) prepare(h *pb.CallHeader) error {
	const most = 1 << 40 // values in a matrix; beyond any memory
	if h.Members < 1 || h.Members > most {
		return contract("call", "%d members; want at least 1", h.Members)
	}
	if n := len(h.Numbers); n != 0 && n != int(h.Members) {
		return contract("call", "%d numbers of %d members", n, h.Members)
	}
	j.in, j.out = j.in[:0], j.out[:0]
	for _, id := range h.Sends {
		c, err := j.channel(id, int(h.Members), false)
		if err != nil {
			return err
		}
		j.in = append(j.in, c)
	}
	for _, id := range h.Wants {
		c, err := j.channel(id, int(h.Members), true)
		if err != nil {
			return err
		}
		j.out = append(j.out, c)
	}
	if j.matrixIn(pb.Channel_CHANNEL_ENSEMBLE) == nil {
		return contract("call", "has no ensemble")
	}
	if j.c.parameters != nil && j.matrixIn(pb.Channel_CHANNEL_PARAMETERS) == nil {
		return contract("call", "has no parameters by member, which the configuration names")
	}
	return nil
}

func (j *job) channel(id pb.Channel, rows int, out bool) (*channel, error) {
	c := &channel{id: id, space: j.c.observations}
	switch id {
	case pb.Channel_CHANNEL_ENSEMBLE, pb.Channel_CHANNEL_GRADIENT:
		c.space = j.c.state
	case pb.Channel_CHANNEL_PARAMETERS:
		c.space = j.c.parameters
	case pb.Channel_CHANNEL_CARRY:
		c.space = nil
		if j.c.carries {
			return c, nil
		}
	case pb.Channel_CHANNEL_OBSERVATIONS:
		rows, c.loose = 1, missing
	case pb.Channel_CHANNEL_LOG_LIKELIHOOD:
		c.loose = impossible
	}
	if c.space == nil || id == pb.Channel_CHANNEL_UNSPECIFIED {
		return nil, contract("call", "channel %s does not belong to this role", channelName(id))
	}
	n := c.space.layout.Size()
	if id == pb.Channel_CHANNEL_ENSEMBLE && j.c.inPlace {
		out = false // the memory of the ensemble that came
	}
	c.matrix = mat.NewDense(rows, n, j.values(id, out, rows*n))
	return c, nil
}

// values returns the memory of a channel, of size values.
func (j *job) values(id pb.Channel, out bool, size int) []float64 {
	i := slices.IndexFunc(j.memory, func(b buffer) bool { return b.id == id && b.out == out })
	if i < 0 {
		j.memory = append(j.memory, buffer{id: id, out: out})
		i = len(j.memory) - 1
	}
	if cap(j.memory[i].data) < size {
		j.memory[i].data = make([]float64, size)
	}
	return j.memory[i].data[:size]
}

func (j *job) matrixIn(id pb.Channel) *mat.Dense  { return matrixOf(j.in, id) }
func (j *job) matrixOut(id pb.Channel) *mat.Dense { return matrixOf(j.out, id) }

func matrixOf(channels []*channel, id pb.Channel) *mat.Dense {
	for _, c := range channels {
		if c.id == id {
			return c.matrix
		}
	}
	return nil
}

// leaveOut lists the failed members in end and removes their rows from the ensemble that
// is sent.
func (j *job) leaveOut(failures []sdk.MemberFailure, end *pb.CallEnd) *pb.CallEnd {
	ensemble := j.matrixOut(pb.Channel_CHANNEL_ENSEMBLE)
	rows, n := ensemble.Dims()
	failed := failedRows(failures)
	for _, f := range failures {
		end.Failures = append(end.Failures, &pb.MemberFailure{Member: int64(f.Member), Reason: f.Reason, Retryable: f.Retryable, Kind: string(f.Kind)})
	}
	kept := 0
	for i := range rows {
		if !failed[i] {
			if i != kept {
				copy(ensemble.RawRowView(kept), ensemble.RawRowView(i))
			}
			kept++
		}
	}
	end.Members = int64(kept)
	for _, c := range j.out {
		if kept < rows && c.id == pb.Channel_CHANNEL_ENSEMBLE {
			c.matrix = nil
			if kept > 0 {
				c.matrix = mat.NewDense(kept, n, ensemble.RawMatrix().Data[:kept*n])
			}
		}
	}
	return end
}
