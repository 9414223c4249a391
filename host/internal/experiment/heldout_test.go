package experiment

import (
	"math"
	"testing"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"gonum.org/v1/gonum/mat"
)

// A held-out value whose error is not that of the operator is compared with members whose
// simulated errors are stretched to its own.
func TestPredictedWithAnotherError(t *testing.T) {
	p := func(errors ...float64) cycle.Prediction {
		members, simulated := mat.NewDense(len(errors), 1, nil), mat.NewDense(len(errors), 1, nil)
		for i, e := range errors {
			members.Set(i, 0, float64(i))
			simulated.Set(i, 0, float64(i)+e)
		}
		return cycle.Prediction{Predicted: members, Simulated: simulated, ErrorVariance: []float64{0.25}}
	}
	for sd, factor := range map[float64]float64{0: 1, 0.5: 1, 1: 2, 0.05: 0.1} {
		got := predicted(p(0.3, -0.4, 0.1), observations.Value{Y: 2, SD: sd})
		stretched := predicted(p(0.3*factor, -0.4*factor, 0.1*factor), observations.Value{Y: 2})
		if math.Abs(*got.CRPSFair-*stretched.CRPSFair) > 1e-15 {
			t.Errorf("sd %g: crps %g, want %g", sd, *got.CRPSFair, *stretched.CRPSFair)
		}
		if want := math.Sqrt(1 + 0.25*factor*factor); math.Abs(got.Spread-want) > 1e-15 { // members 0, 1, 2
			t.Errorf("sd %g: spread %g, want %g", sd, got.Spread, want)
		}
	}
}
