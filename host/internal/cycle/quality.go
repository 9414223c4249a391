package cycle

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// check is the background check of the observations of s: it rejects those with
//
//	|y - mean h(x)| > limit sqrt(S),   S = var h(x) + R
//
// over the forecast ensemble, and reports whether there were any. With all weight on a single member var h(x) is 0. Cost: O(N m). Source:
// Daley 1991, Atmospheric Data Analysis, section 1.8.
func (a *assimilation) check(s *Step) bool {
	weights := linear(s.Forecast.LogWeights)
	mean := ensemble.Mean(nil, s.Predicted, weights)
	variance := ensemble.Variance(nil, s.Predicted, mean, weights)
	y := slices.Clone(s.Observation)
	for j, stream := range observations.Components(a.plan.Streams) {
		v, spread := y[j], variance[j]
		if weights != nil && math.IsNaN(spread) {
			spread = 0
		}
		if d := v - mean[j]; stream.Limit > 0 && d*d > stream.Limit*stream.Limit*(spread+s.ErrorVariance[j]) {
			s.Rejected = append(s.Rejected, a.rejected(s, j, v))
			y[j] = math.NaN()
		}
	}
	s.Observation = y
	return len(s.Rejected) > 0
}

// rejected describes component j, whose value is v.
func (a *assimilation) rejected(s *Step, j int, v float64) observations.Value {
	value := observations.Value{Time: s.Time, Y: v, Component: int32(j), Stream: int32(observations.StreamOf(a.plan.Streams, j))}
	if a.scenario.Record != nil {
		in := a.scenario.Record.In(s.Cycle)
		value = in[slices.IndexFunc(in, func(v observations.Value) bool { return int(v.Component) == j && v.Status == observations.Assimilated })]
	}
	value.Cycle, value.Status = int32(s.Cycle), observations.Background
	return value
}

// HeldOut holds the observations of a cycle that are not assimilated, and the predictions
// of both ensembles. Analyses of a model with diagnostics predict only over a whole record, where
// the model has run since: other trials would have predictions of the few cycles without a filter.
type HeldOut struct {
	Values             []observations.Value
	Forecast, Analysis Prediction
}

// Prediction is the predictions of all observations by an ensemble, N x m. It is empty for one
// that lacks the diagnostics of its model.
type Prediction struct {
	Predicted     *mat.Dense
	Simulated     *mat.Dense // with errors; nil if the operator does not offer them
	ErrorVariance []float64  // nil if the operator does not offer it
	LogWeights    []float64
}

// holdOut predicts the held-out values of s. Random streams: branches
// "held_out_forecast" and "held_out_analysis" of the assimilation's, by cycle.
func (a *assimilation) holdOut(ctx context.Context, s *Step) (err error) {
	if a.scenario.Record == nil {
		return nil
	}
	values := a.scenario.Record.HeldOut(s.Cycle)
	if len(values) == 0 {
		return nil
	}
	s.HeldOut = &HeldOut{Values: values}
	if s.HeldOut.Forecast, err = a.predict(ctx, s, s.Forecast, "held_out_forecast"); err != nil {
		return err
	}
	if a.diagnoses() && !a.trial.Whole() {
		return nil
	}
	s.HeldOut.Analysis, err = a.predict(ctx, s, s.Analysis, "held_out_analysis")
	return err
}

func (a *assimilation) predict(ctx context.Context, s *Step, e Ensemble, role string) (Prediction, error) {
	if !a.plan.Diagnosed(e.Members) {
		return Prediction{}, nil
	}
	rows, _ := e.Members.Dims()
	m := a.plan.Space.Layout.Size()
	r := &sdk.ObserveRequest{Call: a.call(role, s.Cycle), Time: s.Time, Ensemble: e.Members, Observation: s.Observation,
		Predicted: mat.NewDense(rows, m, nil)}
	if slices.Contains(a.plan.Space.Offers, sdk.Simulated) {
		r.Simulated = mat.NewDense(rows, m, nil)
	}
	res, err := a.foresee(ctx, a.plan.Operator, r)
	if err != nil {
		return Prediction{}, err
	}
	return Prediction{r.Predicted, r.Simulated, res.ErrorVariance, e.LogWeights}, nil
}

// linear returns weights from log-weights; nil stays nil.
func linear(logWeights []float64) []float64 {
	if logWeights == nil {
		return nil
	}
	w, _ := ensemble.Normalise(nil, logWeights)
	return w
}
