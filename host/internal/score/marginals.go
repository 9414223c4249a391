package score

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Marginals holds the marginal distributions of an ensemble: of each value of the state the
// mean, the unbiased variance, see [ensemble.Variance], and, of all values or a sample of them, what
// scores of distributions and ranks follow from. The sorted members are kept of some values only, so that a large ensemble is not copied.
type Marginals struct {
	Mean, Variance []float64 // n values

	kept     []int // values whose sorted members are kept, in increasing order; nil: all
	sites    []int // values that have a CRPS and a rank, in increasing order; nil: all
	first    int   // index of the first value in kept and sites, for a part of a state
	rows     int
	weighted bool
	ess      float64
	unbiased float64   // 1 - sum_i w_i²; NaN for one member
	members  []float64 // N of each value that is kept, sorted
	weights  []float64 // of the sorted members; N for all values if they are equal

	// Of each of the sites, if the truth is known: the two terms of the CRPS, and the number or
	// weight of the members below the truth and of those not above it; NaN if it has no rank.
	distance, dispersion []float64
	below, notAbove      []float64

	// What the CRPS is decomposed from: of the first values of the state, by block of values.
	bins, decomposed int
	sums             []float64
}

// NewMarginals returns marginals that keep the sorted members of some values, given in
// increasing order, for [Marginals.Quantiles]. They are empty before [Marginals.Set].
func NewMarginals(kept []int) *Marginals { return &Marginals{kept: kept} }

// Sample makes [Marginals.Set] compute CRPS and ranks of some values only, given in increasing order;
// nil: of all.
func (m *Marginals) Sample(sites []int) { m.sites = sites }

// Decompose makes [Marginals.Set] compute what [Decomposition.Add] needs of the first values of
// the state, as far as it computes their CRPS, for an ensemble that has the given number of members at first.
func (m *Marginals) Decompose(members, values int) {
	m.bins, m.decomposed = min(members, mostBins), values
}

// MarginalsOf returns the marginals of e with the sorted members of all values; see
// [Marginals.Set].
func MarginalsOf(e *mat.Dense, weights, truth []float64) *Marginals {
	var m Marginals
	m.Set(e, weights, truth)
	return &m
}

// oneHeavy bounds 1 - sum_i w_i² of weights of which nearly all is on one member.
const oneHeavy = 0x1p-20

// marginalBlock is the number of values that one processor takes at a time: few, so that those
// of 100 members stay in its cache.
const marginalBlock = 64

// Set makes m the marginals of e, N x n, with linear weights, nil if they are equal. Without
// a truth, n values, m has no [Marginals.CRPS] and no [Marginals.Ranks]. Set reuses the memory
// of m. Cost: O(n N log N), on all processors.
func (m *Marginals) Set(e *mat.Dense, weights, truth []float64) {
	rows, n := e.Dims()
	m.allot(rows, n, weights, truth != nil)
	ensemble.InBlocks(n, marginalBlock, func() func(from, to int) {
		return func(from, to int) { m.fill(e, weights, truth, from, to) }
	})
}

// fill sets the marginals of the values from one index to before another.
func (m *Marginals) fill(e *mat.Dense, weights, truth []float64, from, to int) {
	block := e.Slice(0, m.rows, from, to).(*mat.Dense)
	ensemble.Mean(m.Mean[from:to], block, weights)
	ensemble.Variance(m.Variance[from:to], block, m.Mean[from:to], weights)
	c := columns.Get().(*column)
	defer columns.Put(c)
	c.grow(m.rows)
	k := m.site(from) // the next one
	for j := from; j < to; j++ {
		scored := truth != nil && (m.sites == nil || k < len(m.sites) && m.sites[k] == j)
		if _, kept := m.place(j); !scored && !kept {
			continue
		}
		members, sorted := m.room(c, j)
		mat.Col(members, j-from, block)
		if scored && weights != nil {
			m.below[k], m.notAbove[k] = weightsAround(truth[j], members, weights)
		}
		c.sort(members, sorted, weights)
		if !scored {
			continue
		}
		m.distance[k] = distance(members, sorted, truth[j])
		if m.unbiased < oneHeavy {
			m.dispersion[k] = dispersionAround(members, sorted)
		} else {
			m.dispersion[k] = dispersion(members, sorted)
		}
		if j < m.decomposed {
			width := sumsOf(m.bins)
			block := from / marginalBlock * width
			addTo(m.sums[block:block+width], members, sorted, truth[j])
		}
		if weights == nil {
			m.below[k], m.notAbove[k] = numbersAround(truth[j], members)
		}
		k++
	}
}

// site returns the position of value j among the sites or, if it is none, that of the next one.
func (m *Marginals) site(j int) int {
	if m.sites == nil {
		return j
	}
	k, _ := slices.BinarySearch(m.sites, m.first+j)
	return k
}

// allot makes room for the marginals of N x n values.
func (m *Marginals) allot(rows, n int, weights []float64, truth bool) {
	values := func(of []float64, n int) []float64 { return slices.Grow(of[:0], n)[:n] }
	m.Mean, m.Variance = values(m.Mean, n), values(m.Variance, n)
	m.rows, m.weighted, m.ess, m.unbiased = rows, weights != nil, ensemble.ESS(weights, rows), unbiased(weights, rows)
	kept := n
	if m.kept != nil {
		kept = len(m.kept)
	}
	m.members = values(m.members, kept*rows)
	if m.weighted {
		m.weights = values(m.weights, kept*rows)
	} else {
		m.weights = values(m.weights, rows)
		for i := range m.weights {
			m.weights[i] = weight(nil, i, rows)
		}
	}
	if !truth {
		n = 0
	}
	m.sums = values(m.sums, (min(n, m.decomposed)+marginalBlock-1)/marginalBlock*sumsOf(m.bins))
	n = m.site(n)
	clear(m.sums)
	m.distance, m.dispersion, m.below, m.notAbove = values(m.distance, n), values(m.dispersion, n), values(m.below, n), values(m.notAbove, n)
}

// room returns where the sorted members of value j and their weights go: into c unless they are
// kept.
func (m *Marginals) room(c *column, j int) (members, weights []float64) {
	if k, ok := m.place(j); ok {
		return m.at(k)
	}
	if !m.weighted {
		return c.members, m.weights
	}
	return c.members, c.weights
}

// place returns the position of value j among those that are kept, and whether it is one.
func (m *Marginals) place(j int) (int, bool) {
	if m.kept == nil {
		return m.first + j, true
	}
	return slices.BinarySearch(m.kept, m.first+j)
}

// at returns the sorted members at a position and their weights.
func (m *Marginals) at(k int) (members, weights []float64) {
	from, to := k*m.rows, (k+1)*m.rows
	if m.weighted {
		return m.members[from:to], m.weights[from:to]
	}
	return m.members[from:to], m.weights
}

// column is memory for the members of one value.
type column struct {
	members, weights []float64
	pairs            []member
	sorter           sorter
}

type member struct{ value, weight float64 }

var columns = sync.Pool{New: func() any { return new(column) }}

func (c *column) grow(rows int) {
	if len(c.members) != rows {
		c.members, c.weights, c.pairs = make([]float64, rows), make([]float64, rows), make([]member, rows)
	}
}

// sort sorts members, which have the given weights, and sets sorted to the weights in the new
// order; if they are equal sorted stays as it is.
func (c *column) sort(members, sorted, weights []float64) {
	if weights == nil {
		c.sorter.sort(members)
		return
	}
	for i, v := range members {
		c.pairs[i] = member{v, weights[i]}
	}
	slices.SortFunc(c.pairs, byValue)
	for i, p := range c.pairs {
		members[i], sorted[i] = p.value, p.weight
	}
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

// Part returns the marginals of the values from first to before end; it shares memory
// with m.
func (m *Marginals) Part(first, end int) *Marginals {
	part := *m
	part.first += first
	part.Mean, part.Variance = m.Mean[first:end], m.Variance[first:end]
	from, to := m.site(first), m.site(end)
	if m.sites != nil {
		part.sites = m.sites[from:to]
	}
	if len(m.distance) > 0 {
		part.distance, part.dispersion = m.distance[from:to], m.dispersion[from:to]
		part.below, part.notAbove = m.below[from:to], m.notAbove[from:to]
	}
	return &part
}

// Quantiles fills dst with the quantiles of value j at the given levels, each in
// (0, 1) and none below the one before. The quantile at level p splits the
// ensemble's distribution: no more than p of the weight lies below it and no more
// than 1 - p above. If any point between two members would do, it is the midpoint, so
// that the median of an even number is the usual one and mirrored ensembles have mirrored
// quantiles (Hyndman and Fan 1996, doi:10.2307/2684934, definition 2). Weights whose sum
// is p within rounding, N 2⁻⁵³, count as p. An ensemble with a NaN has no quantiles: NaN.
// It panics if the sorted members of value j are not kept. Cost: O(N).
func (m *Marginals) Quantiles(dst []float64, j int, levels []float64) {
	if math.IsNaN(m.Mean[j]) {
		for k := range dst {
			dst[k] = math.NaN()
		}
		return
	}
	k, ok := m.place(j)
	if !ok {
		panic(fmt.Sprintf("score: the members of value %d are not kept", j))
	}
	members, weights := m.at(k)
	rounding := float64(m.rows) * 0x1p-53
	i, below := 0, weights[0] // weight of members 0 to i
	for l, p := range levels {
		for i < m.rows-1 && below < p-rounding {
			i++
			below += weights[i]
		}
		dst[l] = members[i]
		if next := after(weights, i); math.Abs(below-p) <= rounding && next < m.rows {
			dst[l] += (members[next] - dst[l]) / 2
		}
	}
}

// after returns the first member after i whose weight is not 0.
func after(weights []float64, i int) int {
	for i++; i < len(weights) && weights[i] == 0; i++ {
	}
	return i
}
