package score

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Marginals holds the marginal distributions of an ensemble: the mean and the unbiased
// variance of each value of the state, see [ensemble.Variance], and its sorted members.
type Marginals struct {
	Mean, Variance []float64 // n values

	rows     int
	ess      float64
	unbiased float64   // 1 - sum_i w_i²; NaN for one member
	members  []float64 // N of each value, sorted
	weights  []float64 // of the sorted members; N for all values if they are equal
	sorter   sorter
}

type member struct{ value, weight float64 }

// MarginalsOf returns the marginals of e, N x n. It reuses the memory of into, which
// may be nil. Cost: O(n N log N).
func MarginalsOf(into *Marginals, e *mat.Dense, weights []float64) *Marginals {
	rows, n := e.Dims()
	if into == nil || len(into.Mean) != n || into.rows != rows {
		into = &Marginals{Mean: make([]float64, n), Variance: make([]float64, n), rows: rows, members: make([]float64, rows*n)}
	}
	ensemble.Mean(into.Mean, e, weights)
	ensemble.Variance(into.Variance, e, into.Mean, weights)
	into.ess, into.unbiased = ensemble.ESS(weights, rows), unbiased(weights, rows)
	for i := range rows {
		for j, v := range e.RawRowView(i) {
			into.members[j*rows+i] = v
		}
	}
	into.sort(weights)
	return into
}

// sort sorts the members of every value, and their weights with them.
func (m *Marginals) sort(weights []float64) {
	if weights == nil {
		m.weights = m.weights[:0]
		for range m.rows {
			m.weights = append(m.weights, weight(nil, 0, m.rows))
		}
		for j := range m.Mean {
			members, _ := m.column(j)
			m.sorter.sort(members)
		}
		return
	}
	m.weights = slices.Grow(m.weights[:0], len(m.members))[:len(m.members)]
	pairs := make([]member, m.rows)
	for j := range m.Mean {
		members, sorted := m.column(j)
		for i, v := range members {
			pairs[i] = member{v, weights[i]}
		}
		slices.SortFunc(pairs, byValue)
		for i, p := range pairs {
			members[i], sorted[i] = p.value, p.weight
		}
	}
}

// Part returns the marginals of the values from first to before end; it shares memory
// with m.
func (m *Marginals) Part(first, end int) *Marginals {
	part := *m
	part.Mean, part.Variance, part.members = m.Mean[first:end], m.Variance[first:end], m.members[first*m.rows:end*m.rows]
	if len(m.weights) > m.rows {
		part.weights = m.weights[first*m.rows : end*m.rows]
	}
	return &part
}

func byValue(a, b member) int {
	switch {
	case a.value < b.value:
		return -1
	case a.value > b.value:
		return 1
	}
	return 0
}

// column returns the sorted members of value j and their weights.
func (m *Marginals) column(j int) (members, weights []float64) {
	if from, to := j*m.rows, (j+1)*m.rows; len(m.weights) > m.rows {
		return m.members[from:to], m.weights[from:to]
	}
	return m.members[j*m.rows : (j+1)*m.rows], m.weights
}

// Quantiles fills dst with the quantiles of value j at the given levels, each in
// (0, 1) and none below the one before. The quantile at level p splits the
// ensemble's distribution: no more than p of the weight lies below it and no more
// than 1 - p above. If any point between two members would do, it is the midpoint, so
// that the median of an even number is the usual one and mirrored ensembles have mirrored
// quantiles (Hyndman and Fan 1996, doi:10.2307/2684934, definition 2). Weights whose sum
// is p within rounding, N 2⁻⁵³, count as p. An ensemble with a NaN has no quantiles: NaN.
// Cost: O(N).
func (m *Marginals) Quantiles(dst []float64, j int, levels []float64) {
	if math.IsNaN(m.Mean[j]) {
		for k := range dst {
			dst[k] = math.NaN()
		}
		return
	}
	members, weights := m.column(j)
	rounding := float64(m.rows) * 0x1p-53
	i, below := 0, weights[0] // weight of members 0 to i
	for k, p := range levels {
		for i < m.rows-1 && below < p-rounding {
			i++
			below += weights[i]
		}
		dst[k] = members[i]
		if next := after(weights, i); math.Abs(below-p) <= rounding && next < m.rows {
			dst[k] += (members[next] - dst[k]) / 2
		}
	}
}

// after returns the first member after i whose weight is not 0.
func after(weights []float64, i int) int {
	for i++; i < len(weights) && weights[i] == 0; i++ {
	}
	return i
}
