// Package response learns from readings of an operator what it would read of a state on average.
package response

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// A Response is what readings of many states say of the operator that was read: the expected
// reading of each component as a sum of smooth functions of single values of the state.
//
// It is the mean of a Gaussian process y = c + sum_d f_d(x_d) + e with additive covariance (Duvenaud et al. 2011,
// arXiv:1112.4394). Each f_d has a squared exponential covariance of length 0.7 standard deviations of the value, in the
// basis of Solin and Särkkä (2020, doi:10.1007/s11222-019-09886-w, eq. 8), and a slope. Instead of the f_d a component may
// have a linear function of all values. Values and the variance of e relative to that of the f_d are those of the highest
// marginal likelihood, less log n for every value: values are added one by one, while it increases.
type Response struct {
	shift, scale []float64  // of the state, n values
	bases        []basis    // of each value, n
	all          *mat.Dense // n x p, directions of the linear functions of all values
	of           []component
}

// component is the response of one component.
type component struct {
	mean  float64
	terms []term
	// variance is that of the readings around the response.
	variance float64
}

// term is the part of a response that depends on one value of the state, or on all.
type term struct {
	value        int // everything for all
	coefficients []float64
}

const everything = -1

// The limits of a response. Beyond mostTerms values the readings would have to say more than they do, and mostDirections are as
// many as they can tell apart.
const (
	length         = 0.7 // of the covariance, in standard deviations
	mostTerms      = 4
	mostDirections = 40
)

// basis is the functions of a standardised value z: z itself, and sin(k pi (z + half) / (2 half)) for k >= 1, each
// times its prior standard deviation.
type basis struct {
	half float64   // width of half of the interval
	sd   []float64 // of the sines
}

// newBasis returns functions for values of which the largest is most in absolute value. Higher frequencies than the
// last one have less than 0.3 % of the prior density of the first.
func newBasis(most float64) basis {
	b := basis{half: 1.2 * max(most, 1)}
	for k := 1.0; ; k++ {
		omega := k * math.Pi / (2 * b.half)
		if omega*length > 3.5 {
			return b
		}
		b.sd = append(b.sd, math.Sqrt(math.Sqrt(2*math.Pi)*length*math.Exp(-omega*omega*length*length/2)/b.half))
	}
}

func (b *basis) size() int { return len(b.sd) + 1 }

// at sets dst to the functions at z. Outside of the interval they continue with the slope alone.
func (b *basis) at(dst []float64, z float64) {
	dst[0] = z
	angle := math.Pi * (min(max(z/b.half, -1), 1) + 1) / 2
	for k, sd := range b.sd {
		dst[k+1] = sd * math.Sin(float64(k+1)*angle)
	}
}

// Learn returns the response of the readings y, M x m, of the states x, M x n.
// Cost: O(M n m) and O(M min(M, n)²).
func Learn(x, y *mat.Dense) *Response {
	l := newLearner(x, y)
	_, m := y.Dims()
	l.of = make([]component, m)
	ensemble.InBlocks(m, 1, func() func(from, to int) {
		return func(from, to int) {
			for j := from; j < to; j++ {
				l.of[j] = l.component(j)
			}
		}
	})
	learnt := l.Response // not what it was learnt from
	if !slices.ContainsFunc(l.of, func(c component) bool { return len(c.terms) > 0 && c.terms[0].value == everything }) {
		learnt.all = nil
	}
	return &learnt
}

// learner is a response in the making.
type learner struct {
	Response
	y      *mat.Dense // M x m
	single []features // of each value of the state; those of values that do not vary have no columns
	linear features   // of all
	price  float64    // of a value, in log-likelihood
}

// features are the functions F of a term at the states, with F'F = V diag(values) V'.
type features struct {
	at      *mat.Dense // F, M x p
	turned  mat.Dense  // F V
	vectors *mat.Dense // V, p x p
	values  []float64
	logs    []float64 // for each of noises: sum log(values + noise) + (M - p) log(noise)
}

func newLearner(x, y *mat.Dense) *learner {
	rows, n := x.Dims()
	l := &learner{Response: Response{shift: make([]float64, n), scale: make([]float64, n), bases: make([]basis, n)}, y: y, single: make([]features, n), price: math.Log(float64(n))}
	ensemble.Mean(l.shift, x, nil)
	ensemble.Variance(l.scale, x, l.shift, nil)
	z := mat.NewDense(rows, n, nil)
	ensemble.InBlocks(n, 1, func() func(from, to int) {
		return func(from, to int) {
			for d := from; d < to; d++ {
				l.prepare(d, x, z)
			}
		}
	})
	l.directions(z)
	return l
}

// prepare standardises value d of the states and sets its functions.
func (l *learner) prepare(d int, x, z *mat.Dense) {
	rows, _ := x.Dims()
	if l.scale[d] = math.Sqrt(l.scale[d]); !(l.scale[d] > 0) || math.IsInf(l.scale[d], 1) {
		l.scale[d] = math.Inf(1) // says nothing
		return
	}
	most := 0.0
	for i := range rows {
		v := (x.At(i, d) - l.shift[d]) / l.scale[d]
		z.Set(i, d, v)
		most = max(most, math.Abs(v))
	}
	b := newBasis(most)
	at := mat.NewDense(rows, b.size(), nil)
	for i := range rows {
		b.at(at.RawRowView(i), z.At(i, d))
	}
	l.bases[d], l.single[d] = b, decomposed(at)
}

// directions sets the linear functions of all values: the principal components of the standardised
// states, each divided by the root of n.
func (l *learner) directions(z *mat.Dense) {
	rows, n := z.Dims()
	var svd mat.SVD
	if !svd.Factorize(z, mat.SVDThin) {
		return
	}
	var v mat.Dense
	svd.VTo(&v)
	p := min(rows/4, n, mostDirections)
	if p == 0 {
		return
	}
	l.all = mat.DenseCopyOf(v.Slice(0, n, 0, p))
	l.all.Scale(1/math.Sqrt(float64(n)), l.all)
	var at mat.Dense
	at.Mul(z, l.all)
	l.linear = decomposed(&at)
}

// decomposed returns functions with the decomposition of their products; without columns if there is none.
func decomposed(at *mat.Dense) features {
	rows, p := at.Dims()
	gram := mat.NewSymDense(p, nil)
	gram.SymOuterK(1, at.T())
	var eigen linalg.Eigen
	if !eigen.Factorize(gram) {
		return features{}
	}
	f := features{at: at, values: eigen.Values, logs: make([]float64, len(noises))}
	f.vectors = eigen.Vectors
	f.turned.Mul(at, f.vectors)
	for i, v := range f.values {
		f.values[i] = max(v, 0)
	}
	for k, noise := range noises {
		f.logs[k] = float64(rows-p) * math.Log(noise)
		for _, v := range f.values {
			f.logs[k] += math.Log(v + noise)
		}
	}
	return f
}

// regression is readings explained by functions.
type regression struct {
	likelihood   float64 // marginal, its logarithm, apart from a constant
	variance     float64 // of the rest
	coefficients []float64
	b            []float64 // V'F'y
	noise        float64   // variance of the rest over that of the functions
}

// noises are the ratios of variances that are tried, from 1e-4 to 1e4.
var noises = func() (all []float64) {
	for k := range 25 {
		all = append(all, math.Pow(10, float64(k-12)/3))
	}
	return all
}()

// explain returns the regression of y, whose sum of squares is square, with the ratio of the highest
// marginal likelihood, without coefficients. With covariance s² (F F' + noise I) and s² of the highest likelihood it is
//
//	-1/2 [M log(s²) + sum log(values + noise) + (M - p) log(noise)],   s² noise = (y'y - sum b²/(values + noise)) / M.
func (f *features) explain(y []float64, square float64) regression {
	best := regression{likelihood: math.Inf(-1)}
	if f.at == nil {
		return best
	}
	var vector mat.VecDense
	vector.MulVec(f.turned.T(), mat.NewVecDense(len(y), y))
	b, rows := vector.RawVector().Data, float64(len(y))
	for k, noise := range noises {
		rest := square
		for i, v := range f.values {
			rest -= b[i] * b[i] / (v + noise)
		}
		variance := max(rest, 1e-12*square) / rows // less would be rounding error
		if likelihood := -(rows*math.Log(variance/noise) + f.logs[k]) / 2; likelihood > best.likelihood {
			best = regression{likelihood: likelihood, variance: variance, noise: noise}
		}
	}
	best.b = b
	return best
}

// solve sets the coefficients of r, a regression on f.
func (f *features) solve(r *regression) {
	scaled := make([]float64, len(r.b))
	for i, v := range f.values {
		scaled[i] = r.b[i] / (v + r.noise)
	}
	var c mat.VecDense
	c.MulVec(f.vectors, mat.NewVecDense(len(scaled), scaled))
	r.coefficients = c.RawVector().Data
}

// component returns the response of component j.
func (l *learner) component(j int) component {
	rows, _ := l.y.Dims()
	y := mat.Col(nil, j, l.y)
	mean := floats.Sum(y) / float64(rows)
	floats.AddConst(-mean, y)
	square := floats.Dot(y, y)
	c := component{mean: mean, variance: square / float64(rows)}
	if !(square > 0) {
		return c
	}
	values, r := l.chosen(y, square)
	if len(values) == 0 {
		return c
	}
	c.variance = r.variance
	first := 0
	for _, d := range values {
		_, p := l.features(d).at.Dims()
		c.terms = append(c.terms, term{d, r.coefficients[first : first+p]})
		first += p
	}
	return c
}

// chosen returns the values of the state that explain y, the most important one first, and the regression on
// them; none if none varies.
func (l *learner) chosen(y []float64, square float64) ([]int, regression) {
	values, r := []int{everything}, l.linear.explain(y, square)
	if d, single := l.best(y, square, nil); single.likelihood > r.likelihood {
		values, r = []int{d}, single
	}
	if math.IsInf(r.likelihood, -1) {
		return nil, r
	}
	used := l.features(values[0])
	for used.solve(&r); len(values) < mostTerms; {
		rest := residual(y, used.at, r.coefficients)
		d, of := l.best(rest, floats.Dot(rest, rest), values)
		if math.IsInf(of.likelihood, -1) {
			break
		}
		more := append(slices.Clone(values), d)
		joint := l.joined(more)
		next := joint.explain(y, square)
		if next.likelihood -= l.priceOf(more); next.likelihood <= r.likelihood {
			break
		}
		values, r, used = more, next, joint
		used.solve(&r)
	}
	return values, r
}

// priceOf returns the price of values of the state; a linear function of all has none.
func (l *learner) priceOf(values []int) float64 {
	n := len(values)
	if values[0] == everything {
		n--
	}
	return l.price * float64(n)
}

// best returns the value of the state that explains y best, of those that are not in used, and its
// regression, with its price.
func (l *learner) best(y []float64, square float64, used []int) (int, regression) {
	value, best := 0, regression{likelihood: math.Inf(-1)}
	for d := range l.single {
		if slices.Contains(used, d) {
			continue
		}
		r := l.single[d].explain(y, square)
		if r.likelihood -= l.price; r.likelihood > best.likelihood {
			value, best = d, r
		}
	}
	return value, best
}

// features returns the functions of a value, or of all.
func (l *learner) features(value int) *features {
	if value == everything {
		return &l.linear
	}
	return &l.single[value]
}

// joined returns the functions of several values.
func (l *learner) joined(values []int) *features {
	all := l.features(values[0]).at
	for _, d := range values[1:] {
		var wider mat.Dense
		wider.Augment(all, l.features(d).at)
		all = &wider
	}
	f := decomposed(all)
	return &f
}

// residual returns y less what functions with coefficients explain of it.
func residual(y []float64, at *mat.Dense, coefficients []float64) []float64 {
	var fit mat.VecDense
	fit.MulVec(at, mat.NewVecDense(len(coefficients), coefficients))
	rest := make([]float64, len(y))
	floats.SubTo(rest, y, fit.RawVector().Data)
	return rest
}

// Variance returns the variance of the readings of component j around the response.
func (r *Response) Variance(j int) float64 { return r.of[j].variance }

// Predict sets dst, N x m, to the expected readings of the states x, N x n. Cost: O(N (n + m)).
func (r *Response) Predict(dst, x *mat.Dense) {
	rows, n := x.Dims()
	ensemble.InBlocks(rows, 1, func() func(from, to int) {
		z, directions, functions := make([]float64, n), []float64(nil), []float64(nil)
		if r.all != nil {
			_, p := r.all.Dims()
			directions = make([]float64, p)
		}
		return func(from, to int) {
			for i := from; i < to; i++ {
				for d, v := range x.RawRowView(i) {
					z[d] = (v - r.shift[d]) / r.scale[d]
				}
				if directions != nil {
					mat.NewVecDense(len(directions), directions).MulVec(r.all.T(), mat.NewVecDense(n, z))
				}
				for j := range r.of {
					dst.Set(i, j, r.of[j].at(r, z, directions, &functions))
				}
			}
		}
	})
}

// at returns the expected reading of a standardised state. functions is memory.
func (c *component) at(r *Response, z, directions []float64, functions *[]float64) float64 {
	sum := c.mean
	for _, t := range c.terms {
		if t.value == everything {
			sum += floats.Dot(t.coefficients, directions)
			continue
		}
		if cap(*functions) < len(t.coefficients) {
			*functions = make([]float64, 2*len(t.coefficients))
		}
		f := (*functions)[:len(t.coefficients)]
		r.bases[t.value].at(f, z[t.value])
		sum += floats.Dot(t.coefficients, f)
	}
	return sum
}
