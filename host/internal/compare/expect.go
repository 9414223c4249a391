package compare

import (
	"cmp"
	"math"
	"slices"
)

// Expected is a score that a filter, or a baseline without observations, should have.
type Expected struct {
	Filter, Metric   string
	Stage            string // empty: that for which the metric is shown
	Value, Tolerance float64
}

// OK is the verdict on a score that is as expected.
const OK = "ok"

// Judge returns the mean for which e is expected, in a run without axes, and a verdict on
// it. A mean that excludes trials is never as expected.
func (r *Run) Judge(e Expected) (Mean, string, error) {
	for _, g := range slices.Concat(r.Groups, r.Baselines) {
		if g.Filter != e.Filter {
			continue
		}
		m, err := r.Mean(g, Metric{e.Metric, cmp.Or(e.Stage, g.StageOf(e.Metric))})
		switch {
		case err != nil || !m.Applies:
			return m, noScore, err
		case m.OK < m.Trials:
			return m, "trials: " + g.Status(), nil
		case !(math.Abs(m.Value-e.Value) <= e.Tolerance):
			return m, "outside", nil
		}
		return m, OK, nil
	}
	return Mean{}, noScore, nil
}

const noScore = "there is no such score"
