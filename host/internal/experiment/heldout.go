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

// heldOut scores what both stages of a cycle predict of the values held out.
func (j *scorer) heldOut(s *cycle.Step) []archive.HeldOutRow {
	if s.HeldOut == nil {
		return nil
	}
	var list []archive.HeldOutRow
	for _, stage := range []struct {
		name string
		cycle.Prediction
	}{{archive.Forecast, s.HeldOut.Forecast}, {archive.Analysis, s.HeldOut.Analysis}} {
		for _, v := range s.HeldOut.Values {
			row := predicted(stage.Prediction, v)
			row.Stage = stage.name
			list = append(list, row)
			if s.Cycle > j.plan.Clock.BurnIn {
				j.rememberHeldOut(row)
			}
		}
	}
	return list
}

// predicted compares one value with what is predicted of it. The spread is that of
// the members and of the error law together, or, where the operator states no error
// variance, that of members with errors drawn.
func predicted(p cycle.Prediction, v observations.Value) archive.HeldOutRow {
	k, weights := int(v.Component), linear(p.LogWeights)
	m := score.MarginalsOf(nil, column(p.Predicted, k), weights)
	row := archive.HeldOutRow{Component: k, Value: v.Y, Mean: m.Mean[0], Spread: math.Sqrt(m.Variance[0])}
	if p.ErrorVariance != nil {
		row.Spread = math.Sqrt(m.Variance[0] + p.ErrorVariance[k])
	}
	if p.Simulated == nil {
		return row
	}
	drawn := score.MarginalsOf(nil, column(p.Simulated, k), weights)
	if p.ErrorVariance == nil {
		row.Spread = math.Sqrt(drawn.Variance[0])
	}
	crps := score.Of([]float64{v.Y}, drawn).CRPSFair
	row.CRPSFair = &crps
	return row
}

// holdsOut says whether a stream of w holds values out.
func holdsOut(w *workflow.Workflow) bool {
	return slices.ContainsFunc(w.Observations, func(o workflow.Observations) bool { return o.HoldOut != nil })
}

// column returns column k of e, N x 1.
func column(e *mat.Dense, k int) *mat.Dense {
	rows, _ := e.Dims()
	return mat.NewDense(rows, 1, mat.Col(nil, k, e))
}

func (j *scorer) rememberHeldOut(r archive.HeldOutRow) {
	add := func(metric string, v float64) {
		k := series{metric, r.Stage}
		j.Series[k] = append(j.Series[k], v)
	}
	add("held_out_rmse", r.Mean-r.Value)
	add("held_out_spread", r.Spread)
	if r.CRPSFair != nil {
		add("held_out_crps", *r.CRPSFair)
	}
}

// rememberInnovations is for runs without a truth, in which the innovations are the
// errors there are.
func (j *scorer) rememberInnovations(values []float64) {
	k := series{"innovation_rms", archive.Forecast}
	for _, v := range values {
		if !math.IsNaN(v) {
			j.Series[k] = append(j.Series[k], v)
		}
	}
}

// heldOutBaselines returns how well values held out are predicted by the mean of what
// is assimilated of the same component, and by what was assimilated of it last.
func heldOutBaselines(p *plan.Plan, of *plan.Scenario, r *observations.Record) []archive.Metric {
	m := p.Space.Layout.Size()
	sum, count, last := make([]float64, m), make([]float64, m), make([]float64, m)
	for k := 1; k <= p.Clock.Cycles; k++ {
		for _, v := range r.In(k) {
			if v.Status == observations.Assimilated {
				sum[v.Component] += v.Y
				count[v.Component]++
			}
		}
	}
	for j := range last {
		last[j] = math.NaN()
	}
	var climatology, persistence []float64
	for k := 1; k <= p.Clock.Cycles; k++ {
		for _, v := range r.In(k) {
			switch j := v.Component; {
			case v.Status == observations.Assimilated:
				last[j] = v.Y
			case k > p.Clock.BurnIn && count[j] > 0 && !math.IsNaN(last[j]):
				climatology = append(climatology, v.Y-sum[j]/count[j])
				persistence = append(persistence, v.Y-last[j])
			}
		}
	}
	if len(climatology) == 0 {
		return nil
	}
	return []archive.Metric{baseline("climatology", "held_out_rmse", of, score.RootTimeMean(climatology)),
		baseline("persistence", "held_out_rmse", of, score.RootTimeMean(persistence))}
}

// finite says whether all values of e are finite numbers.
func finite(e *mat.Dense) bool {
	_, _, found := ensemble.NonFinite(e)
	return !found
}
