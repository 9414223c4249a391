package cycle

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// joined returns a and b next to each other.
func joined(a, b *mat.Dense) *mat.Dense {
	all := new(mat.Dense)
	all.Augment(a, b)
	return all
}

var withAndWithout = func() map[string]*plan.Window {
	all := map[string]*plan.Window{"no window": nil}
	for name, w := range someWindows {
		all[name] = w
	}
	return all
}()

// smoothing runs a trial that smooths, and calls each with every step.
func smoothing(t *testing.T, w *plan.Window, lag int, noise, factor float64, size int, each func(*plan.Plan, *Scenario, *Step)) {
	t.Helper()
	p, trial, _ := windowed(t, 0, w)
	shaken(p, trial, noise)
	p.Truth.Noise = p.Noise
	f := exact{factor: factor}
	trial.Smooth, trial.Size, trial.Filter = lag, size, f
	trial.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }
	scenario := simulate(t, p)
	scenario.Observations.Set(4, 0, math.NaN())
	if err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
		each(p, scenario, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Smoothing changes nothing of the filter, bit by bit.
func TestSmoothingLeavesTheFilter(t *testing.T) {
	for name, w := range withAndWithout {
		run := func(lag int) (all []*mat.Dense) {
			smoothing(t, w, lag, 0.3, 1.1, 6, func(_ *plan.Plan, _ *Scenario, s *Step) {
				all = append(all, mat.DenseCopyOf(s.Forecast.Members), mat.DenseCopyOf(s.Analysis.Members))
			})
			return all
		}
		want := run(0)
		for k, e := range run(4) {
			if !mat.Equal(e, want[k]) {
				t.Fatalf("%s: cycle %d differs", name, k/2+1)
			}
		}
	}
}

// The past states of a step are those of the cycles before it, as far as the lag reaches; each cycle is final once.
func TestWhichPast(t *testing.T) {
	for name, w := range withAndWithout {
		for _, lag := range []int{1, 3, 20} {
			final := map[int]int{} // the lag by cycle
			smoothing(t, w, lag, 0.3, 1, 6, func(p *plan.Plan, _ *Scenario, s *Step) {
				var cycles, want []int
				for _, past := range s.Past {
					cycles = append(cycles, past.Cycle)
					if _, before := final[past.Cycle]; past.Final && before {
						t.Errorf("%s, lag %d: cycle %d is final twice", name, lag, past.Cycle)
					}
					if past.Final {
						final[past.Cycle] = s.Cycle - past.Cycle
					}
				}
				first := s.Cycle - 1
				if s.Cycle == p.Clock.Cycles {
					first++
				}
				for k := first; k >= max(1, s.Cycle-lag); k-- {
					want = append(want, k)
				}
				if !slices.Equal(cycles, want) {
					t.Errorf("%s, lag %d, cycle %d: past %v, want %v", name, lag, s.Cycle, cycles, want)
				}
			})
			for k := 1; k <= 9; k++ {
				if got, ok := final[k]; !ok || got != min(lag, 9-k) {
					t.Errorf("%s, lag %d: cycle %d is final with lag %d, %v", name, lag, k, got, ok)
				}
			}
		}
	}
}

// The same holds where the window becomes longer and shorter.
func TestPastOfChangingWindow(t *testing.T) {
	lengths := []int{4, 4, 2, 3, 0, 1, 4, 4, 4}
	smoothing(t, &plan.Window{Length: 4, Passes: 1, Multiple: true}, 3, 0.3, 1, 6, func(p *plan.Plan, _ *Scenario, s *Step) {
		for i, past := range s.Past {
			if k := s.Past[0].Cycle - i; past.Cycle != k || s.Cycle-k > 3 {
				t.Errorf("cycle %d, with a window of %d: past %d is of cycle %d", s.Cycle, s.of.lag(), i, past.Cycle)
			}
		}
		if s.Cycle > 3 && s.Cycle < p.Clock.Cycles && len(s.Past) != 3 {
			t.Errorf("cycle %d: %d past times, want 3", s.Cycle, len(s.Past))
		}
		s.of.record.Longest = lengths[s.Cycle-1]
	})
}

// With a linear model without noise members stay trajectories: a smoothed one leads to that of the analysis. So the smoother is as
// exact as the filter is, see TestWindowOfLinearModel.
func TestSmoothedLeadToAnalysis(t *testing.T) {
	step := mat.NewDense(2, 2, []float64{0.9, -0.6, 0.5, 1.1})
	for name, w := range withAndWithout {
		smoothing(t, w, 5, 0, 1.1, 6, func(_ *plan.Plan, _ *Scenario, s *Step) {
			for _, past := range s.Past {
				ahead := mat.DenseCopyOf(past.Members)
				for range s.Cycle - past.Cycle {
					ahead.Mul(ahead, step.T())
				}
				if off := distance(ahead, s.Analysis.Members); off > 1e-10 { // states up to 30
					t.Errorf("%s, cycle %d: the states of cycle %d lead %g past the analysis", name, s.Cycle, past.Cycle, off)
				}
			}
		})
	}
}

func distance(a, b *mat.Dense) float64 {
	var d mat.Dense
	d.Sub(a, b)
	return mat.Norm(&d, math.Inf(1))
}

// With noise the fixed-lag Kalman smoother is approached as members are added. It starts from mean and covariance of the members, so
// that the noise alone is sampled: its mean is off by its deviation / sqrt(N) in each of the some five cycles that a state remembers, of which
// the observations correct most, and gains by as much of what they say. In units of the smoothed deviation the error of the mean is thus
// less than 1 / sqrt(N). So it is with a window, which moves the noise within it; if it did not, it would be 0.15 to 0.20 with 20 and 0.11 to 0.18 with 100.
func TestSmootherWithNoise(t *testing.T) {
	for name, w := range withAndWithout {
		for _, size := range []int{20, 100} {
			if rms := offKalman(t, w, size) * math.Sqrt(float64(size)); !(rms < 1) {
				t.Errorf("%s, with %d members: the error of the mean is %.2f deviations / sqrt(N)", name, size, rms)
			}
		}
	}
}

// offKalman returns the root mean square difference of the means of a smoother with so many members from those of Kalman's, in its
// deviations.
func offKalman(t *testing.T, w *plan.Window, size int) float64 {
	t.Helper()
	const lag, noise = 3, 0.5
	var kalman *fixedLag
	sum, count := 0.0, 0.0
	smoothing(t, w, lag, noise, 1, size, func(p *plan.Plan, scenario *Scenario, s *Step) {
		if kalman == nil {
			start := mat.NewDense(size, 2, nil)
			(&assimilation{plan: p, trial: s.of.trial, scenario: scenario}).start(start, s.of.seed)
			kalman = newFixedLag(start, lag)
		}
		kalman.step(scenario.Observations.At(s.Cycle-1, 0), noise)
		for _, past := range s.Past {
			mean, k := ensemble.Mean(nil, past.Members, nil), s.Cycle-past.Cycle
			for j := range 2 {
				d := (mean[j] - kalman.mean.AtVec(2*k+j)) / math.Sqrt(kalman.covariance.At(2*k+j, 2*k+j))
				sum, count = sum+d*d, count+1
			}
		}
	})
	return math.Sqrt(sum / count)
}

// fixedLag is the Kalman filter of the states of the last cycles together, the latest first, which is the exact fixed-lag smoother.
type fixedLag struct {
	mean       *mat.VecDense
	covariance *mat.Dense
}

func newFixedLag(start *mat.Dense, lag int) *fixedLag {
	n := 2 * (lag + 1)
	f := &fixedLag{mat.NewVecDense(n, nil), mat.NewDense(n, n, nil)}
	m := ensemble.Mean(nil, start, nil)
	rows, _ := start.Dims()
	for i := range 2 {
		f.mean.SetVec(i, m[i])
		for j := range 2 {
			v := 0.0
			for r := range rows {
				v += (start.At(r, i) - m[i]) * (start.At(r, j) - m[j]) / float64(rows-1)
			}
			f.covariance.Set(i, j, v)
		}
	}
	return f
}

func (f *fixedLag) step(y, noise float64) {
	n := f.mean.Len()
	m := mat.NewDense(n, n, nil)
	for j := range n - 2 {
		m.Set(j+2, j, 1)
	}
	for i, v := range []float64{0.9, -0.6, 0.5, 1.1} {
		m.Set(i/2, i%2, v)
	}
	var mean mat.VecDense
	var half, p mat.Dense
	mean.MulVec(m, f.mean)
	half.Mul(m, f.covariance)
	p.Mul(&half, m.T())
	for j := range 2 {
		p.Set(j, j, p.At(j, j)+noise*noise)
	}
	if !math.IsNaN(y) {
		s, d := p.At(0, 0)+1, y-mean.AtVec(0)
		gain := mat.VecDenseCopyOf(p.ColView(0))
		gain.ScaleVec(1/s, gain)
		mean.AddScaledVec(&mean, d, gain)
		var less mat.Dense
		less.Outer(s, gain, gain)
		p.Sub(&p, &less)
	}
	f.mean, f.covariance = &mean, &p
}
