package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func normals(seed uint64, rows, n int) *mat.Dense {
	r := rand.New(rand.NewPCG(seed, 1))
	m := mat.NewDense(rows, n, nil)
	for i := range m.RawMatrix().Data {
		m.RawMatrix().Data[i] = r.NormFloat64()
	}
	return m
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %v, want %v within %.0e", what, got, want, tol)
	}
}

func TestMoments(t *testing.T) {
	e := mat.NewDense(3, 2, []float64{1, 0, 2, 0, 6, 3})
	c := caseOf([]float64{1, 3}, e, nil) // of means 3 and 1
	for name, want := range map[string]float64{"rmse": 2, "mae": 2, "bias": 0, "spread": math.Sqrt((7 + 3) / 2.0), "weights_ess": 3} {
		near(t, name, scoreOf(t, name, c), want, 1e-15)
	}
	for name, want := range map[string]float64{"rmse_x": 2, "spread_x": math.Sqrt(3)} { // of one value, as a parameter is
		near(t, name, scoreOf(t, name, c.Part(1, 2)), want, 1e-15)
	}
}

func caseOf(truth []float64, e *mat.Dense, weights []float64) *Case {
	return &Case{Marginals: MarginalsOf(e, weights, truth), Members: e, Weights: weights, Truth: truth}
}

// scoreOf returns the score called name of c, which must have what it needs.
func scoreOf(t *testing.T, name string, c *Case) float64 {
	t.Helper()
	s, _ := Find(name)
	v, ok := s.Of(c)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return v
}

// A part of a weighted ensemble has the marginals that an ensemble of those values has.
func TestPart(t *testing.T) {
	e, truth := normals(4, 6, 5), []float64{1, 2, 3, 4, 5}
	for _, weights := range [][]float64{nil, {0.1, 0.2, 0.05, 0.3, 0.15, 0.2}} {
		for _, cut := range [][2]int{{0, 5}, {1, 3}, {2, 3}, {4, 5}} {
			part := caseOf(truth, e, weights).Part(cut[0], cut[1])
			alone := caseOf(truth[cut[0]:cut[1]], mat.DenseCopyOf(e.Slice(0, 6, cut[0], cut[1])), weights)
			for _, s := range OfCycles([]string{"x"}) {
				got, ok1 := s.Of(part)
				want, ok2 := s.Of(alone)
				if ok1 != ok2 || got != want {
					t.Errorf("%s of values %v: got %v, want %v", s.Name, cut, got, want)
				}
			}
		}
	}
}

// The definition of the fair CRPS as a double sum.
func naiveCRPS(truth []float64, e *mat.Dense, weights []float64) float64 {
	rows, n := e.Dims()
	w := func(i int) float64 {
		if weights == nil {
			return 1 / float64(rows)
		}
		return weights[i]
	}
	var total, squares float64
	for i := range rows {
		squares += w(i) * w(i)
	}
	for j := range n {
		for i := range rows {
			total += w(i) * math.Abs(e.At(i, j)-truth[j])
			for k := range rows {
				total -= 0.5 * w(i) * w(k) * math.Abs(e.At(i, j)-e.At(k, j)) / (1 - squares)
			}
		}
	}
	return total / float64(n)
}

func TestCRPSAgainstDefinition(t *testing.T) {
	weights := []float64{0.1, 0.4, 0, 0.3, 0.2}
	tied := mat.NewDense(5, 1, []float64{1, 1, 2, 2, 2})
	for name, tt := range map[string]struct {
		e *mat.Dense
		w []float64
	}{"random": {normals(1, 30, 4), nil}, "two members": {normals(2, 2, 3), nil}, "weighted": {normals(3, 5, 2), weights}, "tied": {tied, nil}, "tied and weighted": {tied, weights}} {
		_, n := tt.e.Dims()
		truth := normals(9, 1, n).RawRowView(0)
		_, got := MarginalsOf(tt.e, tt.w, truth).CRPS()
		near(t, name, got, naiveCRPS(truth, tt.e, tt.w), 1e-14)
	}
	if _, got := MarginalsOf(tied, []float64{1, 0, 0, 0, 0}, []float64{0}).CRPS(); !math.IsNaN(got) {
		t.Errorf("one member: got %v", got)
	}
}

// Against each of its values the distribution of all of them has the score of an ensemble.
func TestClimatologyCRPS(t *testing.T) {
	for name, values := range map[string][]float64{"one": {3}, "tied": {1, 2, 1, 2, 2}, "random": normals(5, 40, 1).RawMatrix().Data} {
		members := mat.NewDense(len(values), 1, values)
		for i, got := range ClimatologyCRPS(values) {
			want, _ := MarginalsOf(members, nil, values[i:i+1]).CRPS()
			near(t, name, got, want, 1e-13)
		}
	}
}

// The CRPS of N(0, 1) at its mean is (sqrt(2) - 1) / sqrt(pi) = 0.2337 (Gneiting
// and Raftery 2007, doi:10.1198/016214506000001437, equation 21), for every
// ensemble size on average. A score has standard deviation below 0.3, so the mean
// of 4000 has standard error 0.005; 4.5 of these.
func TestCRPSIsFair(t *testing.T) {
	for _, rows := range []int{2, 5, 20} {
		var sum float64
		for k := range 4000 {
			_, fair := MarginalsOf(normals(uint64(k), rows, 1), nil, []float64{0}).CRPS()
			sum += fair / 4000
		}
		near(t, fmt.Sprintf("N = %d", rows), sum, (math.Sqrt2-1)/math.Sqrt(math.Pi), 4.5*0.3/math.Sqrt(4000))
	}
}

func quantile(e *mat.Dense, weights []float64, j int, p float64) float64 {
	q := make([]float64, 1)
	MarginalsOf(e, weights, nil).Quantiles(q, j, []float64{p})
	return q[0]
}

// Quantiles of few members by hand: a level that falls between two members takes the
// point half-way, and mirrored ensembles have mirrored quantiles.
func TestQuantiles(t *testing.T) {
	for _, tt := range []struct {
		members, weights []float64
		p, want          float64
	}{
		{[]float64{3, 1}, nil, 0.5, 2},
		{[]float64{3, 1}, nil, 0.05, 1},
		{[]float64{3, 1}, nil, 0.95, 3},
		{[]float64{3, 1, 2}, nil, 0.5, 2},
		{[]float64{4, 1, 3, 2}, nil, 0.25, 1.5},
		{[]float64{4, 1, 3, 2}, []float64{.25, .25, .25, .25}, 0.75, 3.5},
		{[]float64{4, 1, 3, 2}, []float64{.5, .5, 0, 0}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, []float64{0.9, 0, 0.1, 0}, 0.05, 3},
		{[]float64{4, 1, 3, 2}, []float64{0.9, 0, 0.1, 0}, 0.25, 4},
	} {
		if got := quantile(mat.NewDense(len(tt.members), 1, tt.members), tt.weights, 0, tt.p); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
	for _, rows := range []int{2, 10, 20, 37, 40} {
		e, mirrored := normals(7, rows, 1), mat.NewDense(rows, 1, nil)
		mirrored.Scale(-1, e)
		explicit := make([]float64, rows)
		for i := range explicit {
			explicit[i] = 1 / float64(rows)
		}
		for _, p := range []float64{0.05, 0.25, 0.5} {
			q := quantile(e, nil, 0, p)
			near(t, fmt.Sprintf("N = %d: %g, mirrored", rows, p), -quantile(mirrored, nil, 0, 1-p), q, 1e-15)
			near(t, fmt.Sprintf("N = %d: %g, weights given", rows, p), quantile(e, explicit, 0, p), q, 0)
		}
	}
}

// For an autoregressive series with coefficient r the standard error of the mean
// is known; over R series the mean squared error of the mean must match the mean
// squared standard error. Both scatter by sqrt(2/R), and the AR(1) fit itself is
// biased by about 10 % at T = 500.
func TestTimeMeanAllowsForAutocorrelation(t *testing.T) {
	const length, repetitions = 500, 1000
	for _, r := range []float64{0, 0.5, 0.8} {
		var errors, stated float64
		for k := range repetitions {
			g := rand.New(rand.NewPCG(uint64(k), uint64(100*r)))
			series := make([]float64, length)
			v := g.NormFloat64()
			for i := range series {
				v = r*v + math.Sqrt(1-r*r)*g.NormFloat64()
				series[i] = v
			}
			m := TimeMean(series)
			errors += m.Value * m.Value / repetitions
			stated += m.SE * m.SE / repetitions
		}
		near(t, fmt.Sprintf("r = %v: ratio", r), math.Sqrt(stated/errors), 1, 0.1+4.5*math.Sqrt(2.0/repetitions)/2)
	}
	if m := TimeMean([]float64{3, 3, 3, 3}); m.Value != 3 || m.SE != 0 || m.Count != 4 {
		t.Errorf("constant series: %+v", m)
	}
	if m := TimeMean(nil); !math.IsNaN(m.Value) || m.Count != 0 {
		t.Errorf("empty series: %+v", m)
	}
	if m := TimeMean([]float64{1, math.NaN(), 2}); !math.IsNaN(m.Value) {
		t.Errorf("with a NaN: %+v", m)
	}
}

// Sums give what two passes over the series give, also if it is far from zero or begins far from
// its mean: every step of an update rounds once, so that the error is at most some T eps.
func TestSeriesOfSums(t *testing.T) {
	g := rand.New(rand.NewPCG(11, 1))
	for _, c := range []struct{ offset, first float64 }{{0, 0}, {1e6, 0}, {0, 1e4}} {
		series := make([]float64, 1000)
		for i := range series {
			series[i] = c.offset + g.NormFloat64()
			if i > 0 {
				series[i] += 0.5 * (series[i-1] - c.offset)
			}
		}
		series[0] += c.first
		m, n := 0.0, float64(len(series))
		for _, v := range series {
			m += v / n
		}
		var variance, lagged float64
		for i, v := range series {
			variance += (v - m) * (v - m)
			if i > 0 {
				lagged += (v - m) * (series[i-1] - m)
			}
		}
		r := lagged / variance
		r = min(max(r+(1+4*r)/n, 0), 0.99)
		want := math.Sqrt(variance/(n-1)/n) * math.Sqrt((1+r)/(1-r))
		got := TimeMean(series)
		near(t, fmt.Sprintf("%+v: mean", c), got.Value, m, 1e-13*(1+math.Abs(m)))
		near(t, fmt.Sprintf("%+v: se", c), got.SE/want, 1, 1e-13+n*0x1p-52*(1+math.Abs(c.offset)))
		var s Series
		for _, v := range series {
			s.Add(v)
		}
		if s.TimeMean() != got || s.RootTimeMean() != RootTimeMean(series) {
			t.Errorf("%+v: the sums give %v and %v", c, s.TimeMean(), s.RootTimeMean())
		}
	}
}

// 1, 2, 6 have mean 3 and sample variance 7.
func TestIndependentMean(t *testing.T) {
	if m := IndependentMean([]float64{1, 2, 6}); m.Value != 3 || m.Count != 3 {
		t.Errorf("got %+v", m)
	}
	near(t, "se", IndependentMean([]float64{1, 2, 6}).SE, math.Sqrt(7.0/3), 1e-15)
	if m := IndependentMean([]float64{1}); m.Value != 1 || !math.IsNaN(m.SE) {
		t.Errorf("one value: %+v", m)
	}
	if m := IndependentMean([]float64{0.1, 0.1, 0.1}); m.Value != 0.1 || m.SE != 0 { // their sum is not 0.3
		t.Errorf("equal values: %+v", m)
	}
	if m := IndependentMean(nil); !math.IsNaN(m.Value) || m.Count != 0 {
		t.Errorf("no value: %+v", m)
	}
}

// diverged returns whether a filter with a series of errors has lost the truth, or that of its
// squares the observations.
func diverged(add func(t *Track, v float64), series []float64) bool {
	var t Track
	for _, v := range series {
		add(&t, v)
	}
	return t.Diverged
}

func TestDiverged(t *testing.T) {
	worse := func(t *Track, v float64) { t.Error(v, 1) }
	good := make([]float64, 200)
	if diverged(worse, good) {
		t.Error("a perfect filter has diverged")
	}
	for i := 100; i < 149; i++ {
		good[i] = 2
	}
	if diverged(worse, good) {
		t.Error("49 bad cycles are enough")
	}
	good[149] = 2
	if !diverged(worse, good) {
		t.Error("50 bad cycles are not enough")
	}
	if !diverged(worse, []float64{0, math.NaN()}) || !diverged(worse, []float64{math.Inf(1)}) {
		t.Error("what is not finite has not diverged")
	}
}

// 50 cycles count, and a good one among them; of a filter that knows nothing, whose squares
// are 1 on average, nothing is said.
func TestDivergedInnovations(t *testing.T) {
	squares := make([]float64, 200)
	for i := range squares {
		squares[i] = float64(i%2) * 2
	}
	if diverged((*Track).Innovation, squares) {
		t.Error("a filter that knows nothing has diverged")
	}
	for i := 120; i < 169; i++ {
		squares[i] = float64(i%2) * 3.02
	}
	if diverged((*Track).Innovation, squares) {
		t.Error("49 bad cycles are enough")
	}
	squares[169] = 3.02
	if !diverged((*Track).Innovation, squares) {
		t.Error("50 bad cycles are not enough")
	}
	if diverged((*Track).Innovation, slices.Repeat([]float64{9}, 49)) || !diverged((*Track).Innovation, []float64{0, math.NaN()}) || !diverged((*Track).Innovation, []float64{math.Inf(1)}) {
		t.Error("the rule for few cycles, or for what is not finite, is another")
	}
}

// A translation costs its length; in one dimension the sorted points are coupled.
func TestW2ClosedForms(t *testing.T) {
	a := normals(1, 40, 3)
	moved := mat.DenseCopyOf(a)
	moved.Apply(func(_, j int, v float64) float64 { return v + []float64{3, 0, -4}[j] }, moved)
	near(t, "translation", w2(a, moved), 5, 1e-12)
	near(t, "itself", w2(a, a), 0, 0)

	repeated := mat.NewDense(120, 3, nil)
	for i := range 120 {
		repeated.SetRow(i, a.RawRowView(i%40))
	}
	near(t, "repeated points", w2(a, repeated), 0, 1e-7)
	near(t, "symmetry", w2(repeated, moved), 5, 1e-12)

	// {0, 1} against {0, 0.5, 1}: thirds and halves of mass; W2² = 2 (1/6) (1/4)
	near(t, "masses that do not divide", w2(mat.NewDense(2, 1, []float64{0, 1}), mat.NewDense(3, 1, []float64{1, 0.5, 0})), math.Sqrt(1.0/12), 1e-15)
}

// A sample errs by no more than its own distance to the set it is of.
func TestW2OfASample(t *testing.T) {
	whole, other := normals(1, 600, 3), normals(2, 400, 3)
	other.Apply(func(_, j int, v float64) float64 { return v + float64(j) }, other)
	exact := w2(whole, other)
	last := math.Inf(1)
	for _, rows := range []int{20, 100, 300} {
		sample := mat.DenseCopyOf(whole.Slice(0, rows, 0, 3))
		bound := w2(sample, whole)
		near(t, fmt.Sprintf("%d of 600 points", rows), w2(sample, other), exact, bound)
		if bound >= last {
			t.Errorf("%d points are no better than fewer: %v, %v", rows, bound, last)
		}
		last = bound
	}
}

// Against the best of all permutations.
func TestW2AgainstEnumeration(t *testing.T) {
	for seed := range uint64(30) {
		a, b := normals(seed, 6, 2), normals(seed+100, 6, 2)
		best := math.Inf(1)
		permutations(6, func(p []int) {
			var sum float64
			for i, j := range p {
				for k := range 2 {
					d := a.At(i, k) - b.At(j, k)
					sum += d * d
				}
			}
			best = min(best, sum/6)
		})
		near(t, fmt.Sprint("seed ", seed), w2(a, b), math.Sqrt(best), 1e-13)
	}
}

func permutations(n int, visit func([]int)) {
	p := make([]int, 0, n)
	used := make([]bool, n)
	var grow func()
	grow = func() {
		if len(p) == n {
			visit(p)
			return
		}
		for i := range n {
			if !used[i] {
				used[i], p = true, append(p, i)
				grow()
				used[i], p = false, p[:len(p)-1]
			}
		}
	}
	grow()
}

func BenchmarkW2_100x1000(b *testing.B)  { benchmarkW2(b, 100, 1000) }
func BenchmarkW2_250x1000(b *testing.B)  { benchmarkW2(b, 250, 1000) }
func BenchmarkW2_1000x2000(b *testing.B) { benchmarkW2(b, 1000, 2000) }

func benchmarkW2(b *testing.B, rows, cols int) {
	x, y := normals(1, rows, 3), normals(2, cols, 3)
	for b.Loop() {
		w2(x, y)
	}
}

func BenchmarkOf40x40(b *testing.B) {
	e, truth := normals(1, 40, 40), make([]float64, 40)
	m := NewMarginals(nil)
	list := slices.DeleteFunc(OfCycles(nil), Score.Costly)
	for b.Loop() {
		m.Set(e, nil, truth)
		c := &Case{Marginals: m, Members: e, Truth: truth}
		for _, s := range list {
			s.Of(c)
		}
	}
}

// The band of nis is that of a mean of squares of normal values: of 12 values quantiles of a
// chi-square distribution with 12 degrees of freedom, 4.404 and 23.337, divided by 12.
func TestNISBand(t *testing.T) {
	low, high := NISBand(12)
	if math.Abs(low-4.404/12) > 1e-3 || math.Abs(high-23.337/12) > 1e-3 {
		t.Errorf("%v to %v", low, high)
	}
}

// Many values, of which few are kept: every value has the scores and quantiles that it has alone.
func TestMarginalsOfManyValues(t *testing.T) {
	const rows, n = 7, 3*marginalBlock + 5
	e, truth := normals(1, rows, n), normals(2, 1, n).RawRowView(0)
	kept := []int{0, 63, 64, n - 1}
	m := NewMarginals(kept)
	for _, weights := range [][]float64{{0.1, 0.3, 0, 0.2, 0.2, 0.1, 0.1}, nil} { // the memory of the first is used again
		m.Set(e, weights, truth)
		var sum float64
		counts, one := make([]float64, rows+1), make([]float64, rows+1)
		for j := range n {
			alone := MarginalsOf(mat.NewDense(rows, 1, mat.Col(nil, j, e)), weights, truth[j:j+1])
			_, fair := alone.CRPS()
			sum += fair / n
			alone.Ranks(one)
			if m.Mean[j] != alone.Mean[0] || m.Variance[j] != alone.Variance[0] {
				t.Fatalf("value %d: moments differ", j)
			}
			if !slices.Contains(kept, j) {
				continue
			}
			levels := []float64{0.1, 0.5, 0.8}
			got, want := make([]float64, 3), make([]float64, 3)
			m.Quantiles(got, j, levels)
			alone.Quantiles(want, 0, levels)
			if !slices.Equal(got, want) {
				t.Errorf("value %d: quantiles %v, want %v", j, got, want)
			}
			m.Part(j, n).Quantiles(got, 0, levels)
			if !slices.Equal(got, want) {
				t.Errorf("value %d: quantiles %v of a part, want %v", j, got, want)
			}
		}
		_, fair := m.CRPS()
		near(t, "crps", fair, sum, 1e-14)
		m.Ranks(counts)
		for r := range counts {
			near(t, fmt.Sprint("rank ", r), counts[r], one[r], 1e-12)
		}
	}
}

// An energy score from some of many values is that of all within its sampling error: distances of
// 186 normal values have a relative standard deviation of 1 / sqrt(2 186) = 0.05; the score is
// smaller than the distances by 1 - 1 / sqrt 2, so 0.18 of it for one pair, less for a mean.
func TestEnergyScoreOfManyValues(t *testing.T) {
	const rows, n = 600, 1000
	e, truth := normals(1, rows, n), normals(2, 1, n).RawRowView(0)
	some, _, scale := sampled(truth, e)
	if want := energyWork / (rows * (rows - 1) / 2); len(some) != want || scale != math.Sqrt(float64(n)/float64(want)) {
		t.Fatalf("got %d values and the scale %g, want %d", len(some), scale, want)
	}
	var d, g float64
	for i := range rows {
		d += norm(e.RawRowView(i), truth) / rows
		for k := range i {
			g += norm(e.RawRowView(i), e.RawRowView(k)) / (rows * (rows - 1))
		}
	}
	near(t, "energy score over that of all values", energyScoreFair(truth, e, nil)/(d-g), 1, 0.18)
}

// Of two members at distance 1, half of their mean distance, without bias, is 1/2, however the weight is divided.
func TestFairScoresOfUnequalWeights(t *testing.T) {
	e, truth := mat.NewDense(3, 1, []float64{5, 3, 4}), []float64{3.25}
	for _, w := range []float64{1e-3, 1e-7, 1e-12, 3e-16, 1e-16, 1e-20, 1e-100} {
		for _, weights := range [][]float64{{0, 1 - w, w}, {0, w, 1 - w}} {
			want := 0.25*weights[1] + 0.75*weights[2] - 0.5
			crps, fair := MarginalsOf(e, weights, truth).CRPS()
			what := fmt.Sprint("weights ", weights)
			near(t, what+": crps", crps, 0.25*weights[1]+0.75*weights[2]-weights[1]*weights[2], 1e-12)
			near(t, what+": fair crps", fair, want, 1e-9)
			near(t, what+": fair energy score", energyScoreFair(truth, e, weights), want, 1e-9)
		}
	}
}
