package cycle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// hiding is a model of x, y and z, which all depend on each other. Either all of them are its
// state, or z is in what it carries. Of six members, member 1 fails in cycle failAt.
type hiding struct {
	layout *sdk.Layout
	failAt int
}

func (m hiding) Layout() *sdk.Layout { return m.layout }

func (m hiding) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	res := &sdk.ForecastResult{}
	if n == 2 {
		res.Carry = make([][]byte, rows)
	}
	for i := range rows {
		x, y, z := r.Ensemble.At(i, 0), r.Ensemble.At(i, 1), 0.0
		switch {
		case n == 3:
			z = r.Ensemble.At(i, 2)
		case r.Carry != nil && len(r.Carry[i]) > 0:
			z = math.Float64frombits(binary.LittleEndian.Uint64(r.Carry[i]))
		}
		noise := r.Seed.Member(r.Member(i))
		r.Into.Set(i, 0, 0.9*x-0.6*y+z+0.3*noise.NormFloat64())
		r.Into.Set(i, 1, 0.5*x+1.1*y)
		next := math.Sin(x + z)
		if n == 3 {
			r.Into.Set(i, 2, next)
			continue
		}
		res.Carry[i] = binary.LittleEndian.AppendUint64(nil, math.Float64bits(next))
	}
	if m.failAt == r.Cycle && rows == 6 {
		res.Failures = []sdk.MemberFailure{{Member: 1, Reason: "burst"}}
		r.Into.SetRow(1, make([]float64, n))
		if n == 2 {
			res.Carry[1] = nil
		}
	}
	return res, nil
}

// keeping asks a filter for the first two values of each state, and gives the rest to members
// as a host does with what they carry.
type keeping struct{ sdk.Filter }

func (f keeping) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows, n := p.Ensemble.Dims()
	inner := *p
	inner.Ensemble, inner.Into = mat.DenseCopyOf(p.Ensemble.Slice(0, rows, 0, 2)), mat.NewDense(rows, 2, nil)
	analysis, err := f.Filter.Analyse(ctx, &inner)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		from := i
		if analysis.Ancestors != nil {
			from = analysis.Ancestors[i]
		}
		copy(p.Into.RawRowView(i), inner.Into.RawRowView(i))
		copy(p.Into.RawRowView(i)[2:], p.Ensemble.RawRowView(from)[2:n])
	}
	return analysis, nil
}

// drawing resamples members at random, and moves them towards what is observed.
type drawing struct{}

func (drawing) Needs() []sdk.Capability { return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance} }

func (drawing) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows, _ := p.Ensemble.Dims()
	random := p.Seed.Rand()
	analysis := &sdk.Analysis{Ancestors: make([]int, rows), Metrics: map[string]float64{}}
	for i := range rows {
		from := random.IntN(rows)
		analysis.Ancestors[i] = from
		p.Into.SetRow(i, p.Ensemble.RawRowView(from))
		last := len(p.Observation) - 1
		if y := p.Observation[last]; !math.IsNaN(y) {
			p.Into.Set(i, 0, p.Into.At(i, 0)+0.5*(y-p.Predicted.At(from, last)))
		}
	}
	return analysis, nil
}

// hidden is a plan and a trial with the model hiding, whose state has so many values.
func hidden(values, failAt int, filter sdk.Filter, w *plan.Window) (*plan.Plan, *plan.Trial) {
	p := newPlan()
	if values == 3 {
		p.State = &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}, {Name: "y"}, {Name: "z"}}}
		zero := plan.Distribution{Size: 1, Middle: workflow.Numbers{0}, Width: workflow.Numbers{0}}
		p.Truth.Init.Dists, p.Ensemble.Dists = append(p.Truth.Init.Dists, zero), append(p.Ensemble.Dists, zero)
	}
	p.Clock.Cycles, p.MaxFailed, p.Truth.SpinUp = 9, 2, 2
	p.Truth.Model, p.Model = hiding{layout: p.State}, hiding{p.State, failAt}
	p.Space.Offers = []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
	p.Ahead = &plan.Ahead{Leads: 2, Step: 1, Calls: 2, Every: 1, Members: 5}
	f := sdk.Filter(keeping{filter})
	return p, &plan.Trial{Filter: f, Size: 6, Window: w, Resize: func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }}
}

// followed runs a trial from a state, and returns the first two values of all members in all
// cycles: forecasts, analyses and free forecasts, and the encoded states after each cycle.
func followed(t *testing.T, p *plan.Plan, trial *plan.Trial, from *State) (all [][]float64, states [][]byte, restarted int) {
	t.Helper()
	take := func(values []float64, e *mat.Dense) []float64 {
		for i := range e.RawMatrix().Rows {
			values = append(values, e.RawRowView(i)[:2]...)
		}
		return values
	}
	err := Assimilate(t.Context(), p, trial, simulate(t, p), from, func(s *Step) error {
		values := take(take(nil, s.Forecast.Members), s.Analysis.Members)
		restarted += int(s.Metrics["window_restarted"])
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(s.State()); err != nil {
			return err
		}
		states = append(states, b.Bytes())
		err := s.Ahead(t.Context(), func(l *Lead) error { values = take(values, l.Members); return nil })
		all = append(all, values)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, states, restarted
}

// What members carry has the same effect as values of the state that no filter touches: through
// resampling and moving, windows that run the model again and that are lost, members that are
// dropped and free forecasts, and when the trial is continued from any cycle.
func TestCarryIsLikeState(t *testing.T) {
	windows := map[string]*plan.Window{"no window": nil}
	for name, w := range someWindows {
		if !w.Auto { // its length depends on all values
			windows[name] = w
		}
	}
	lost := 0
	for name, w := range windows {
		for _, filter := range []sdk.Filter{drawing{}, exact{factor: 1}} {
			for _, c := range []struct{ failAt, every int }{{0, 0}, {5, 0}, {0, 3}, {5, 3}} {
				if c.every > 0 && w != nil {
					continue
				}
				name := fmt.Sprintf("%s, %T, %+v", name, filter, c)
				p, trial := hidden(3, c.failAt, filter, w)
				trial.Every = c.every
				want, _, _ := followed(t, p, trial, nil)
				p, trial = hidden(2, c.failAt, filter, w)
				trial.Every = c.every
				got, states, restarted := followed(t, p, trial, nil)
				lost += restarted
				if at := firstDifference(got, want); at >= 0 {
					t.Fatalf("%s: cycle %d differs", name, at+1)
				}
				for k := 1; k < len(states); k++ {
					var from State
					if err := gob.NewDecoder(bytes.NewReader(states[k-1])).Decode(&from); err != nil {
						t.Fatal(err)
					}
					rest, _, _ := followed(t, p, trial, &from)
					if at := firstDifference(rest, want[k:]); at >= 0 {
						t.Fatalf("%s: continued after cycle %d, cycle %d differs", name, k, k+at+1)
					}
				}
			}
		}
	}
	if lost == 0 {
		t.Error("no window was lost, so nothing is known of that")
	}
}

func firstDifference(a, b [][]float64) int {
	for k := range a {
		if len(a[k]) != len(b[k]) {
			return k
		}
		for j := range a[k] {
			if a[k][j] != b[k][j] {
				return k
			}
		}
	}
	return -1
}
