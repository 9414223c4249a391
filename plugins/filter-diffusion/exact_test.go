package filterdiffusion

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The tests of this file give scheme joint one observation and more and more members of a forecast. It has defaults, save that it does not learn from the
// innovation how wide the forecast should be, which would change the spread by some percent for any number of members. The analysis approaches the
// exact posterior as fast as the effective sample size of the exact weights lets it: the number that follows is the one that a draw of as many independent members of the
// posterior exceeds with a probability of some 0.001. Where weights are tempered until a quarter of the members count, the sharp observations of these tests are not used in full however many members there are.

// once returns the analysis of the members x, which predict the rows of predicted, and the effective sample size that the exact weights leave.
func once(t *testing.T, x, predicted *mat.Dense, y []float64, variance float64) (analysis *mat.Dense, ess float64) {
	t.Helper()
	members, n := x.Dims()
	p := &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(5)}, Ensemble: x, Predicted: predicted, Into: mat.NewDense(members, n, nil),
		Observation: y, ErrorVariance: slices.Repeat([]float64{variance}, len(y)),
	}
	analyse(t, configure(t, joint(map[string]any{"adaptive_inflation": false})), p)
	weights, _ := ensemble.Normalise(nil, likelihoods(predicted, y, variance))
	return p.Into, ensemble.ESS(weights, members)
}

// likelihoods returns the logarithms of the likelihoods of y for the rows of predicted, up to a constant.
func likelihoods(predicted *mat.Dense, y []float64, variance float64) []float64 {
	members, _ := predicted.Dims()
	logs := make([]float64, members)
	for i := range logs {
		d := floats.Distance(predicted.RawRowView(i), y, 2)
		logs[i] = -d * d / (2 * variance)
	}
	return logs
}

// A normal forecast seen through its square or its absolute value has a posterior with two modes, not of the same mass. The distribution function of the analysis
// is that of a quadrature.
func TestJointConvergesToTwoModes(t *testing.T) {
	const mean, y, sd = 0.3, 1.0, 0.1
	for name, h := range map[string]func(float64) float64{"square": func(x float64) float64 { return x * x }, "abs": math.Abs} {
		cdf := quadrature(func(x float64) float64 {
			d, r := x-mean, (y-h(x))/sd
			return math.Exp(-(d*d + r*r) / 2)
		})
		for _, members := range []int{400, 3200, 25_600} {
			x, predicted := mat.NewDense(members, 1, normals(members, rng.New(6).Rand())), mat.NewDense(members, 1, nil)
			for i := range members {
				x.Set(i, 0, mean+x.At(i, 0))
				predicted.Set(i, 0, h(x.At(i, 0)))
			}
			analysis, ess := once(t, x, predicted, []float64{y}, sd*sd)
			got := kolmogorov(mat.Col(nil, 0, analysis), cdf) / math.Sqrt(float64(members))
			if limit := 1.95 / math.Sqrt(ess); got > limit {
				t.Errorf("%s, N = %d: the distribution is off by %.4f, want at most %.4f", name, members, got, limit)
			}
		}
	}
}

// quadrature returns the distribution function of a density, given up to a factor, between -5 and 5.
func quadrature(density func(float64) float64) func(float64) float64 {
	const from, step = -5, 0.001
	cumulated := make([]float64, 10_001)
	for k := range cumulated {
		cumulated[k] = density(from + step*float64(k))
	}
	floats.CumSum(cumulated, cumulated)
	floats.Scale(1/cumulated[len(cumulated)-1], cumulated)
	return func(x float64) float64 {
		return cumulated[min(len(cumulated)-1, max(0, int(math.Round((x-from)/step))))]
	}
}

// Three correlated values, two of them observed a hundred times as precisely in variance as they are forecast. Mean and covariance of the
// analysis are those of the Kalman filter.
func TestJointConvergesToTheKalmanFilter(t *testing.T) {
	const sd = 0.1
	factor := mat.NewDense(3, 3, []float64{1, 0, 0, 0.5, 1, 0, 0.5, -0.5, 1}) // of the covariance of the forecast
	var prior, posterior mat.Dense
	prior.Mul(factor, factor.T())
	mean, y := []float64{0, 0, 0}, []float64{0.4, -0.3}
	for k := range y { // one after the other
		posterior.CloneFrom(&prior)
		d, s := y[k]-mean[k], prior.At(k, k)+sd*sd
		for i := range 3 {
			mean[i] += prior.At(i, k) / s * d
			for j := range 3 {
				posterior.Set(i, j, prior.At(i, j)-prior.At(i, k)*prior.At(k, j)/s)
			}
		}
		prior.CloneFrom(&posterior)
	}
	for _, members := range []int{400, 3200, 25_600} {
		var x mat.Dense
		x.Mul(mat.NewDense(members, 3, normals(3*members, rng.New(7).Rand())), factor.T())
		analysis, ess := once(t, &x, mat.DenseCopyOf(x.Slice(0, members, 0, 2)), y, sd*sd)
		compareMoments(t, analysis, mean, &posterior, ess)
	}
}

// One time unit after a normal density of standard deviation 1 around a point of the attractor, members of Lorenz-63 are on a curved sheet. Then all values are
// observed. Mean and covariance of the analysis are those of a particle filter with 100,000 members.
func TestJointConvergesOnLorenz63(t *testing.T) {
	const variance = 0.5
	forecast := func(members int, stream int64) *mat.Dense {
		x := mat.NewDense(members, 3, normals(3*members, rng.New(stream).Rand()))
		for i := range members {
			row := x.RawRowView(i)
			floats.Add(row, []float64{1.509, -1.531, 25.46})
			for range 50 {
				lorenz63(row, 0.02)
			}
		}
		return x
	}
	truth := []float64{1.6, -1.2, 25.2}
	for range 50 {
		lorenz63(truth, 0.02)
	}
	reference := forecast(100_000, 8)
	weights, _ := ensemble.Normalise(nil, likelihoods(reference, truth, variance))
	mean := ensemble.Mean(nil, reference, weights)
	covariance := scatterOf(ensemble.Anomalies(nil, reference, mean), weights)
	known := ensemble.ESS(weights, len(weights))
	for _, members := range []int{1000, 8000} {
		x := forecast(members, 9)
		analysis, ess := once(t, x, x, truth, variance)
		compareMoments(t, analysis, mean, covariance, 1/(1/ess+1/known))
	}
}

// lorenz63 moves x by a step of length h of the Runge-Kutta method of order 4.
func lorenz63(x []float64, h float64) {
	slope := func(x [3]float64) [3]float64 {
		return [3]float64{10 * (x[1] - x[0]), x[0]*(28-x[2]) - x[1], x[0]*x[1] - 8.0/3*x[2]}
	}
	at := [3]float64(x)
	ahead := func(k [3]float64, h float64) [3]float64 {
		return [3]float64{at[0] + h*k[0], at[1] + h*k[1], at[2] + h*k[2]}
	}
	k1 := slope(at)
	k2 := slope(ahead(k1, h/2))
	k3 := slope(ahead(k2, h/2))
	k4 := slope(ahead(k3, h))
	for j := range x {
		x[j] += h / 6 * (k1[j] + 2*k2[j] + 2*k3[j] + k4[j])
	}
}

// compareMoments compares mean and variances of x with those wanted. Of ess draws the mean has a standard error of sd / sqrt(ess) and, for normal
// draws, the variance one of sqrt(2 / ess) times itself; 4 of them are allowed.
func compareMoments(t *testing.T, x *mat.Dense, mean []float64, covariance mat.Matrix, ess float64) {
	t.Helper()
	members, _ := x.Dims()
	got, spread := sampleMoments(x)
	for j, m := range mean {
		sd := math.Sqrt(covariance.At(j, j))
		if off := math.Abs(got[j]-m) / sd; off > 4/math.Sqrt(ess) {
			t.Errorf("N = %d, value %d: mean is off by %.3f standard deviations, want at most %.3f", members, j, off, 4/math.Sqrt(ess))
		}
		if ratio, limit := spread.At(j, j)/covariance.At(j, j), 4*math.Sqrt(2/ess); math.Abs(ratio-1) > limit {
			t.Errorf("N = %d, value %d: variance is %.3f of the exact one, want 1 ± %.3f", members, j, ratio, limit)
		}
	}
}
