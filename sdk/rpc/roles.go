package rpc

import (
	"context"
	"math"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
)

type model struct{ *remote }

func (c *client) newModel(ctx context.Context, config sdk.ModelConfig) (sdk.Model, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{
		Step: config.Step, Dir: config.Dir, PerMember: config.PerMember, Dates: datesToProto(config.Dates), Single: config.Single && c.single,
	})
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
	if r.state, err = newSpace(layout, c.numbersOf(config)); err != nil {
		return nil, err
	}
	return &model{r}, nil
}

func datesToProto(c *sdk.Dates) *pb.Dates {
	if c == nil {
		return nil
	}
	return &pb.Dates{Start: c.Start.UTC().Format(time.RFC3339Nano), Seconds: c.Seconds, Calendar: c.Calendar}
}

func datesFromProto(c *pb.Dates) (*sdk.Dates, error) {
	if c == nil {
		return nil, nil
	}
	start, err := time.Parse(time.RFC3339Nano, c.Start)
	if err != nil {
		return nil, sdk.Errorf(sdk.KindContract, "dates", "%v", err)
	}
	return &sdk.Dates{Start: start, Seconds: c.Seconds, Calendar: c.Calendar}, nil
}

func (m *model) Layout() *sdk.Layout { return m.state.layout }

func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if !m.client.numbers && r.Numbers() != nil {
		return m.inParts(ctx, r)
	}
	h := m.header(ctx, r.Call, r.Ensemble)
	h.TimeFrom, h.TimeTo = r.From, r.To
	carried, states := m.carryIn(), m.channel(pb.Channel_CHANNEL_ENSEMBLE, m.state, r.Into)
	if m.state.numbers != wire.Double {
		states[0].loose = infinite
	}
	end, err := m.call(ctx, h,
		join(m.channel(pb.Channel_CHANNEL_PARAMETERS, m.parameters, r.Parameters), carryOut(r.Carry), m.channel(pb.Channel_CHANNEL_ENSEMBLE, m.state, r.Ensemble)),
		join(carried, states))
	if err != nil {
		return nil, err
	}
	res := &sdk.ForecastResult{Metrics: end.Metrics}
	for _, f := range end.Failures {
		res.Failures = append(res.Failures, sdk.MemberFailure{Member: int(f.Member), Reason: f.Reason, Retryable: f.Retryable, Kind: sdk.Kind(f.Kind)})
	}
	openGaps(r.Into, res.Failures)
	for _, c := range carried {
		res.Carry = withGaps(c.carry, res.Failures)
	}
	if states[0].strange {
		res.Failures = append(res.Failures, states[0].exceeding(failedRows(res.Failures))...)
	}
	return res, nil
}

// openGaps moves the rows of m, which are the first ones, to their places between the
// failed ones.
func openGaps(m *mat.Dense, failures []sdk.MemberFailure) {
	if len(failures) == 0 {
		return
	}
	rows, _ := m.Dims()
	failed := failedRows(failures)
	from := rows - len(failures)
	for i := rows - 1; i >= 0; i-- {
		if !failed[i] {
			from--
			copy(m.RawRowView(i), m.RawRowView(from))
		}
	}
}

type operator struct {
	*remote
	observed *sdk.ObservationSpace
}

func (c *client) newOperator(ctx context.Context, config sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{
		State: layoutToProto(config.State, c.takes),
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

func (o *operator) Space() *sdk.ObservationSpace { return o.observed }

func (o *operator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	if !o.client.numbers && r.Numbers() != nil {
		return o.inParts(ctx, r)
	}
	h := o.header(ctx, r.Call, r.Ensemble)
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
		return nil, contract("answer", "lists %d failed members; only a model may", len(end.Failures))
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

func (c *client) newFilter(ctx context.Context, config sdk.FilterConfig) (sdk.Filter, error) {
	r, res, err := c.configure(ctx, config.Params, &pb.ConfigureRequest{
		State: layoutToProto(config.State, c.takes), Observations: spaceToProto(config.Observations, c.takes), Members: int64(config.Members),
		Past: int64(config.Past),
	})
	if err != nil {
		return nil, err
	}
	if err := r.spaces(statesOf(config.State, config.Past), config.Observations.Layout); err != nil {
		return nil, err
	}
	f := &filter{remote: r}
	for _, need := range res.Needs {
		f.needs = append(f.needs, sdk.Capability(need))
	}
	return f, nil
}

func (f *filter) Needs() []sdk.Capability { return f.needs }

func (f *filter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	h := f.header(ctx, p.Call, p.Ensemble)
	h.TimeFrom, h.Carry, h.LogWeights, h.ErrorVariance = p.Time, p.Carry, p.LogWeights, p.ErrorVariance
	h.Fraction, h.Seen = p.Fraction, int64(p.Seen)
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

// analysisOf checks what a filter returns in addition to the ensemble.
func analysisOf(end *pb.CallEnd, members int) (*sdk.Analysis, error) {
	if len(end.Failures) > 0 {
		return nil, contract("answer", "lists %d failed members; only a model may", len(end.Failures))
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
	if n := len(a.LogWeights); n != 0 && n != members {
		return nil, contract("answer", "%d log-weights for %d members", n, members)
	}
	if n := len(a.Ancestors); n != 0 && n != members {
		return nil, contract("answer", "%d ancestors for %d members", n, members)
	}
	return a, checkWeights(a.LogWeights)
}

// checkWeights returns an error unless logWeights are normalised to within 1e-9, which is
// far above the rounding of weights and of their logarithms. Nil means equal weights.
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
