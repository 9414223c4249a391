package filterdiffusion

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// twoModes returns draws with mean 0 and variance 1 from two equal normal modes of share
// s of the variance each, in turn left and right.
func twoModes(members int, share float64, seed rng.Seed) *mat.VecDense {
	x := mat.NewVecDense(members, nil)
	for i := range members {
		side := float64(2*(i%2) - 1)
		x.SetVec(i, side*math.Sqrt(1-share)+math.Sqrt(share)*seed.Member(i).NormFloat64())
	}
	return x
}

// The share within modes of a normal density is 1 on average, with a standard error of
// 0.93 / sqrt(N): four of these. Of modes 1/sqrt(s) apart that never cross the mean it
// is s / (1 - 2/pi); estimates of a variance scatter by sqrt(2/N) of it.
func TestSplitSeesModes(t *testing.T) {
	for _, members := range []int{20, 20_000} {
		n := float64(members)
		for _, tt := range []struct{ share, want, tolerance float64 }{
			{1, 1, 4 * 0.93 / math.Sqrt(n)},
			{0.05, 0.05 / (1 - 2/math.Pi), 4 * 0.05 / (1 - 2/math.Pi) * math.Sqrt(2/n)},
			{0, narrowest, 1e-12},
		} {
			x := twoModes(members, tt.share, rng.New(8))
			mean := floats.Sum(x.RawVector().Data) / n
			for i := range members {
				x.SetVec(i, x.AtVec(i)-mean)
			}
			if got := split(x, equalWeights(members)).within; math.Abs(got-tt.want) > tt.tolerance {
				t.Errorf("N = %d, share %g: within %.3f, want %.3f", members, tt.share, got, tt.want)
			}
		}
	}
}

// Members of weight w count as w members, also where the modes differ in mass.
func TestSplitCountsWeights(t *testing.T) {
	scores := mat.NewVecDense(4, []float64{-1.5, -0.5, 0.75, 2.25})
	weights := []float64{3. / 8, 2. / 8, 2. / 8, 1. / 8}
	repeated := mat.NewVecDense(8, []float64{-1.5, -1.5, -1.5, -0.5, -0.5, 0.75, 0.75, 2.25})
	for i := range 8 {
		repeated.SetVec(i, repeated.AtVec(i)+0.125) // the mean of both is -0.125
	}
	for i := range 4 {
		scores.SetVec(i, scores.AtVec(i)+0.125)
	}
	got, want := split(scores, weights), split(repeated, equalWeights(8))
	if math.Abs(got.within-want.within) > 1e-14 || !slices.Equal(got.right, []bool{false, false, true, true}) {
		t.Errorf("%+v, want the share %g", got, want.within)
	}
}

// Likelihoods that are noise leave the modes' masses nearly where they were and the
// members' weights within each mode as they are. Evidence beyond doubt counts nearly in
// full. Both against the formula of hold, computed here from ratios.
func TestHold(t *testing.T) {
	const members = 100
	prior := equalWeights(members)
	for _, tt := range []struct {
		name     string
		evidence float64 // logarithm of the right half's likelihood over the left's
		counts   float64 // part of it that is left
	}{{"noise", 0, 0}, {"evidence", 5, 1}} {
		h := split(twoModes(members, 0.02, rng.New(9)), prior)
		logs := make([]float64, members)
		for i := range logs {
			logs[i] = math.Log(prior[i]) + 0.5*rng.New(10).Member(i).NormFloat64()
			if h.right[i] {
				logs[i] += tt.evidence
			}
		}
		before := slices.Clone(logs)
		h.hold(logs, prior)
		was, is := logOdds(h, before), logOdds(h, logs)
		// Noise of 0.5 in the logarithms moves the odds by 0.5 sqrt(4/100) = 0.1, of which
		// within² = (0.02 / 0.363)² is left: below 0.001. Evidence of e^5 stands 0.53 / sqrt(50) of the
		// mean, t = 13, so (4/13)² = 0.09 of it is held: 0.5, and 0.2 of noise.
		if tolerance := 0.001 + 0.14*tt.evidence; math.Abs(is-tt.counts*was) > tolerance {
			t.Errorf("%s: log odds %.4f of %.4f are left", tt.name, is, was)
		}
		for i := range logs {
			want := before[i]
			if h.right[i] {
				want += is - was
			}
			if math.Abs(logs[i]-want) > 1e-12 {
				t.Fatalf("%s: member %d is not moved with its mode", tt.name, i)
			}
		}
	}
}

func logOdds(h halves, logWeights []float64) float64 {
	w, _ := ensemble.Normalise(nil, logWeights)
	mass := 0.0
	for i, right := range h.right {
		if right {
			mass += w[i]
		}
	}
	return math.Log(mass / (1 - mass))
}

// Halves of one member, weights of zero and likelihoods beyond float64 leave finite
// logarithms or those of no weight.
func TestHoldAtTheEdges(t *testing.T) {
	h := halves{right: []bool{true, false, false}, within: narrowest}
	for _, tt := range []struct{ logs, prior []float64 }{
		{[]float64{-1, -2, -3}, []float64{0.2, 0.4, 0.4}},
		{[]float64{-2000, 0, -1}, []float64{0.2, 0.4, 0.4}},
		{[]float64{-1, -1, math.Inf(-1)}, []float64{0.5, 0.5, 0}},
		{[]float64{-1, -1, -1}, []float64{1. / 3, 1. / 3, 1. / 3}},
	} {
		h.hold(tt.logs, tt.prior)
		for i, l := range tt.logs {
			if math.IsNaN(l) || math.IsInf(l, 1) || math.IsInf(l, -1) != (tt.prior[i] == 0) {
				t.Errorf("%v", tt.logs)
			}
		}
	}
}

// Two modes of x keep their masses through 200 analyses of an observation of y, which is
// independent of x, for a model that brings x back to its mode. Systematic draws round the
// 100 m members of a mode of mass m up or down, by sqrt(1/6) on average when the rest is
// uniform: sqrt(200/6) = 6 after 200 times; limit: four of these. By untempered weights of an
// effective size of 65 the share moves by sqrt(1/65 - 1/100) / 2 = 0.04 each time, and of
// four twins one loses a mode.
func TestJointKeepsModes(t *testing.T) {
	for twin := range 4 {
		if right := rightAfter200(t, rng.New(14).Child("twin", twin)); right < 50-24 || right > 50+24 {
			t.Errorf("twin %d: %d of 100 members are in the right mode, want about half", twin, right)
		}
	}
}

func rightAfter200(t *testing.T, seed rng.Seed) (right int) {
	const members = 100
	p := &sdk.Problem{
		Ensemble: mat.NewDense(members, 2, nil), Predicted: mat.NewDense(members, 1, nil), Into: mat.NewDense(members, 2, nil),
		Observation: []float64{0}, ErrorVariance: []float64{4},
	}
	for i := range members {
		p.Into.Set(i, 0, float64(2*(i%2)-1))
	}
	f := configure(t, joint(nil))
	for cycle := range 200 {
		for i := range members {
			r := seed.Child("model", cycle).Member(i)
			y := 3 * r.NormFloat64()
			p.Ensemble.SetRow(i, []float64{math.Copysign(10, p.Into.At(i, 0)) + r.NormFloat64(), y})
			p.Predicted.Set(i, 0, y)
		}
		p.Call = sdk.Call{Cycle: cycle + 1, Seed: seed.Child("cycle", cycle)}
		p.Carry = analyse(t, f, p).Carry
	}
	for i := range members {
		if p.Into.At(i, 0) > 0 {
			right++
		}
	}
	return right
}
