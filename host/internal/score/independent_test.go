package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// ranksOf adds cycles of ranks of n values with the autocorrelation rho in time and alike in space in groups
// of so many, and returns their number of independent ranks and p-value.
func ranksOf(r *rand.Rand, cycles, n, alike int, rho float64) (independent, p float64) {
	const members = 19
	var v RankVariation
	counts, x := make([]float64, members+1), make([]float64, n/alike)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	for range cycles {
		one := make([]float64, members+1)
		for i := range x {
			x[i] = rho*x[i] + math.Sqrt(1-rho*rho)*r.NormFloat64()
			u := 0.5 * math.Erfc(-x[i]/math.Sqrt2)
			one[int(u*(members+1))] += float64(alike)
		}
		v.Add(one)
		AddCounts(counts, one)
	}
	independent = v.Independent()
	return independent, FlatnessOf(counts, independent).P
}

// Independent ranks count each, those that are copies of others count once. Over 60 repetitions the
// standard error of the mean is below 3 %; the estimate of the autocorrelation, which is not below
// 0, takes up to 5 % away.
func TestIndependentRanks(t *testing.T) {
	for _, tt := range []struct {
		n, alike int
		rho      float64
		low, top float64 // share of 200 cycles
	}{
		{1, 1, 0, 0.9, 1.05}, {12, 1, 0, 0.9 * 12, 1.1 * 12}, {12, 12, 0, 0.9, 1.1}, {12, 4, 0, 0.9 * 3, 1.1 * 3}, {12, 1, 0.9, 1, 0.6 * 12},
	} {
		r := rand.New(rand.NewPCG(uint64(tt.n), uint64(tt.alike)))
		mean := 0.0
		for range 60 {
			independent, _ := ranksOf(r, 200, tt.n, tt.alike, tt.rho)
			mean += independent / 60 / 200
		}
		if mean < tt.low || mean > tt.top {
			t.Errorf("%d values, %d alike, autocorrelation %v: a cycle is worth %.2f ranks, want %v to %v", tt.n, tt.alike, tt.rho, mean, tt.low, tt.top)
		}
	}
}

// The test of flatness rejects a calibrated ensemble of alike values in 5 % of 400 cases, within four
// standard errors of 1.1 %, and finds the dome of a wide one that one rank a cycle hid.
func TestFlatnessOfAlikeValues(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	rejected := 0.0
	for range 400 {
		if _, p := ranksOf(r, 100, 60, 3, 0); p < 0.05 {
			rejected += 1.0 / 400
		}
	}
	if rejected < 0.01 || rejected > 0.094 {
		t.Errorf("%.3f of the calibrated ensembles are rejected", rejected)
	}
	dome := make([]float64, 20)
	var v RankVariation
	for range 100 {
		one := make([]float64, 20)
		for range 300 {
			one[min(19, int(20*0.5*math.Erfc(-0.8*r.NormFloat64()/math.Sqrt2)))]++
		}
		v.Add(one)
		AddCounts(dome, one)
	}
	if p := FlatnessOf(dome, v.Independent()).P; p > 1e-6 {
		t.Errorf("a dome over 30,000 ranks has p = %v", p)
	}
	if p := FlatnessOf(dome, 100).P; p < 0.05 {
		t.Errorf("one rank a cycle shows the dome, p = %v", p)
	}
}

// Few cycles count once each, cycles without a rank not at all, and a checkpoint keeps everything.
func TestRankVariationOfFewCycles(t *testing.T) {
	var v RankVariation
	v.Add([]float64{0, 0, 0})
	for range 5 {
		v.Add([]float64{0, 2, 1})
	}
	if got := v.Independent(); got != 5 {
		t.Errorf("got %v", got)
	}
	text, err := json.Marshal(v)
	var again RankVariation
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || again != v {
		t.Errorf("%+v, want %+v, %v", again, v, err)
	}
	same := RankVariation{}
	for range 30 {
		same.Add(slices.Repeat([]float64{1}, 10))
	}
	if got := same.Independent(); got != 300 {
		t.Errorf("cycles that do not vary: %v independent ranks", got)
	}
}
