package score

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Innovation is the difference between the observations of a cycle and the predictions
// of the forecast ensemble.
type Innovation struct {
	Values []float64 // y minus the mean prediction, m values; NaN where y is missing
	// NIS is the normalised innovation squared per observation, d' S^-1 d / m with
	// S = cov(HE) + R. It is 1 on average if the ensemble and R explain the innovations,
	// and larger if the filter is overconfident.
	NIS float64
	// Expected is the root of the mean of S's diagonal: the expected root mean square of
	// Values.
	Expected float64
	// Forecast and Error hold the variances of the members' predictions and of the
	// observation errors, whose sums are the diagonal of S; nil if they are not known,
	// meaningless where y is missing.
	Forecast, Error []float64
}

// Innovate returns the innovation of observations y, m values, for predicted
// observations of N members, N x m, and error variances, m positive values of a
// diagonal R. Missing observations, NaN, are skipped. S has size m; if there are fewer
// members, its inverse is computed in their space by the Woodbury identity
//
//	S^-1 = R^-1 - R^-1 Y' (I + Y R^-1 Y')^-1 Y R^-1
//
// with rows Y_i = sqrt(w_i / (1 - sum w²)) (HE_i - mean). Source: Bar-Shalom, Li and
// Kirubarajan 2001, doi:10.1002/0471221279, section 5.4; in DA, Desroziers et al.
// 2005, doi:10.1256/qj.05.108, equation 1. NIS and Expected are NaN without
// observations, without error variances or for one member. Cost: O(N m min(N, m)).
func Innovate(y []float64, predicted *mat.Dense, weights, variance []float64) Innovation {
	rows, _ := predicted.Dims()
	mean := ensemble.Mean(nil, predicted, weights)
	in := Innovation{Values: make([]float64, len(y)), NIS: math.NaN(), Expected: math.NaN()}
	var there []int
	for j, v := range y {
		in.Values[j] = v - mean[j]
		if !math.IsNaN(v) {
			there = append(there, j)
		}
	}
	c := unbiased(weights, rows)
	if len(there) == 0 || len(variance) == 0 || math.IsNaN(c) {
		return in
	}
	anomalies, d := mat.NewDense(rows, len(there), nil), mat.NewVecDense(len(there), nil)
	for k, j := range there { // all divided by the error's standard deviation
		r := math.Sqrt(variance[j])
		d.SetVec(k, in.Values[j]/r)
		for i := range rows {
			anomalies.Set(i, k, math.Sqrt(weight(weights, i, rows)/c)*(predicted.At(i, j)-mean[j])/r)
		}
	}
	in.NIS = normalised(anomalies, d) / float64(len(there))
	in.expect(anomalies, variance, there)
	return in
}

// normalised returns d' (I + Y'Y)^-1 d for Y, N x m; NaN if the matrix is singular.
func normalised(y *mat.Dense, d *mat.VecDense) float64 {
	rows, m := y.Dims()
	var z mat.VecDense
	if m <= rows {
		if !solve(&z, y.T(), d) {
			return math.NaN()
		}
		return mat.Dot(d, &z)
	}
	var projected mat.VecDense
	projected.MulVec(y, d)
	if !solve(&z, y, &projected) {
		return math.NaN()
	}
	return mat.Dot(d, d) - mat.Dot(&projected, &z)
}

// solve sets z to (I + A A')^-1 b.
func solve(z *mat.VecDense, a mat.Matrix, b *mat.VecDense) bool {
	n, _ := a.Dims()
	var s mat.SymDense
	s.SymOuterK(1, a)
	for i := range n {
		s.SetSym(i, i, s.At(i, i)+1)
	}
	var chol mat.Cholesky
	return chol.Factorize(&s) && chol.SolveVecTo(z, b) == nil
}

// expect sets what is expected of the innovation from the scaled anomalies.
func (in *Innovation) expect(y *mat.Dense, variance []float64, there []int) {
	rows, _ := y.Dims()
	in.Forecast, in.Error = make([]float64, len(variance)), variance
	var sum float64
	for k, j := range there {
		s := 1.0
		for i := range rows {
			s += y.At(i, k) * y.At(i, k)
		}
		sum += s * variance[j]
		in.Forecast[j] = (s - 1) * variance[j]
	}
	in.Expected = math.Sqrt(sum / float64(len(there)))
}

// InnovationSums summarises the innovations of a trial by observed value.
type InnovationSums struct {
	Count           []int     // of scored innovations
	Forecast, Error []float64 // sums of their expected variances
	First           []float64 // first innovation, divided by its expected standard deviation; NaN: none
	Largest         []float64 // scored innovation that is the largest in absolute value, likewise
	At              []int     // its cycle; 0: none
}

// Add adds an innovation. scored says that its cycle is part of time means. An innovation
// of which nothing is expected is not counted.
func (s *InnovationSums) Add(in Innovation, cycle int, scored bool) {
	if in.Forecast == nil {
		return
	}
	if m := len(in.Values); s.Count == nil {
		s.Count, s.At = make([]int, m), make([]int, m)
		s.Forecast, s.Error, s.Largest = make([]float64, m), make([]float64, m), make([]float64, m)
		s.First = slices.Repeat([]float64{math.NaN()}, m)
	}
	for j, d := range in.Values {
		if math.IsNaN(d) {
			continue
		}
		d /= math.Sqrt(in.Forecast[j] + in.Error[j])
		if math.IsNaN(s.First[j]) {
			s.First[j] = d
		}
		if !scored {
			continue
		}
		s.Count[j]++
		s.Forecast[j] += in.Forecast[j]
		s.Error[j] += in.Error[j]
		if math.Abs(d) > math.Abs(s.Largest[j]) {
			s.Largest[j], s.At[j] = d, cycle
		}
	}
}

// NISBand returns the interval that holds the mean of [Innovation.NIS] with a probability
// of 95 % if the n observations that it is over are normal with the expected variances and
// independent: quantiles of the chi-square distribution with n degrees of freedom, divided
// by n. Source: Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and
// Navigation, 2001, doi:10.1002/0471221279, section 5.4.
func NISBand(n int) (low, high float64) {
	chi := distuv.ChiSquared{K: float64(n)}
	return chi.Quantile(0.025) / chi.K, chi.Quantile(0.975) / chi.K
}
