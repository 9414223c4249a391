package score

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// With a sample of the values, means and variances are those of all, and CRPS, ranks and decomposition those of an
// ensemble of the sample alone; quantiles are those of the values that are kept, sampled or not; the same for parts
// of the state.
func TestSampledSites(t *testing.T) {
	const members, n = 9, 1000
	e, truth := mat.NewDense(members, n, nil), make([]float64, n)
	e.Apply(func(i, j int, _ float64) float64 { return math.Sin(float64(7*i+3*j*j)) * float64(1+j%5) }, e)
	for j := range truth {
		truth[j] = math.Cos(float64(j))
	}
	equal, uneven := []float64(nil), []float64{.3, .1, .1, .1, .1, .1, .1, .05, .05}
	for _, weights := range [][]float64{equal, uneven} {
		for _, bounds := range [][2]int{{0, n}, {0, 300}, {150, 999}} {
			first, end := bounds[0], bounds[1]
			var sites []int
			for j := 5; j < n; j += 7 {
				sites = append(sites, j)
			}
			kept := []int{2, 200, 201, 800} // 201 is a site
			m, all := NewMarginals(kept), MarginalsOf(e, weights, truth)
			m.Sample(sites)
			m.Decompose(members, n)
			m.Set(e, weights, truth)
			got, want := m.Part(first, end), all.Part(first, end)
			if !slices.Equal(got.Mean, want.Mean) || !slices.Equal(got.Variance, want.Variance) {
				t.Errorf("%v: means or variances differ", bounds)
			}
			var some []int
			for _, j := range sites {
				if first <= j && j < end {
					some = append(some, j)
				}
			}
			few, x := mat.NewDense(members, len(some), nil), make([]float64, len(some))
			for k, j := range some {
				few.SetCol(k, mat.Col(nil, j, e))
				x[k] = truth[j]
			}
			sample := NewMarginals(nil)
			sample.Decompose(members, n)
			sample.Set(few, weights, x)
			crps, fair := got.CRPS()
			if wantCRPS, wantFair := sample.CRPS(); crps != wantCRPS || fair != wantFair {
				t.Errorf("%v: crps %v, %v, want %v, %v", bounds, crps, fair, wantCRPS, wantFair)
			}
			ranks, wantRanks := make([]float64, members+1), make([]float64, members+1)
			got.Ranks(ranks)
			if sample.Ranks(wantRanks); !slices.Equal(ranks, wantRanks) {
				t.Errorf("%v: ranks %v, want %v", bounds, ranks, wantRanks)
			}
			if first == 0 && end == n {
				var parts, wantParts Decomposition
				parts.Add(m)
				wantParts.Add(sample)
				near(t, "decomposition", parts.Sums[0], wantParts.Sums[0], 0)
				near(t, "decomposition", parts.Sums[1], wantParts.Sums[1], 1e-9*wantParts.Sums[1])
			}
			for _, j := range kept {
				if first <= j && j < end {
					a, b := make([]float64, 3), make([]float64, 3)
					levels := []float64{.1, .5, .9}
					got.Quantiles(a, j-first, levels)
					if want.Quantiles(b, j-first, levels); !slices.Equal(a, b) {
						t.Errorf("%v: quantiles of %d: %v, want %v", bounds, j, a, b)
					}
				}
			}
		}
	}
}
