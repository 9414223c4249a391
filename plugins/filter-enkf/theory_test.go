package main

import (
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
	p, err := sdk.FilterPlugin(manifest, newFilter)
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

// The ETKF has the Kalman filter's mean and covariance for the ensemble's own
// forecast moments, to rounding: numbers are of order 10 and condition numbers
// below 1e3, which leaves 1e-11. Sizes put N below and above m, and n below and
// above N.
func TestETKFIsKalman(t *testing.T) {
	for _, size := range [][3]int{{30, 4, 3}, {10, 4, 25}, {5, 12, 3}, {5, 12, 9}, {2, 1, 1}} {
		rows, n, m := size[0], size[1], size[2]
		for _, rotation := range []bool{false, true} {
			l, e := newLinear(m, n), forecast(rows, n, 3)
			p := l.problem(e, 1)
			analyse(t, configured(t, rows, map[string]any{"scheme": "etkf", "rotation": rotation}), p)
			mean, cov := l.kalman(moments(e))
			gotMean, gotCov := moments(p.Into)
			near(t, "mean", gotMean, mean, 1e-11)
			near(t, "covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, 1e-11)
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

// With many members the covariance of the stochastic EnKF, and both moments of
// the black-box one, approach the Kalman filter's. The standard error of a
// covariance of order c from N members is at most about c sqrt(2/N), and the
// gain's error adds as much again: 9 c / sqrt(N) is more than four of both.
func TestLargeEnsemblesApproachKalman(t *testing.T) {
	const rows, n, m = 600, 3, 2
	l, e := newLinear(m, n), forecast(rows, n, 7)
	mean, cov := l.kalman(moments(e))
	_, before := moments(e)
	tol := 9 * mat.Max(before) / math.Sqrt(rows)
	for _, observations := range []string{"predicted", "simulated"} {
		p := l.problem(e, 2)
		analyse(t, configured(t, rows, map[string]any{"scheme": "stochastic", "observations": observations}), p)
		gotMean, gotCov := moments(p.Into)
		near(t, observations+" mean", gotMean, mean, tol)
		near(t, observations+" covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, tol)
		if mat.Max(gotCov) > 0.9*mat.Max(before) {
			t.Errorf("%s: the analysis learns nothing", observations)
		}
	}
}

func TestInflationScalesAnomalies(t *testing.T) {
	l, e := newLinear(3, 4), forecast(10, 4, 3)
	for _, scheme := range []string{"stochastic", "etkf"} {
		plain, inflated := l.problem(e, 1), l.problem(e, 1)
		analyse(t, configured(t, 10, map[string]any{"scheme": scheme}), plain)
		analyse(t, configured(t, 10, map[string]any{"scheme": scheme, "inflation": 1.5}), inflated)
		m1, c1 := moments(plain.Into)
		m2, c2 := moments(inflated.Into)
		near(t, "mean", m2, m1, 1e-12)
		c1.Scale(1.5*1.5, c1)
		near(t, "covariance", c2.RawMatrix().Data, c1.RawMatrix().Data, 1e-11)
	}
}

// A rotation is orthogonal and maps ones to ones.
func TestRotation(t *testing.T) {
	for _, n := range []int{2, 3, 17} {
		q := rotation(n, rand.New(rand.NewPCG(1, uint64(n))))
		var product mat.Dense
		product.Mul(q, q.T())
		near(t, "q q^T", product.RawMatrix().Data, identity(n).RawMatrix().Data, 1e-13)
		for i := range n {
			if s := mat.Sum(q.RowView(i)); math.Abs(s-1) > 1e-13 {
				t.Errorf("row %d sums to %v", i, s)
			}
		}
	}
}

// Renumbering the members renumbers the ETKF's analysis and nothing else.
func TestMemberPermutation(t *testing.T) {
	const rows, n = 8, 4
	l, e := newLinear(3, n), forecast(rows, n, 3)
	order := []int{3, 1, 7, 0, 2, 6, 5, 4}
	permuted := mat.NewDense(rows, n, nil)
	for i, from := range order {
		permuted.SetRow(i, e.RawRowView(from))
	}
	f := configured(t, rows, nil)
	a, b := l.problem(e, 1), l.problem(permuted, 1)
	analyse(t, f, a)
	analyse(t, f, b)
	for i, from := range order {
		near(t, "row", b.Into.RawRowView(i), a.Into.RawRowView(from), 1e-11)
	}
}

// Units do not matter: observations in other units, with their variances, and
// state values in other units give the same analysis in those units.
func TestUnits(t *testing.T) {
	const rows, n, m = 9, 4, 3
	l, e := newLinear(m, n), forecast(rows, n, 3)
	scaled := linear{h: mat.DenseCopyOf(l.h), variance: slices.Clone(l.variance), y: slices.Clone(l.y)}
	scaled.y[1] *= 1000
	scaled.variance[1] *= 1e6
	for j := range n {
		scaled.h.Set(1, j, l.h.At(1, j)*1000)
		scaled.h.Set(0, j, scaled.h.At(0, j))
	}
	for _, scheme := range []string{"stochastic", "etkf"} {
		f := configured(t, rows, map[string]any{"scheme": scheme})
		a, b := l.problem(e, 1), scaled.problem(e, 1)
		analyse(t, f, a)
		analyse(t, f, b)
		near(t, scheme, b.Into.RawMatrix().Data, a.Into.RawMatrix().Data, 1e-10)
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
	for _, params := range []map[string]any{{"scheme": "etkf"}, {"scheme": "stochastic"}} {
		p := l.problem(e, 1)
		analyse(t, configured(t, 6, params), p)
		near(t, "analysis", p.Into.RawMatrix().Data, e.RawMatrix().Data, 1e-14)
	}
	p := l.problem(e, 1)
	p.Simulated.Zero()
	analyse(t, configured(t, 6, map[string]any{"scheme": "stochastic", "observations": "simulated"}), p)
	near(t, "analysis", p.Into.RawMatrix().Data, e.RawMatrix().Data, 1e-14)
}

// The expected nis of an ensemble and an observation from the same law is 1; the
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
	p, _ := sdk.FilterPlugin(manifest, newFilter)
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
