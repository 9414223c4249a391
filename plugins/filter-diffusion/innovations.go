package main

import (
	"encoding/binary"
	"math"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
)

// innovations sums up those of the last cycles, in units of the observation error:
// over their components their squares and the variances predicted of the
// observations without their error, and how many there were. It is carried from cycle to cycle,
// and a cycle counts forgetting times as much as the next one.
type innovations struct{ squares, predicted, weight, weightSquares float64 }

// forgetting makes (1 + 0.9) / (1 - 0.9) = 19 cycles count.
const forgetting = 0.9

// with returns r after one more cycle, with the spread of the forecast as it is.
func (r innovations) with(o *observedSpace, components int) innovations {
	return innovations{
		squares:       forgetting*r.squares + floats.Dot(o.innovation, o.innovation),
		predicted:     forgetting*r.predicted + floats.Sum(o.variance),
		weight:        forgetting*r.weight + float64(components),
		weightSquares: forgetting*forgetting*r.weightSquares + float64(components),
	}
}

// A scale is believed when the innovations are this many standard errors larger than
// it makes likely, up to a largest one, for members far from where they have been may
// leave the range of numbers. So an ensemble that is right is seldom widened,
// and one that has lost the truth is widened until it finds it again.
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

const carryVersion = 1

// carry returns r as a version byte and four numbers, big-endian.
func (r innovations) carry() []byte {
	b := []byte{carryVersion}
	for _, v := range []float64{r.squares, r.predicted, r.weight, r.weightSquares} {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// carried returns those of the cycles before, none before the first.
func carried(b []byte) (innovations, error) {
	if len(b) == 0 {
		return innovations{}, nil
	}
	if len(b) != 33 || b[0] != carryVersion {
		return innovations{}, sdk.Errorf(sdk.KindContract, "carry", "got %d bytes of version %d, want 33 of version %d", len(b), b[0], carryVersion).
			WithHint("it comes from another filter or another release; start the run anew")
	}
	var v [4]float64
	for k := range v {
		v[k] = math.Float64frombits(binary.BigEndian.Uint64(b[1+8*k:]))
		if !(v[k] >= 0) || math.IsInf(v[k], 1) {
			return innovations{}, sdk.Errorf(sdk.KindContract, "carry", "value %d of the record of innovations is %v, want a finite number of at least 0", k, v[k])
		}
	}
	return innovations{v[0], v[1], v[2], v[3]}, nil
}
