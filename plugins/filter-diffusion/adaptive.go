package filterdiffusion

import (
	"math"
	"math/rand/v2"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The method of Dormand and Prince (1980), order 5 with an error estimate of
// order 4, table 2: nodes, stages and the difference of the two solutions. The
// last stage is the first of the next step.
const stages = 7

var (
	nodes = [stages]float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1}

	coefficients = [stages][]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	}

	difference = [stages]float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40}
)

// Step control: the length of the next step is the last one's times
// safety error^(-1/5), within [shrink, grow]. The defaults of Hairer, Norsett and
// Wanner (1993), Solving Ordinary Differential Equations I, section II.4.
const (
	safety, shrink, grow = 0.9, 0.2, 5.0
	firstStep            = 0.1 // in l: a tenth of an e-folding of the kernels' width
)

// adaptive returns the sampler that integrates [flow] with error control. All
// rows of a block share their steps, whose length the worst row decides: the
// error of a row is
//
//	|error| / (sqrt(values) atol + rtol max(|x| before, |x| after)),
//
// with Euclidean norms, so that it is the same in all orthogonal coordinates. n is
// the number of these, values that of the state. Cost: six evaluations a step.
func adaptive(rtol, atol float64, n, values int, denoise denoiser) sampler {
	p := &dormandPrince{
		rtol: rtol, atol: atol * math.Sqrt(float64(values)), denoise: denoise,
		buffers: mat.NewDense((stages+3)*blockRows, n, nil),
	}
	return func(x *mat.Dense, s schedule, _ []*rand.Rand, taken []float64) error {
		p.fit(x)
		p.at.Copy(x)
		steps, err := p.integrate(s)
		x.Copy(p.at)
		for r := range taken {
			taken[r] = float64(steps)
		}
		return err
	}
}

type dormandPrince struct {
	rtol, atol float64
	denoise    denoiser
	buffers    *mat.Dense
	stage      [stages]*mat.Dense

	at, ahead, wrong *mat.Dense // the states before and after a step, and its error
}

// integrate moves p.at along all of s and returns the number of accepted
// steps.
func (p *dormandPrince) integrate(s schedule) (steps int, err error) {
	l, dl := s.start, -firstStep
	flow(p.stage[0], p.at, s.at(l), p.denoise)
	for l > s.stop {
		next := max(l+dl, s.stop)
		if next == l {
			return 0, sdk.Errorf(sdk.KindDiverged, "sampler", "no step of the probability-flow ODE is short enough for rtol = %g and atol = %g", p.rtol, p.atol).
				WithHint("raise them, or set units = \"spread\" where values are too large to be squared")
		}
		dl = next - l
		p.attempt(s, l, dl)
		e := p.error(dl)
		if e <= 1 {
			p.at, p.ahead = p.ahead, p.at
			p.stage[0], p.stage[stages-1] = p.stage[stages-1], p.stage[0]
			l = next
			steps++
		}
		dl *= min(grow, max(shrink, safety*math.Pow(e, -0.2)))
	}
	return steps, nil
}

// fit cuts the buffers to the shape of x.
func (p *dormandPrince) fit(x *mat.Dense) {
	rows, n := x.Dims()
	cut := func(k int) *mat.Dense { return p.buffers.Slice(k*blockRows, k*blockRows+rows, 0, n).(*mat.Dense) }
	for k := range p.stage {
		p.stage[k] = cut(k)
	}
	p.at, p.ahead, p.wrong = cut(stages), cut(stages+1), cut(stages+2)
}

// attempt computes the stages of a step of length dl at l, and in p.ahead the
// solution after it.
func (p *dormandPrince) attempt(s schedule, l, dl float64) {
	for k := 1; k < stages; k++ {
		p.ahead.Copy(p.at)
		p.add(p.ahead, dl, coefficients[k])
		flow(p.stage[k], p.ahead, s.at(l+nodes[k]*dl), p.denoise)
	}
}

// add adds the stages, each times dl and a factor, to dst. Buffers have no gaps
// between their rows.
func (p *dormandPrince) add(dst *mat.Dense, dl float64, factors []float64) {
	for k, c := range factors {
		floats.AddScaled(dst.RawMatrix().Data, dl*c, p.stage[k].RawMatrix().Data)
	}
}

// error returns the largest error of a row in the last attempt, in units of the
// tolerance. A NaN counts as infinitely wrong.
func (p *dormandPrince) error(dl float64) float64 {
	p.wrong.Zero()
	p.add(p.wrong, dl, difference[:])
	rows, _ := p.at.Dims()
	worst := 0.0
	for r := range rows {
		size := max(floats.Norm(p.at.RawRowView(r), 2), floats.Norm(p.ahead.RawRowView(r), 2))
		worst = max(worst, floats.Norm(p.wrong.RawRowView(r), 2)/(p.atol+p.rtol*size))
	}
	if math.IsNaN(worst) {
		return math.Inf(1)
	}
	return worst
}
