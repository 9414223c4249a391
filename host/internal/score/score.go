// Package score compares ensembles with the truth. All functions are pure.
//
// Rows of an ensemble are members; weights are linear, sum to one, and are nil
// if all are equal. NaN in, NaN out: a score that cannot be computed is NaN,
// never a guess.
package score

import "math"

// rmse returns the root mean square error of an estimate:
//
//	sqrt(1/n sum_j (estimate_j - truth_j)²)
func rmse(estimate, truth []float64) float64 {
	var sum float64
	for j, x := range truth {
		d := estimate[j] - x
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(truth)))
}

// mae returns the mean absolute error of an estimate, sum_j |estimate_j - truth_j| / n.
func mae(estimate, truth []float64) float64 {
	var sum float64
	for j, x := range truth {
		sum += math.Abs(estimate[j] - x)
	}
	return sum / float64(len(truth))
}

// bias returns the mean error of an estimate, sum_j (estimate_j - truth_j) / n.
func bias(estimate, truth []float64) float64 {
	var sum float64
	for j, x := range truth {
		sum += estimate[j] - x
	}
	return sum / float64(len(truth))
}

// Spread returns the root of the mean of the unbiased variances of the state's
// values, those of [Marginals]:
//
//	sqrt(1/n sum_j sum_i w_i (e_ij - mean_j)² / (1 - sum_i w_i²))
//
// For a calibrated ensemble of N members it is the RMSE of the mean divided by
// sqrt((N+1)/N) (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1).
func Spread(variance []float64) float64 {
	var sum float64
	for _, v := range variance {
		sum += v
	}
	return math.Sqrt(sum / float64(len(variance)))
}
