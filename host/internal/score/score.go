// Package score judges ensembles against the truth. All functions are pure.
//
// Rows of an ensemble are members; weights are linear, sum to one, and are nil
// when all are equal. NaN in, NaN out: a score that cannot be computed is NaN,
// never a guess.
package score

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Scores are the scores of one ensemble against one truth.
type Scores struct {
	RMSE     float64
	Bias     float64
	Spread   float64
	CRPSFair float64
	ESS      float64
}

// Of returns the scores of ensemble e, N x n, against truth, n values. Cost:
// O(n N log N), for the sorting that the CRPS needs.
func Of(truth []float64, e *mat.Dense, weights []float64) Scores {
	rows, _ := e.Dims()
	mean := ensemble.Mean(nil, e, weights)
	return Scores{
		RMSE:     RMSE(mean, truth),
		Bias:     Bias(mean, truth),
		Spread:   Spread(e, mean, weights),
		CRPSFair: CRPSFair(truth, e, weights),
		ESS:      ensemble.ESS(weights, rows),
	}
}

// RMSE returns the root mean square error of an estimate:
//
//	sqrt(1/n sum_j (estimate_j - truth_j)²)
func RMSE(estimate, truth []float64) float64 {
	var sum float64
	for j, x := range truth {
		d := estimate[j] - x
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(truth)))
}

// Bias returns the mean error of an estimate, sum_j (estimate_j - truth_j) / n.
func Bias(estimate, truth []float64) float64 {
	var sum float64
	for j, x := range truth {
		sum += estimate[j] - x
	}
	return sum / float64(len(truth))
}

// Spread returns the root of the mean unbiased variance of e around its mean:
//
//	sqrt(1/n sum_j sum_i w_i (e_ij - mean_j)² / (1 - sum_i w_i²))
//
// For a calibrated ensemble of N members it is the RMSE of the mean divided by
// sqrt((N+1)/N) (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1).
func Spread(e *mat.Dense, mean, weights []float64) float64 {
	var sum float64
	variance := ensemble.Variance(nil, e, mean, weights)
	for _, v := range variance {
		sum += v
	}
	return math.Sqrt(sum / float64(len(variance)))
}

// CRPSFair returns the continuous ranked probability score, fair to small
// ensembles, averaged over the state values:
//
//	sum_i w_i |e_i - x| - 1/2 sum_ik w_i w_k |e_i - e_k| / (1 - sum_i w_i²)
//
// For equal weights the second term divides by 2 N (N - 1), so that its
// expectation does not depend on N (Ferro 2014, doi:10.1002/qj.2270, equation 9).
// Cost: O(n N log N). One member has no fair score: NaN.
func CRPSFair(truth []float64, e *mat.Dense, weights []float64) float64 {
	rows, n := e.Dims()
	correction := 1 - 1/ensemble.ESS(weights, rows)
	if correction <= 0 {
		return math.NaN()
	}
	members := make([]member, rows)
	var total float64
	for j := range n {
		for i := range members {
			members[i] = member{e.At(i, j), 1 / float64(rows)}
			if weights != nil {
				members[i].weight = weights[i]
			}
		}
		total += distance(members, truth[j]) - dispersion(members)/correction
	}
	return total / float64(n)
}

type member struct{ value, weight float64 }

// distance returns sum_i w_i |e_i - x|.
func distance(members []member, x float64) float64 {
	var sum float64
	for _, m := range members {
		sum += m.weight * math.Abs(m.value-x)
	}
	return sum
}

// dispersion returns 1/2 sum_ik w_i w_k |e_i - e_k| from the sorted members: each
// gap counts with the weight below times the weight above it. It sorts members.
func dispersion(members []member) float64 {
	slices.SortFunc(members, func(a, b member) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	var sum, below float64
	for i := 1; i < len(members); i++ {
		below += members[i-1].weight
		sum += (members[i].value - members[i-1].value) * below * (1 - below)
	}
	return sum
}
