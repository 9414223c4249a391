package plan

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Dist is the form of a Law.
type Dist int8

// The forms of a Law.
const (
	Normal    Dist = iota
	LogNormal      // the logarithm is normal
	Uniform
)

// Origin says where the middle of a Law is taken from.
type Origin int8

// The origins of a Law.
const (
	Given     Origin = iota // Law.Middle
	Truth0                  // the truth at the start of the first cycle
	TruthInit               // the truth before its spin-up
)

// Law is the law of one value.
type Law struct {
	Dist   Dist
	Around Origin
	Middle float64 // mean of Normal, median of LogNormal, lower end of Uniform; unless Around says otherwise
	Width  float64 // standard deviation, that of the logarithm, or the length of the interval
}

// Draw says where states start: the first values of member i are row i of Samples,
// the others are independent and have the laws Laws[j].
type Draw struct {
	Laws    []Law      // n values
	Samples *mat.Dense // N or more x any number of values up to n; nil: none
}

// Into fills dst with the state of one member. truth and init are the truth at the
// start and before its spin-up; nil where no law is around them.
func (d Draw) Into(dst []float64, member int, truth, init []float64, r *rand.Rand) {
	first := 0
	if d.Samples != nil {
		first = copy(dst, d.Samples.RawRowView(member))
	}
	for j := first; j < len(dst); j++ {
		law := d.Laws[j]
		middle := law.Middle
		switch law.Around {
		case Truth0:
			middle = truth[j]
		case TruthInit:
			middle = init[j]
		}
		switch law.Dist {
		case Normal:
			dst[j] = middle + law.Width*r.NormFloat64()
		case LogNormal:
			dst[j] = middle * math.Exp(law.Width*r.NormFloat64())
		case Uniform:
			dst[j] = middle + law.Width*r.Float64()
		}
	}
}
