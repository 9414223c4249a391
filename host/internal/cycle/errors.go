package cycle

import (
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// Errors is what a trial has learnt of the errors of operators that are black boxes: the
// error variance of each component, from the scatter of its simulated observations.
type Errors struct {
	Variance []float64 // by component
	Freedom  []float64 // degrees of freedom that Variance rests on; 0: none yet
}

func newErrors(components int) *Errors {
	return &Errors{make([]float64, components), make([]float64, components)}
}

// remembered is the number of degrees of freedom that an estimate of the error variance
// has after many cycles. Its standard error is then 10 %. An estimate that has more in one
// cycle forgets all others, so an error that changes is followed as fast as it can be known.
const remembered = 200

// pool adds the estimates of a cycle and returns the error variances to use: the mean of
// those of this cycle and of earlier ones, which count less the older they are. Components
// whose error variance is known, or that have no estimate in this cycle, stay as they are.
// Cost: O(m).
func (e *Errors) pool(p *plan.Plan, now []float64, s *Step) ([]float64, error) {
	rows, _ := s.Forecast.Members.Dims()
	pooled := slices.Clone(now)
	for j, stream := range observations.Components(p.Streams) {
		if stream.Draws < 2 || math.IsInf(now[j], 1) { // the stream has no observations in this cycle
			continue
		}
		more := float64(rows * (stream.Draws - 1))
		kept := e.Freedom[j] * max(0, 1-more/remembered)
		e.Variance[j] = (kept*e.Variance[j] + more*now[j]) / (kept + more)
		e.Freedom[j] = kept + more
		if e.Variance[j] == 0 && !math.IsNaN(s.Observation[j]) {
			return nil, sdk.Errorf(sdk.KindConfig, fmt.Sprintf("cycle %d: observations", s.Cycle), "the operator gives the same answer for component %d each time it is asked, so its error variance would be 0", j).
				WithHint("an operator that is asked with `repeats` has to simulate its error; if it predicts, remove repeats")
		}
		pooled[j] = e.Variance[j]
	}
	return pooled, nil
}

// report adds to the diagnostics of s the estimated standard deviation of the errors of each
// observed variable: error_sd, or error_sd_NAME if there are several variables.
func (e *Errors) report(p *plan.Plan, s *Step) {
	if e == nil {
		return
	}
	s.Metrics = with(s.Metrics, nil)
	first := 0
	for _, v := range p.Space.Layout.Variables {
		sum, n := 0.0, 0
		for j := first; j < first+v.Size(); j++ {
			if e.Freedom[j] > 0 {
				draws := float64(p.Streams[observations.StreamOf(p.Streams, j)].Draws)
				sum += e.Variance[j] * draws / (draws - 1)
				n++
			}
		}
		first += v.Size()
		if n == 0 {
			continue
		}
		name := "error_sd"
		if len(p.Space.Layout.Variables) > 1 {
			name += "_" + v.Name
		}
		s.Metrics[name] = math.Sqrt(sum / float64(n))
	}
}
