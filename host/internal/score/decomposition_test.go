package score

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// decompose decomposes the CRPS of ensembles of which each has a truth.
func decompose(members []*mat.Dense, weights []float64, truths [][]float64) (d Decomposition, crps float64) {
	for i, e := range members {
		rows, n := e.Dims()
		m := NewMarginals([]int{})
		m.Decompose(rows, n)
		m.Set(e, weights, truths[i])
		d.Add(m)
		score, _ := m.CRPS()
		crps += score / float64(len(members))
	}
	return d, crps
}

// hersbach returns reliability and potential as Hersbach (2000) defines them in equations 26 to 29 and
// 36 to 37, case by case.
func hersbach(members *mat.Dense, truth []float64) (reliability, potential float64) {
	rows, n := members.Dims()
	alpha, beta, low, high := make([]float64, rows+1), make([]float64, rows+1), 0.0, 0.0
	for j, y := range truth {
		x := slices.Sorted(slices.Values(mat.Col(nil, j, members)))
		for i := 1; i < rows; i++ {
			switch {
			case y > x[i]:
				alpha[i] += (x[i] - x[i-1]) / float64(n)
			case y > x[i-1]:
				alpha[i], beta[i] = alpha[i]+(y-x[i-1])/float64(n), beta[i]+(x[i]-y)/float64(n)
			default:
				beta[i] += (x[i] - x[i-1]) / float64(n)
			}
		}
		if y < x[0] {
			beta[0], low = beta[0]+(x[0]-y)/float64(n), low+1/float64(n)
		}
		if y > x[rows-1] {
			alpha[rows], high = alpha[rows]+(y-x[rows-1])/float64(n), high+1/float64(n)
		}
	}
	for i := range rows + 1 {
		p, g, o := float64(i)/float64(rows), alpha[i]+beta[i], beta[i]/(alpha[i]+beta[i])
		switch {
		case i == 0 && low > 0:
			g, o = beta[0]/low, low
		case i == rows && high > 0:
			g, o = alpha[rows]/high, 1-high
		case i == 0, i == rows:
			continue
		}
		reliability, potential = reliability+g*(o-p)*(o-p), potential+g*o*(1-o)
	}
	return reliability, potential
}

func TestDecompositionAgainstDefinition(t *testing.T) {
	for _, rows := range []int{1, 2, 7, 100} {
		const n = 3*marginalBlock + 5
		e, truth := normals(1, rows, n), normals(2, 1, n).RawRowView(0)
		d, crps := decompose([]*mat.Dense{e}, nil, [][]float64{truth})
		reliability, potential := d.Parts()
		wantReliability, wantPotential := hersbach(e, truth)
		near(t, "reliability", reliability, wantReliability, 1e-12)
		near(t, "potential", potential, wantPotential, 1e-12)
		near(t, "sum", reliability+potential, crps, 1e-12)
	}
}

// The parts add up to the CRPS whatever the members are: of any weights, equal, or more than there are
// bins; and values after the first ones that are asked for do not count.
func TestDecompositionIsComplete(t *testing.T) {
	tied := mat.NewDense(5, 1, []float64{1, 1, 2, 2, 2})
	for name, tt := range map[string]struct {
		e *mat.Dense
		w []float64
	}{"weighted": {normals(3, 5, 9), []float64{0.1, 0.4, 0, 0.3, 0.2}}, "tied": {tied, nil}, "many": {normals(4, 250, 9), nil}} {
		rows, n := tt.e.Dims()
		d, crps := decompose([]*mat.Dense{tt.e, normals(5, rows, n)}, tt.w, [][]float64{normals(6, 1, n).RawRowView(0), normals(7, 1, n).RawRowView(0)})
		reliability, potential := d.Parts()
		near(t, name, reliability+potential, crps, 1e-13)
		if reliability < 0 || potential < 0 || d.Cycles != 2 {
			t.Errorf("%s: reliability %v, potential %v, %d cycles", name, reliability, potential, d.Cycles)
		}
	}
	few, all, truth := NewMarginals([]int{}), normals(1, 7, 200), normals(2, 1, 200).RawRowView(0)
	few.Decompose(7, 100)
	few.Set(all, nil, truth)
	var d Decomposition
	d.Add(few)
	alone, _ := decompose([]*mat.Dense{mat.DenseCopyOf(all.Slice(0, 7, 0, 100))}, nil, [][]float64{truth[:100]})
	if !slices.Equal(d.Sums, alone.Sums) {
		t.Error("values that are not asked for change the decomposition")
	}
	if reliability, potential := (&Decomposition{}).Parts(); !math.IsNaN(reliability + potential) {
		t.Error("without values there are parts")
	}
}

// Members of N(b, 1) for a truth of N(0, 1) have a CRPS of E|Z| - 1/sqrt(pi), Z of N(b, 2), of which
// 1/sqrt(pi) is what a correction would leave, whatever b is, and the rest reliability. The mean of 10,000 scores has standard
// error 0.006 at most.
func TestDecompositionOfNormals(t *testing.T) {
	const rows, n = 100, 10_000
	e, truth := normals(1, rows, n), normals(2, 1, n).RawRowView(0)
	normal := distuv.Normal{Mu: 0, Sigma: 1}
	for _, b := range []float64{0, 0.5, 1} {
		moved := mat.NewDense(rows, n, nil)
		moved.Apply(func(_, _ int, v float64) float64 { return v + b }, e)
		d, _ := decompose([]*mat.Dense{moved}, nil, [][]float64{truth})
		reliability, potential := d.Parts()
		distance := math.Sqrt2*2*normal.Prob(b/math.Sqrt2) + b*(1-2*normal.CDF(-b/math.Sqrt2))
		near(t, "potential", potential, 1/math.Sqrt(math.Pi), 0.02)
		near(t, "reliability", reliability, distance-2/math.Sqrt(math.Pi), 0.02)
	}
}
