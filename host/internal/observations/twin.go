package observations

import (
	"math"
	"math/rand/v2"

	"github.com/plume-da/plume/sdk/rng"
)

// Twin says what happens to the simulated observations of a stream after its operator has
// made them. The zero value leaves them as they are.
type Twin struct {
	// Outliers is the fraction of values that get a normal error of standard deviation
	// OutlierSD in addition.
	Outliers, OutlierSD float64
	// Dropout is the fraction of values that are missing in the long run, in outages of
	// Outage cycles on average; see [Fallible]. Together: all of the stream's values at once.
	Dropout, Outage float64
	Together        bool
}

// Fallible simulates what happens to the observations of a twin. Whether a value is there is a
// Markov chain with two states that begins in its long-run distribution. From cycle to
// cycle an outage ends with probability 1/L, and begins with probability f/((1 - f) L),
// where f is the fraction of missing values and L the mean length of an outage.
type Fallible struct {
	streams []Stream
	out     []bool // by component
}

// NewFallible returns the observations of streams before the first cycle.
func NewFallible(streams []Stream) *Fallible { return &Fallible{streams: streams} }

// Next changes y, the observations of a cycle, to what arrives: outliers are added, and the
// components that nobody observes in the cycle, or that drop out, become NaN. It is called
// for all cycles in order. Random streams: branches "outliers" and "dropout" of seed, which
// is that of the truth, by cycle, and below them the labels of the streams.
func (f *Fallible) Next(seed rng.Seed, cycle int, y []float64) {
	begins := f.out == nil
	if begins {
		f.out = make([]bool, len(y))
	}
	first := 0
	for _, s := range f.streams {
		m := s.Operator.Space().Layout.Size()
		values, out := y[first:first+m], f.out[first:first+m]
		first += m
		if s.Twin.Outliers > 0 {
			s.Twin.spoil(values, seed.Child("outliers", cycle).Child(s.Label, 0).Rand())
		}
		if s.Twin.Dropout > 0 {
			s.Twin.drop(out, begins, seed.Child("dropout", cycle).Child(s.Label, 0).Rand())
		}
		observed := s.In(cycle) != nil
		for j := range values {
			if out[j] || !observed {
				values[j] = math.NaN()
			}
		}
	}
}

// spoil adds outliers to the values of a stream.
func (t Twin) spoil(values []float64, random *rand.Rand) {
	for j := range values {
		if u, e := random.Float64(), random.NormFloat64(); u < t.Outliers {
			values[j] += t.OutlierSD * e
		}
	}
}

// drop takes a step of the chains that say which values of a stream are out.
func (t Twin) drop(out []bool, begins bool, random *rand.Rand) {
	ends, starts := 1/t.Outage, t.Dropout/((1-t.Dropout)*t.Outage)
	for j := range out {
		switch u := random.Float64(); {
		case j > 0 && t.Together:
			out[j] = out[0]
		case begins:
			out[j] = u < t.Dropout
		case out[j]:
			out[j] = u >= ends
		default:
			out[j] = u < starts
		}
	}
}
