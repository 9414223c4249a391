package experiment

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// A truth of two values that rise by 2 a cycle: persistence errs by 2; of the scored
// cycles 2 to 5 the mean is at 7, and the errors of the climatology are 3, 1, 1, 3. Its mean distances to these values are 3, 2, 2, 3, and half of
// those between its values is 1.25.
func TestBaselines(t *testing.T) {
	p := &plan.Plan{State: &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}}, Clock: plan.Clock{Cycles: 5, BurnIn: 1}}
	made := &cycle.Scenario{Truth: mat.NewDense(6, 2, nil)}
	for k := range 6 {
		made.Truth.SetRow(k, []float64{2 * float64(k), 100 + 2*float64(k)})
	}
	list := baselines(p, &plan.Scenario{Replicate: 3, Number: 1}, made)
	if len(list) != 3 {
		t.Fatalf("got %+v", list)
	}
	for i, want := range []struct {
		filter, metric string
		value          float64
	}{{"climatology", "rmse", 2}, {"climatology", "crps", 1.25}, {"persistence", "rmse", 2}} {
		m := list[i]
		if m.Filter != want.filter || m.Metric != want.metric || m.Value != want.value || m.Cycles != 4 || m.Replicate != 3 || m.Truth != 1 || m.Trial != 0 {
			t.Errorf("%s: got %+v", want.filter, m)
		}
	}
	one := *p
	if one.Clock.BurnIn = 4; len(one.Baselines()) != 1 {
		t.Errorf("one scored cycle: %v", one.Baselines())
	}
	for _, m := range baselines(&one, &plan.Scenario{}, made) {
		if undefined := m.Filter == workflow.Climatology; math.IsNaN(m.Value) != undefined || !math.IsNaN(m.SE) || m.Cycles != 1 {
			t.Errorf("one scored cycle: %+v", m)
		}
	}
	for filter, names := range p.Baselines() { // what plans say that there is
		for _, name := range names {
			if !slices.ContainsFunc(list, func(m archive.Metric) bool { return m.Filter == filter && m.Metric == name }) {
				t.Errorf("there is no %s of %s", name, filter)
			}
		}
	}
	if s, _ := inTime(newStateValues(p, made).truth(p, made)); math.Abs(s-math.Sqrt(14)) > 1e-14 { // 0, 2, ..., 10: variance 70 / 5
		t.Errorf("spread of the climatology: %v", s)
	}
}
