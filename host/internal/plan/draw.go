package plan

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Dist is the form of a Distribution.
type Dist int8

// The forms of a Distribution.
const (
	Normal    Dist = iota
	LogNormal      // the logarithm is normal
	Uniform
)

// Origin says where the middle of a Distribution is taken from.
type Origin int8

// The origins of a Distribution.
const (
	Given     Origin = iota // Distribution.Middle
	Truth0                  // the truth at the start of the first cycle
	TruthInit               // the truth before its spin-up
)

// Distribution is the distribution of one value.
type Distribution struct {
	Dist   Dist
	Around Origin
	Middle float64 // mean of Normal, median of LogNormal, lower end of Uniform; unless Around says otherwise
	Width  float64 // standard deviation, that of the logarithm, or the length of the interval
}

// Draw says where states start: the first values of member i are row i of Samples, or of a
// row that is drawn by Weights; value j of the others, and of those that are NaN there, is
// drawn from Dists[j], independently.
type Draw struct {
	Dists   []Distribution // n values
	Samples *mat.Dense     // N or more x any number of values up to n; nil: none
	Weights []float64      // linear, of the rows of Samples; nil: all are equal
}

// Into fills dst with the state of a member that starts from a row. truth and init are the truth at the
// start and before its spin-up; nil if no distribution is around them.
func (d Draw) Into(dst []float64, row int, truth, init []float64, r *rand.Rand) {
	known := 0
	if d.Samples != nil {
		known = copy(dst, d.Samples.RawRowView(row))
	}
	for j := range dst {
		if j < known && !math.IsNaN(dst[j]) {
			continue
		}
		dist := d.Dists[j]
		middle := dist.Middle
		switch dist.Around {
		case Truth0:
			middle = truth[j]
		case TruthInit:
			middle = init[j]
		}
		switch dist.Dist {
		case Normal:
			dst[j] = middle + dist.Width*r.NormFloat64()
		case LogNormal:
			dst[j] = middle * math.Exp(dist.Width*r.NormFloat64())
		case Uniform:
			dst[j] = middle + dist.Width*r.Float64()
		}
	}
}
