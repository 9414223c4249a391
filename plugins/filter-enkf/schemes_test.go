package filterenkf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// everyScheme lists the parameters of every scheme, with a cutoff of 4 where there can be one.
func everyScheme(stochasticToo bool) []map[string]any {
	all := []map[string]any{
		{"scheme": "etkf"}, {"scheme": "denkf"}, {"scheme": "enkf-n"},
		{"scheme": "letkf"}, {"scheme": "letkf", "cutoff": 4.0},
		{"scheme": "serial"}, {"scheme": "serial", "cutoff": 4.0},
	}
	if stochasticToo {
		all = append(all, map[string]any{"scheme": "stochastic"})
	}
	return all
}

func with(params map[string]any, more map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range []map[string]any{params, more} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// Square-root schemes have the Kalman filter's mean and covariance for the ensemble's
// own forecast moments, to rounding: numbers are of order 10 and condition numbers
// below 1e3, which leaves 1e-11. Sizes put N below and above m, and n below and above
// N. In one place every taper is 1, and local schemes are global.
func TestSquareRootsAreKalman(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {10, 4, 25}, {5, 12, 3}, {5, 12, 9}, {2, 1, 1}} {
		rows, n, m := size[0], size[1], size[2]
		for _, params := range everyScheme(false) {
			if params["scheme"] == "denkf" || params["scheme"] == "enkf-n" {
				continue
			}
			for _, rotation := range []bool{false, true} {
				l, e := newLinear(m, n), forecast(rows, n, 3)
				p := l.problem(e, 1)
				analyse(t, placed(t, rows, onePlace(n), onePlace(m), with(params, map[string]any{"rotation": rotation})), p)
				mean, cov := l.kalman(moments(e))
				gotMean, gotCov := moments(p.Into)
				what := fmt.Sprint(size, params)
				near(t, what+" mean", gotMean, mean, 1e-11)
				near(t, what+" covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, 1e-11)
			}
		}
	}
}

// In one place the LETKF is the ETKF member by member, the root being the symmetric
// one in both.
func TestLETKFInOnePlaceIsETKF(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {10, 40, 25}, {2, 1, 1}} {
		rows, n, m := size[0], size[1], size[2]
		l, e := newLinear(m, n), forecast(rows, n, 3)
		a, b := l.problem(e, 1), l.problem(e, 1)
		analyse(t, configured(t, rows, map[string]any{"rotation": true}), a)
		analyse(t, placed(t, rows, onePlace(n), onePlace(m), map[string]any{"scheme": "letkf", "cutoff": 1.0, "rotation": true}), b)
		near(t, "analysis", b.Into.RawMatrix().Data, a.Into.RawMatrix().Data, 1e-11)
	}
}

// The DEnKF has the Kalman filter's mean. Its anomalies (I - KH/2) A have covariance
// P - KHP/2 - PH'K'/2 + KHPH'K'/4, the Kalman filter's and the last term, KHP being
// symmetric. Rounding as for square roots.
func TestDEnKFIsKalmanToSecondOrder(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {10, 4, 25}, {5, 12, 9}} {
		rows, n, m := size[0], size[1], size[2]
		l, e := newLinear(m, n), forecast(rows, n, 3)
		p := l.problem(e, 1)
		analyse(t, configured(t, rows, map[string]any{"scheme": "denkf"}), p)
		_, before := moments(e)
		mean, cov := l.kalman(moments(e))
		var lost, ph, innovation, gain, excess mat.Dense // lost = KHP
		lost.Sub(before, cov)
		ph.Mul(before, l.h.T())
		innovation.Mul(l.h, &ph)
		for k := range m {
			innovation.Set(k, k, innovation.At(k, k)+l.variance[k])
		}
		if err := gain.Solve(&innovation, ph.T()); err != nil { // K'
			t.Fatal(err)
		}
		ph.Mul(&lost, l.h.T())
		excess.Mul(&ph, &gain)
		excess.Scale(0.25, &excess)
		cov.Add(cov, &excess)
		gotMean, gotCov := moments(p.Into)
		near(t, "mean", gotMean, mean, 1e-11)
		near(t, "covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, 1e-11)
	}
}

// The factor of EnKF-N is that at which the dual cost is lowest, found here without
// singular values: by going through all l from 0.5 to 1000 in steps of 0.2 %, with the
// cost computed from the m x m matrix R + l^2 HPH', and then halving the step about
// the best. A minimum is known to the square root of the rounding of the cost: 1e-6.
// The analysis is the ETKF's of the inflated forecast.
func TestEnKFNMinimisesDualCost(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {6, 4, 9}, {5, 12, 3}, {2, 1, 1}} {
		rows, n, m := size[0], size[1], size[2]
		for _, outlier := range []float64{0, 5, 100} {
			l, e := newLinear(m, n), forecast(rows, n, 3)
			for k := range m { // far away in a direction that members span
				l.y[k] += outlier * l.h.At(k, 0)
			}
			p := l.problem(e, 1)
			got := analyse(t, configured(t, rows, map[string]any{"scheme": "enkf-n"}), p).Metrics["inflation"]
			cost := l.dualCost(e)
			best := 0.5
			for x := 0.5; x < 1000; x *= 1.002 {
				if cost(x) < cost(best) {
					best = x
				}
			}
			for step := best * 2e-3; step > 1e-9*best; step /= 2 {
				for _, x := range []float64{best - step, best + step} {
					if cost(x) < cost(best) {
						best = x
					}
				}
			}
			what := fmt.Sprintf("size %v, outlier %v", size, outlier)
			if !(math.Abs(got/best-1) < 1e-6) {
				t.Errorf("%s: inflation %v (cost %v), want %v (cost %v)", what, got, cost(got), best, cost(best))
			}
			if outlier > 10 {
				continue // l^2 P is so large that the textbook filter below loses its digits
			}
			mean, cov := moments(e)
			cov.Scale(got*got, cov)
			mean, cov = l.kalman(mean, cov)
			gotMean, gotCov := moments(p.Into)
			near(t, what+": mean", gotMean, mean, 1e-11*(1+outlier)*max(1, got))
			near(t, what+": covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, 1e-11*got*got)
		}
	}
}

// dualCost is J(l) of Bocquet et al. (2015) with the mode correction, for the forecast e.
func (l linear) dualCost(e *mat.Dense) func(float64) float64 {
	rows, n := e.Dims()
	m, _ := l.h.Dims()
	size := float64(rows)
	mean, cov := moments(e)
	var hp, observed mat.Dense
	hp.Mul(l.h, cov)
	observed.Mul(&hp, l.h.T())
	d := mat.NewVecDense(m, nil)
	d.MulVec(l.h, mat.NewVecDense(n, mean))
	d.SubVec(mat.NewVecDense(m, l.y), d)
	total := func(factor float64) *mat.Dense {
		s := mat.NewDense(m, m, nil)
		s.Scale(factor*factor, &observed)
		for k := range m {
			s.Set(k, k, s.At(k, k)+l.variance[k])
		}
		return s
	}
	// tr (I + S S')^-1 = N - m + tr (I + S'S)^-1 = N - m + tr R (R + HPH')^-1
	var inverse mat.Dense
	if err := inverse.Inverse(total(1)); err != nil {
		panic(err)
	}
	trace := size - float64(m)
	for k := range m {
		trace += l.variance[k] * inverse.At(k, k)
	}
	eps, c := 1+1/size, size/(size-1)
	correction := math.Sqrt(math.Pow(eps/c, (trace-1)/(size-1))) // the 1 is the mean's direction
	return func(factor float64) float64 {
		var x mat.VecDense
		if err := x.SolveVec(total(factor), d); err != nil {
			panic(err)
		}
		return mat.Dot(d, &x)/(size-1) + eps/correction/(factor*factor) + c*correction*math.Log(factor*factor)
	}
}

// Renumbering the members renumbers the analysis of every deterministic scheme and
// nothing else. So does renumbering the observations, but for the serial filter with
// localization, whose order counts.
func TestOrderDoesNotMatter(t *testing.T) {
	const rows, n, m = 8, 20, 12
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	members := []int{3, 1, 7, 0, 2, 6, 5, 4}
	observations := rand.New(rand.NewPCG(1, 1)).Perm(m)
	permuted := mat.NewDense(rows, n, nil)
	for i, from := range members {
		permuted.SetRow(i, e.RawRowView(from))
	}
	other, at := linear{h: mat.NewDense(m, n, nil)}, mat.NewDense(m, 2, nil)
	for k, from := range observations {
		other.h.SetRow(k, l.h.RawRowView(from))
		other.variance, other.y = append(other.variance, l.variance[from]), append(other.y, l.y[from])
		at.SetRow(k, mat.Row(nil, from, space.Coordinates.Points))
	}
	moved := layoutAt([]float64{10, 0}, at.RawMatrix().Data...)
	for _, params := range everyScheme(false) {
		f := placed(t, rows, state, space, params)
		a, b, c := l.problem(e, 1), l.problem(permuted, 1), other.problem(e, 1)
		analyse(t, f, a)
		analyse(t, f, b)
		for i, from := range members {
			near(t, fmt.Sprint(params, " row"), b.Into.RawRowView(i), a.Into.RawRowView(from), 1e-10)
		}
		if params["scheme"] == "serial" { // without taper its moments do not depend on the order, its members do
			continue
		}
		analyse(t, placed(t, rows, state, moved, params), c)
		near(t, fmt.Sprint(params, " observations"), c.Into.RawMatrix().Data, a.Into.RawMatrix().Data, 1e-10)
	}
}

// A missing component is as good as an operator without it; with none left the
// analysis is the forecast.
func TestMissingForEveryScheme(t *testing.T) {
	const rows, n, m = 8, 20, 12
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	h := mat.NewDense(m-1, n, nil)
	h.Stack(l.h.Slice(0, 3, 0, n), l.h.Slice(4, m, 0, n))
	short := linear{h: h, variance: slices.Delete(slices.Clone(l.variance), 3, 4), y: slices.Delete(slices.Clone(l.y), 3, 4)}
	points := space.Coordinates.Points.(*mat.Dense).RawMatrix().Data
	shortSpace := layoutAt([]float64{10, 0}, slices.Delete(slices.Clone(points), 6, 8)...)
	for _, params := range everyScheme(false) {
		p, q := l.problem(e, 1), short.problem(e, 1)
		p.Observation = slices.Clone(p.Observation)
		p.Observation[3] = math.NaN()
		p.Predicted.Set(2, 3, math.Inf(1)) // must not matter
		f := placed(t, rows, state, space, with(params, map[string]any{"inflation": 1.1}))
		analyse(t, f, p)
		analyse(t, placed(t, rows, state, shortSpace, with(params, map[string]any{"inflation": 1.1})), q)
		near(t, fmt.Sprint(params), p.Into.RawMatrix().Data, q.Into.RawMatrix().Data, 1e-11)

		p.Observation = slices.Repeat([]float64{math.NaN()}, m)
		analyse(t, f, p)
		if !mat.Equal(p.Into, e) {
			t.Errorf("%v: without observations the analysis is not the forecast", params)
		}
	}
}

// No components at all are like missing ones.
func TestNothingObserved(t *testing.T) {
	e := forecast(5, 4, 3)
	for _, params := range everyScheme(true) {
		if params["cutoff"] != nil {
			continue // coordinates of no observations cannot be
		}
		p := &sdk.Problem{Ensemble: e, Predicted: &mat.Dense{}, Into: mat.NewDense(5, 4, nil)}
		analyse(t, configured(t, 5, params), p)
		if !mat.Equal(p.Into, e) {
			t.Errorf("%v: the analysis is not the forecast", params)
		}
	}
}

// Without spread there is nothing to learn and nothing to inflate.
func TestZeroSpreadForEveryScheme(t *testing.T) {
	l := newLinear(3, 4)
	e := mat.NewDense(6, 4, nil)
	for i := range 6 {
		e.SetRow(i, []float64{1, 2, 3, 4})
	}
	for _, params := range everyScheme(true) {
		for _, more := range []map[string]any{{}, {"rtps": 0.5, "rtpp": 0.5, "rotation": true}, {"adaptive_inflation": true}} {
			if params["scheme"] == "enkf-n" && more["adaptive_inflation"] != nil {
				continue
			}
			p := l.problem(e, 1)
			analyse(t, placed(t, 6, onePlace(4), onePlace(3), with(params, more)), p)
			near(t, fmt.Sprint(params, more), p.Into.RawMatrix().Data, e.RawMatrix().Data, 1e-14)
		}
	}
}

// What cannot be computed with is refused by every scheme.
func TestRefusalsOfEveryScheme(t *testing.T) {
	l, e := newLinear(3, 4), forecast(6, 4, 3)
	for _, params := range everyScheme(true) {
		f := placed(t, 6, onePlace(4), onePlace(3), params)
		for name, spoil := range map[string]func(p *sdk.Problem){
			"forecast member 2": func(p *sdk.Problem) { p.Ensemble = mat.DenseCopyOf(e); p.Ensemble.Set(2, 1, math.NaN()) },
			"component 2 is":    func(p *sdk.Problem) { p.Observation = []float64{1, 0, math.Inf(-1)} },
			"member 4":          func(p *sdk.Problem) { p.Predicted.Set(4, 0, math.NaN()) },
			"too large":         func(p *sdk.Problem) { p.Observation = []float64{1e300, 0, 0} },
			"error variance":    func(p *sdk.Problem) { p.ErrorVariance = []float64{1, -1, 1} },
		} {
			p := l.problem(e, 1)
			spoil(p)
			if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v: got %v, want %q", params, err, name)
			}
		}
		plugin, _ := Plugin()
		if _, err := plugin.NewFilter(t.Context(), sdk.FilterConfig{Members: 1, Params: params}); sdk.KindOf(err) != sdk.KindConfig {
			t.Errorf("%v: one member: got %v", params, err)
		}
	}
}

// An observation far outside of the spread moves the mean by K d, however far, while
// EnKF-N doubts the spread instead: it inflates until the analysis follows.
func TestOutliers(t *testing.T) {
	l, e := newLinear(1, 2), forecast(10, 2, 3)
	l.h.SetRow(0, []float64{1, 0})
	l.y[0] = 1e6
	want, _ := l.kalman(moments(e))
	for _, params := range everyScheme(true) {
		p := l.problem(e, 1)
		a := analyse(t, placed(t, 10, onePlace(2), onePlace(1), params), p)
		mean, _ := moments(p.Into)
		if params["scheme"] != "enkf-n" {
			near(t, fmt.Sprint(params), mean, want, 1e-8)
			continue
		}
		if residual := math.Abs(mean[0] - 1e6); a.Metrics["inflation"] < 1e4 || residual > 1 {
			t.Errorf("enkf-n: inflation %v leaves a residual of %v", a.Metrics["inflation"], residual)
		}
	}
}

// Relaxation to the forecast's anomalies mixes them in; relaxation to its spread mixes
// the standard deviations of every value. The mean is not touched by either.
func TestRelaxation(t *testing.T) {
	const rows, n, m, share, inflation = 8, 20, 12, 0.3, 1.2
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	forecastMean := ensemble.Mean(nil, e, nil)
	before := ensemble.Anomalies(nil, e, forecastMean)
	sdBefore := ensemble.Variance(nil, e, forecastMean, nil)
	for _, params := range everyScheme(true) {
		plain, mixed, spread := l.problem(e, 1), l.problem(e, 1), l.problem(e, 1)
		target := 1.0
		if a := analyse(t, placed(t, rows, state, space, params), plain); params["scheme"] == "enkf-n" {
			target = a.Metrics["inflation"]
		}
		analyse(t, placed(t, rows, state, space, with(params, map[string]any{"rtpp": share, "inflation": inflation})), mixed)
		analyse(t, placed(t, rows, state, space, with(params, map[string]any{"rtps": share, "inflation": inflation})), spread)
		mean := ensemble.Mean(nil, plain.Into, nil)
		after := ensemble.Anomalies(nil, plain.Into, mean)
		near(t, "mean", ensemble.Mean(nil, mixed.Into, nil), mean, 1e-11)
		near(t, "mean", ensemble.Mean(nil, spread.Into, nil), mean, 1e-11)
		for i := range rows {
			for j := range n {
				want := mean[j] + inflation*((1-share)*after.At(i, j)+share*target*before.At(i, j))
				near(t, fmt.Sprint(params, " rtpp"), []float64{mixed.Into.At(i, j)}, []float64{want}, 1e-11)
			}
		}
		sdAfter, got := ensemble.Variance(nil, plain.Into, mean, nil), ensemble.Variance(nil, spread.Into, mean, nil)
		for j := range n {
			want := inflation * ((1-share)*math.Sqrt(sdAfter[j]) + share*target*math.Sqrt(sdBefore[j]))
			near(t, fmt.Sprint(params, " rtps"), []float64{math.Sqrt(got[j])}, []float64{want}, 1e-11)
		}
	}
}

// With an estimate carried in, every scheme gives the analysis of the forecast whose
// anomalies are multiplied by the root of it.
func TestAdaptiveInflationInflatesForecast(t *testing.T) {
	const rows, n, m, factor = 8, 20, 12, 1.44
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	mean := ensemble.Mean(nil, e, nil)
	inflated := ensemble.Anomalies(nil, e, mean)
	inflated.Apply(func(_, j int, v float64) float64 { return mean[j] + 1.2*v }, inflated)
	for _, params := range everyScheme(true) {
		if params["scheme"] == "enkf-n" {
			continue
		}
		p, q := l.problem(e, 1), l.problem(inflated, 1)
		p.Carry = estimate{factor, 0.01}.carry()
		a := analyse(t, placed(t, rows, state, space, with(params, map[string]any{"adaptive_inflation": true, "rtpp": 0.2, "rtps": 0.2})), p)
		b := analyse(t, placed(t, rows, state, space, with(params, map[string]any{"rtpp": 0.2, "rtps": 0.2})), q)
		near(t, fmt.Sprint(params), p.Into.RawMatrix().Data, q.Into.RawMatrix().Data, 1e-11)
		near(t, "nis", []float64{a.Metrics["nis"] / b.Metrics["nis"], a.Metrics["inflation"]}, []float64{1, 1.2}, 1e-11)
	}
}

// Truths that lie twice as far from the mean as members do, with m = 30 independent
// components of spread 1 and error variance 1, want a factor of 4. An estimate by one
// innovation has variance v = 2/30 5^2 = 1.7; the filter with drift q has the gain
// g = sqrt(q/v) in the long run and the variance g v / 2 = 6.5e-3. Averaged over K
// cycles, 1 / (g K) of which are independent, it has a standard error of
// sqrt(v/K) = 0.041, times 4.5. The spread of 40 members is off by 1/39 in trace, a
// hundredth of which in bias.
func TestAdaptiveInflationFindsFactor(t *testing.T) {
	const rows, m, cycles, burnIn = 40, 30, 1300, 300
	f := configured(t, rows, map[string]any{"adaptive_inflation": true})
	variance, y := slices.Repeat([]float64{1}, m), make([]float64, m)
	e, into := mat.NewDense(rows, m, nil), mat.NewDense(rows, m, nil)
	var carry []byte
	sum := 0.0
	for k := range cycles {
		seed := rng.New(int64(k))
		rng.Normals(seed.Child("ensemble", 0).Rand(), e.RawMatrix().Data)
		rng.Normals(seed.Child("y", 0).Rand(), y)
		for j := range y {
			y[j] *= math.Sqrt(4 + 1) // truth and error of the observation
		}
		a := analyse(t, f, &sdk.Problem{Call: sdk.Call{Seed: seed}, Ensemble: e, Predicted: e, Observation: y, ErrorVariance: variance, Carry: carry, Into: into})
		carry = a.Carry
		if k >= burnIn {
			sum += a.Metrics["inflation"] * a.Metrics["inflation"] / (cycles - burnIn)
		}
	}
	// the mean of members is off by 1/40 of their variance, which the innovation holds too
	if want := 4 + 1.0/rows; math.Abs(sum-want) > 0.185+0.04 {
		t.Errorf("factor %.3f on average, want %.3f", sum, want)
	}
}

// One update by hand: N = 3, one component with anomalies -1, 0, 1 and error variance 4
// has S'S = 1/4; d = 5/2. The innovation asks for (25/4 - 1) / (1/4) = 21, with
// variance 2 ((2/4 + 1) / (1/4))^2 = 72 when 2 is expected. With 1/5 for the variance of
// what is expected the gain is (1/5 + drift) / (1/5 + drift + 72). Without spread only
// the variance grows.
func TestAdaptiveInflationUpdate(t *testing.T) {
	o := &observed{anomalies: mat.NewDense(3, 1, []float64{-1 / math.Sqrt(8), 0, 1 / math.Sqrt(8)}), innovation: []float64{2.5}}
	prior := 0.2 + 1e-4
	got := estimate{2, 0.2}.updated(o)
	near(t, "estimate", []float64{got.factor, got.variance}, []float64{2 + prior/(prior+72)*19, prior * 72 / (prior + 72)}, 1e-14)
	o.anomalies.Zero()
	if got := (estimate{2, 0.2}).updated(o); got.factor != 2 || got.variance != prior {
		t.Errorf("without spread: got %v", got)
	}
}

func TestCarry(t *testing.T) {
	e := estimate{1.25, 3e-3}
	if got, err := carried(e.carry()); err != nil || got != e {
		t.Errorf("got %v, %v, want %v", got, err, e)
	}
	if got, err := carried(nil); err != nil || got != firstEstimate {
		t.Errorf("the first: got %v, %v", got, err)
	}
	other := e.carry()
	other[0] = 9
	for name, tt := range map[string]struct {
		carry []byte
		want  string
	}{
		"short":    {e.carry()[:16], "got 16 bytes of version 1, want 17 of version 1"},
		"version":  {other, "of version 9"},
		"NaN":      {estimate{math.NaN(), 1}.carry(), "value 0 is NaN"},
		"infinite": {estimate{1, math.Inf(1)}.carry(), "value 1 is +Inf"},
		"negative": {estimate{1, -1}.carry(), "is -1, want a number above 0"},
	} {
		if _, err := carried(tt.carry); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	p := newLinear(3, 4).problem(forecast(5, 4, 3), 1)
	p.Carry = other
	if _, err := configured(t, 5, map[string]any{"adaptive_inflation": true}).Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindContract {
		t.Errorf("a filter takes another version: %v", err)
	}
	// an unobserved cycle hands it on
	p.Observation, p.Carry = slices.Repeat([]float64{math.NaN()}, 3), e.carry()
	if a := analyse(t, configured(t, 5, map[string]any{"adaptive_inflation": true}), p); !slices.Equal(a.Carry, e.carry()) {
		t.Errorf("carry %v becomes %v", e.carry(), a.Carry)
	}
}

// Parameters and layouts that do not go together are refused before the run.
func TestCombinations(t *testing.T) {
	plugin, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	bare := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{4}}}}
	nowhere := layoutAt([]float64{0}, 0, 1, math.NaN(), 3)
	for _, tt := range []struct {
		params       map[string]any
		state, space *sdk.Layout
		want         string
	}{
		{map[string]any{"scheme": "etkf", "cutoff": 3.0}, ring(4), ring(4), `cutoff: applies only with scheme = "letkf" or "serial", but scheme is "etkf"`},
		{map[string]any{"scheme": "enkf-n", "cutoff": 3.0}, ring(4), ring(4), `but scheme is "enkf-n"`},
		{map[string]any{"scheme": "letkf", "cutoff": 3.0}, bare, ring(4), "have no coordinates"},
		{map[string]any{"scheme": "serial", "cutoff": 3.0}, ring(4), bare, "have no coordinates"},
		{map[string]any{"scheme": "letkf", "cutoff": 3.0}, ring(4), ring(5), "want the same"},
		{map[string]any{"scheme": "letkf", "cutoff": 3.0}, nowhere, layoutAt([]float64{0}, 0), "state: layout: coordinates: point 2 is at axis = NaN"},
		{map[string]any{"scheme": "letkf", "cutoff": -1.0}, ring(4), ring(4), "must be a number >= 0"},
		{map[string]any{"scheme": "letkf", "observations": "simulated"}, ring(4), ring(4), `observations: applies only with scheme = "stochastic", but scheme is "letkf"`},
		{map[string]any{"scheme": "stochastic", "observations": "simulated", "adaptive_inflation": true}, ring(4), ring(4), `adaptive_inflation: applies only with observations = "predicted"`},
		{map[string]any{"scheme": "enkf-n", "adaptive_inflation": true}, ring(4), ring(4), `adaptive_inflation: applies only with scheme = "stochastic", "etkf", "denkf", "letkf" or "serial", but scheme is "enkf-n"`},
		{map[string]any{"rtps": 1.5}, ring(4), ring(4), "rtps"},
	} {
		_, err := plugin.NewFilter(t.Context(), sdk.FilterConfig{
			Params: tt.params, Members: 5, State: tt.state, Observations: &sdk.ObservationSpace{Layout: tt.space},
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.params, err, tt.want)
		}
	}
	for _, tt := range []struct {
		params map[string]any
		want   []sdk.Capability
	}{
		{map[string]any{"scheme": "letkf", "cutoff": 3.0}, []sdk.Capability{sdk.Predicted, sdk.ErrorVariance, sdk.HasPositions}},
		{map[string]any{"scheme": "letkf"}, []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}},
		{map[string]any{"scheme": "stochastic", "observations": "simulated"}, []sdk.Capability{sdk.Simulated}},
	} {
		if got := onRing(t, 5, 4, tt.params).Needs(); !slices.Equal(got, tt.want) {
			t.Errorf("%v: needs %v, want %v", tt.params, got, tt.want)
		}
	}
}
