package score

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
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

// Innovator makes innovations one after the other, in the same memory.
type Innovator struct {
	mean, values, d, ratio []float64
	there                  []int
	fit                    fit
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
// observations, without error variances or for one member. The innovation is valid until
// the next one. Cost: O(N m min(N, m)).
func (i *Innovator) Innovate(y []float64, predicted *mat.Dense, weights, variance []float64) Innovation {
	rows, _ := predicted.Dims()
	room := func(of []float64) []float64 { return slices.Grow(of[:0], len(y))[:len(y)] }
	i.mean, i.values = ensemble.Mean(room(i.mean), predicted, weights), room(i.values)
	in := Innovation{Values: i.values, NIS: math.NaN(), Expected: math.NaN()}
	there := slices.Grow(i.there[:0], len(y))
	for j, v := range y {
		in.Values[j] = v - i.mean[j]
		if !math.IsNaN(v) {
			there = append(there, j)
		}
	}
	i.there = there
	c := unbiased(weights, rows)
	if len(there) == 0 || len(variance) == 0 || math.IsNaN(c) {
		return in
	}
	i.d, i.ratio = room(i.d)[:len(there)], room(i.ratio)
	f := &i.fit
	f.predicted, f.mean, f.weights, f.variance, f.unbiased, f.d = predicted, i.mean, weights, variance, c, i.d
	for k, j := range there {
		f.d[k] = in.Values[j] / math.Sqrt(variance[j])
	}
	ratio := i.ratio
	for j := range ratio {
		ratio[j] = 1
	}
	in.NIS = f.normalised(there, ratio) / float64(len(there))
	in.Forecast, in.Error = ratio, variance
	var sum float64
	for _, j := range there {
		sum += ratio[j] * variance[j]
		in.Forecast[j] = (ratio[j] - 1) * variance[j]
	}
	in.Expected = math.Sqrt(sum / float64(len(there)))
	return in
}

// fit is what the NIS of a cycle is computed from.
type fit struct {
	predicted     *mat.Dense // N x m
	mean, weights []float64
	variance      []float64 // of the errors
	unbiased      float64   // 1 - sum_i w_i²
	sd            []float64 // of the errors of a block of observations
	d             []float64 // innovations that are there, divided by the standard deviation of their error
	y, s          []float64 // of matrices; reused
}

// fitBlock is the number of observations whose anomalies are computed at a time.
const fitBlock = 4096

// normalised returns d' S^-1 d for the observations that are there, NaN if it is lost to rounding, and adds to their elements of ratio the variance of the members over that of the error.
func (f *fit) normalised(there []int, ratio []float64) float64 {
	if square := f.byInverse(there, ratio); !math.IsNaN(square) {
		return square
	}
	return f.leastSquares(there)
}

// byInverse is [fit.normalised] with the inverse of a matrix, NaN if that loses digits.
func (f *fit) byInverse(there []int, ratio []float64) float64 {
	rows, _ := f.predicted.Dims()
	order := min(rows, len(there))
	f.s = slices.Grow(f.s[:0], order*order)[:order*order]
	clear(f.s)
	s := blas64.Symmetric{N: order, Stride: order, Data: f.s, Uplo: blas.Upper}
	if len(there) <= rows {
		blas64.Syrk(blas.Trans, 1, f.anomalies(there, ratio).RawMatrix(), 1, s)
		return quadratic(s, f.d)
	}
	projected, part := mat.NewVecDense(rows, nil), mat.NewVecDense(rows, nil)
	for from := 0; from < len(there); from += fitBlock {
		to := min(from+fitBlock, len(there))
		y := f.anomalies(there[from:to], ratio)
		blas64.Syrk(blas.NoTrans, 1, y.RawMatrix(), 1, s)
		part.MulVec(y, mat.NewVecDense(to-from, f.d[from:to]))
		projected.AddVec(projected, part)
	}
	return floats.Dot(f.d, f.d) - quadratic(s, projected.RawVector().Data)
}

// anomalies returns Y for some observations, divided by the standard deviations of their errors, until
// it is called again, and adds their squares to ratio.
func (f *fit) anomalies(there []int, ratio []float64) *mat.Dense {
	rows, _ := f.predicted.Dims()
	f.y = slices.Grow(f.y[:0], rows*len(there))[:rows*len(there)]
	y := mat.NewDense(rows, len(there), f.y)
	f.sd = slices.Grow(f.sd[:0], len(there))[:len(there)]
	for k, j := range there {
		f.sd[k] = math.Sqrt(f.variance[j])
	}
	for i := range rows {
		of, to, factor := f.predicted.RawRowView(i), y.RawRowView(i), math.Sqrt(weight(f.weights, i, rows)/f.unbiased)
		for k, j := range there {
			to[k] = factor * (of[j] - f.mean[j]) / f.sd[k]
			ratio[j] += to[k] * to[k]
		}
	}
	return y
}

// worstCondition is the condition number of I + S up to which it is inverted. A norm of it, times its order, that is
// smaller needs no look at the condition: S has no negative eigenvalues, but for rounding, which is a hundredth
// at most up to there. With more observations than members it is singular without the I, and loses as many digits as it is large.
const worstCondition = 1e12

// quadratic returns b' (I + S)^-1 b, NaN if the condition of the matrix is too bad. It changes s.
func quadratic(s blas64.Symmetric, b []float64) float64 {
	for i := range s.N {
		s.Data[i*s.Stride+i]++
	}
	work := make([]float64, 4*s.N)
	norm := lapack64.Lansy(lapack.MaxColumnSum, s, work)
	factor, ok := lapack64.Potrf(s)
	if !ok || norm*float64(s.N) > worstCondition && lapack64.Pocon(s, norm, work, make([]int, s.N))*worstCondition < 1 {
		return math.NaN()
	}
	z := work[:copy(work, b)]
	lapack64.Potrs(factor, blas64.General{Rows: s.N, Cols: 1, Stride: 1, Data: z})
	return floats.Dot(b, z)
}

// leastRest is how small what is left by least squares may be, relative to the numbers that it is left of,
// to be more than their rounding.
const leastRest = 0x1p-45

// leastSquares returns d' S^-1 d without S, for errors that are far smaller than the spread, where squares
// would lose it. With the rows of Y divided by the standard deviations of the errors it is
//
//	min over z of |d - Y'z|² + |z|²,
//
// the square of the last element of R in a QR decomposition of (Y' d) over (I 0), which takes one block of
// observations after the other. It is NaN if it is not more than rounding. Cost: 2 m N².
func (f *fit) leastSquares(there []int) float64 {
	rows, _ := f.predicted.Dims()
	order := rows + 1
	ratio := make([]float64, len(f.mean)) // is known
	r := mat.NewDense(order, order, nil)
	for i := range rows {
		r.Set(i, i, 1)
	}
	squares := 0.0
	for from := 0; from < len(there); from += fitBlock {
		to := min(from+fitBlock, len(there))
		y := f.anomalies(there[from:to], ratio)
		block := mat.NewDense(order+to-from, order, nil)
		block.Slice(0, order, 0, order).(*mat.Dense).Copy(r)
		block.Slice(order, order+to-from, 0, rows).(*mat.Dense).Copy(y.T())
		for k, d := range f.d[from:to] {
			block.Set(order+k, rows, d)
			squares += d * d
		}
		var qr mat.QR
		qr.Factorize(block)
		qr.RTo(block)
		r.Copy(block)
	}
	rest := r.At(rows, rows) * r.At(rows, rows)
	if !(rest > leastRest*leastRest*max(squares, floats.Max(ratio))) {
		return math.NaN()
	}
	return rest
}

// InnovationSums summarises the innovations of a trial by observed value.
type InnovationSums struct {
	Count           []int32   // of scored innovations
	Forecast, Error []float64 // sums of their expected variances
	First           []float64 // first innovation, divided by its expected standard deviation; NaN: none
	Largest         []float64 // scored innovation that is the largest in absolute value, likewise
	At              []int32   // its cycle; 0: none
}

// Numbers returns the sums that are not whole numbers, in an order that [InnovationSums.Recall] knows,
// and s without them.
func (s InnovationSums) Numbers() (numbers [][]float64, rest InnovationSums) {
	return [][]float64{s.Forecast, s.Error, s.First, s.Largest}, InnovationSums{Count: s.Count, At: s.At}
}

// Recall sets the numbers of s to the last ones of a list, of which it returns the others.
func (s *InnovationSums) Recall(numbers []float64) []float64 {
	for _, of := range []*[]float64{&s.Largest, &s.First, &s.Error, &s.Forecast} {
		left := len(numbers) - len(s.Count)
		*of, numbers = numbers[left:], numbers[:left:left]
	}
	return numbers
}

// Add adds an innovation. scored says that its cycle is part of time means. An innovation
// of which nothing is expected is not counted.
func (s *InnovationSums) Add(in Innovation, cycle int, scored bool) {
	if in.Forecast == nil {
		return
	}
	if m := len(in.Values); s.Count == nil {
		s.Count, s.At = make([]int32, m), make([]int32, m)
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
			s.Largest[j], s.At[j] = d, int32(cycle)
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
