package score

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranks adds the ranks of the truth among the N members to the N + 1 counts:
// counts[r] is how often r members are below the truth (Hamill 2001,
// doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2). A truth that is equal to members
// counts in equal parts for all ranks it could have, which is the expectation of breaking
// ties at random. For weights the rank is the weight below the truth in units of
// 1 / (N + 1), rounded down; this is the same for equal weights and nearly flat for a
// calibrated ensemble whose effective size is large. A value with a NaN in truth or
// members has no rank and is not counted. Cost: O(n), after [Marginals.Set].
func (m *Marginals) Ranks(counts []float64) {
	for j, low := range m.below {
		high := m.notAbove[j]
		if math.IsNaN(low) {
			continue
		}
		if m.weighted {
			low, high = low*float64(m.rows+1), high*float64(m.rows+1)
		}
		first, last := min(int(low), m.rows), min(int(high), m.rows)
		for r := first; r <= last; r++ {
			counts[r] += 1 / float64(last-first+1)
		}
	}
}

// AddCounts adds counts of [Marginals.Ranks] to a histogram for an ensemble of any size: rank r of
// N + 1 covers the histogram from the fraction r / (N + 1) to (r + 1) / (N + 1), so that a
// flat histogram stays flat and the total is preserved. Cost: O(N).
func AddCounts(histogram, counts []float64) {
	if len(histogram) == len(counts) {
		for r, c := range counts {
			histogram[r] += c
		}
		return
	}
	scale := float64(len(histogram)) / float64(len(counts))
	for r, c := range counts {
		from, to := float64(r)*scale, float64(r+1)*scale
		for i := int(from); i < len(histogram) && float64(i) < to; i++ {
			histogram[i] += c / scale * (min(to, float64(i+1)) - max(from, float64(i)))
		}
	}
}

// numbersAround returns the number of sorted members below x, and of those not above x; NaN if
// one is NaN.
func numbersAround(x float64, members []float64) (below, notAbove float64) {
	if math.IsNaN(x) || math.IsNaN(members[0]) || math.IsNaN(members[len(members)-1]) {
		return math.NaN(), math.NaN()
	}
	var low, high int
	for _, v := range members {
		if v < x {
			low++
		}
		if v <= x {
			high++
		}
	}
	return float64(low), float64(high)
}

// weightsAround returns the weight of the members below x, and of those not above x; NaN if
// one is NaN.
func weightsAround(x float64, members, weights []float64) (below, notAbove float64) {
	for i, v := range members {
		switch {
		case math.IsNaN(v) || math.IsNaN(x):
			return math.NaN(), math.NaN()
		case v < x:
			below += weights[i]
			notAbove += weights[i]
		case v == x:
			notAbove += weights[i]
		}
	}
	return below, notAbove
}

// Coverage returns the share of truths inside the central interval of nominal
// level, from counts of [Marginals.Ranks], and the share expected of a calibrated ensemble.
// The interval reaches from the k-th smallest to the k-th largest member, with k the
// rounded (N + 1) (1 - level) / 2 and at least 1. A calibrated truth has every rank
// with the same probability, so that it is inside with probability
//
//	(N + 1 - 2 k) / (N + 1)
//
// for every distribution: 1/3 for N = 2 and 0.488 for N = 40 at level 0.5. Without
// counts, or for one member, which has no interval, the share is NaN.
func Coverage(counts []float64, level float64) (share, expected float64) {
	bins := len(counts)
	k := max(1, int(math.Round(float64(bins)*(1-level)/2)))
	var inside, total float64
	for r, c := range counts {
		total += c
		if r >= k && r < bins-k {
			inside += c
		}
	}
	if bins <= 2*k {
		return math.NaN(), math.NaN()
	}
	return inside / total, float64(bins-2*k) / float64(bins)
}

// Flatness is the result of a test of the flatness of a rank histogram.
type Flatness struct {
	ChiSquare float64
	Freedom   int     // degrees of freedom
	P         float64 // probability of a larger one if the histogram is flat
}

// FlatnessOf returns Pearson's chi-square test of counts against a flat histogram
// (Jolliffe and Primo 2008, doi:10.1175/2007MWR2219.1, equation 1). independent is
// the number of independent ranks that the counts are worth: ranks of neighbours in space
// and time are not independent, and a test that assumed so would reject every filter.
// Neighbouring ranks are pooled until each pool expects at least five independent ranks,
// as the chi-square approximation requires. With fewer than two pools all fields are NaN.
func FlatnessOf(counts []float64, independent float64) Flatness {
	var total float64
	for _, c := range counts {
		total += c
	}
	pools := min(len(counts), int(independent/5))
	if pools < 2 || total == 0 {
		return Flatness{math.NaN(), 0, math.NaN()}
	}
	var sum float64
	for p := range pools {
		from, to := p*len(counts)/pools, (p+1)*len(counts)/pools
		expected := independent * float64(to-from) / float64(len(counts))
		observed := 0.0
		for _, c := range counts[from:to] {
			observed += c * independent / total
		}
		sum += (observed - expected) * (observed - expected) / expected
	}
	return Flatness{sum, pools - 1, distuv.ChiSquared{K: float64(pools - 1)}.Survival(sum)}
}
