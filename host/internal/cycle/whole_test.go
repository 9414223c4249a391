package cycle

import (
	"bytes"
	"context"
	"encoding/gob"
	"math"
	"reflect"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// smoothed returns the means and covariances of a Kalman smoother (Rauch, Tung and Striebel
// 1965) for the model turning without noise, of which the first value is observed with unit
// variance, from a normal distribution at the start, cycle 0.
func smoothed(mean *mat.VecDense, covariance *mat.Dense, scenario *Scenario, cycles int) (means []*mat.VecDense, covariances []*mat.Dense) {
	m := mat.NewDense(2, 2, []float64{0.9, -0.6, 0.5, 1.1})
	var aheadMeans []*mat.VecDense
	var aheads []*mat.Dense
	means, covariances = append(means, mean), append(covariances, covariance)
	for k := 1; k <= cycles; k++ {
		x, p, t := mat.NewVecDense(2, nil), mat.NewDense(2, 2, nil), mat.NewDense(2, 2, nil)
		x.MulVec(m, means[k-1])
		t.Mul(m, covariances[k-1])
		p.Mul(t, m.T())
		aheadMeans, aheads = append(aheadMeans, mat.VecDenseCopyOf(x)), append(aheads, mat.DenseCopyOf(p))
		if y := scenario.Observation(k)[0]; !math.IsNaN(y) {
			gain := mat.NewVecDense(2, []float64{p.At(0, 0) / (p.At(0, 0) + 1), p.At(1, 0) / (p.At(0, 0) + 1)})
			x.AddScaledVec(x, y-x.AtVec(0), gain)
			t.Outer(1, gain, p.RowView(0))
			p.Sub(p, t)
		}
		means, covariances = append(means, x), append(covariances, p)
	}
	for k := cycles - 1; k >= 0; k-- {
		var inverse, gain, t mat.Dense
		if err := inverse.Inverse(aheads[k]); err != nil {
			panic(err)
		}
		gain.Product(covariances[k], m.T(), &inverse)
		d := mat.NewVecDense(2, nil)
		d.SubVec(means[k+1], aheadMeans[k])
		d.MulVec(&gain, d)
		means[k].AddVec(means[k], d)
		t.Sub(covariances[k+1], aheads[k])
		t.Product(&gain, &t, gain.T())
		covariances[k].Add(covariances[k], &t)
	}
	return means, covariances
}

var someRecords = map[string]*plan.Window{
	"in one": {Whole: true, Passes: 1}, "in four": {Whole: true, Passes: 4}, "by rule": {Whole: true},
	"a step": {Whole: true, Passes: 1, GaussNewton: true}, "steps": {Whole: true, GaussNewton: true},
}

// With a linear model without noise and an exact filter, the analyses of a record are those
// of the Kalman smoother that starts with the mean and covariance of the members, to rounding:
// in every cycle and at the start, in any number of passes, and where a cycle was not observed.
func TestRecordOfLinearModelIsKalmanSmoother(t *testing.T) {
	for name, w := range someRecords {
		p, trial, _ := windowed(t, 0, w)
		scenario := simulate(t, p)
		scenario.Observations.Set(4, 0, math.NaN())
		var means []*mat.VecDense
		var covariances []*mat.Dense
		check := func(what string, k int, e Ensemble) {
			got := moments(e.Members)
			want := summary{means[k].RawVector().Data, mat.DenseCopyOf(covariances[k]).RawMatrix().Data}
			for i := range want.covariance { // moments are sums of N - 1 degrees of freedom
				want.covariance[i] *= float64(trial.Size - 1)
			}
			// states up to 30, covariances up to 60, and a smoother that inverts matrices with a
			// condition of up to 100: 1e6 ulps
			if off := got.off(want); off > 1e-8 {
				t.Errorf("%s: %s, cycle %d: off by %g", name, what, k, off)
			}
		}
		passes, steps := 0, 0
		err := Assimilate(t.Context(), p, trialWith(trial, exact{factor: 1}), scenario, nil, func(s *Step) error {
			if s.Pass != nil {
				if s.Pass.Number == 0 {
					start := moments(s.Pass.Start.Members)
					c := mat.NewDense(2, 2, start.covariance)
					c.Scale(1/float64(trial.Size-1), c)
					means, covariances = smoothed(mat.NewVecDense(2, start.mean), c, scenario, p.Clock.Cycles)
				}
				if s.Pass.Values != 8 || len(s.Pass.Misfit) != trial.Size || s.Pass.Number != passes {
					t.Errorf("%s: pass %d has %d values and %d misfits, want pass %d with 8", name, s.Pass.Number, s.Pass.Values, len(s.Pass.Misfit), passes)
				}
				passes++
			}
			if s.Again {
				return nil
			}
			steps++
			check("analysis", s.Cycle, s.Analysis)
			if s.Pass != nil {
				check("start", 0, s.Pass.Start)
				if s.Pass.Rest != 0 || s.Runs != passes {
					t.Errorf("%s: %v of the likelihood is left after %d runs, of which %d were seen", name, s.Pass.Rest, s.Runs, passes)
				}
			}
			return nil
		})
		if err != nil || steps != 9 || w.Passes > 0 && passes != w.Passes+1 {
			t.Errorf("%s: %d passes, %d analyses, %v", name, passes, steps, err)
		}
	}
}

func trialWith(t *plan.Trial, f sdk.Filter) *plan.Trial {
	with := *t
	with.Filter = f
	with.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }
	return &with
}

// frail is a model that loses a member in cycle 3 of the run from the prior, of 6 members, and
// one in cycle 2 of the next run.
type frail struct{ *turning }

func (m frail) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.turning.Forecast(ctx, r)
	if rows, _ := r.Ensemble.Dims(); err == nil && (rows == 6 && r.Cycle == 3 || rows == 5 && r.Cycle == 2) {
		res.Failures = []sdk.MemberFailure{{Member: 1, Reason: "burst"}}
	}
	return res, err
}

// A trial over a record that is continued, from any cycle of any run, gives what one that was
// never stopped gives, also where members are dropped in a run.
func TestRecordIsContinued(t *testing.T) {
	type results struct {
		analyses, starts map[int]*mat.Dense
		dropped          map[int][]sdk.MemberFailure
		states           [][]byte
	}
	run := func(w *plan.Window, lossy bool, from *State) results {
		p, trial, m := windowed(t, 0, w)
		if p.MaxFailed = 2; lossy {
			p.Model = frail{m}
		}
		scenario := simulate(t, p)
		scenario.Observations.Set(4, 0, math.NaN())
		r := results{map[int]*mat.Dense{}, map[int]*mat.Dense{}, map[int][]sdk.MemberFailure{}, nil}
		if err := Assimilate(t.Context(), p, trial, scenario, from, func(s *Step) error {
			if s.Pass != nil {
				r.starts[s.Pass.Number] = mat.DenseCopyOf(s.Pass.Start.Members)
			}
			if !s.Again {
				r.analyses[s.Cycle], r.dropped[s.Cycle] = mat.DenseCopyOf(s.Analysis.Members), s.Dropped
			}
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(s.State())
			r.states = append(r.states, b.Bytes())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, w := range someRecords {
		for _, lossy := range []bool{false, true} {
			want := run(w, lossy, nil)
			if lossy && (len(want.dropped[3]) != 1 || len(want.dropped[2]) != 1 || want.dropped[2][0].Member != 2 || want.analyses[9].RawMatrix().Rows != 4) {
				t.Errorf("%s: dropped %v", name, want.dropped)
			}
			for i, state := range want.states {
				var from State
				if err := gob.NewDecoder(bytes.NewReader(state)).Decode(&from); err != nil {
					t.Fatal(err)
				}
				got := run(w, lossy, &from)
				if len(got.analyses) != 9-from.Cycle {
					t.Fatalf("%s: continued after step %d, %d cycles are given out, want %d", name, i, len(got.analyses), 9-from.Cycle)
				}
				for k, e := range got.analyses {
					if !mat.Equal(e, want.analyses[k]) || !reflect.DeepEqual(got.dropped[k], want.dropped[k]) {
						t.Fatalf("%s: continued after step %d, cycle %d differs", name, i, k)
					}
				}
				for k, e := range got.starts {
					if !mat.Equal(e, want.starts[k]) {
						t.Fatalf("%s: continued after step %d, the start of pass %d differs", name, i, k)
					}
				}
			}
		}
	}
}

// A record without a single value that is used has a posterior that is the prior.
func TestRecordWithoutObservations(t *testing.T) {
	for _, newton := range []bool{false, true} {
		p := newPlan()
		scenario := simulate(t, p)
		for i := range scenario.Observations.RawMatrix().Data {
			scenario.Observations.RawMatrix().Data[i] = math.NaN()
		}
		f := &recorder{}
		var passes []*Pass
		last := 0
		err := Assimilate(t.Context(), p, &plan.Trial{Filter: f, Size: 4, Window: &plan.Window{Whole: true, GaussNewton: newton}}, scenario, nil, func(s *Step) error {
			if s.Pass != nil {
				passes = append(passes, s.Pass)
			}
			if !s.Again && mat.Equal(s.Analysis.Members, s.Forecast.Members) {
				last = s.Cycle
			}
			return nil
		})
		if err != nil || last != 4 || len(f.problems) != 0 || len(passes) != 2 || passes[1].Values != 0 || passes[1].Misfit != nil {
			t.Errorf("Gauss-Newton %v: got %v, analyses that are forecasts up to cycle %d, %d problems, passes %+v", newton, err, last, len(f.problems), passes)
		}
	}
}
