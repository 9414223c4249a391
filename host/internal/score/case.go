package score

import (
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Case holds what scores need of one stage of one cycle, or of one variable of it.
type Case struct {
	*Marginals            // of n values
	Members    *mat.Dense // N x n
	Weights    []float64  // linear; nil if all are equal
	Truth      []float64  // n values; nil: not known
	Ancestors  []int      // the forecast members that those of an analysis descend from; nil: not known

	// Reference returns equally weighted members of the analysis and of the brute-force
	// posterior, for comparison; nil if there is no reference.
	Reference func() (analysis, posterior *mat.Dense)

	ranks []float64 // see [Marginals.Ranks]
}

// Part returns the case of the values from first to before end. It has no reference.
func (c *Case) Part(first, end int) *Case {
	rows, _ := c.Members.Dims()
	part := &Case{Marginals: c.Marginals.Part(first, end), Members: c.Members.Slice(0, rows, first, end).(*mat.Dense), Weights: c.Weights, Ancestors: c.Ancestors}
	if c.Truth != nil {
		part.Truth = c.Truth[first:end]
	}
	return part
}

// RankCounts returns the counts of [Marginals.Ranks]; nil if the truth is not known.
func (c *Case) RankCounts() []float64 {
	if c.ranks == nil && c.Truth != nil {
		c.ranks = make([]float64, c.rows+1)
		c.Ranks(c.ranks)
	}
	return c.ranks
}

// MostPaired is the largest ensemble whose energy score is computed: its cost grows
// with the square of the size, and at 1000 members of 40 values is 20 ms.
const MostPaired = 1000

// given returns the needs of scores that c meets.
func (c *Case) given() Need {
	var given Need
	add := func(need Need, there bool) {
		if there {
			given |= need
		}
	}
	add(Truth, c.Truth != nil)
	add(Reference, c.Reference != nil)
	add(Parents, c.Ancestors != nil)
	add(FewMembers, c.rows <= MostPaired)
	return given
}

// distinct returns how many different numbers there are in a.
func distinct(a []int) float64 {
	sorted := slices.Sorted(slices.Values(a))
	return float64(len(slices.Compact(sorted)))
}

// Prediction is the prediction of a held-out value by one stage of one cycle.
type Prediction struct {
	Value    float64  // what was observed
	Mean     float64  // of the members
	Spread   float64  // of members and observation error together
	CRPSFair *float64 // nil: the operator draws no errors
}

// Scaled returns p with its values multiplied by factor.
func (p Prediction) Scaled(factor float64) Prediction {
	scaled := Prediction{Value: p.Value * factor, Mean: p.Mean * factor, Spread: p.Spread * factor}
	if p.CRPSFair != nil {
		fair := *p.CRPSFair * factor
		scaled.CRPSFair = &fair
	}
	return scaled
}

// History holds the scores of one stage of one trial after burn-in.
type History struct {
	Members int
	Series  map[string]*Series // by name
	Ranks   []float64          // counts, see [Marginals.Ranks]
	// Independent is the number of independent ranks that Ranks are worth.
	Independent float64
	// Decomposition holds the sums from which CRPS is decomposed; nil: they are not known.
	Decomposition *Decomposition
	// Divergences is how often the trial was restarted in Cycles cycles; nil: it never is.
	Divergences *int
	Cycles      int
}
