package score

import (
	"math"
	"slices"
)

// Decomposition holds the sums over values of the state and over cycles from which the CRPS of
// [Marginals.CRPS] is decomposed (Hersbach 2000,
// doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2). Sorted members divide the axis of a value into
// intervals. In an interval the ensemble gives the truth the probability p of being below its upper end:
// the weight of the members up to its lower end. With g the mean length of the interval, and o the share
// of this length that is above the truth, the CRPS is reliability plus potential:
//
//	Σ g (o - p)² + Σ g o (1 - o)
//
// Below the first member and above the last one only the length between the member and a truth outside
// counts, and o is the frequency of truths on that side.
//
// Intervals are put into bins of equal probability, one for each member if there are at most 100. If members
// have weights, or are more, intervals with different p share a bin. p is then the mean over the length
// of the bin, and what varies within it belongs to the potential, as the terms within bins belong to the
// resolution of a Brier score (Stephenson et al. 2008, doi:10.1175/2007WAF2006116.1).
type Decomposition struct {
	Cycles int
	Sums   []float64 // see [sumsOf]
}

// mostBins is the largest number of bins. Their sums are stored for every block of values, which
// for any size of ensemble is less than a twentieth of its memory.
const mostBins = 100

// sums of a decomposition: the number of values, the CRPS, the numbers of truths below and above all
// members, and then three for each bin, those outside of all members included: the lengths below and
// above the truth, and the length times p.
const (
	sumValues = iota
	sumCRPS
	sumLow
	sumHigh
	sumBins
)

// sumsOf returns the number of sums for an ensemble of N members.
func sumsOf(members int) int { return sumBins + 3*(min(members, mostBins)+1) }

// addTo adds the intervals of one value with sorted members and their weights to sums.
func addTo(sums, members, weights []float64, truth float64) {
	bins := (len(sums)-sumBins)/3 - 1
	add := func(k int, below, above, p float64) {
		bin := sums[sumBins+3*k:]
		bin[0] += below
		bin[1] += above
		bin[2] += (below + above) * p
		sums[sumCRPS] += below*p*p + above*(1-p)*(1-p)
	}
	sums[sumValues]++
	if first := members[0]; truth < first {
		sums[sumLow]++
		add(0, 0, first-truth, 0)
	}
	last := members[len(members)-1]
	if truth > last {
		sums[sumHigh]++
		add(bins, truth-last, 0, 1)
	}
	p := 0.0
	for i := 1; i < len(members); i++ {
		p += weights[i-1]
		low, high := members[i-1], members[i]
		if low == high {
			continue
		}
		at := max(low, min(high, truth))
		k := max(1, min(bins-1, int(math.Round(p*float64(bins)))))
		add(k, at-low, high-at, p)
	}
	if math.IsNaN(truth + members[0] + last) {
		sums[sumCRPS] = math.NaN()
	}
}

// Add adds the intervals of one cycle, from marginals that decompose; see [Marginals.Decompose].
func (d *Decomposition) Add(m *Marginals) {
	width := sumsOf(m.bins)
	if d.Sums == nil {
		d.Sums = make([]float64, width)
	}
	d.Cycles++
	for block := range slices.Chunk(m.sums, width) {
		for k, v := range block {
			d.Sums[k] += v
		}
	}
}

// Parts returns reliability and potential, whose sum is the mean CRPS; NaN without values.
func (d *Decomposition) Parts() (reliability, potential float64) {
	if len(d.Sums) == 0 || d.Sums[sumValues] == 0 {
		return math.NaN(), math.NaN()
	}
	n := d.Sums[sumValues]
	bins := (len(d.Sums)-sumBins)/3 - 1
	for k := range bins + 1 {
		bin := d.Sums[sumBins+3*k:]
		below, above := bin[0], bin[1]
		switch {
		case below+above == 0:
		case k == 0:
			reliability += above * d.Sums[sumLow] / n
		case k == bins:
			reliability += below * d.Sums[sumHigh] / n
		default:
			o, p := above/(below+above), bin[2]/(below+above)
			reliability += (below + above) * (o - p) * (o - p)
		}
	}
	reliability /= n
	return reliability, d.Sums[sumCRPS]/n - reliability
}
