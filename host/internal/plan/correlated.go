package plan

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Correlated errors. With R = D C D, where D holds the standard deviations, and C = L L', the
// residual of an observation is whitened by
//
//	z = L⁻¹ D⁻¹ (y - h(x)),
//
// whose values are independent with variance 1. A filter that gets whitened observations and
// predictions therefore solves the problem with the full R, whatever it does and in
// whichever language it is written, if it does not ask where an observation was made: a
// whitened one has no place. See docs/decisions/0060-correlated-observation-errors.md.

// mostCorrelated bounds the number of values of a stream whose errors are correlated: the memory
// is the square of it, and the time to factorise its cube.
const mostCorrelated = 4000

// correlation is that of the errors of one stream.
type correlation struct {
	matrix *mat.SymDense
	whole  *mat.TriDense // Cholesky factor of the matrix
}

// factor returns the Cholesky factor of the part of the matrix that belongs to some components.
func (c *correlation) factor(of []int) *mat.TriDense {
	if len(of) == c.matrix.SymmetricDim() {
		return c.whole
	}
	part := mat.NewSymDense(len(of), nil)
	for a, j := range of {
		for b := a; b < len(of); b++ {
			part.SetSym(a, b, c.matrix.At(j, of[b]))
		}
	}
	return lower(part)
}

// lower returns the Cholesky factor of a matrix; nil if the matrix is not positive definite.
func lower(of *mat.SymDense) *mat.TriDense {
	var chol mat.Cholesky
	if !chol.Factorize(of) {
		return nil
	}
	l := &mat.TriDense{}
	chol.LTo(l)
	return l
}

// correlation returns that of the errors of stream i, which the workflow states at a key; nil
// after a finding.
func (m *maker) correlation(i int, key string, of *workflow.Correlation, space *sdk.ObservationSpace) *correlation {
	at := []any{"observations", i, key, "correlation"}
	l := space.Layout
	n := l.Size()
	switch {
	case !slices.Contains(space.Offers, sdk.Predicted) || !slices.Contains(space.Offers, sdk.ErrorVariance):
		m.add(codeCapability, at, "correlated errors need `predicted` and `error_variance`, which %s does not offer here", m.w.Observations[i].Plugin).
			WithHelp("remove correlation, or choose another operator")
		return nil
	case of.Length > 0 && l.Coordinates == nil:
		m.add(codeCapability, below(at, "length"), "the observations have no coordinates").WithLabel("a distance between what?").
			WithHelp("give the correlations of neighbours instead: lags = [0.5, 0.2]")
		return nil
	case n > mostCorrelated:
		m.add(codeShape, at, "the errors of %d values cannot be correlated, only of up to %d", n, mostCorrelated).
			WithLabel("too many values").WithHelp("divide them into several streams")
		return nil
	}
	matrix := mat.NewSymDense(n, nil)
	for j := range n {
		for k := j; k < n; k++ {
			matrix.SetSym(j, k, between(of, l.Coordinates, j, k))
		}
	}
	whole := lower(matrix)
	if whole == nil {
		m.add(codeShape, at, "no distribution has these correlations: their matrix is not positive definite").
			WithLabel("not possible").WithHelp("lower them, or give a length")
		return nil
	}
	return &correlation{matrix, whole}
}

// between returns the correlation of the errors of components j and k, j <= k: exp(-d/length) for
// positions at a distance of d, or that of their lag.
func between(of *workflow.Correlation, at *sdk.Coordinates, j, k int) float64 {
	switch {
	case j == k:
		return 1
	case of.Length > 0:
		return math.Exp(-distance(at, j, k) / of.Length)
	case k-j <= len(of.Lags):
		return of.Lags[k-j-1]
	}
	return 0
}

// distance returns that of two positions.
func distance(at *sdk.Coordinates, j, k int) float64 {
	sum := 0.0
	for axis, period := range at.Period {
		d := sdk.Separation(at.Points.At(j, axis), at.Points.At(k, axis), period)
		sum += d * d
	}
	return math.Sqrt(sum)
}

// correlated is an operator with normal errors that are correlated. It does not offer
// positions, because whitened observations have none, nor a gradient.
// Random streams: branch "correlated" of a request's seed, by member.
type correlated struct {
	sdk.ObservationOperator
	*correlation
	space *sdk.ObservationSpace
}

func newCorrelated(op sdk.ObservationOperator, c *correlation) *correlated {
	space := *op.Space()
	space.Offers = []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.ErrorVariance}
	return &correlated{op, c, &space}
}

// Space implements sdk.ObservationOperator.
func (o *correlated) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator. The log-likelihood of a component is that given
// the components before it.
func (o *correlated) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	predicted, result, err := predict(ctx, o.ObservationOperator, r)
	if err != nil {
		return nil, err
	}
	if r.Simulated != nil {
		o.simulate(r, predicted, result.ErrorVariance)
	}
	if r.LogLikelihood != nil {
		o.weigh(r, predicted, result.ErrorVariance)
	}
	return result, nil
}

// predict asks op for what r asks for except simulated observations and log-likelihoods, which have
// the errors of another operator. It returns the predictions even if r does not ask for them.
func predict(ctx context.Context, op sdk.ObservationOperator, r *sdk.ObserveRequest) (*mat.Dense, *sdk.ObserveResult, error) {
	inner := *r
	inner.Simulated, inner.LogLikelihood = nil, nil
	if inner.Predicted == nil {
		rows, _ := r.Ensemble.Dims()
		inner.Predicted = mat.NewDense(rows, op.Space().Layout.Size(), nil)
	}
	result, err := op.Observe(ctx, &inner)
	return inner.Predicted, result, err
}

func (o *correlated) simulate(r *sdk.ObserveRequest, predicted *mat.Dense, variance []float64) {
	rows, m := predicted.Dims()
	seed, e := r.Seed.Child("correlated", 0), mat.NewVecDense(m, nil)
	for i := range rows {
		stream := seed.Member(r.Member(i))
		for j := range m {
			e.SetVec(j, stream.NormFloat64())
		}
		e.MulVec(o.whole, e)
		for j := range m {
			r.Simulated.Set(i, j, predicted.At(i, j)+math.Sqrt(variance[j])*e.AtVec(j))
		}
	}
}

func (o *correlated) weigh(r *sdk.ObserveRequest, predicted *mat.Dense, variance []float64) {
	w := newWhitening(o.correlation, r.Observation, variance)
	rows, m := predicted.Dims()
	residual := make([]float64, m)
	r.LogLikelihood.Zero()
	for i := range rows {
		for j := range residual {
			residual[j] = r.Observation[j] - predicted.At(i, j)
		}
		w.apply(residual)
		for k, j := range w.present {
			r.LogLikelihood.Set(i, j, -(residual[j]*residual[j]+math.Log(2*math.Pi*variance[j]))/2-math.Log(w.factor.At(k, k)))
		}
	}
}

// whitening whitens the values of one stream in one cycle.
type whitening struct {
	present []int // components that are not missing
	sd      []float64
	factor  *mat.TriDense
	values  *mat.VecDense // reused
}

func newWhitening(c *correlation, y, variance []float64) *whitening {
	w := &whitening{}
	for j, v := range y {
		if !math.IsNaN(v) {
			w.present, w.sd = append(w.present, j), append(w.sd, math.Sqrt(variance[j]))
		}
	}
	if len(w.present) > 0 {
		w.factor, w.values = c.factor(w.present), mat.NewVecDense(len(w.present), nil)
	}
	return w
}

// apply whitens values, those of all components of the stream, in place.
func (w *whitening) apply(values []float64) {
	if len(w.present) == 0 {
		return
	}
	for k, j := range w.present {
		w.values.SetVec(k, values[j]/w.sd[k])
	}
	// The factor has a diagonal above 0, so that there is a solution.
	_ = w.values.SolveVec(w.factor, w.values)
	for k, j := range w.present {
		values[j] = w.values.AtVec(k)
	}
}

// Standardise returns a function that turns residuals of y, all those of one cycle, in place
// into values that are independent with variance 1 if the residuals are errors, or nil if no
// errors are correlated. Those of missing values stay as they are.
func (p *Plan) Standardise(y, variance []float64) func(residual []float64) {
	if len(p.blocks) == 0 {
		return nil
	}
	sd := make([]float64, len(y))
	for j, v := range variance {
		sd[j] = math.Sqrt(v)
	}
	var whitenings []*whitening
	for _, b := range p.blocks {
		end := b.first + b.size
		whitenings = append(whitenings, newWhitening(b.correlation, y[b.first:end], variance[b.first:end]))
		for j := b.first; j < end; j++ {
			sd[j] = 1
		}
	}
	return func(residual []float64) {
		for i, b := range p.blocks {
			whitenings[i].apply(residual[b.first : b.first+b.size])
		}
		for j := range residual {
			residual[j] /= sd[j]
		}
	}
}

// whitened is a filter that gets whitened observations.
type whitened struct {
	sdk.Filter
	blocks []block
}

// block is a stream with correlated errors: size components from first on.
type block struct {
	first, size int
	*correlation
}

// withWhitening returns a filter that solves the problem with correlated errors. One that
// does not use error variances does not need to: simulated observations and
// log-likelihoods have the correlations in them.
func withWhitening(f sdk.Filter, blocks []block) sdk.Filter {
	if len(blocks) == 0 || !slices.Contains(f.Needs(), sdk.ErrorVariance) {
		return f
	}
	return &whitened{f, blocks}
}

// Analyse implements sdk.Filter. Cost: O((N + m) m²) for m values of a stream, some of which
// are missing, and O(N m²) if none is.
func (f *whitened) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	inner := *p
	inner.Observation, inner.ErrorVariance = slices.Clone(p.Observation), slices.Clone(p.ErrorVariance)
	for _, m := range []**mat.Dense{&inner.Predicted, &inner.Simulated} {
		if *m != nil {
			*m = mat.DenseCopyOf(*m)
		}
	}
	for _, b := range f.blocks {
		end := b.first + b.size
		w := newWhitening(b.correlation, p.Observation[b.first:end], p.ErrorVariance[b.first:end])
		w.apply(inner.Observation[b.first:end])
		for _, m := range []*mat.Dense{inner.Predicted, inner.Simulated} {
			for i := 0; m != nil && i < m.RawMatrix().Rows; i++ {
				w.apply(m.RawRowView(i)[b.first:end])
			}
		}
		for _, j := range w.present {
			inner.ErrorVariance[b.first+j] = 1
		}
	}
	return f.Filter.Analyse(ctx, &inner)
}
