package experiment

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// heldOut scores the predictions of held-out values by both stages of a cycle.
func (s *scorer) heldOut(step *cycle.Step) []archive.HeldOutRow {
	if step.HeldOut == nil {
		return nil
	}
	var list []archive.HeldOutRow
	for _, stage := range []struct {
		name string
		cycle.Prediction
	}{{score.Forecast, step.HeldOut.Forecast}, {score.Analysis, step.HeldOut.Analysis}} {
		if stage.Predicted == nil {
			continue
		}
		for _, v := range step.HeldOut.Values {
			row := archive.HeldOutRow{Stage: stage.name, Component: int(v.Component), Prediction: predicted(stage.Prediction, v)}
			list = append(list, row)
			s.rememberHeldOut(step.Cycle, row)
		}
	}
	return list
}

// predicted compares one value with its prediction. The spread is that of the members and
// of the observation error together or, if the operator states no error variance, that of
// members with simulated errors.
func predicted(p cycle.Prediction, v observations.Value) score.Prediction {
	k, weights := int(v.Component), linear(p.LogWeights)
	members := column(p.Predicted, k)
	m := score.MarginalsOf(members, weights, nil)
	of := score.Prediction{Value: v.Y, Mean: m.Mean[0], Spread: math.Sqrt(m.Variance[0])}
	ratio := 1.0 // of the standard deviation of this error to that of the operator's
	if p.ErrorVariance != nil {
		variance := p.ErrorVariance[k]
		if own := v.SD * v.SD; own > 0 && math.Abs(own/variance-1) > 1e-9 { // the operator has that of a value that is assimilated
			ratio, variance = math.Sqrt(own/variance), own
		}
		of.Spread = math.Sqrt(m.Variance[0] + variance)
	}
	if p.Simulated == nil {
		return of
	}
	simulated := column(p.Simulated, k)
	if ratio != 1 {
		simulated.Sub(simulated, members)
		simulated.Scale(ratio, simulated)
		simulated.Add(simulated, members)
	}
	drawn := score.MarginalsOf(simulated, weights, []float64{v.Y})
	if p.ErrorVariance == nil {
		of.Spread = math.Sqrt(drawn.Variance[0])
	}
	_, fair := drawn.CRPS()
	of.CRPSFair = &fair
	return of
}

// holdsOut reports whether a stream of w holds values out.
func holdsOut(w *workflow.Workflow) bool {
	return slices.ContainsFunc(w.Observations, func(o workflow.Observations) bool { return o.HoldOut != nil })
}

// column returns column k of e, N x 1.
func column(e *mat.Dense, k int) *mat.Dense {
	rows, _ := e.Dims()
	return mat.NewDense(rows, 1, mat.Col(nil, k, e))
}

// rememberHeldOut stores the scores of one value, in a unit in which the scores of several
// variables can be averaged.
func (s *scorer) rememberHeldOut(cycle int, r archive.HeldOutRow) {
	factor := s.observed[r.Component]
	if math.IsNaN(factor) {
		return
	}
	comparable := r.Prediction.Scaled(factor)
	for _, sc := range s.scores {
		if v, ok := sc.OfPrediction(comparable); ok {
			s.remember(cycle, r.Stage, sc, v)
		}
	}
}

// heldOutBaselines returns the scores of two predictions of held-out values: the mean of
// the assimilated values of the same component, and the last assimilated value before.
func heldOutBaselines(p *plan.Plan, of *plan.Scenario, r *observations.Record) []archive.Metric {
	factors, means := observedFactors(p, r), []float64(nil)
	for _, values := range assimilated(p, r) {
		means = append(means, score.IndependentMean(values).Value)
	}
	last := slices.Repeat([]float64{math.NaN()}, len(means))
	var climatology, persistence []float64
	for k := 1; k <= p.Clock.Cycles; k++ {
		for _, v := range r.HeldOut(k) {
			if j := v.Component; k > p.Clock.BurnIn && !math.IsNaN(last[j]) && !math.IsNaN(factors[j]) {
				climatology = append(climatology, factors[j]*(v.Y-means[j]))
				persistence = append(persistence, factors[j]*(v.Y-last[j]))
			}
		}
		for _, v := range r.In(k) {
			if v.Status == observations.Assimilated {
				last[v.Component] = v.Y
			}
		}
	}
	if len(climatology) == 0 {
		return nil
	}
	list := []archive.Metric{baseline(workflow.Climatology, "held_out_rmse", of, score.RootTimeMean(climatology)),
		baseline(workflow.Persistence, "held_out_rmse", of, score.RootTimeMean(persistence))}
	if first, end := p.Diagnostics(); first < end { // what they are compared with are forecasts, and analyses over records
		for _, m := range list {
			m.Stage = score.Forecast
			list = append(list, m)
		}
	}
	return list
}

// finite reports whether all values of e, states of p, are finite numbers. Diagnostics may be missing.
func finite(p *plan.Plan, e *mat.Dense) bool {
	rows, n := e.Dims()
	first, end := p.Diagnostics()
	for _, part := range [][2]int{{0, first}, {end, n}} {
		if part[0] == part[1] {
			continue
		}
		if _, _, found := ensemble.NonFinite(e.Slice(0, rows, part[0], part[1]).(*mat.Dense)); found {
			return false
		}
	}
	return true
}
