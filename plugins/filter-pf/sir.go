package filterpf

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/resample"
	"gonum.org/v1/gonum/floats"
)

// analyseWhole is the bootstrap filter (Gordon, Salmond and Smith 1993,
// doi:10.1049/ip-f-2.1993.0015): it weights the members by their likelihood,
//
//	log w_i = log w_i(before) + log p(y | x_i),
//
// and resamples if too few of them have most of the weight. A member takes the states of earlier times
// of its ancestor, without jitter. Metrics: weights_ess before
// resampling, the number of different ancestors and whether it resampled. Errors: an
// observation that is impossible for every member.
//
// Randomness: the draw of ancestors, and jitter. Cost: O(N (n + m)), and O(N n min(N, n))
// with jitter.
func (f *filter) analyseWhole(p *sdk.Problem) (*sdk.Analysis, error) {
	logWeights := reweight(p)
	weights, logSum := ensemble.Normalise(nil, logWeights)
	members := len(weights)
	if math.IsInf(logSum, -1) {
		return nil, sdk.Errorf(sdk.KindDiverged, "weights", "the observation is impossible for all %d members", members).
			WithHint("the ensemble has lost the truth: use more members, jitter or a wider observation error")
	}
	ess := ensemble.ESS(weights, members)
	a := &sdk.Analysis{Metrics: map[string]float64{"weights_ess": ess, "unique_ancestors": float64(members), "resampled": 0}}
	if !f.resamples(ess, p) {
		p.Into.Copy(p.Ensemble)
		floats.AddConst(-logSum, logWeights)
		a.LogWeights = logWeights
		return a, nil
	}
	a.Ancestors = f.draw(weights, p.Seed.Child("resample", 0).Rand())
	for i, from := range a.Ancestors {
		copy(p.Into.RawRowView(i), p.Ensemble.RawRowView(from))
	}
	a.Metrics["unique_ancestors"], a.Metrics["resampled"] = float64(unique(a.Ancestors)), 1
	f.jitter(p.Now(f.past), a.Ancestors, weights)
	return a, nil
}

// reweight returns the logarithms of the forecast weights times the likelihoods,
// up to a common factor.
func reweight(p *sdk.Problem) []float64 {
	members, _ := p.Ensemble.Dims()
	logWeights := make([]float64, members)
	copy(logWeights, p.LogWeights)
	for i := range logWeights {
		for _, l := range p.LogLikelihood.RawRowView(i) {
			logWeights[i] += l
		}
	}
	return logWeights
}

// resamples reports whether the effective sample size is too small. A threshold of 1
// means every cycle, even if all weights are equal. A cycle without observations changes
// nothing.
func (f *filter) resamples(ess float64, p *sdk.Problem) bool {
	observed := slices.ContainsFunc(p.Observation, func(y float64) bool { return !math.IsNaN(y) })
	members, _ := p.Ensemble.Dims()
	return observed && (f.Threshold == 1 || ess < f.Threshold*float64(members))
}

// draw returns an ancestor for every member, in ascending order.
func (f *filter) draw(weights []float64, r *rand.Rand) []int {
	dst := make([]int, len(weights))
	switch f.Resampling {
	case "stratified":
		return resample.Stratified(dst, weights, r)
	case "residual":
		return resample.Residual(dst, weights, r)
	case "multinomial":
		return resample.Multinomial(dst, weights, r)
	}
	return resample.Systematic(dst, weights, r)
}

// unique counts the different ancestors of an ascending list.
func unique(ancestors []int) int {
	n := 1
	for i := 1; i < len(ancestors); i++ {
		if ancestors[i] != ancestors[i-1] {
			n++
		}
	}
	return n
}
