package score

import (
	"cmp"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// CRPS returns the continuous ranked probability score against the truth,
// averaged over the state's values, or those of [Marginals.Sample], of the ensemble as a distribution and in its fair
// form. With the mean distances
//
//	D = sum_i w_i |e_i - x|,  G = 1/2 sum_ik w_i w_k |e_i - e_k|
//
// the score of the ensemble as a distribution is D - G (Gneiting and Raftery 2007,
// doi:10.1198/016214506000001437, equation 21). The fair score is
// D - G / (1 - sum_i w_i²), which for equal weights divides by 2 N (N - 1) instead
// of 2 N², so that its expectation does not depend on N (Ferro 2014,
// doi:10.1002/qj.2270, equation 9). One member has no fair score: NaN. G comes from
// the sorted members, see [dispersion]. Cost: O(n), after [Marginals.Set].
func (m *Marginals) CRPS() (score, fair float64) {
	var d, g float64
	for j := range m.distance {
		d += m.distance[j]
		g += m.dispersion[j]
	}
	n := float64(len(m.distance))
	return (d - g) / n, (d - g/m.unbiased) / n
}

// ClimatologyCRPS returns the CRPS of the distribution of all values against each of them, as
// [Marginals.CRPS] defines it for members of equal weight. Cost: O(n log n).
func ClimatologyCRPS(values []float64) []float64 {
	n := float64(len(values))
	order := make([]int, len(values))
	var above float64 // the sum of the values from the one on that is looked at
	for i, v := range values {
		order[i], above = i, above+v
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	distances, sum, below := make([]float64, len(values)), 0.0, 0.0
	for rank, i := range order {
		v, lower := values[i], float64(rank)
		distances[i] = (lower*v - below + above - (n-lower)*v) / n
		sum, below, above = sum+distances[i], below+v, above-v
	}
	for i := range distances {
		distances[i] -= sum / n / 2
	}
	return distances
}

// energyScoreFair returns the fair energy score of e, N x n, which is the CRPS with
// distances of whole states instead of single values:
//
//	sum_i w_i |e_i - x| - 1/2 sum_ik w_i w_k |e_i - e_k| / (1 - sum_i w_i²)
//
// (Gneiting and Raftery 2007, doi:10.1198/016214506000001437, equation 22; made fair
// as in Ferro 2014, doi:10.1002/qj.2270). If n N (N - 1) / 2 is above 2²⁵ it is estimated from
// values at even distances. One member has no fair score: NaN. Cost: O(n N²), at most 30 ms.
func energyScoreFair(truth []float64, e *mat.Dense, weights []float64) float64 {
	rows, _ := e.Dims()
	truth, e, scale := sampled(truth, e)
	c := unbiased(weights, rows)
	raw := e.RawMatrix()
	row := func(i int) []float64 { return raw.Data[i*raw.Stride:][:raw.Cols] }
	if weights == nil {
		weights = slices.Repeat([]float64{weight(nil, 0, rows)}, rows)
	}
	var d, g float64
	for i, w := range weights {
		x := row(i)
		d += w * norm(x, truth)
		for k := range i {
			g += w * weights[k] * norm(x, row(k))
		}
	}
	return scale * (d - g/c)
}

// energyWork is the largest number of differences between values of members, n N (N - 1) / 2, that
// an energy score is computed from: about 30 ms.
const energyWork = 1 << 25

// sampled returns truth and e if the energy score of all n values is cheap enough, and otherwise
// those of values at even distances; scale is what that score is multiplied by, because distances
// of states grow with the root of n.
func sampled(truth []float64, e *mat.Dense) (_ []float64, _ *mat.Dense, scale float64) {
	rows, n := e.Dims()
	most := max(1, energyWork/max(1, rows*(rows-1)/2))
	if n <= most {
		return truth, e, 1
	}
	few, some := make([]float64, most), mat.NewDense(rows, most, nil)
	for k := range most {
		few[k] = truth[k*n/most]
	}
	for i := range rows {
		from, to := e.RawRowView(i), some.RawRowView(i)
		for k := range most {
			to[k] = from[k*n/most]
		}
	}
	return few, some, math.Sqrt(float64(n) / float64(most))
}

// norm returns the Euclidean distance of a and b.
func norm(a, b []float64) float64 {
	var sum float64
	b = b[:len(a)]
	for j, x := range a {
		d := x - b[j]
		sum += d * d
	}
	return math.Sqrt(sum)
}

// weight returns the linear weight of member i of rows.
func weight(weights []float64, i, rows int) float64 {
	if weights == nil {
		return 1 / float64(rows)
	}
	return weights[i]
}

// unbiased returns 1 - sum_i w_i², or NaN for one member.
func unbiased(weights []float64, rows int) float64 {
	if c := ensemble.Unbiased(weights, rows); c > 0 {
		return c
	}
	return math.NaN()
}

// distance returns sum_i w_i |e_i - x|.
func distance(members, weights []float64, x float64) float64 {
	var sum float64
	for i, v := range members {
		sum += weights[i] * math.Abs(v-x)
	}
	return sum
}

// dispersion returns 1/2 sum_ik w_i w_k |e_i - e_k| of sorted members: each gap
// counts with the weight below times the weight above it.
func dispersion(members, weights []float64) float64 {
	var sum, below float64
	for i := 1; i < len(members); i++ {
		below += weights[i-1]
		sum += (members[i] - members[i-1]) * below * (1 - below)
	}
	return sum
}

// dispersionAround is [dispersion] where nearly all weight is on one member, so that 1 - below would be
// rounding: weights are summed from both ends towards it.
func dispersionAround(members, weights []float64) float64 {
	heaviest := floats.MaxIdx(weights)
	var sum, below, above float64
	for i := 1; i <= heaviest; i++ {
		below += weights[i-1]
		sum += (members[i] - members[i-1]) * below * (1 - below)
	}
	for i := len(members) - 1; i > heaviest; i-- {
		above += weights[i]
		sum += (members[i] - members[i-1]) * above * (1 - above)
	}
	return sum
}
