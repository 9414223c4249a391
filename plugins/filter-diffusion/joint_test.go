package filterdiffusion

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

func joint(params map[string]any) map[string]any {
	return merged(map[string]any{"scheme": "joint", "observations": "predicted", "sampler": "exact"}, params)
}

// covarianceOf returns the covariance of the rows of e, with N - 1.
func covarianceOf(e *mat.Dense) *mat.SymDense {
	var c mat.SymDense
	stat.CovarianceMatrix(&c, e, nil)
	return &c
}

// With b = 1 and linear observations the analysis has the mean and covariance of
// the Kalman filter that starts from those of the forecast, whatever is drawn.
// Tolerance: rounding of a few decompositions, 1e-9 of values of order 1.
func TestJointOfWidthOneIsTheKalmanFilter(t *testing.T) {
	for _, size := range []struct{ members, n, m int }{{40, 3, 2}, {12, 30, 5}, {8, 30, 20}} {
		p := twinProblem(size.members, size.n, size.m)
		mean, prior := ensemble.Mean(nil, p.Ensemble, nil), covarianceOf(p.Ensemble)
		analyse(t, configure(t, joint(map[string]any{"bandwidth": 1.0, "finite_size": false, "adaptive_inflation": false})), p)

		h := mat.NewDense(size.m, size.n, nil)
		d := mat.NewVecDense(size.m, nil)
		for k := range size.m {
			h.Set(k, k, 1)
			d.SetVec(k, p.Observation[k]-mean[k])
		}
		var ch, s, gain, khc mat.Dense
		ch.Mul(prior, h.T())
		s.Mul(h, &ch)
		for k := range size.m {
			s.Set(k, k, s.At(k, k)+p.ErrorVariance[k])
		}
		var inverse mat.Dense
		if err := inverse.Inverse(&s); err != nil {
			t.Fatal(err)
		}
		gain.Mul(&ch, &inverse)
		khc.Mul(&gain, ch.T())
		var want mat.Dense
		want.Sub(prior, &khc)
		var step mat.VecDense
		step.MulVec(&gain, d)
		floats.Add(mean, step.RawVector().Data)

		if got := ensemble.Mean(nil, p.Into, nil); !floats.EqualApprox(got, mean, 1e-9) {
			t.Errorf("%+v: mean %.6g, want %.6g", size, got, mean)
		}
		if diff := largestDifference(covarianceOf(p.Into), &want); diff > 1e-9 {
			t.Errorf("%+v: covariance off by %g", size, diff)
		}
	}
}

// Mean and covariance of the analysis are those of the mixture, computed here in
// the state's own coordinates with the formulas of filters for dense matrices.
func TestJointMomentsAreTheMixtures(t *testing.T) {
	const b, gamma = 0.4, 0.7
	p := twinProblem(60, 3, 2)
	analyse(t, configure(t, joint(map[string]any{"bandwidth": b, "tempering": gamma, "finite_size": false, "adaptive_inflation": false})), p)

	members, n := p.Ensemble.Dims()
	a := math.Sqrt(1 - b*b)
	both := mat.NewDense(members, n+2, nil)
	both.Augment(p.Ensemble, p.Predicted)
	c := covarianceOf(both)
	s := mat.NewDense(2, 2, nil)
	cross := mat.NewDense(n, 2, nil)
	for k := range 2 {
		for j := range n {
			cross.Set(j, k, b*b*c.At(j, n+k))
		}
		for l := range 2 {
			s.Set(k, l, b*b*c.At(n+k, n+l))
		}
		s.Set(k, k, s.At(k, k)+p.ErrorVariance[k])
	}
	var inverse, gain mat.Dense
	if err := inverse.Inverse(s); err != nil {
		t.Fatal(err)
	}
	gain.Mul(cross, &inverse)
	xm, ym := ensemble.Mean(nil, p.Ensemble, nil), ensemble.Mean(nil, p.Predicted, nil)
	centres, logs := mat.NewDense(members, n, nil), make([]float64, members)
	for i := range members {
		d := mat.NewVecDense(2, nil)
		for k := range 2 {
			d.SetVec(k, p.Observation[k]-ym[k]-a*(p.Predicted.At(i, k)-ym[k]))
		}
		logs[i] = -mat.Inner(d, &inverse, d) / 2
		var shift mat.VecDense
		shift.MulVec(&gain, d)
		for j := range n {
			centres.Set(i, j, xm[j]+a*(p.Ensemble.At(i, j)-xm[j])+shift.AtVec(j))
		}
	}
	floats.Scale(gamma, logs)
	weights, _ := ensemble.Normalise(nil, logs)
	want := ensemble.Mean(nil, centres, weights)
	if got := ensemble.Mean(nil, p.Into, nil); !floats.EqualApprox(got, want, 1e-9) {
		t.Errorf("mean %.6g, want %.6g", got, want)
	}
	var covariance mat.Dense
	covariance.Mul(&gain, cross.T())
	for i := range n {
		for j := range n {
			v := b*b*c.At(i, j) - covariance.At(i, j)
			for k, w := range weights {
				v += w * (centres.At(k, i) - want[i]) * (centres.At(k, j) - want[j]) / (1 - floats.Dot(weights, weights))
			}
			covariance.Set(i, j, v)
		}
	}
	if diff := largestDifference(covarianceOf(p.Into), &covariance); diff > 1e-9 {
		t.Errorf("covariance off by %g", diff)
	}
}

// Smoothing moves covariance from the centres to the kernels: the density keeps its mean and its covariance. Tolerance: rounding.
func TestSmoothingKeepsMeanAndCovariance(t *testing.T) {
	c := &conditional{
		centres: mat.NewDense(3, 2, []float64{0, 1, 2, -1, 4, 0.5}), weights: []float64{0.5, 0.2, 0.3},
		covariance: mat.NewSymDense(2, []float64{0.2, 0.1, 0.1, 0.3}),
	}
	moments := func() (mean []float64, covariance mat.SymDense) {
		mean = ensemble.Mean(nil, c.centres, c.weights)
		covariance.AddSym(c.covariance, scatterOf(ensemble.Anomalies(nil, c.centres, mean), c.weights))
		return mean, covariance
	}
	kernels := mat.Trace(c.covariance)
	mean, covariance := moments()
	c.smooth(0.3)
	got, spread := moments()
	if !floats.EqualApprox(got, mean, 1e-14) || !mat.EqualApprox(&spread, &covariance, 1e-14) {
		t.Errorf("mean %v and covariance %v, want %v and %v", got, mat.Formatted(&spread), mean, mat.Formatted(&covariance))
	}
	if want := kernels + 0.3*(mat.Trace(&covariance)-kernels); math.Abs(mat.Trace(c.covariance)-want) > 1e-14 {
		t.Errorf("kernels have a variance of %g in all, want %g", mat.Trace(c.covariance), want)
	}
}

// With up to 20 members for each value of the covariance all is as without smoothing. With more the part of the kernels that comes after the analysis grows
// towards all of it for a density with one mode, and to little for one with distinct modes.
func TestKernelsComeLaterWithManyMembers(t *testing.T) {
	if v := laterRule(1, 120, 3); v != 0 {
		t.Errorf("120 members of three values: %g, want 0", v)
	}
	last := 0.0
	for _, members := range []int{121, 250, 1000, 100_000} {
		v := laterRule(1, members, 3)
		if !(v > last && v < 1) {
			t.Errorf("%d members: %g, want more than %g", members, v, last)
		}
		last = v
	}
	if v := laterRule(narrowest, 100_000, 3); !(last > 0.99 && v < 0.04) {
		t.Errorf("one mode: %g, distinct modes: %g; want nearly 1 and nearly 0", last, v)
	}
}

// x ~ N(0.3, 1) with y = |x| + e has a posterior with two modes. With narrow
// kernels and untempered weights the draws follow it. The distance to the posterior's distribution on a
// grid has three parts: 20,000 systematic draws from as many weighted members
// scatter like sqrt(N / ess / N) < 1.95 / sqrt(6000) = 0.025 with probability
// 0.999; the kernels' width of 0.05, smoothing a density below 1, adds no more than
// 0.05² max|p'|, below 0.01.
func TestJointFindsBothModes(t *testing.T) {
	const members, sd, y = 20_000, 0.4, 1.0
	p := &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(3)}, Ensemble: mat.NewDense(members, 1, nil), Predicted: mat.NewDense(members, 1, nil),
		Observation: []float64{y}, ErrorVariance: []float64{sd * sd}, Into: mat.NewDense(members, 1, nil),
	}
	for i := range members {
		x := 0.3 + rng.New(4).Member(i).NormFloat64()
		p.Ensemble.Set(i, 0, x)
		p.Predicted.Set(i, 0, math.Abs(x))
	}
	const from, step = -5, 0.001
	density, total := make([]float64, 10_001), 0.0
	for k := range density {
		x := from + step*float64(k)
		r := (y - math.Abs(x)) / sd
		density[k] = math.Exp(-(x-0.3)*(x-0.3)/2 - r*r/2)
		total += density[k]
	}
	floats.Scale(1/total, density)
	floats.CumSum(density, density)
	cdf := func(x float64) float64 { return density[min(len(density)-1, max(0, int(math.Round((x-from)/step))))] }
	for _, sampler := range []string{"exact", "ode"} {
		params := map[string]any{"bandwidth": 0.05, "tempering": 1.0, "finite_size": false, "adaptive_inflation": false, "second_order": false, "sampler": sampler}
		if sampler == "ode" {
			p = first(p, 1500) // the ode costs N²: ess about 450, distance below 1.95/sqrt(450) + 0.01
		}
		analyse(t, configure(t, joint(params)), p)
		rows, _ := p.Into.Dims()
		limit := map[string]float64{"exact": 0.035, "ode": 0.1}[sampler]
		if got := kolmogorov(mat.Col(nil, 0, p.Into), cdf) / math.Sqrt(float64(rows)); got > limit {
			t.Errorf("%s: the distribution is off by %.3f, want at most %g", sampler, got, limit)
		}
	}
}

// first returns the problem with its first members alone.
func first(p *sdk.Problem, members int) *sdk.Problem {
	q := *p
	cut := func(m *mat.Dense) *mat.Dense { _, n := m.Dims(); return mat.DenseCopyOf(m.Slice(0, members, 0, n)) }
	q.Ensemble, q.Predicted, q.Into = cut(p.Ensemble), cut(p.Predicted), cut(p.Into)
	return &q
}

// Other units and origins of state and observation change nothing. Tolerance:
// rounding, which the decompositions of nearly equal eigenvalues amplify.
func TestJointDoesNotDependOnUnits(t *testing.T) {
	for _, size := range []struct{ members, n, m int }{{30, 4, 2}, {10, 25, 12}} {
		p := twinProblem(size.members, size.n, size.m)
		f := configure(t, joint(nil))
		analyse(t, f, p)
		want := mat.DenseCopyOf(p.Into)
		for j := range size.n {
			unit := math.Pow(2, float64(j%9-4))
			scale := func(x float64) float64 { return unit * (x - 1) }
			for i := range size.members {
				p.Ensemble.Set(i, j, scale(p.Ensemble.At(i, j)))
				want.Set(i, j, scale(want.At(i, j)))
			}
		}
		for k := range size.m {
			p.ErrorVariance[k] *= 16
			p.Observation[k] = 4*p.Observation[k] + 7
			for i := range size.members {
				p.Predicted.Set(i, k, 4*p.Predicted.At(i, k)+7)
			}
		}
		analyse(t, f, p)
		if diff := largestDifference(p.Into, want); diff > 1e-7 {
			t.Errorf("%+v: analysis off by %g in other units", size, diff)
		}
	}
}

func TestJointDoesNotDependOnProcessors(t *testing.T) {
	p := twinProblem(20, 500, 40)
	f := configure(t, joint(nil))
	analyse(t, f, p)
	want := mat.DenseCopyOf(p.Into)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	analyse(t, f, p)
	if !mat.Equal(p.Into, want) {
		t.Error("another number of processors gives another analysis")
	}
}

// A black box that simulates its error is, with many members, as good as a known
// error variance: with b = 1 and linear observations the mean is the Kalman
// filter's but for the sampling error of covariances, about 1/sqrt(N) of the
// innovation of order 1. Five of these with N = 4000.
func TestJointBlackBoxLearnsTheError(t *testing.T) {
	p := twinProblem(4000, 3, 2)
	known, blackBox := *p, *p
	known.Into, blackBox.Into = mat.NewDense(4000, 3, nil), mat.NewDense(4000, 3, nil)
	analyse(t, configure(t, joint(map[string]any{"bandwidth": 1.0})), &known)
	analyse(t, configure(t, joint(map[string]any{"bandwidth": 1.0, "observations": "simulated"})), &blackBox)
	a, b := ensemble.Mean(nil, known.Into, nil), ensemble.Mean(nil, blackBox.Into, nil)
	if !floats.EqualApprox(a, b, 5/math.Sqrt(4000)) {
		t.Errorf("mean %.4g, want %.4g", b, a)
	}
}

// More observations than members, a black box: the correlations are singular and
// the ridge makes them invertible. The analysis has less variance than the
// forecast, and still spreads in all dimensions that the members span.
func TestJointBlackBoxWithFewMembers(t *testing.T) {
	p := twinProblem(10, 30, 30)
	analyse(t, configure(t, joint(map[string]any{"observations": "simulated"})), p)
	before, after := floats.Sum(variances(p.Ensemble)), floats.Sum(variances(p.Into))
	if !(after > 0 && after < before) {
		t.Errorf("total variance %g after, %g before the analysis", after, before)
	}
	w, err := whiten(p.Into, equalWeights(10))
	if err != nil {
		t.Fatal(err)
	}
	if w.rank() != 9 {
		t.Errorf("the analysis spans %d dimensions, want 9", w.rank())
	}
}

func variances(e *mat.Dense) []float64 {
	return ensemble.Variance(nil, e, ensemble.Mean(nil, e, nil), nil)
}

func TestMatchMoments(t *testing.T) {
	x := mat.NewDense(50, 4, nil)
	for i := range 50 {
		rng.Normals(rng.New(5).Member(i), x.RawRowView(i))
	}
	want := mat.NewSymDense(4, []float64{4, 1, 0, 0, 1, 3, 0.5, 0, 0, 0.5, 2, 0, 0, 0, 0, 1})
	mean := []float64{1, 2, 3, 4}
	if err := matchMoments(x, mean, want); err != nil {
		t.Fatal(err)
	}
	if got := ensemble.Mean(nil, x, nil); !floats.EqualApprox(got, mean, 1e-12) {
		t.Errorf("mean %v", got)
	}
	if diff := largestDifference(covarianceOf(x), want); diff > 1e-12 {
		t.Errorf("covariance off by %g", diff)
	}
	unmoved := mat.DenseCopyOf(x)
	if err := matchMoments(x, mean, want); err != nil {
		t.Fatal(err)
	}
	if diff := largestDifference(x, unmoved); diff > 1e-12 {
		t.Errorf("what has the moments already is moved by %g", diff)
	}
}

// Two modes of share s each have within s; a normal density has 1. The estimates
// scatter by the kurtosis' standard error sqrt(24 / N) through the derivative of
// sqrt(-excess/2), which is below 1 where the modes are distinct; at 1 its square
// root is what scatters: (24 / 20,000 / 4)^(1/4) = 0.13.
func TestWithinModes(t *testing.T) {
	const members = 20_000
	for _, tt := range []struct{ share, tolerance float64 }{{0.02, 0.01}, {0.2, 0.03}, {0.5, 0.04}, {1, 0.2}} {
		e := mat.NewDense(members, 1, nil)
		for i := range members {
			side := float64(1 - 2*(i%2))
			e.Set(i, 0, 50+3*(side*math.Sqrt(1-tt.share)+math.Sqrt(tt.share)*rng.New(6).Member(i).NormFloat64()))
		}
		mean, sd := moments(e, nil)
		if got := withinModes(excessKurtosis(e, mean, sd, equalWeights(members))[0]); math.Abs(got-tt.share) > tt.tolerance {
			t.Errorf("share within modes %.3f, want %.3f", got, tt.share)
		}
	}
}

// A single component far from its prediction counts as though it were at the bound, however far it is. Where most
// components are far the forecast is wrong, and all of them count in full.
func TestJointBoundsSingleInnovations(t *testing.T) {
	const outlier, members, m = 2, 12, 5
	f := configure(t, joint(nil))
	analysis := func(shift func(k int) float64) *mat.Dense {
		p := twinProblem(members, 6, m)
		mean, sd := moments(p.Predicted, equalWeights(members))
		for k := range m {
			p.Observation[k] = mean[k] + shift(k)*math.Sqrt(sd[k]*sd[k]+p.ErrorVariance[k])
		}
		analyse(t, f, p)
		return p.Into
	}
	at := func(distance float64) *mat.Dense {
		return analysis(func(k int) float64 {
			if k == outlier {
				return distance
			}
			return 0.3
		})
	}
	if diff := largestDifference(at(100), at(2.5)); diff > 1e-12 { // rounding of an innovation of 2.5
		t.Errorf("100 standard deviations count for more than 2.5: the analyses differ by %g", diff)
	}
	if diff := largestDifference(at(2.5), at(2.4)); diff < 1e-3 {
		t.Errorf("2.4 and 2.5 standard deviations count the same: the analyses differ by %g", diff)
	}
	all := func(distance float64) *mat.Dense { return analysis(func(int) float64 { return distance }) }
	if diff := largestDifference(all(8), all(6)); diff < 0.1 {
		t.Errorf("an ensemble that has lost the truth does not follow it: the analyses differ by %g", diff)
	}
}

// Far observations temper the weights and widen the forecast; the ensemble keeps
// its spread.
func TestJointFarObservationKeepsEnsemble(t *testing.T) {
	p := twinProblem(12, 3, 2)
	p.Observation[0] = 1000
	a := analyse(t, configure(t, joint(nil)), p)
	if ess := a.Metrics["weights_ess"]; ess < leastESS(12, 3)-1e-6 {
		t.Errorf("effective sample size %g of 12 members", ess)
	}
	if v := variances(p.Into); slices.Min(v) < 1e-3 {
		t.Errorf("variances %v", v)
	}
}

// Values and predictions on which all members agree stay as they are and say
// nothing.
func TestJointWithoutSpread(t *testing.T) {
	p := twinProblem(12, 3, 2)
	setColumn(p.Ensemble, 2, 5)
	setColumn(p.Predicted, 1, 5)
	analyse(t, configure(t, joint(nil)), p)
	for i := range 12 {
		if p.Into.At(i, 2) != 5 {
			t.Fatalf("member %d has %g, want 5", i, p.Into.At(i, 2))
		}
	}
	for j := range 3 {
		setColumn(p.Ensemble, j, 5)
	}
	if _, err := configure(t, joint(nil)).Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindDiverged {
		t.Errorf("an ensemble without spread: got %v, want a refusal", err)
	}
}

// Missing components are left out, exactly; with none left the analysis is the forecast and
// what is carried over stays.
func TestJointWithoutObservations(t *testing.T) {
	p, q := twinProblem(12, 3, 2), twinProblem(12, 3, 1)
	f := configure(t, joint(nil))
	q.Ensemble.Copy(p.Ensemble)
	for i := range 12 {
		q.Predicted.Set(i, 0, p.Predicted.At(i, 0))
		p.Predicted.Set(i, 1, math.NaN())
	}
	p.Observation[1] = math.NaN()
	carry := analyse(t, f, p).Carry
	analyse(t, f, q)
	if !mat.Equal(p.Into, q.Into) {
		t.Errorf("a missing component changes the analysis by %g", largestDifference(p.Into, q.Into))
	}
	p.Observation[0], p.Carry = math.NaN(), carry
	if a := analyse(t, f, p); !mat.Equal(p.Into, p.Ensemble) || !slices.Equal(a.Carry, carry) {
		t.Error("without observations the analysis is not the forecast")
	}
}

// An observation beyond float64 from all members is refused.
func TestJointRefusesWhatOverflows(t *testing.T) {
	p := twinProblem(12, 3, 2)
	p.Observation[0] = 1e300
	if _, err := configure(t, joint(nil)).Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), "observation: is too far from every member") {
		t.Errorf("got %v", err)
	}
}

// Members without weight have no part in the analysis.
func TestJointHonoursWeights(t *testing.T) {
	p := twinProblem(20, 3, 2)
	p.LogWeights = make([]float64, 20)
	for i := range p.LogWeights {
		p.LogWeights[i] = -math.Log(15)
		if i >= 15 {
			p.LogWeights[i] = math.Inf(-1)
			for j := range 3 {
				p.Ensemble.Set(i, j, 1e3)
			}
			p.Predicted.Set(i, 0, -1e3)
		}
	}
	a := analyse(t, configure(t, joint(nil)), p)
	if slices.Max(a.Ancestors) >= 15 {
		t.Errorf("ancestors %v, want members with weight alone", a.Ancestors)
	}
	if most := mat.Max(p.Into); most > 50 {
		t.Errorf("a value of %g comes from a member without weight", most)
	}
}

// The power of likelihoods goes with the inverse of their logarithms, however large these are.
func TestLargestPowerOfAnySize(t *testing.T) {
	for _, size := range []float64{1e3, 1e9, 1e12, 1e100} {
		likelihood, prior := []float64{-3 * size, 0, -2 * size, -size}, logarithms(equalWeights(4))
		weights, logWeights := make([]float64, 4), make([]float64, 4)
		for i, l := range likelihood {
			logWeights[i] = prior[i] + l
		}
		gamma := temper(weights, logWeights, prior, 2.5, 1, math.NaN())
		if ess := ensemble.ESS(weights, 4); math.Abs(ess-2.5) > 0.1 {
			t.Errorf("logarithms of size %g: an effective sample size of %g with the power %g, want 2.5", size, ess, gamma)
		}
	}
}

// Where observations are far more accurate than the forecast, what they see has the spread of their error.
func TestJointSpreadOfAccurateObservations(t *testing.T) {
	for _, m := range []int{1, 3} {
		for _, sd := range []float64{1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7} {
			p := twinProblem(20, 4, m)
			for k := range m {
				p.ErrorVariance[k] = sd * sd
			}
			analyse(t, configure(t, joint(nil)), p)
			for j, v := range variances(p.Into)[:m] {
				if got := math.Sqrt(v) / sd; !(got > 0.9 && got < 1.02) {
					t.Errorf("%d observations with an error of %g: value %d has a spread of %g of it", m, sd, j, got)
				}
			}
		}
	}
}
