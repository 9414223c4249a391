package score

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Marginals is an ensemble value by value: the mean and the unbiased variance of
// each value of the state, see [ensemble.Variance], and its members in order.
type Marginals struct {
	Mean, Variance []float64 // n values

	rows     int
	ess      float64
	unbiased float64  // 1 - sum_i w_i²; NaN for one member
	members  []member // N of each value, sorted
}

type member struct{ value, weight float64 }

// MarginalsOf returns the marginals of e, N x n. It reuses the memory of into, which
// may be nil. Cost: O(n N log N).
func MarginalsOf(into *Marginals, e *mat.Dense, weights []float64) *Marginals {
	rows, n := e.Dims()
	if into == nil || len(into.Mean) != n || into.rows != rows {
		into = &Marginals{Mean: make([]float64, n), Variance: make([]float64, n), rows: rows, members: make([]member, rows*n)}
	}
	ensemble.Mean(into.Mean, e, weights)
	ensemble.Variance(into.Variance, e, into.Mean, weights)
	into.ess, into.unbiased = ensemble.ESS(weights, rows), unbiased(weights, rows)
	for i := range rows {
		w := weight(weights, i, rows)
		for j, v := range e.RawRowView(i) {
			into.members[j*rows+i] = member{v, w}
		}
	}
	for j := range n {
		slices.SortFunc(into.column(j), byValue)
	}
	return into
}

// First returns the marginals of the first n values; it shares memory with m.
func (m *Marginals) First(n int) *Marginals {
	first := *m
	first.Mean, first.Variance, first.members = m.Mean[:n], m.Variance[:n], m.members[:n*m.rows]
	return &first
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

// column returns the sorted members of value j.
func (m *Marginals) column(j int) []member { return m.members[j*m.rows : (j+1)*m.rows] }

// Quantiles fills dst with the quantiles of value j at the given levels, each in
// (0, 1) and none below the one before. The quantile at level p halves the
// ensemble's distribution: no more than p of the weight lies below it and no more
// than 1 - p above. Where that leaves a choice between two members it is the point
// half-way, so that the median of an even number is what it should be and mirrored
// ensembles have mirrored quantiles (Hyndman and Fan 1996, doi:10.2307/2684934,
// definition 2). Weights whose sum is p but for rounding, N 2⁻⁵³, count as p. An
// ensemble with a NaN has no quantiles: NaN. Cost: O(N).
func (m *Marginals) Quantiles(dst []float64, j int, levels []float64) {
	if math.IsNaN(m.Mean[j]) {
		for k := range dst {
			dst[k] = math.NaN()
		}
		return
	}
	members, rounding := m.column(j), float64(m.rows)*0x1p-53
	i, below := 0, members[0].weight // weight of members 0 to i
	for k, p := range levels {
		for i < m.rows-1 && below < p-rounding {
			i++
			below += members[i].weight
		}
		dst[k] = members[i].value
		if next := m.after(j, i); math.Abs(below-p) <= rounding && next < m.rows {
			dst[k] += (members[next].value - dst[k]) / 2
		}
	}
}

// after returns the first member after i that has weight.
func (m *Marginals) after(j, i int) int {
	members := m.column(j)
	for i++; i < m.rows && members[i].weight == 0; i++ {
	}
	return i
}
