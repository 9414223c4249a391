package filterdiffusion

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func TestRefusals(t *testing.T) {
	raw := map[string]any{"units": "raw"}
	predicted := map[string]any{"observations": "predicted"}
	for name, c := range map[string]struct {
		params map[string]any
		spoil  func(p *sdk.Problem)
		want   string
	}{
		"forecast not finite":  {nil, func(p *sdk.Problem) { p.Ensemble.Set(3, 1, math.NaN()) }, "forecast ensemble: member 3, value 1 is NaN"},
		"simulated not finite": {nil, func(p *sdk.Problem) { p.Simulated.Set(4, 0, math.Inf(1)) }, "simulated observations: member 4, value 0 is +Inf"},
		"simulated missing":    {nil, func(p *sdk.Problem) { p.Simulated = nil }, "simulated observations: are 0 x 0, want 12 x 2"},
		"predicted missing":    {predicted, func(p *sdk.Problem) { p.Predicted = nil }, "predicted observations: are 0 x 0, want 12 x 2"},
		"variance missing":     {predicted, func(p *sdk.Problem) { p.ErrorVariance = nil }, "error variance: has 0 values, want 2"},
		"variance zero":        {predicted, func(p *sdk.Problem) { p.ErrorVariance[1] = 0 }, "error variance: component 1 is 0"},
		"observation infinite": {nil, func(p *sdk.Problem) { p.Observation[0] = math.Inf(-1) }, "observation: component 0 is -Inf"},
		"one member":           {nil, func(p *sdk.Problem) { p.Ensemble = mat.NewDense(1, 3, nil) }, "has 1 member, want at least 2"},
		"log-weights count":    {nil, func(p *sdk.Problem) { p.LogWeights = []float64{0} }, "log-weights: 1 for 12 members"},
		"log-weights NaN":      {nil, func(p *sdk.Problem) { p.LogWeights = slices.Repeat([]float64{math.NaN()}, 12) }, "log-weights: member 0 has NaN"},
		"one weight": {nil, func(p *sdk.Problem) {
			p.LogWeights = slices.Repeat([]float64{math.Inf(-1)}, 12)
			p.LogWeights[2] = 0
		}, "one member holds all the weight"},
		"state without spread":     {nil, func(p *sdk.Problem) { setColumn(p.Ensemble, 2, 0.1) }, `forecast ensemble: value 2 has no spread`},
		"simulated without spread": {nil, func(p *sdk.Problem) { setColumn(p.Simulated, 1, 0.1) }, "simulated observations: value 1 has no spread"},
		"no spread, raw": {raw, func(p *sdk.Problem) {
			for j := range 3 {
				setColumn(p.Ensemble, j, 1)
			}
		}, "bandwidth_x: its rule gives 0 for this ensemble, want a finite number above 0; set bandwidth_x"},
		"squares overflow": {map[string]any{"units": "raw", "bandwidth_x": 1e199}, func(p *sdk.Problem) { p.Ensemble.Scale(1e200, p.Ensemble) },
			"sampler: no step of the probability-flow ODE is short enough"},
		"observation out of reach": {map[string]any{"bandwidth_y": 0.5}, func(p *sdk.Problem) { p.Observation[0] = 1e300 }, "observation: is too far from every member"},
	} {
		t.Run(name, func(t *testing.T) {
			p := twinProblem(12, 3, 2)
			c.spoil(p)
			_, err := configure(t, c.params).Analyse(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestCanceledAnalysisStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := configure(t, nil).Analyse(ctx, twinProblem(12, 3, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func setColumn(e *mat.Dense, j int, v float64) {
	rows, _ := e.Dims()
	for i := range rows {
		e.Set(i, j, v)
	}
}

func TestOneMemberIsRefusedBeforeTheRun(t *testing.T) {
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.NewFilter(t.Context(), sdk.FilterConfig{Members: 1}); sdk.KindOf(err) != sdk.KindConfig {
		t.Errorf("got %v, want a configuration error", err)
	}
}

// An observation 1000 standard deviations from every member leaves all kernels
// with a density of zero in float64; their ratios are still known.
func TestFarObservationStaysFinite(t *testing.T) {
	for _, sampler := range []string{"ode", "heun", "sde", "exact"} {
		p := twinProblem(12, 3, 2)
		p.Observation[0] = 1000
		a := analyse(t, configure(t, map[string]any{"sampler": sampler, "bandwidth_y": 0.5}), p)
		if ess := a.Metrics["weights_ess"]; !(ess >= 1 && ess < 1.5) {
			t.Errorf("%s: effective sample size %g, want about 1", sampler, ess)
		}
	}
}

// With the default bandwidth such an observation says nothing that would be worth
// losing the ensemble for.
func TestFarObservationKeepsEnsembleByDefault(t *testing.T) {
	p := twinProblem(12, 3, 2)
	p.Observation[0] = 1000
	a := analyse(t, configure(t, nil), p)
	if ess := a.Metrics["weights_ess"]; ess < 11 {
		t.Errorf("effective sample size %g of 12 members", ess)
	}
}

// Two components whose members agree still have a density where the kernels are
// given in raw units.
func TestRawKernelsNeedNoSpread(t *testing.T) {
	p := twinProblem(12, 3, 2)
	setColumn(p.Ensemble, 2, 5)
	analyse(t, configure(t, map[string]any{"units": "raw", "bandwidth_x": 0.1, "bandwidth_y": 0.5}), p)
	if v := p.Into.At(0, 2); v == 5 || math.Abs(v-5) > 1 {
		t.Errorf("value 2 is %g, want 5 with kernel noise of 0.1", v)
	}
}

// Predictions that agree leave the weights as they are, whatever the unit.
func TestAgreeingPredictionsSayNothing(t *testing.T) {
	p := twinProblem(12, 3, 1)
	setColumn(p.Predicted, 0, 5)
	a := analyse(t, configure(t, map[string]any{"observations": "predicted"}), p)
	if ess := a.Metrics["weights_ess"]; math.Abs(ess-12) > 1e-9 {
		t.Errorf("effective sample size %g of 12 members", ess)
	}
}
