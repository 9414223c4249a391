package filterdiffusion

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// The score is the gradient of the logarithm of the density that the paper
// writes down, at every level of noise:
//
//	p(x, y) = 1/N sum_i g(x; a x_i, v I) g(y; y_i, sy² I).
//
// A central difference with step h = sqrt(v) cbrt(eps) is off by h² f”'/6 and by
// eps |f| / h. With all centres within D of each other, |f”'| <= (D/v)³ and
// |f| < 100 here, so both parts are below cbrt(eps²) (100 + (D/sqrt(v))³)/sqrt(v).
func TestScoreIsGradientOfLogDensity(t *testing.T) {
	p := twinProblem(20, 3, 2)
	const sx, sy = 0.4, 0.7
	for _, kind := range []string{"ve", "vp"} {
		f := configure(t, map[string]any{"units": "raw", "bandwidth_x": sx, "bandwidth_y": sy, "centre": false, "schedule": kind})
		d, err := f.estimate(p, []int{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		centres, l := make([][]float64, 20), make([]float64, 20)
		for i := range centres {
			centres[i] = p.Ensemble.RawRowView(i)
			l[i] = logDensity(p.Observation, [][]float64{p.Simulated.RawRowView(i)}, []float64{0}, 1, sy*sy)
		}
		s := f.schedule(d)
		for _, share := range []float64{0, 0.3, 0.7, 1} {
			at := s.at(s.stop + share*(s.start-s.stop))
			x := mat.NewDense(1, 3, []float64{2.5, 3.1, 3.4})
			x.Scale(at.signal, x)
			c := mat.NewDense(1, 3, nil)
			newMixture(d.centres, d.logWeights, d.bandwidth).denoiser(1)(c, x, at)
			h := math.Sqrt(at.variance) * math.Cbrt(0x1p-52)
			tolerance := math.Pow(0x1p-52, 2.0/3) * (100 + math.Pow(5/math.Sqrt(at.variance), 3)) / math.Sqrt(at.variance)
			for j := range 3 {
				score := (at.signal*c.At(0, j) - x.At(0, j)) / at.variance
				up, down := mat.Row(nil, 0, x), mat.Row(nil, 0, x)
				up[j], down[j] = up[j]+h, down[j]-h
				want := (logDensity(up, centres, l, at.signal, at.variance) - logDensity(down, centres, l, at.signal, at.variance)) / (up[j] - down[j])
				if math.Abs(score-want) > tolerance {
					t.Errorf("%s, level %+v, value %d: score %.12g, finite difference %.12g, tolerance %.1g", kind, at, j, score, want, tolerance)
				}
			}
		}
	}
}

// At the end of a schedule nothing but the kernels is left, at its start the
// noise has the asked strength, and the drift is the derivative of log(a):
// central difference with step 1e-5, off by about 1e-10.
func TestSchedules(t *testing.T) {
	const b = 0.3
	for name, s := range map[string]schedule{"ve": varianceExploding(b, 20), "vp": variancePreserving(b, 10.05)} {
		if end := s.at(s.stop); math.Abs(end.signal-1) > 1e-15 || math.Abs(end.variance-b*b) > 1e-15 {
			t.Errorf("%s ends at %+v", name, end)
		}
		l := s.stop + 0.4*(s.start-s.stop)
		slope := (math.Log(s.at(l+1e-5).signal) - math.Log(s.at(l-1e-5).signal)) / 2e-5
		if got := s.at(l).drift; math.Abs(got-slope) > 1e-9 {
			t.Errorf("%s: drift %.12g, want %.12g", name, got, slope)
		}
	}
	ve, vp := varianceExploding(b, 20), variancePreserving(b, 10.05)
	if v := ve.at(ve.start).variance; math.Abs(v-(b*b+400)) > 1e-10 {
		t.Errorf("exploding noise starts with variance %g", v)
	}
	// Song et al. 2021: a = exp(-B/2), v = a² b² + 1 - a². Rounding of exp(B) is amplified by B.
	start, a2 := vp.at(vp.start), math.Exp(-10.05)
	if math.Abs(start.signal/math.Sqrt(a2)-1) > 1e-13 || math.Abs(start.variance-(a2*b*b+1-a2)) > 1e-13 {
		t.Errorf("preserving noise starts at %+v", start)
	}
}

// tight are parameters under which the integrators' errors are far below what
// the tests resolve.
var tight = map[string]any{"sampler": "ode", "rtol": 1e-9, "atol": 1e-9}

// paths are those of both schedules.
var paths = map[string]map[string]any{"ve": {"schedule": "ve", "sigma_max": 40.0}, "vp": {"schedule": "vp"}}

// With all members at c the mixture is one Gaussian and the flow is linear: a
// latent z ends at c + (z - a c) b / sqrt(v). The error control bounds the error
// of one step by tol (1 + |x|) with |x| < 200; errors shrink like the widths do.
func TestSingleGaussianHasClosedForm(t *testing.T) {
	const b, c, tol = 0.2, 1.5, 1e-9
	for kind, path := range paths {
		f := configure(t, merged(tight, path))
		l := []float64{math.Log(0.5), math.Log(0.5)}
		d := &density{centres: mat.NewDense(2, 1, []float64{c, c}), logWeights: l, bandwidth: b}
		p := &sdk.Problem{Call: sdk.Call{Seed: rng.New(3)}, Into: mat.NewDense(100, 1, nil)}
		if _, _, err := f.sample(t.Context(), p, d); err != nil {
			t.Fatal(err)
		}
		s := f.schedule(d)
		first := s.at(s.start)
		for i := range 100 {
			z := math.Sqrt(first.variance) * p.Seed.Member(i).NormFloat64()
			want := c + (z-first.signal*c)*b/math.Sqrt(first.variance)
			if got := p.Into.At(i, 0); math.Abs(got-want) > 200*tol {
				t.Errorf("%s: latent %g ends at %.12g, want %.12g", kind, z, got, want)
			}
		}
	}
}

// With one kernel at the origin the stochastic sampler is linear as well. A step
// of length h in l multiplies the variance by (1 - h (drift + 2))², and adds
// 2 v h; the sample variance of n normal draws scatters by sqrt(2/n), of which 4.5
// are allowed.
func TestReverseStepsHaveClosedForm(t *testing.T) {
	const b, n, steps = 0.2, 20000, 25
	for kind, path := range paths {
		f := configure(t, merged(map[string]any{"sampler": "sde", "steps": steps}, path))
		d := &density{centres: mat.NewDense(1, 1, nil), logWeights: []float64{0}, bandwidth: b}
		p := &sdk.Problem{Call: sdk.Call{Seed: rng.New(4)}, Into: mat.NewDense(n, 1, nil)}
		if _, _, err := f.sample(t.Context(), p, d); err != nil {
			t.Fatal(err)
		}
		s := f.schedule(d)
		want, h := s.at(s.start).variance, (s.start-s.stop)/steps
		for k := range steps {
			at := s.at(s.start - float64(k)*h)
			want = math.Pow(1-h*(at.drift+2), 2)*want + 2*at.variance*h
		}
		_, cov := sampleMoments(p.Into)
		if got := cov.At(0, 0); math.Abs(got/want-1) > 4.5*math.Sqrt(2.0/n) {
			t.Errorf("%s: variance %.4f, want %.4f", kind, got, want)
		}
	}
}

// threeKernels is a mixture in one dimension with mean 0, so that the latent is
// centred right, and its distribution function.
func threeKernels() (*density, func(float64) float64) {
	const b = 0.25
	centres, weights := []float64{-2, 0.5, 1.5}, []float64{0.3, 0.6, 0.1}
	mean := 0.0
	for i, c := range centres {
		mean += weights[i] * c
	}
	l := make([]float64, 3)
	for i := range l {
		centres[i] -= mean
		l[i] = math.Log(weights[i])
	}
	d := &density{centres: mat.NewDense(3, 1, centres), logWeights: l, bandwidth: b, spread: 1}
	return d, func(x float64) float64 {
		sum := 0.0
		for i, c := range centres {
			sum += weights[i] * normalCDF((x-c)/b)
		}
		return sum
	}
}

// Every sampler draws from the mixture: Kolmogorov-Smirnov tests at level 0.001
// with fixed seeds. What the samplers do not share with the mixture moves the
// distribution function by far less than the 1.95/sqrt(4000) = 0.03 seen here: the
// finite latent by about (1/50)², Heun's rule by its second order, Euler-Maruyama
// by the 5 % it adds to the kernels' variance (0.012 at the steepest point).
func TestSamplersDrawFromMixture(t *testing.T) {
	d, cdf := threeKernels()
	for name, params := range map[string]map[string]any{
		"ode ve":            {"sampler": "ode", "schedule": "ve"},
		"ode vp":            {"sampler": "ode", "schedule": "vp"},
		"heun ve":           {"sampler": "heun", "schedule": "ve", "steps": 60},
		"heun vp":           {"sampler": "heun", "schedule": "vp", "steps": 60},
		"sde ve":            {"sampler": "sde", "schedule": "ve", "steps": 110},
		"sde vp":            {"sampler": "sde", "schedule": "vp", "steps": 130},
		"exact systematic":  {"sampler": "exact", "draws": "systematic"},
		"exact independent": {"sampler": "exact", "draws": "independent"},
	} {
		t.Run(name, func(t *testing.T) {
			f := configure(t, params)
			p := &sdk.Problem{Call: sdk.Call{Seed: rng.New(21)}, Into: mat.NewDense(4000, 1, nil)}
			if _, _, err := f.sample(t.Context(), p, d); err != nil {
				t.Fatal(err)
			}
			if k := kolmogorov(mat.Col(nil, 0, p.Into), cdf); k > 1.95 {
				t.Errorf("Kolmogorov-Smirnov statistic %.2f, want below 1.95", k)
			}
		})
	}
}

// Mean and covariance of draws in three dimensions agree with the mixture's own
// in closed form, mean = sum w c, cov = sum w c c' - mean mean' + b² I, within 4.5
// standard errors: sqrt(cov/n) and, by the fourth moments of kernels no heavier
// than normal, at most sqrt((C_jj C_kk + C_jk²)/n) times 1.2.
func TestSamplersKeepMoments(t *testing.T) {
	const n = 4000
	p := twinProblem(12, 3, 1)
	for sampler, params := range map[string]map[string]any{
		"ode": {"sigma_max": 200.0}, "heun": {"steps": 150, "sigma_max": 200.0}, "sde": {"steps": 150, "sigma_max": 200.0}, "exact": {"draws": "independent"},
	} {
		f := configure(t, with(params, "sampler", sampler))
		d, err := f.estimate(p, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		mean, cov := mixtureMoments(d)
		many := &sdk.Problem{Call: sdk.Call{Seed: rng.New(5)}, Into: mat.NewDense(n, 3, nil)}
		if _, _, err := f.sample(t.Context(), many, d); err != nil {
			t.Fatal(err)
		}
		gotMean, gotCov := sampleMoments(many.Into)
		for j := range 3 {
			if se := math.Sqrt(cov.At(j, j) / n); math.Abs(gotMean[j]-mean[j]) > 4.5*se {
				t.Errorf("%s: mean of value %d is %.4f, want %.4f ± %.4f", sampler, j, gotMean[j], mean[j], se)
			}
			for k := range 3 {
				se := 1.2 * math.Sqrt((cov.At(j, j)*cov.At(k, k)+cov.At(j, k)*cov.At(j, k))/n)
				if math.Abs(gotCov.At(j, k)-cov.At(j, k)) > 4.5*se {
					t.Errorf("%s: covariance (%d, %d) is %.4f, want %.4f ± %.4f", sampler, j, k, gotCov.At(j, k), cov.At(j, k), se)
				}
			}
		}
	}
}

func mixtureMoments(d *density) ([]float64, *mat.Dense) {
	members, n := d.centres.Dims()
	w, mean, cov := d.weights(), make([]float64, n), mat.NewDense(n, n, nil)
	for i := range members {
		for j := range n {
			mean[j] += w[i] * d.centres.At(i, j)
		}
	}
	for j := range n {
		for k := range n {
			for i := range members {
				cov.Set(j, k, cov.At(j, k)+w[i]*(d.centres.At(i, j)-mean[j])*(d.centres.At(i, k)-mean[k]))
			}
		}
		cov.Set(j, j, cov.At(j, j)+d.bandwidth*d.bandwidth)
	}
	return mean, cov
}

func sampleMoments(x *mat.Dense) ([]float64, *mat.Dense) {
	rows, _ := x.Dims()
	l := make([]float64, rows)
	for i := range l {
		l[i] = -math.Log(float64(rows))
	}
	return mixtureMoments(&density{centres: x, logWeights: l})
}

// A state seen through |x| has a posterior with two modes. As N grows the filter
// samples
//
//	p(x | y) ~ [N(x; 0.3, 1) N(y; |x|, R + sy²)] * N(0, sx²)
//
// whose mode masses and, within the modes, moments come from a grid. The weights
// leave about ess of N members, so a mode's mass has standard error
// sqrt(p (1 - p) / ess) and a mean sqrt(variance / ess); 4 of them are allowed.
func TestPosteriorOnGrid(t *testing.T) {
	const sd, sx, sy, y = 0.3, 0.05, 0.1, 1.2
	want := gridModes(func(x float64) float64 {
		return math.Exp(-(x-0.3)*(x-0.3)/2 - (y-math.Abs(x))*(y-math.Abs(x))/(2*(sd*sd+sy*sy)))
	})
	for _, c := range []struct {
		members int
		params  map[string]any
	}{
		{500, map[string]any{"sampler": "ode", "observations": "simulated"}},
		{500, map[string]any{"sampler": "heun", "observations": "predicted", "schedule": "vp"}},
		{5000, map[string]any{"sampler": "exact", "observations": "simulated"}},
		{5000, map[string]any{"sampler": "exact", "observations": "predicted"}},
	} {
		p := absProblem(c.members, sd, y)
		f := configure(t, with(with(with(c.params, "units", "raw"), "bandwidth_x", sx), "bandwidth_y", sy))
		ess := analyse(t, f, p).Metrics["weights_ess"]
		got := modes(mat.Col(nil, 0, p.Into))
		if se := math.Sqrt(want.right * (1 - want.right) / ess); math.Abs(got.right-want.right) > 4*se {
			t.Errorf("%v: right mode holds %.3f, want %.3f ± %.3f", c.params, got.right, want.right, se)
		}
		for k, mass := range []float64{1 - want.right, want.right} {
			variance := want.variance[k] + sx*sx
			if se := math.Sqrt(variance / (mass * ess)); math.Abs(got.mean[k]-want.mean[k]) > 4*se {
				t.Errorf("%v: mode %d has mean %.3f, want %.3f ± %.3f", c.params, k, got.mean[k], want.mean[k], se)
			}
			if se := variance * math.Sqrt(2/(mass*ess)); math.Abs(got.variance[k]-variance) > 4*se {
				t.Errorf("%v: mode %d has variance %.4f, want %.4f ± %.4f", c.params, k, got.variance[k], variance, se)
			}
		}
	}
}

// absProblem has members from N(0.3, 1) seen through |x| with error sd.
func absProblem(members int, sd, y float64) *sdk.Problem {
	p := &sdk.Problem{
		Call: sdk.Call{Seed: rng.New(31)}, Ensemble: mat.NewDense(members, 1, nil), Observation: []float64{y},
		Predicted: mat.NewDense(members, 1, nil), Simulated: mat.NewDense(members, 1, nil), ErrorVariance: []float64{sd * sd},
		Into: mat.NewDense(members, 1, nil),
	}
	for i := range members {
		stream := rng.New(32).Member(i)
		x := 0.3 + stream.NormFloat64()
		p.Ensemble.Set(i, 0, x)
		p.Predicted.Set(i, 0, math.Abs(x))
		p.Simulated.Set(i, 0, math.Abs(x)+sd*stream.NormFloat64())
	}
	return p
}

// mode holds the share of the mass right of 0 and mean and variance left and right.
type mode struct {
	right          float64
	mean, variance [2]float64
}

func modes(draws []float64) mode {
	w := make([]float64, len(draws))
	for i := range w {
		w[i] = 1
	}
	return weightedModes(draws, w)
}

func gridModes(density func(float64) float64) mode {
	var x, w []float64
	for k := range 20000 {
		x = append(x, -5+10*(float64(k)+0.5)/20000)
		w = append(w, density(x[k]))
	}
	return weightedModes(x, w)
}

func weightedModes(x, w []float64) (out mode) {
	var mass, first, second [2]float64
	for i, v := range x {
		k := 0
		if v > 0 {
			k = 1
		}
		mass[k] += w[i]
		first[k] += w[i] * v
		second[k] += w[i] * v * v
	}
	for k := range 2 {
		out.mean[k] = first[k] / mass[k]
		out.variance[k] = second[k]/mass[k] - out.mean[k]*out.mean[k]
	}
	out.right = mass[1] / (mass[0] + mass[1])
	return out
}
