package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestRanks(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name    string
		truth   float64
		members []float64
		weights []float64
		want    []float64
	}{
		{"below", 0, []float64{1, 2, 3}, nil, []float64{1, 0, 0, 0}},
		{"between", 2.5, []float64{3, 1, 2}, nil, []float64{0, 0, 1, 0}},
		{"above", 4, []float64{1, 2, 3}, nil, []float64{0, 0, 0, 1}},
		{"tied with two", 2, []float64{1, 2, 2}, nil, []float64{0, 1. / 3, 1. / 3, 1. / 3}},
		{"equal weights", 2.5, []float64{3, 1, 2, 4}, []float64{.25, .25, .25, .25}, []float64{0, 0, 1, 0, 0}},
		{"above all weights", 9, []float64{3, 1, 2}, []float64{.2, .7, .1}, []float64{0, 0, 0, 1}},
		{"a heavy member below", 1.5, []float64{3, 1, 2}, []float64{.2, .7, .1}, []float64{0, 0, 1, 0}},
		{"truth undefined", nan, []float64{3, 1, 2}, nil, []float64{0, 0, 0, 0}},
		{"member undefined", 1, []float64{3, nan, 2}, nil, []float64{0, 0, 0, 0}},
	} {
		counts := make([]float64, len(tt.members)+1)
		MarginalsOf(mat.NewDense(len(tt.members), 1, tt.members), tt.weights, []float64{tt.truth}).Ranks(counts)
		if !slices.Equal(counts, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, counts, tt.want)
		}
	}
}

// Truth and members of one distribution: the share inside is binomial around the
// expected one, within 5 standard deviations in 600 draws of it, and the test of flatness rejects at
// level 0.05 that often: 100 repetitions of a binomial, again within 4.5.
func TestCalibratedEnsembleHasFlatRanks(t *testing.T) {
	const draws, repetitions = 500, 100
	for _, members := range []int{2, 9, 40} {
		r := rand.New(rand.NewPCG(uint64(members), 3))
		rejected := 0.0
		for range repetitions {
			counts := make([]float64, members+1)
			e := mat.NewDense(members, 1, nil)
			for range draws {
				for i := range members {
					e.Set(i, 0, r.ExpFloat64())
				}
				MarginalsOf(e, nil, []float64{r.ExpFloat64()}).Ranks(counts)
			}
			if FlatnessOf(counts, draws).P < 0.05 {
				rejected += 1.0 / repetitions
			}
			for _, level := range []float64{0.5, 0.9} {
				share, expected := Coverage(counts, level)
				near(t, fmt.Sprintf("N = %d: coverage at %v", members, level), share, expected, 5*math.Sqrt(expected*(1-expected)/draws))
			}
		}
		near(t, fmt.Sprintf("N = %d: share rejected", members), rejected, 0.05, 4.5*math.Sqrt(0.05*0.95/repetitions))
	}
}

func TestCoverageIsOfRanks(t *testing.T) {
	for _, tt := range []struct {
		members               int
		level, expected, rank float64
	}{{2, 0.5, 1. / 3, 1}, {2, 0.9, 1. / 3, 1}, {39, 0.5, 0.5, 10}, {39, 0.9, 0.9, 2}, {40, 0.5, 21. / 41, 10}} {
		counts := make([]float64, tt.members+1)
		counts[int(tt.rank)]++
		share, expected := Coverage(counts, tt.level)
		near(t, fmt.Sprintf("%+v: first rank inside", tt), share, 1, 0)
		near(t, fmt.Sprintf("%+v: expected", tt), expected, tt.expected, 1e-15)
		counts[int(tt.rank)], counts[int(tt.rank)-1] = 0, 1
		share, _ = Coverage(counts, tt.level)
		near(t, fmt.Sprintf("%+v: last rank outside", tt), share, 0, 0)
	}
	if share, _ := Coverage([]float64{1, 1}, 0.5); !math.IsNaN(share) {
		t.Errorf("one member: got %v", share)
	}
	if share, _ := Coverage(make([]float64, 4), 0.5); !math.IsNaN(share) {
		t.Errorf("no counts: got %v", share)
	}
}

// Closed forms: counts as expected have chi-square 0 and probability 1; two ranks
// with 60 and 40 of 100 have chi-square 4, which one degree of freedom exceeds with
// probability 2 (1 - Phi(2)) = 0.0455.
func TestFlatnessClosedForms(t *testing.T) {
	if f := FlatnessOf([]float64{10, 10, 10}, 30); f.ChiSquare != 0 || f.P != 1 || f.Freedom != 2 {
		t.Errorf("flat: %+v", f)
	}
	f := FlatnessOf([]float64{60, 40}, 100)
	near(t, "chi-square", f.ChiSquare, 4, 1e-12)
	near(t, "probability", f.P, math.Erfc(math.Sqrt2), 1e-12)
	if f := FlatnessOf([]float64{60, 40}, 25); f.ChiSquare != 1 {
		t.Errorf("a quarter as many independent ranks: %+v", f)
	}
	if f := FlatnessOf([]float64{60, 40}, 9); !math.IsNaN(f.P) {
		t.Errorf("too few ranks: %+v", f)
	}
}

// innovate returns an innovation that nothing else writes to.
func innovate(y []float64, predicted *mat.Dense, weights, variance []float64) Innovation {
	return new(Innovator).Innovate(y, predicted, weights, variance)
}

// Memory that has been used before, for more or fewer observations and members, changes nothing.
func TestInnovatorIsReused(t *testing.T) {
	var again Innovator
	for k, size := range [][2]int{{4, 6}, {7, 3}, {5, 9}, {1, 2}, {5, 9}} {
		rows, m := size[0], size[1]
		e, y, variance := normals(uint64(k), rows, m), normals(uint64(9+k), 1, m).RawRowView(0), slices.Repeat([]float64{2}, m)
		if k == 2 {
			variance = nil
		}
		y[0] = math.NaN()
		if got, want := again.Innovate(y, e, nil, variance), innovate(y, e, nil, variance); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: got %v, want %v", size, got, want)
		}
	}
}

// Both ways to the inverse agree, missing observations do not count, and what is
// not defined is NaN.
func TestInnovate(t *testing.T) {
	e, variance := normals(5, 4, 6), []float64{1, 2, 3, 1, 2, 3}
	y := normals(6, 1, 6).RawRowView(0)
	wide := innovate(y, e, nil, variance)
	twice := mat.NewDense(8, 6, nil)
	for i := range 8 {
		twice.SetRow(i, e.RawRowView(i%4))
	}
	weights := []float64{0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0}
	tall := innovate(y, twice, weights, variance)
	near(t, "nis", tall.NIS, wide.NIS, 1e-13)
	near(t, "expected", tall.Expected, wide.Expected, 1e-13)

	// More observations than are taken at a time: the same six again and again.
	const times = 1000
	many, often := mat.NewDense(4, 6*times, nil), slices.Repeat(y, times)
	for i := range 4 {
		many.SetRow(i, slices.Repeat(e.RawRowView(i), times))
	}
	// Y'Y is times as large, so that NIS is that of six observations whose error variances are divided by times.
	smaller := make([]float64, len(variance))
	for j, v := range variance {
		smaller[j] = v / times
	}
	near(t, "many: nis", innovate(often, many, nil, slices.Repeat(variance, times)).NIS, innovate(y, e, nil, smaller).NIS/times, 1e-9)

	missing := slices.Clone(y)
	missing[4], missing[5] = math.NaN(), math.NaN()
	some := innovate(missing, e, nil, variance)
	fewer := innovate(y[:4], mat.DenseCopyOf(e.Slice(0, 4, 0, 4)), nil, variance[:4])
	near(t, "missing: nis", some.NIS, fewer.NIS, 1e-14)
	if !math.IsNaN(some.Values[5]) || some.Values[0] != wide.Values[0] {
		t.Errorf("missing: %v", some.Values)
	}
	if in := innovate(y, e, nil, nil); !math.IsNaN(in.NIS) || !math.IsNaN(in.Expected) {
		t.Errorf("no variances: %+v", in)
	}
}

// Observations that see the same, y_j = a + s r_j with an error s and r_j = ±1 of sum 0, of members that predict -1, 0 and 1,
// have NIS a²/(s² + m) + 1, however small s is. Everything here is a power of two, so that no digit is lost before.
func TestNISOfSmallErrors(t *testing.T) {
	for _, m := range []int{2, 6, 2 * fitBlock} {
		e := mat.NewDense(3, m, nil)
		y, variance := make([]float64, m), make([]float64, m)
		for power := 0; power <= 40; power += 5 {
			s := math.Ldexp(1, -power)
			for j := range y {
				e.Set(0, j, -1)
				e.Set(2, j, 1)
				y[j], variance[j] = 1+s*float64(1-2*(j%2)), s*s
			}
			near(t, fmt.Sprintf("%d observations with an error of 2^-%d", m, power), innovate(y, e, nil, variance).NIS, 1/(s*s+float64(m))+1, 1e-3)
		}
	}
}

// The inverse is that of a Cholesky decomposition whose condition number is always looked at, whether it is large
// enough to be looked at here or not; a matrix that is singular to rounding has none.
func TestQuadratic(t *testing.T) {
	for k, scale := range []float64{0, 1, 1e10, 1e12, 1e15, 1e18, 1e40} {
		const n = 5
		y := normals(uint64(k), n-1, n) // S has a direction without variance
		y.Scale(math.Sqrt(scale), y)
		var s mat.SymDense
		s.SymOuterK(1, y.T())
		sum := mat.NewSymDense(n, nil)
		sum.CopySym(&s)
		for i := range n {
			sum.SetSym(i, i, sum.At(i, i)+1)
		}
		b := mat.NewVecDense(n, []float64{1, -2, 3, -4, 5})
		want := math.NaN()
		var chol mat.Cholesky
		var z mat.VecDense
		if chol.Factorize(sum) && chol.Cond() <= worstCondition && chol.SolveVecTo(&z, b) == nil {
			want = mat.Dot(b, &z)
		}
		if got := quadratic(s.RawSymmetric(), b.RawVector().Data); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("scale %g: got %v, want %v", scale, got, want)
		}
		if scale == 1e40 && !math.IsNaN(want) {
			t.Errorf("a matrix that is singular to rounding gave %v", want)
		}
	}
}

// What is expected of an innovation is the diagonal of S. The first innovation counts from
// the first cycle on, all others after burn-in; missing ones do not count.
func TestInnovationSums(t *testing.T) {
	two := mat.NewDense(2, 2, []float64{1, 0, 3, 0}) // means 2 and 0, variances 2 and 0
	in := innovate([]float64{6, math.NaN()}, two, nil, []float64{2, 1})
	if in.Forecast[0] != 2 || in.Error[0] != 2 || in.Expected != 2 {
		t.Errorf("got %+v", in)
	}
	var s InnovationSums
	s.Add(Innovation{Values: []float64{1}}, 1, true) // nothing is expected
	s.Add(in, 2, false)
	s.Add(innovate([]float64{0, 3}, two, nil, []float64{2, 1}), 3, true)
	s.Add(innovate([]float64{3, -4}, two, nil, []float64{7, 4}), 4, true)
	near(t, "forecast", s.Forecast[0], 4, 1e-14)
	near(t, "largest", s.Largest[0], -1, 1e-14)
	near(t, "largest", s.Largest[1], 3, 1e-14)
	got := fmt.Sprint(s.Count, s.Error, s.First, s.At)
	if want := "[2 2] [9 5] [2 3] [3 3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUndefinedScoresAreNaN(t *testing.T) {
	e := normals(1, 5, 2)
	e.Set(3, 1, math.NaN())
	undefined := map[string]float64{"quantile": quantile(e, nil, 1, 0.5), "nis": innovate([]float64{0, 0}, e, nil, []float64{1, 1}).NIS}
	for _, s := range OfCycles(nil) {
		if v, ok := s.Of(caseOf([]float64{0, 0}, e, nil)); ok && s.Unit == UnitState {
			undefined[s.Name] = v
		}
	}
	if len(undefined) != 9 {
		t.Errorf("got the scores %v", undefined)
	}
	for name, v := range undefined {
		if !math.IsNaN(v) {
			t.Errorf("%s of an ensemble with a NaN: got %v", name, v)
		}
	}
	one := mat.NewDense(1, 2, []float64{1, 2})
	if v := energyScoreFair([]float64{0, 0}, one, nil); !math.IsNaN(v) {
		t.Errorf("fair energy score of one member: got %v", v)
	}
}

func TestRootTimeMean(t *testing.T) {
	m := RootTimeMean([]float64{3, 4, 5})
	near(t, "value", m.Value, math.Sqrt(50.0/3), 1e-15)
	square := TimeMean([]float64{9, 16, 25})
	near(t, "se", m.SE, square.SE/(2*m.Value), 1e-15)
	near(t, "spread over skill", SpreadSkill(1, 2, 3), math.Sqrt(4.0/3)/2, 1e-15)
}

// Histograms of ensembles of different sizes add up: flat stays flat, nothing is lost,
// and what is in the lower half stays there.
func TestAddCounts(t *testing.T) {
	for _, sizes := range [][2]int{{5, 5}, {5, 4}, {101, 98}, {7, 2}, {4, 8}} {
		flat, lower := make([]float64, sizes[0]), make([]float64, sizes[0])
		counts := slices.Repeat([]float64{1 / float64(sizes[1])}, sizes[1])
		AddCounts(flat, counts)
		clear(counts[(sizes[1]+1)/2:])
		AddCounts(lower, counts)
		var total float64
		for i, c := range flat {
			if want := 1 / float64(sizes[0]); math.Abs(c-want) > 1e-14 { // some ten roundings
				t.Errorf("%v: rank %d has %v, want %v", sizes, i, c, want)
			}
			total += lower[i]
			if i >= (sizes[0]+1)/2 && sizes[1]%2 == 0 && lower[i] > 1e-14 {
				t.Errorf("%v: rank %d has %v, but it is in the upper half", sizes, i, lower[i])
			}
		}
		if want := float64((sizes[1]+1)/2) / float64(sizes[1]); math.Abs(total-want) > 1e-13 {
			t.Errorf("%v: %v in all, want %v", sizes, total, want)
		}
	}
}
