package score

// RankVariation is what is known of how much the rank histograms of single cycles differ from
// their mean, from which follows how many independent ranks they are worth. Its zero value
// knows nothing.
type RankVariation struct {
	Cycles int
	Ranks  float64           // number of ranks in all cycles
	Sum    [rankBins]float64 // over cycles, of the shares of the ranks by bin
	Square [rankBins]float64 // of their squares
	Lagged [rankBins]float64 // of their products with those of the cycle before
	Last   [rankBins]float64 // of the last cycle
	First  [rankBins]float64 // of the first one
}

// Ranks are put into few bins, so that cycles with few values have shares too.
const rankBins = 5

// fewCycles is how many cycles the estimate needs.
const fewCycles = 20

// Add adds the counts of [Marginals.Ranks] of the next cycle.
func (v *RankVariation) Add(counts []float64) {
	var shares [rankBins]float64
	total := 0.0
	for r, c := range counts {
		shares[r*rankBins/len(counts)] += c
		total += c
	}
	if total == 0 {
		return
	}
	for k := range shares {
		shares[k] /= total
		v.Sum[k] += shares[k]
		v.Square[k] += shares[k] * shares[k]
		if v.Cycles == 0 {
			v.First[k] = shares[k]
		} else {
			v.Lagged[k] += shares[k] * v.Last[k]
		}
	}
	v.Cycles, v.Ranks, v.Last = v.Cycles+1, v.Ranks+total, shares
}

// Independent returns the number of independent ranks that all ranks are worth. Ranks of
// neighbours in space and time are not independent. The histograms of single cycles show how much less
// they are worth: with p_k the mean share of bin k and s_k² the variance of its shares over
// T cycles, with autocorrelation ρ from one cycle to the next, it is
//
//	T Σ p_k (1 - p_k) / Σ s_k² · (1 - ρ) / (1 + ρ)
//
// one over the mean design effect of Rao and Scott (1981, doi:10.1080/01621459.1981.10477633),
// by which a chi-square test of correlated counts is corrected. It is at most the number of ranks,
// and T with fewer than 20 cycles. Bins are wider than ranks, and wider bins are more alike, so that the number
// errs on the small side. Cost: O(1).
func (v *RankVariation) Independent() float64 {
	n := float64(v.Cycles)
	if v.Cycles < fewCycles {
		return min(n, v.Ranks)
	}
	var binomial, variance, lagged float64
	for k := range v.Sum {
		p := v.Sum[k] / n
		binomial += p * (1 - p)
		variance += v.Square[k]/n - p*p
		lagged += (v.Lagged[k]-p*(2*v.Sum[k]-v.First[k]-v.Last[k]))/(n-1) + p*p
	}
	if variance <= 0 {
		return v.Ranks
	}
	rho := min(max(0, lagged/variance), 0.99)
	return min(v.Ranks, n*binomial/variance*(1-rho)/(1+rho))
}
