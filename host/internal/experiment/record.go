package experiment

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// pass remembers what a run over the whole record has shown. A run that was made again when the
// trial was continued takes the place of the former one.
func (s *scorer) pass(p *cycle.Pass) {
	row := archive.PassRow{Number: p.Number, Assimilated: 1 - p.Rest, Values: p.Values, Known: p.Misfit != nil}
	weights := linear(p.Start.LogWeights)
	if row.Known {
		misfit := mat.NewDense(len(p.Misfit), 1, p.Misfit)
		row.Misfit, row.Least, row.Largest = ensemble.Mean(nil, misfit, weights)[0], slices.Min(p.Misfit), slices.Max(p.Misfit)
	}
	row.Start = s.marginalsAt(score.MarginalsOf(p.Start.Members, weights, nil), s.scenario.At(0))
	s.Passes = append(slices.DeleteFunc(s.Passes, func(r archive.PassRow) bool { return r.Number >= p.Number }), row)
}

// fit compares the observations of a cycle of a whole record with what prior and posterior
// predict.
func (s *scorer) fit(step *cycle.Step) []archive.FitRow {
	if step.Fitted == nil || step.Predicted == nil {
		return nil
	}
	var rows []archive.FitRow
	for _, of := range []struct {
		stage     string
		predicted *mat.Dense
		weights   []float64
	}{{score.Forecast, step.Predicted, linear(step.Forecast.LogWeights)}, {score.Analysis, step.Fitted, linear(step.Analysis.LogWeights)}} {
		m := score.MarginalsOf(of.predicted, of.weights, nil)
		for j, y := range step.Observation {
			if math.IsNaN(y) {
				continue
			}
			row := archive.FitRow{Stage: of.stage, Component: j, Value: y, Error: math.NaN(), Mean: m.Mean[j], Spread: math.Sqrt(m.Variance[j]), Quantiles: make([]float64, len(archive.Quantiles))}
			if step.ErrorVariance != nil {
				row.Error = math.Sqrt(step.ErrorVariance[j])
			}
			m.Quantiles(row.Quantiles, j, archive.Quantiles)
			rows = append(rows, row)
		}
	}
	return rows
}
