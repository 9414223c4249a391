package filterdiffusion

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
)

// innovations is a record of those of the cycles so far, in units of the observation error. It
// holds sums over the components of the last cycles: of their squares, of the variances predicted
// for the observations without their error, and of their number, where a cycle counts forgetting
// times as much as the next one; and sums over all cycles, the score and the information of
// [innovations.calibration]. It is carried from cycle to cycle.
type innovations struct {
	squares, predicted, weight, weightSquares float64
	score, information                        float64
}

// forgetting makes (1 + 0.9) / (1 - 0.9) = 19 cycles count.
const forgetting = 0.9

// largestCounted bounds the squares of a cycle relative to their expectation: as though no
// innovation exceeded two standard deviations. Where a forecast has lost the truth, large
// innovations return cycle after cycle; a single one, however large, is not to inflate all the
// cycles that count.
const largestCounted = 4

// with returns r after one more cycle, with the spread of the forecast as it is kept.
func (r innovations) with(o *observedSpace) innovations {
	components := float64(len(o.variance))
	squares, predicted := floats.Dot(o.innovation, o.innovation), floats.Sum(o.variance)
	mean := predicted / components
	share := mean / (1 + mean) // of the forecast in the variance of an innovation
	return innovations{
		squares:       forgetting*r.squares + min(squares, largestCounted*components*(1+mean)),
		predicted:     forgetting*r.predicted + predicted,
		weight:        forgetting*r.weight + components,
		weightSquares: forgetting*forgetting*r.weightSquares + components,
		score:         r.score + share/2*(squares/(1+mean)-components),
		information:   r.information + share*share/2*components,
	}
}

// A scale is believed when the innovations are this many standard errors larger than
// expected with it, up to a largest one: members far from where they have been may
// leave the range of numbers. So an ensemble that is right is seldom inflated, and one
// that has lost the truth is inflated until it finds it again.
const believed, largestBelieved = 2, 1.3

// scale returns by how much the spread of the forecast is to be multiplied at least:
// with n = (sum w)² / sum w² components, the largest l for which
//
//	mean(d²) >= (1 + believed sqrt(2/n)) (1 + l² mean(s²)),
//
// the right-hand side being what normal innovations have on average and two standard
// errors of it more; 0 where not even l = 0 is unlikely. The condition on the mean
// is that of Li, Kalnay and Miyoshi (2009), doi:10.1002/qj.371, equation 4, for one
// known error.
func (r innovations) scale() float64 {
	if !(r.predicted > 0) {
		return 0
	}
	n := r.weight * r.weight / r.weightSquares
	unexplained := r.squares/(1+believed*math.Sqrt(2/n)) - r.weight
	return min(largestBelieved, math.Sqrt(max(0, unexplained/r.predicted)))
}

// tightest bounds [innovations.calibration]; trusted is the information that the kept spread counts
// for before any innovation is seen, that of a variance known to a standard error of
// sqrt(1 / trusted) = 0.32.
const tightest, trusted = 0.9, 10

// calibration returns by how much the spread of an analysis is to be multiplied to be that of its
// error, no more than 1: the spread that tracks the truth best is often larger than the errors.
// Its square is the step of Fisher's scoring from 1 towards the most likely factor of the
// variances predicted, with a normal prior of mean 1,
//
//	1 + sum_t score_t / (trusted + sum_t information_t),
//	score = k/2 s² (d² - 1 - s²) / (1 + s²)²,   information = k/2 (s² / (1 + s²))²
//
// of a cycle with k components, mean square innovation d² and mean predicted variance s².
func (r innovations) calibration() float64 {
	return min(1, max(tightest, math.Sqrt(max(0, 1+r.score/(trusted+r.information)))))
}

const carryVersion = 2

// carry returns the six numbers of r; the last one may be negative.
func (r innovations) carry() []byte {
	return sdk.EncodeCarry(carryVersion, r.squares, r.predicted, r.weight, r.weightSquares, r.information, r.score)
}

// carried returns the record of the cycles before, an empty one before the first.
func carried(carry []byte) (innovations, error) {
	if len(carry) == 0 {
		return innovations{}, nil
	}
	v, err := sdk.DecodeCarry(carry, carryVersion, 6)
	if err != nil {
		return innovations{}, err
	}
	if k := slices.IndexFunc(v[:5], func(x float64) bool { return x < 0 }); k >= 0 {
		return innovations{}, sdk.Errorf(sdk.KindContract, "carry", "value %d of the record of innovations is %v, want at least 0", k, v[k])
	}
	return innovations{squares: v[0], predicted: v[1], weight: v[2], weightSquares: v[3], information: v[4], score: v[5]}, nil
}
