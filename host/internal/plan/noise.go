package plan

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Noise is normal noise that the host adds to forecasts. From one forecast to the next it is an
// autoregression of first order with stationary variance,
//
//	e_k = r e_(k-1) + sqrt(1 - r²) w_k,   x_k = M(x_(k-1)) + D e_k,
//
// where w_k has variance 1, and D holds the standard deviations. To a bounded variable it is
// added as a step in its coordinate, see [stepped].
//
// A window moves w_k of the forecasts within it.
type Noise struct {
	sd      []workflow.Numbers // of the variables of the state
	sizes   []int              // likewise
	perTime bool               // sd is that of the noise over a unit of model time, not over a forecast
	memory  float64            // r
	within  *mat.TriDense
	bounded []bounded
}

// NewNoise returns noise without memory or correlations for states with a layout, with the standard deviations of its variables.
func NewNoise(l *sdk.Layout, sd []workflow.Numbers) *Noise {
	n := &Noise{sd: sd}
	for _, v := range l.Variables {
		n.sizes = append(n.sizes, v.Size())
	}
	return n
}

// size returns the number of values of a member.
func (n *Noise) size() (sum int) {
	for _, size := range n.sizes {
		sum += size
	}
	return sum
}

// all yields the standard deviations of the values of a member.
func (n *Noise) all() iter.Seq2[int, float64] {
	return func(yield func(int, float64) bool) {
		first := 0
		for v, size := range n.sizes {
			for j := range size {
				if !yield(first+j, n.sd[v].At(j)) {
					return
				}
			}
			first += size
		}
	}
}

// Add adds noise to the members of an answered request that have not failed; a forecast of
// length 0 has none. last holds e of the last forecast, N x n, NaN where there was none, and is
// replaced by that of this one; nil if there is no memory. shocks holds w, N x [Noise.Shocks]; nil: that of [Noise.Draw].
func (n *Noise) Add(r *sdk.ForecastRequest, failures []sdk.MemberFailure, last, shocks *mat.Dense) {
	if r.From == r.To {
		return
	}
	failed := map[int]bool{}
	for _, f := range failures {
		failed[f.Member] = true
	}
	scale := 1.0
	if n.perTime {
		scale = math.Sqrt(r.To - r.From)
	}
	seed, w := r.Seed.Child("noise", 0), make([]float64, n.size())
	for i := range r.Into.RawMatrix().Rows {
		if failed[i] {
			continue
		}
		if shocks == nil {
			n.draw(w, seed.Member(r.Member(i)))
		} else {
			n.each(func(k, j int) { w[j] = shocks.At(i, k) })
		}
		if last != nil {
			n.remember(w, last.RawRowView(i))
		}
		row := r.Into.RawRowView(i)
		for j, sd := range n.all() {
			if sd > 0 {
				row[j] = stepped(n.bounded, j, row[j], scale*sd*w[j])
			}
		}
	}
}

// Draw fills shocks with w of the forecasts of a call.
//
// Streams: branch "noise" of its seed, by member.
func (n *Noise) Draw(c sdk.Call, shocks *mat.Dense) {
	seed, w := c.Seed.Child("noise", 0), make([]float64, n.size())
	for i := range shocks.RawMatrix().Rows {
		n.draw(w, seed.Member(c.Member(i)))
		n.each(func(k, j int) { shocks.Set(i, k, w[j]) })
	}
}

// each calls do with the values that have noise, counted from 0, and their places in a state.
func (n *Noise) each(do func(k, j int)) {
	k := 0
	for j, sd := range n.all() {
		if sd > 0 {
			do(k, j)
			k++
		}
	}
}

// Shocks returns the matrix for w of a forecast of some members, of the values that have noise; nil if none has, or n is nil.
func (n *Noise) Shocks(members int) *mat.Dense {
	if n == nil {
		return nil
	}
	size := 0
	for _, values := range n.noisy() {
		size += values
	}
	if size == 0 {
		return nil
	}
	return mat.NewDense(members, size, nil)
}

// after returns a layout with the shocks of so many forecasts after the values of a state, without coordinates.
func (n *Noise) after(state *sdk.Layout, forecasts int) *sdk.Layout {
	l := &sdk.Layout{Variables: slices.Clone(state.Variables)}
	noisy := n.noisy()
	for k := range forecasts {
		for v, size := range noisy {
			of := sdk.Variable{Name: fmt.Sprintf("%s.noise@%d", state.Variables[v].Name, k+1), Unit: "1"}
			if n.sizes[v] > 1 {
				of.Shape = []int{size}
			}
			if size > 0 {
				l.Variables = append(l.Variables, of)
			}
		}
	}
	return l
}

// noisy returns how many values of each variable have noise.
func (n *Noise) noisy() []int {
	counts := make([]int, len(n.sizes))
	for v, size := range n.sizes {
		for j := range size {
			if n.sd[v].At(j) > 0 {
				counts[v]++
			}
		}
	}
	return counts
}

// draw fills w with normal values of variance 1 that have the correlations of n.
func (n *Noise) draw(w []float64, stream *rand.Rand) {
	for j, sd := range n.all() {
		if sd > 0 || n.within != nil {
			w[j] = stream.NormFloat64()
		}
	}
	if n.within != nil {
		v := mat.NewVecDense(len(w), w)
		v.MulVec(n.within, v)
	}
}

// remember turns fresh values into those of the autoregression.
func (n *Noise) remember(w, last []float64) {
	fresh := math.Sqrt(1 - n.memory*n.memory)
	for j := range w {
		if !math.IsNaN(last[j]) {
			w[j] = n.memory*last[j] + fresh*w[j]
		}
		last[j] = w[j]
	}
}

// Memory returns the matrix for the noise of the last forecast of some members; nil if n has no
// memory, or is nil.
func (n *Noise) Memory(members int) *mat.Dense {
	if n == nil || n.memory == 0 {
		return nil
	}
	return mat.NewDense(members, n.size(), slices.Repeat([]float64{math.NaN()}, members*n.size()))
}

// remembers says that filters may not correct what the noise remembers; empty if it has no memory. Over a whole
// record there is no analysis that it would have to survive.
func (p *Plan) remembers() string {
	if p.Noise == nil || p.Noise.memory == 0 || !slices.ContainsFunc(p.Trials, func(t Trial) bool { return !t.Whole() }) {
		return ""
	}
	return fmt.Sprintf("model.noise.memory: filters that move members, as ensemble Kalman filters do, do not correct the noise that is remembered, here %g of it: the spread is right, but the error larger than with noise that is a variable of the model, "+
		"which they do correct; filters that draw members lose nothing", p.Noise.memory)
}

// noisy is a model of any plugin with noise without memory.
type noisy struct {
	sdk.Model
	noise *Noise
}

// Forecast implements sdk.Model.
func (m *noisy) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.Model.Forecast(ctx, r)
	if err == nil {
		m.noise.Add(r, res.Failures, nil, nil)
	}
	return res, err
}

// withNoise returns model with the noise that the workflow has at path, if any. The second result, if it is not nil, is not part of
// the model, and is to be added to its forecasts. Where means of what the states predict are part of the states, they follow after
// the noise, which is then part of the model.
func (m *maker) withNoise(model sdk.Model, n *workflow.Noise, path ...any) (sdk.Model, *Noise) {
	if n == nil {
		return model, nil
	}
	given, key := n.SD, "sd"
	if given.IsZero() {
		given, key = n.Variance, "variance"
	}
	l := model.Layout()
	noise := NewNoise(l, m.broadcast(given, l, 0, below(path, "noise", key)...))
	noise.perTime, noise.memory, noise.bounded = n.Per == "sqrt_time", n.Memory, m.bounded
	if key == "variance" {
		for i, variances := range noise.sd {
			noise.sd[i] = make(workflow.Numbers, len(variances))
			for j, v := range variances {
				noise.sd[i][j] = math.Sqrt(v)
			}
		}
	}
	if n.Length > 0 {
		noise.within = m.smooth(l, n.Length, below(path, "noise", "length"))
	}
	if slices.ContainsFunc(m.w.Observations, func(o workflow.Observations) bool { return o.Over != nil }) {
		return &noisy{model, noise}, nil
	}
	return model, noise
}

// smooth returns the Cholesky factor of correlations exp(-d/length) between the values of each
// variable; nil after a finding.
func (m *maker) smooth(l *sdk.Layout, length float64, at []any) *mat.TriDense {
	n := l.Size()
	switch {
	case l.Coordinates == nil:
		m.add(codeShape, at, "the state of %s has no coordinates", m.w.Model.Plugin).WithLabel("a distance between what?").
			WithHelp("remove length, or choose a model with coordinates")
		return nil
	case n > mostCorrelated:
		m.add(codeShape, at, "the noise of %d values cannot be correlated, only of up to %d", n, mostCorrelated).
			WithLabel("too many values").WithHelp("remove length")
		return nil
	}
	of, matrix, first := workflow.Correlation{Length: length}, mat.NewSymDense(n, nil), 0
	for _, v := range l.Variables {
		end := first + v.Size()
		for ; first < end; first++ {
			for k := first; k < end; k++ {
				matrix.SetSym(first, k, between(&of, l.Coordinates, first, k))
			}
		}
	}
	factor := lower(matrix)
	if factor == nil {
		m.add(codeShape, at, "no distribution has these correlations: their matrix is not positive definite").
			WithLabel("not possible").WithHelp("choose another length")
	}
	return factor
}
