package filterdiffusion

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// flow sets dst to the velocity of the probability-flow ODE at the states x, one
// a row, in the time of a [schedule]:
//
//	dx/dl = (d log(a)/dl) x - v s(x) = (d log(a)/dl) x + x - a E[c | x]
//
// Source: Song et al. (2021), arXiv:2011.13456, equation 13.
func flow(dst, x *mat.Dense, at level, denoise denoiser) {
	denoise(dst, x, at)
	rows, _ := x.Dims()
	for r := range rows {
		d, x := dst.RawRowView(r), x.RawRowView(r)
		for j := range d {
			d[j] = (1+at.drift)*x[j] - at.signal*d[j]
		}
	}
}

// heun returns the sampler that integrates [flow] with Heun's rule of order 2 in
// equal steps of l, which makes the widths a geometric sequence.
func heun(steps, n int, denoise denoiser) sampler {
	buffers := mat.NewDense(3*blockRows, n, nil)
	return func(x *mat.Dense, s schedule, _ []*rand.Rand, taken []float64) error {
		ahead, v0, v1 := thirds(buffers, x)
		dl := (s.stop - s.start) / float64(steps)
		for k := range steps {
			l := s.start + float64(k)*dl
			flow(v0, x, s.at(l), denoise)
			ahead.Scale(dl, v0)
			ahead.Add(x, ahead)
			flow(v1, ahead, s.at(l+dl), denoise)
			v0.Add(v0, v1)
			v0.Scale(dl/2, v0)
			x.Add(x, v0)
		}
		for r := range taken {
			taken[r] = float64(steps)
		}
		return nil
	}
}

// thirds cuts three matrices of the shape of x from buffers.
func thirds(buffers, x *mat.Dense) (a, b, c *mat.Dense) {
	rows, n := x.Dims()
	cut := func(from int) *mat.Dense { return buffers.Slice(from, from+rows, 0, n).(*mat.Dense) }
	return cut(0), cut(blockRows), cut(2 * blockRows)
}

// reverse returns the sampler that integrates the reverse stochastic equation
//
//	dx = ((d log(a)/dl) x + 2 (x - a E[c | x])) dl + sqrt(2 v) dW,   dl < 0,
//
// with the rule of Euler and Maruyama in equal steps of l: the kernels' variance
// comes out too large by a part of |dl|. Source: Song et al. (2021),
// arXiv:2011.13456, equation 6.
func reverse(steps, n int, denoise denoiser) sampler {
	buffer := mat.NewDense(blockRows, n, nil)
	return func(x *mat.Dense, s schedule, streams []*rand.Rand, taken []float64) error {
		c := buffer.Slice(0, len(streams), 0, n).(*mat.Dense)
		dl := (s.stop - s.start) / float64(steps)
		for k := range steps {
			at := s.at(s.start + float64(k)*dl)
			denoise(c, x, at)
			kick := math.Sqrt(-2 * at.variance * dl)
			for r, stream := range streams {
				x, c := x.RawRowView(r), c.RawRowView(r)
				for j := range x {
					x[j] += dl*((at.drift+2)*x[j]-2*at.signal*c[j]) + kick*stream.NormFloat64()
				}
			}
		}
		for r := range taken {
			taken[r] = float64(steps)
		}
		return nil
	}
}
