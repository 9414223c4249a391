package filterdiffusion

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
)

// innovations is a record of those of the cycles so far, carried from cycle to cycle.
type innovations struct {
	recent evidence // of the last cycles, of which each counts forgetting times as much as the next one
	all    evidence // of all cycles
}

// forgetting makes (1 + 0.9) / (1 - 0.9) = 19 cycles count.
const forgetting = 0.9

// evidence is what innovations say of the spread of forecasts. With innovations d and predictions of variance s², both in units of the
// observation error, it holds sums over components: of the excess d² / (1 + s²) - 1, of the forecast's share s² / (1 + s²) in the variance
// expected, and of the variance of the excess, 2 for normal innovations.
type evidence struct{ excess, share, variance float64 }

// What squares of a cycle count for at most, relative to their expectation: as though no
// innovation exceeded two standard deviations, or three where all cycles count. Where a forecast has lost the truth, large
// innovations return cycle after cycle; a single one, however large, is not to inflate all the
// cycles that count.
const largestOfRecent, largestOfAll = 4, 9

// with returns e, which counts memory times, after one more cycle, with the spread of the forecast as it is kept and squares that
// count for at most largest.
func (e evidence) with(o *observedSpace, memory, largest float64) evidence {
	components := float64(len(o.variance))
	predicted := floats.Sum(o.variance) / components // the mean of s²
	squares := floats.Dot(o.innovation, o.innovation) / (1 + predicted)
	return evidence{
		excess:   memory*e.excess + min(squares, largest*components) - components,
		share:    memory*e.share + components*predicted/(1+predicted),
		variance: memory*memory*e.variance + 2*components,
	}
}

// with returns r after one more cycle.
func (r innovations) with(o *observedSpace) innovations {
	return innovations{recent: r.recent.with(o, forgetting, largestOfRecent), all: r.all.with(o, 1, largestOfAll)}
}

// relative returns the most likely q if errors have the variance of the forecast times 1 + q, so that the excess is
// normal with mean q times the share, and q has a normal prior of mean 0 and variance 1 / trust; 0 before any innovation.
func (e evidence) relative(trust float64) float64 {
	if information := trust*e.variance + e.share*e.share; information > 0 {
		return e.excess * e.share / information
	}
	return 0
}

// certain is how many standard errors the excess is to have before the evidence for a spread that is too small counts.
const certain = 2.5

// believed returns how much of that evidence counts: 1 - (certain / t)² where the excess is t standard errors.
func (e evidence) believed() float64 {
	if !(e.excess > 0) {
		return 0
	}
	return max(0, 1-certain*certain*e.variance/(e.excess*e.excess))
}

// scale returns by how much the spread of forecasts is to be multiplied, 1 at least: as [evidence.relative] says, as far as it
// is [evidence.believed].
func (e evidence) scale(trust float64) float64 {
	if believed := e.believed(); believed > 0 {
		return math.Sqrt(1 + believed*e.relative(trust))
	}
	return 1
}

// trusted is how much the kept spread counts for before any innovation is seen, where the truth is not lost: the relative
// error of its variance has a standard deviation of sqrt(1 / trusted) = 0.32.
const trusted = 10

// largestScaleAtOnce bounds the factor of a cycle: members far from where they have been may leave the range of numbers.
const largestScaleAtOnce = 1.3

// scale returns by how much the spread of the forecast is to be multiplied because of the innovations. An
// ensemble that has lost the truth may have any spread, and a few cycles show it. One whose model is a little wrong
// has nearly the right spread, and it takes many cycles to see that. An ensemble that is right is seldom inflated, and little, also
// where the spread is so small a part of the innovations that chance would ask for any factor.
func (r innovations) scale() float64 {
	return min(largestScaleAtOnce, max(r.recent.scale(0), r.all.scale(trusted)))
}

// tightestOfFew bounds [innovations.calibration] where there are few members.
const tightestOfFew = 0.9

// tightest returns the bound of [innovations.calibration] for an analysis of this many members in r dimensions. Members that are brought nearer to their mean and
// put back before the next analysis are not where the model would have brought them; many know bends that do not outlast it. With more
// than [many] members for each value of a covariance the bound rises to 1 as the part of kernels falls that [laterRule] leaves before the analysis.
func tightest(members int, r float64) float64 {
	few := min(1, fewness(members, r))
	return 1 - (1-tightestOfFew)*few*few
}

// calibration returns by how much the spread of an analysis is to be multiplied to be that of its
// error, no more than 1 and no less than tightest: the spread that tracks the truth best is often larger than the errors.
func (r innovations) calibration(tightest float64) float64 {
	return min(1, max(tightest, math.Sqrt(max(0, 1+r.all.relative(trusted)))))
}

const carryVersion = 3

// carry returns what [carried] takes.
func (r innovations) carry() []byte { return sdk.EncodeCarry(carryVersion, r.values()...) }

// carried returns the record of the cycles before, an empty one before the first.
func carried(carry []byte) (innovations, error) {
	if len(carry) == 0 {
		return innovations{}, nil
	}
	v, err := sdk.DecodeCarry(carry, carryVersion, innovationValues)
	if err != nil {
		return innovations{}, err
	}
	return innovationsOf(v)
}

const innovationValues = 6

// values returns the numbers of r, of which the last two may be negative.
func (r innovations) values() []float64 {
	return []float64{r.recent.share, r.recent.variance, r.all.share, r.all.variance, r.recent.excess, r.all.excess}
}

// innovationsOf returns the record with these values.
func innovationsOf(v []float64) (innovations, error) {
	if k := slices.IndexFunc(v[:4], func(x float64) bool { return x < 0 }); k >= 0 {
		return innovations{}, sdk.Errorf(sdk.KindContract, "carry", "value %d of the record of innovations is %v, want at least 0", k, v[k])
	}
	return innovations{
		recent: evidence{share: v[0], variance: v[1], excess: v[4]},
		all:    evidence{share: v[2], variance: v[3], excess: v[5]},
	}, nil
}
