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

func configured(t testing.TB, members int, params map[string]any) sdk.Filter {
	t.Helper()
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// linear is a problem with h(x) = H x and normal errors.
type linear struct {
	h        *mat.Dense // m x n
	variance []float64
	y        []float64
}

func newLinear(m, n int) linear {
	r := rand.New(rand.NewPCG(11, uint64(m*100+n)))
	l := linear{h: mat.NewDense(m, n, nil)}
	for k := range m {
		l.variance = append(l.variance, 0.3+r.Float64())
		l.y = append(l.y, r.NormFloat64())
		for j := range n {
			l.h.Set(k, j, r.NormFloat64())
		}
	}
	return l
}

// forecast draws N correlated members around a mean that is not zero.
func forecast(rows, n int, seed uint64) *mat.Dense {
	r := rand.New(rand.NewPCG(seed, 1))
	mix := mat.NewDense(n, n, nil)
	for i := range mix.RawMatrix().Data {
		mix.RawMatrix().Data[i] = rand.New(rand.NewPCG(5, uint64(i))).NormFloat64()
	}
	z := mat.NewDense(rows, n, nil)
	for i := range z.RawMatrix().Data {
		z.RawMatrix().Data[i] = r.NormFloat64()
	}
	var e mat.Dense
	e.Mul(z, mix)
	e.Apply(func(_, j int, v float64) float64 { return v + float64(j) }, &e)
	return &e
}

func (l linear) problem(e *mat.Dense, seed int64) *sdk.Problem {
	rows, n := e.Dims()
	m, _ := l.h.Dims()
	p := &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(seed)}, Ensemble: e, Observation: l.y, ErrorVariance: l.variance,
		Predicted: mat.NewDense(rows, m, nil), Simulated: mat.NewDense(rows, m, nil), Into: mat.NewDense(rows, n, nil),
	}
	p.Predicted.Mul(e, l.h.T())
	for i := range rows {
		r := rng.New(seed).Child("simulated", 0).Member(i)
		for k := range m {
			p.Simulated.Set(i, k, p.Predicted.At(i, k)+math.Sqrt(l.variance[k])*r.NormFloat64())
		}
	}
	return p
}

func moments(e *mat.Dense) (mean []float64, cov *mat.Dense) {
	rows, n := e.Dims()
	mean = ensemble.Mean(nil, e, nil)
	a := ensemble.Anomalies(nil, e, mean)
	cov = mat.NewDense(n, n, nil)
	cov.Mul(a.T(), a)
	cov.Scale(1/float64(rows-1), cov)
	return mean, cov
}

// kalman is the textbook Kalman filter for the forecast's own moments.
func (l linear) kalman(mean []float64, cov *mat.Dense) ([]float64, *mat.Dense) {
	m, n := l.h.Dims()
	var ph, s, k, gain mat.Dense
	ph.Mul(cov, l.h.T())
	s.Mul(l.h, &ph)
	for i := range m {
		s.Set(i, i, s.At(i, i)+l.variance[i])
	}
	if err := k.Inverse(&s); err != nil {
		panic(err)
	}
	gain.Mul(&ph, &k)
	d := mat.NewVecDense(m, nil)
	d.MulVec(l.h, mat.NewVecDense(n, mean))
	d.SubVec(mat.NewVecDense(m, l.y), d)
	var step mat.VecDense
	step.MulVec(&gain, d)
	after := make([]float64, n)
	for j := range after {
		after[j] = mean[j] + step.AtVec(j)
	}
	var kh, c mat.Dense
	kh.Mul(&gain, l.h)
	c.Mul(&kh, cov)
	c.Sub(cov, &c)
	return after, &c
}

func analyse(t testing.TB, f sdk.Filter, p *sdk.Problem) *sdk.Analysis {
	t.Helper()
	a, err := f.Analyse(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func near(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	for j := range want {
		if !(math.Abs(got[j]-want[j]) <= tol) {
			t.Errorf("%s: value %d is %v, want %v within %.1e", what, j, got[j], want[j], tol)
			return
		}
	}
}

// The perturbations are centred, so the stochastic EnKF has the Kalman filter's
// mean exactly, at any size.
func TestStochasticMeanIsKalman(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {10, 4, 25}, {5, 12, 9}} {
		rows, n, m := size[0], size[1], size[2]
		l, e := newLinear(m, n), forecast(rows, n, 3)
		p := l.problem(e, 1)
		analyse(t, configured(t, rows, map[string]any{"scheme": "stochastic"}), p)
		mean, _ := l.kalman(moments(e))
		got, _ := moments(p.Into)
		near(t, "mean", got, mean, 1e-11)
	}
}

// Over many draws of the perturbations the covariance of the stochastic EnKF is
// the Kalman filter's for the ensemble's own forecast moments: the perturbations'
// sample covariance is unbiased for R and uncorrelated with the members. This
// holds at any size; 4.5 standard errors, estimated from the draws.
func TestStochasticCovarianceIsKalmanOnAverage(t *testing.T) {
	const draws = 1500
	for _, size := range [][3]int{{6, 3, 2}, {4, 3, 6}} {
		rows, n, m := size[0], size[1], size[2]
		l, e := newLinear(m, n), forecast(rows, n, 3)
		_, want := l.kalman(moments(e))
		f := configured(t, rows, map[string]any{"scheme": "stochastic"})
		sum, squares := make([]float64, n*n), make([]float64, n*n)
		for k := range draws {
			p := l.problem(e, int64(k))
			analyse(t, f, p)
			_, cov := moments(p.Into)
			for i, v := range cov.RawMatrix().Data {
				sum[i] += v
				squares[i] += v * v
			}
		}
		for i, v := range want.RawMatrix().Data {
			mean := sum[i] / draws
			se := math.Sqrt((squares[i]/draws - mean*mean) / draws)
			if math.Abs(mean-v) > 4.5*se {
				t.Errorf("N = %d, m = %d: element %d of the covariance is %.4f on average, want %.4f (se %.4f)", rows, m, i, mean, v, se)
			}
		}
	}
}

// The black box has the Kalman filter's mean with the sample's covariances of
// states and simulated observations, to rounding as in TestSquareRootsAreKalman, while
// these can be inverted.
func TestBlackBoxMean(t *testing.T) {
	const rows, n, m = 30, 4, 3
	l, e := newLinear(m, n), forecast(rows, n, 3)
	p := l.problem(e, 1)
	analyse(t, configured(t, rows, map[string]any{"scheme": "stochastic", "observations": "simulated"}), p)
	joint := mat.NewDense(rows, n+m, nil)
	joint.Augment(e, p.Simulated)
	mean, cov := moments(joint)
	var inverse, gain mat.Dense
	if err := inverse.Inverse(cov.Slice(n, n+m, n, n+m)); err != nil {
		t.Fatal(err)
	}
	gain.Mul(cov.Slice(0, n, n, n+m), &inverse)
	got, _ := moments(p.Into)
	for j := range n {
		want := mean[j]
		for k := range m {
			want += gain.At(j, k) * (l.y[k] - mean[n+k])
		}
		near(t, "mean", got[j:j+1], []float64{want}, 1e-11)
	}
}

// With as many members as simulated components there is nothing left of the
// spread: the pseudo-inverse fits every member's own simulated observation, and
// h(x) = x + e leaves members where all of them agree with y.
func TestBlackBoxCollapses(t *testing.T) {
	const rows, n = 5, 8
	l, e := newLinear(n, n), forecast(rows, n, 3)
	p := l.problem(e, 1)
	a := analyse(t, configured(t, rows, map[string]any{"scheme": "stochastic", "observations": "simulated"}), p)
	_, cov := moments(p.Into)
	_, before := moments(e)
	if trace := mat.Trace(cov); trace > 1e-20*mat.Trace(before) {
		t.Errorf("variance %g is left of %g", trace, mat.Trace(before))
	}
	if nis := a.Metrics["nis"]; !(nis > 0) {
		t.Errorf("nis %v", nis)
	}
}

// One value observed directly, N members of N(0, P), y = 2: with K = P / (P + R)
// the analysis mean is K y and the variance K R. From N members P has relative
// standard error sqrt(2/N), which enters K as K (1 - K) and the variance as
// (1 - K)^2; perturbations and their correlation with the members add the
// variances 2 K^4 R^2 / N and 4 K^2 (1 - K)^2 P R / N. 4.5 standard errors.
func TestLargeEnsembleIsKalman(t *testing.T) {
	const rows, prior, variance, y = 40_000, 3.0, 1.5, 2.0
	const k = prior / (prior + variance)
	l := linear{h: mat.NewDense(1, 1, []float64{1}), variance: []float64{variance}, y: []float64{y}}
	e := mat.NewDense(rows, 1, nil)
	rng.Normals(rng.New(8).Rand(), e.RawMatrix().Data)
	e.Scale(math.Sqrt(prior), e)
	meanVariance := ((1-k)*(1-k)*prior + 2*y*y*k*k*(1-k)*(1-k)) / rows
	spreadVariance := 2 * math.Pow(1-k, 4) * prior * prior / rows
	extra := (2*math.Pow(k, 4)*variance*variance + 4*k*k*(1-k)*(1-k)*prior*variance) / rows
	for scheme, spreadVariance := range map[string]float64{"etkf": spreadVariance, "stochastic": spreadVariance + extra} {
		p := l.problem(e, 1)
		analyse(t, configured(t, rows, map[string]any{"scheme": scheme}), p)
		mean, cov := moments(p.Into)
		near(t, scheme+" mean", mean, []float64{k * y}, 4.5*math.Sqrt(meanVariance))
		near(t, scheme+" variance", cov.RawMatrix().Data, []float64{k * variance}, 4.5*math.Sqrt(spreadVariance))
	}
}

// Observations far more accurate than the forecast lose no digits. Sigma, about
// 1/s for error standard deviations s, is found to an ulp, and so are mean and
// spread next to the forecast; relative to s, that is a relative error of 1e-15 / s.
// The unobserved value, of size 1, keeps 1e-13 throughout and its variance 1e-12.
// With 12 equal components of 12 times the variance the decomposition is of the other
// shape.
func TestAccurateObservations(t *testing.T) {
	const rows = 10
	e := forecast(rows, 2, 3)
	mean, cov := moments(e)
	pxx, pxz, pzz := cov.At(0, 0), cov.At(0, 1), cov.At(1, 1)
	for _, m := range []int{1, 12} {
		for _, s := range []float64{1, 1e-3, 1e-6, 1e-8} {
			r := s * s
			l := linear{h: mat.NewDense(m, 2, nil)}
			for k := range m {
				l.h.Set(k, 0, 1)
				l.variance, l.y = append(l.variance, r*float64(m)), append(l.y, 0.5)
			}
			for _, params := range []map[string]any{{"scheme": "etkf"}, {"scheme": "letkf", "cutoff": 1.0}, {"scheme": "serial"}} {
				p := l.problem(e, 1)
				analyse(t, placed(t, rows, onePlace(2), onePlace(m), params), p)
				gotMean, gotCov := moments(p.Into)
				near(t, "mean", gotMean[:1], []float64{(r*mean[0] + pxx*0.5) / (pxx + r)}, 1e-14)
				near(t, "spread", []float64{gotCov.At(0, 0) / r}, []float64{pxx / (pxx + r)}, 1e-13/s)
				near(t, "unobserved mean", gotMean[1:], []float64{mean[1] + pxz/(pxx+r)*(0.5-mean[0])}, 1e-13)
				near(t, "unobserved variance", []float64{gotCov.At(1, 1)}, []float64{pzz - pxz*pxz/(pxx+r)}, 1e-12)
			}
			p := l.problem(e, 1)
			analyse(t, configured(t, rows, map[string]any{"scheme": "stochastic"}), p)
			gotMean, _ := moments(p.Into)
			near(t, "stochastic mean", gotMean[:1], []float64{(r*mean[0] + pxx*0.5) / (pxx + r)}, 1e-14)
		}
	}
}

func TestInflationScalesAnomalies(t *testing.T) {
	l, e := newLinear(3, 4), forecast(10, 4, 3)
	for _, params := range everyScheme(true) {
		plain, inflated := l.problem(e, 1), l.problem(e, 1)
		analyse(t, placed(t, 10, scattered(4, 1), scattered(3, 2), params), plain)
		analyse(t, placed(t, 10, scattered(4, 1), scattered(3, 2), with(params, map[string]any{"inflation": 1.5})), inflated)
		m1, c1 := moments(plain.Into)
		m2, c2 := moments(inflated.Into)
		near(t, fmt.Sprint(params, " mean"), m2, m1, 1e-12)
		c1.Scale(1.5*1.5, c1)
		near(t, fmt.Sprint(params, " covariance"), c2.RawMatrix().Data, c1.RawMatrix().Data, 1e-11)
	}
}

// Renumbering the members renumbers the analysis of schemes without randomness and nothing
// else.
func TestMemberPermutation(t *testing.T) {
	const rows, n, m = 8, 4, 3
	l, e := newLinear(m, n), forecast(rows, n, 3)
	order := []int{3, 1, 7, 0, 2, 6, 5, 4}
	permuted := mat.NewDense(rows, n, nil)
	for i, from := range order {
		permuted.SetRow(i, e.RawRowView(from))
	}
	for _, params := range everyScheme(false) {
		f := placed(t, rows, scattered(n, 1), scattered(m, 2), params)
		a, b := l.problem(e, 1), l.problem(permuted, 1)
		analyse(t, f, a)
		analyse(t, f, b)
		for i, from := range order {
			near(t, fmt.Sprint(params), b.Into.RawRowView(i), a.Into.RawRowView(from), 1e-11)
		}
	}
}

// Units do not matter: an observation in other units, with its variance, and a state
// value in other units give the same analysis in those units. Rounding is amplified by the
// condition of the decompositions, some thousands of ulps: 1e-10 of values of order 1 to 10.
func TestUnits(t *testing.T) {
	const rows, n, m, observedUnit, stateUnit = 9, 4, 3, 1000, 1e-4
	l, e := newLinear(m, n), forecast(rows, n, 3)
	scaled := linear{h: mat.DenseCopyOf(l.h), variance: slices.Clone(l.variance), y: slices.Clone(l.y)}
	scaled.y[1] *= observedUnit
	scaled.variance[1] *= observedUnit * observedUnit
	for j := range n {
		scaled.h.Set(1, j, l.h.At(1, j)*observedUnit)
	}
	inUnits := mat.DenseCopyOf(e)
	for i := range rows {
		inUnits.Set(i, 2, e.At(i, 2)*stateUnit)
	}
	for k := range m {
		scaled.h.Set(k, 2, scaled.h.At(k, 2)/stateUnit)
	}
	for _, params := range everyScheme(true) {
		f := placed(t, rows, scattered(n, 1), scattered(m, 2), params)
		a, b := l.problem(e, 1), scaled.problem(inUnits, 1)
		analyse(t, f, a)
		analyse(t, f, b)
		for i := range rows {
			b.Into.Set(i, 2, b.Into.At(i, 2)/stateUnit)
		}
		near(t, fmt.Sprint(params), b.Into.RawMatrix().Data, a.Into.RawMatrix().Data, 1e-10)
	}
}

// State values are worked on in blocks, with few observations by another order of
// products: a state that is long gives, value by value, what its parts give.
func TestLongStates(t *testing.T) {
	const rows, short, copies = 12, 4, 1000 // blocks are of 256 columns
	for _, m := range []int{2, 9} {         // k below and above N/2
		l, e := newLinear(m, short), forecast(rows, short, 3)
		long := mat.NewDense(rows, short*copies, nil)
		for i := range rows {
			for j := range short * copies {
				long.Set(i, j, e.At(i, j%short))
			}
		}
		for _, params := range []map[string]any{{"scheme": "stochastic", "inflation": 1.1}, {"inflation": 1.1}, {"rotation": true}} {
			f := configured(t, rows, params)
			a := l.problem(e, 1)
			b := l.problem(e, 1)
			b.Ensemble, b.Into = long, mat.NewDense(rows, short*copies, nil)
			analyse(t, f, a)
			analyse(t, f, b)
			for i := range rows {
				near(t, "row", b.Into.RawRowView(i), slices.Repeat(a.Into.RawRowView(i), copies), 1e-12)
			}
		}
	}
}

// A missing component is as good as an operator without it.
func TestMissingIsLeftOut(t *testing.T) {
	const rows, n = 9, 4
	l, e := newLinear(3, n), forecast(rows, n, 3)
	p := l.problem(e, 1)
	p.Observation = []float64{l.y[0], math.NaN(), l.y[2]}
	p.Predicted.Set(3, 1, 1e6) // must not matter
	short := linear{h: mat.NewDense(2, n, append(slices.Clone(l.h.RawRowView(0)), l.h.RawRowView(2)...)), variance: []float64{l.variance[0], l.variance[2]}, y: []float64{l.y[0], l.y[2]}}
	q := short.problem(e, 1)
	f := configured(t, rows, nil)
	analyse(t, f, p)
	analyse(t, f, q)
	near(t, "analysis", p.Into.RawMatrix().Data, q.Into.RawMatrix().Data, 1e-12)

	p.Observation = slices.Repeat([]float64{math.NaN()}, 3)
	analyse(t, configured(t, rows, map[string]any{"inflation": 2.0}), p)
	if !mat.Equal(p.Into, e) {
		t.Error("without observations the analysis is not the forecast")
	}
}

// Without spread in what is observed there is nothing to learn from it.
func TestZeroSpread(t *testing.T) {
	l := newLinear(3, 4)
	e := mat.NewDense(6, 4, nil)
	for i := range 6 {
		e.SetRow(i, []float64{1, 2, 3, 4})
	}
	for _, params := range everyScheme(true) {
		p := l.problem(e, 1)
		analyse(t, placed(t, 6, scattered(4, 1), scattered(3, 2), params), p)
		near(t, fmt.Sprint(params), p.Into.RawMatrix().Data, e.RawMatrix().Data, 1e-14)
	}
	p := l.problem(e, 1)
	p.Simulated.Zero()
	analyse(t, configured(t, 6, map[string]any{"scheme": "stochastic", "observations": "simulated"}), p)
	near(t, "analysis", p.Into.RawMatrix().Data, e.RawMatrix().Data, 1e-14)
}

// The expected nis of an ensemble and an observation from the same distribution is 1; the
// mean over R independent problems with m components has standard error
// sqrt(2/(m R)), and the finite ensemble biases it by about m/N.
func TestNIS(t *testing.T) {
	const rows, n, m, repetitions = 150, 3, 2, 300
	l := newLinear(m, n)
	f := configured(t, rows, nil)
	var sum float64
	for k := range repetitions {
		e := forecast(rows+1, n, uint64(100+k))
		truth := e.RawRowView(rows)
		r := rand.New(rand.NewPCG(uint64(k), 9))
		for i := range m {
			l.y[i] = mat.Dot(l.h.RowView(i), mat.NewVecDense(n, truth)) + math.Sqrt(l.variance[i])*r.NormFloat64()
		}
		sum += analyse(t, f, l.problem(e.Slice(0, rows, 0, n).(*mat.Dense), 1)).Metrics["nis"]
	}
	if got, se := sum/repetitions, math.Sqrt(2.0/(m*repetitions)); math.Abs(got-1) > 4.5*se+float64(m)/rows {
		t.Errorf("mean nis %.3f, standard error %.3f", got, se)
	}
}

func TestRefusals(t *testing.T) {
	l, e := newLinear(3, 4), forecast(6, 4, 3)
	tests := []struct {
		name  string
		spoil func(p *sdk.Problem)
		kind  sdk.Kind
		want  string
	}{
		{"weights", func(p *sdk.Problem) { p.LogWeights = []float64{math.Log(0.5), -3, -3, -3, -3, -3} }, sdk.KindConfig, "member 0 has weight 0.5, want equal weights"},
		{"forecast", func(p *sdk.Problem) { p.Ensemble = mat.DenseCopyOf(e); p.Ensemble.Set(2, 1, math.Inf(1)) }, sdk.KindDiverged, "forecast member 2: value 1 is +Inf"},
		{"error variance", func(p *sdk.Problem) { p.ErrorVariance = []float64{1, 0, 1} }, sdk.KindContract, "error variance: component 1 is 0, want a finite number above 0"},
		{"observation", func(p *sdk.Problem) { p.Observation = []float64{1, 0, math.Inf(-1)} }, sdk.KindConfig, "observation: component 2 is -Inf"},
		{"overflow", func(p *sdk.Problem) { p.Predicted.Set(0, 0, math.MaxFloat64) }, sdk.KindDiverged, "too large"},
		{"predicted", func(p *sdk.Problem) { p.Predicted.Set(4, 0, math.NaN()) }, sdk.KindDiverged, "predicted observation of member 4: component 0 is NaN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := l.problem(e, 1)
			tt.spoil(p)
			_, err := configured(t, 6, nil).Analyse(t.Context(), p)
			if err == nil || sdk.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	p, _ := Plugin()
	for _, c := range []sdk.FilterConfig{{Members: 1}, {Members: 5, Params: sdk.Params{"scheme": "etkf", "observations": "simulated"}}} {
		if _, err := p.NewFilter(t.Context(), c); sdk.KindOf(err) != sdk.KindConfig {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

func BenchmarkETKF100x3(b *testing.B)       { benchmark(b, "etkf", 100, 3) }
func BenchmarkETKF20x40(b *testing.B)       { benchmark(b, "etkf", 20, 40) }
func BenchmarkStochastic100x3(b *testing.B) { benchmark(b, "stochastic", 100, 3) }
func BenchmarkStochastic40x40(b *testing.B) { benchmark(b, "stochastic", 40, 40) }

func benchmark(b *testing.B, scheme string, rows, n int) {
	l := newLinear(n, n)
	p := l.problem(forecast(rows, n, 3), 1)
	f := configured(b, rows, map[string]any{"scheme": scheme})
	for b.Loop() {
		analyse(b, f, p)
	}
}
