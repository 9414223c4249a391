package obsnonlinear

import (
	"math"
	"math/rand/v2"

	"github.com/plume-da/plume/sdk"
)

// distribution is the distribution of the observation error of one component.
type distribution interface {
	// draw returns an observation of h.
	draw(h float64, r *rand.Rand) float64
	// logDensity returns log p(y | h) and its derivative with respect to h.
	logDensity(y, h float64) (l, dl float64)
	// variance returns the variance of y - h, or false if it depends on h.
	variance() (float64, bool)
}

// distributions returns the distribution of all m components, or that of each. The standard
// deviation is that of y - h for every distribution except lognormal, where it is that of
// log(y / h).
func distributions(e sdk.ErrorModel, m int) ([]distribution, error) {
	if len(e.SD) != 1 && len(e.SD) != m {
		return nil, sdk.Errorf(sdk.KindConfig, "error.sd", "got %d values for %d observed values, want 1 or %d", len(e.SD), m, m)
	}
	out := make([]distribution, len(e.SD))
	for k, sd := range e.SD {
		switch e.Dist {
		case "normal":
			out[k] = normal{sd}
		case "laplace":
			out[k] = laplace{sd / math.Sqrt2}
		case "student_t":
			out[k] = newStudent(sd, e.DF)
		case "uniform":
			out[k] = uniform{sd * math.Sqrt(3)}
		case "lognormal":
			out[k] = lognormal{sd}
		}
	}
	return out, nil
}

// normal errors: p = exp(-d²/2s²) / (s sqrt(2 pi)), d = y - h.
type normal struct{ sd float64 }

func (e normal) draw(h float64, r *rand.Rand) float64 { return h + e.sd*r.NormFloat64() }

func (e normal) logDensity(y, h float64) (l, dl float64) {
	d := (y - h) / e.sd
	return -0.5*d*d - math.Log(e.sd) - 0.5*math.Log(2*math.Pi), d / e.sd
}

func (e normal) variance() (float64, bool) { return e.sd * e.sd, true }

// laplace errors: p = exp(-|d|/b) / 2b, variance 2 b².
type laplace struct{ b float64 }

func (e laplace) draw(h float64, r *rand.Rand) float64 {
	d := e.b * r.ExpFloat64()
	if r.Uint64()&1 == 0 {
		d = -d
	}
	return h + d
}

func (e laplace) logDensity(y, h float64) (l, dl float64) {
	return -math.Abs(y-h)/e.b - math.Log(2*e.b), sign(y-h) / e.b
}

func (e laplace) variance() (float64, bool) { return 2 * e.b * e.b, true }

// student errors: p = c (1 + d²/(nu s²))^(-(nu+1)/2), variance s² nu/(nu - 2).
type student struct {
	s, nu float64
	logC  float64
}

func newStudent(sd, nu float64) student {
	s := sd * math.Sqrt((nu-2)/nu)
	a, _ := math.Lgamma((nu + 1) / 2)
	b, _ := math.Lgamma(nu / 2)
	return student{s, nu, a - b - 0.5*math.Log(nu*math.Pi) - math.Log(s)}
}

// draw divides a normal number by the root of a chi-square number divided by its degrees of
// freedom.
func (e student) draw(h float64, r *rand.Rand) float64 {
	return h + e.s*r.NormFloat64()/math.Sqrt(2*gamma(e.nu/2, r)/e.nu)
}

func (e student) logDensity(y, h float64) (l, dl float64) {
	d := (y - h) / e.s
	return e.logC - 0.5*(e.nu+1)*math.Log1p(d*d/e.nu), (e.nu + 1) * d / (e.s * (e.nu + d*d))
}

func (e student) variance() (float64, bool) { return e.s * e.s * e.nu / (e.nu - 2), true }

// gamma draws from the gamma distribution of shape a > 1 and scale 1 (Marsaglia
// and Tsang 2000, doi:10.1145/358407.358414).
func gamma(a float64, r *rand.Rand) float64 {
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// uniform errors: p = 1/2a for |d| <= a, variance a²/3. Beyond a the observation
// is impossible.
type uniform struct{ a float64 }

func (e uniform) draw(h float64, r *rand.Rand) float64 { return h + e.a*(2*r.Float64()-1) }

func (e uniform) logDensity(y, h float64) (l, dl float64) {
	if math.Abs(y-h) > e.a {
		return math.Inf(-1), 0
	}
	return -math.Log(2 * e.a), 0
}

func (e uniform) variance() (float64, bool) { return e.a * e.a / 3, true }

// lognormal errors multiply: y = h exp(s e), e standard normal. With u = y/h > 0,
//
//	p = exp(-log(u)²/2s²) / (|y| s sqrt(2 pi))
//
// and an observation of the opposite sign is impossible.
type lognormal struct{ sd float64 }

func (e lognormal) draw(h float64, r *rand.Rand) float64 {
	return h * math.Exp(e.sd*r.NormFloat64())
}

func (e lognormal) logDensity(y, h float64) (l, dl float64) {
	if u := y / h; !(u > 0) || math.IsInf(u, 1) {
		return math.Inf(-1), 0
	}
	d := math.Log(y/h) / e.sd
	return -0.5*d*d - math.Log(math.Abs(y)*e.sd) - 0.5*math.Log(2*math.Pi), d / (e.sd * h)
}

func (e lognormal) variance() (float64, bool) { return 0, false }
