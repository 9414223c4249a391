package filterdiffusion

import "math"

// schedule is the path along which noise is taken away. A state on it is
//
//	x = a x0 + noise,   x0 drawn from the mixture,
//
// so that a kernel of the mixture around c has become a Gaussian around a c with
// variance v. Time on the path is l = log(sqrt(v)/a), the logarithm of a kernel's
// width relative to the signal: it runs down from start to stop, where a = 1 and
// v = bandwidth². How fast a schedule of the literature runs along its path
// changes no sample of the exact reverse process, so the two kinds below differ
// in a alone and no time step is wasted where the noise hides everything.
type schedule struct {
	start, stop float64
	preserving  bool
}

// level is a point on a schedule.
type level struct {
	signal   float64 // a
	variance float64 // v
	drift    float64 // d log(a) / dl
}

// varianceExploding returns the schedule with a = 1 whose injected noise has
// standard deviation sigmaMax at the start: v = bandwidth² + sigma².
func varianceExploding(bandwidth, sigmaMax float64) schedule {
	return schedule{start: math.Log(math.Hypot(bandwidth, sigmaMax)), stop: math.Log(bandwidth)}
}

// variancePreserving returns the schedule of dx = -beta/2 x dt + sqrt(beta) dW
// with the given integral of beta (Song et al. 2021, arXiv:2011.13456, equation
// 11). At the start a = exp(-betaTotal/2).
func variancePreserving(bandwidth, betaTotal float64) schedule {
	s := varianceExploding(bandwidth, math.Sqrt(math.Expm1(betaTotal)))
	s.preserving = true
	return s
}

// latentSD returns the standard deviation of the latent: that of a kernel at the
// start, which is exact where all members agree.
func (s schedule) latentSD() float64 { return math.Sqrt(s.at(s.start).variance) }

// at returns the level at time l.
//
//	exploding:    a = 1,                             v = exp(2l)
//	preserving:   a² = 1 / (1 + exp(2l) - exp(2 stop)),   v = a² exp(2l)
func (s schedule) at(l float64) level {
	width2 := math.Exp(2 * l)
	if !s.preserving {
		return level{signal: 1, variance: width2}
	}
	a2 := 1 / (1 + width2 - math.Exp(2*s.stop))
	return level{signal: math.Sqrt(a2), variance: a2 * width2, drift: -a2 * width2}
}
