package plan

import (
	"math"
	"math/rand/v2"

	"github.com/plume-da/plume/host/internal/workflow"
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

// Distribution is the distribution of the values of a variable, which are independent.
type Distribution struct {
	Size   int // number of values
	Dist   Dist
	Around Origin
	Middle workflow.Numbers // mean of Normal, median of LogNormal, lower end of Uniform; unless Around says otherwise
	Width  workflow.Numbers // standard deviation, that of the logarithm, or the length of the interval
}

// Draw says where states start: the first values of member i are row i of Samples, or of a
// row that is drawn by Weights; the others, and those that are NaN there, are drawn from
// the distribution of their variable.
type Draw struct {
	Dists   []Distribution // of the variables of the state, in its order
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
	first := 0
	for _, dist := range d.Dists {
		for k := range dist.Size {
			j := first + k
			if j < known && !math.IsNaN(dst[j]) {
				continue
			}
			var middle float64
			switch dist.Around {
			case Given:
				middle = dist.Middle.At(k)
			case Truth0:
				middle = truth[j]
			case TruthInit:
				middle = init[j]
			}
			dst[j] = dist.draw(middle, dist.Width.At(k), r)
		}
		first += dist.Size
	}
}

func (d *Distribution) draw(middle, width float64, r *rand.Rand) float64 {
	switch d.Dist {
	case LogNormal:
		return middle * math.Exp(width*r.NormFloat64())
	case Uniform:
		return middle + width*r.Float64()
	}
	return middle + width*r.NormFloat64()
}
