package obsnonlinear

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// operator observes h_k(x) = f(scale x_{j(k)}) with independent errors.
type operator struct {
	Operator  string   `param:"operator"`
	Scale     float64  `param:"scale"`
	Variables []string `param:"variables"`
	Indices   []int    `param:"indices"`
	Start     int      `param:"start"`
	Stop      int      `param:"stop"`
	Stride    int      `param:"stride"`

	function function
	observed []run          // the state values of the observed components
	errors   []distribution // of all components, or of each
	space    *sdk.ObservationSpace
}

func newOperator(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	o := &operator{}
	c.Params.Decode(o)
	if o.Scale == 0 || math.IsInf(o.Scale, 0) {
		return nil, sdk.Errorf(sdk.KindConfig, "scale", "got %g, want a finite number other than 0", o.Scale)
	}
	o.function = functions[o.Operator]
	var err error
	if o.observed, err = o.selectValues(c.State); err != nil {
		return nil, err
	}
	o.space = &sdk.ObservationSpace{Layout: observedLayout(c.State, o.observed, o.keepsUnit())}
	if o.errors, err = distributions(c.Error, o.space.Layout.Size()); err != nil {
		return nil, err
	}
	o.space.Offers = o.offers(c.State)
	return o, nil
}

// keepsUnit reports whether observations have the unit of what is observed.
func (o *operator) keepsUnit() bool {
	return o.Scale == 1 && (o.Operator == "identity" || o.Operator == "abs")
}

// offers returns the capabilities for this function, this error distribution and this state.
func (o *operator) offers(state *sdk.Layout) []sdk.Capability {
	offers := []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood}
	if _, ok := o.errors[0].variance(); ok {
		offers = append(offers, sdk.ErrorVariance)
	}
	if _, bounded := o.errors[0].(uniform); !bounded {
		offers = append(offers, sdk.Gradient)
	}
	if state.Coordinates != nil {
		offers = append(offers, sdk.HasPositions)
	}
	return offers
}

// Space implements sdk.ObservationOperator.
func (o *operator) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator. Simulated errors of member i of the
// experiment come from r.Seed.Member(i). Cost: O(N m), and O(N n) for a gradient.
// A member for which h is not finite, such as log |0| or exp of 1000, is an error.
func (o *operator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	for i := range r.Ensemble.RawMatrix().Rows {
		if err := o.observe(r, i); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	res := &sdk.ObserveResult{}
	if slices.Contains(o.space.Offers, sdk.ErrorVariance) {
		res.ErrorVariance = make([]float64, o.space.Layout.Size())
		for k := range res.ErrorVariance {
			res.ErrorVariance[k], _ = o.errorOf(k).variance()
		}
	}
	return res, nil
}

// observe fills row i of all requested matrices.
func (o *operator) observe(r *sdk.ObserveRequest, i int) error {
	x := r.Ensemble.RawRowView(i)
	predicted, simulated := rowOf(r.Predicted, i), rowOf(r.Simulated, i)
	logLikelihood, gradient := rowOf(r.LogLikelihood, i), rowOf(r.Gradient, i)
	clear(gradient)
	var stream *rand.Rand
	if simulated != nil {
		stream = r.Seed.Member(r.Member(i))
	}
	k := 0
	for p := range o.observed {
		part := &o.observed[p]
		for j := part.first; j < part.first+part.count*part.stride; j += part.stride {
			h := o.function.value(o.Scale * x[j])
			if math.IsInf(h, 0) || math.IsNaN(h) {
				return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("member %d", r.Member(i)), "%s of state value %d, which is %g, is %g", o.Operator, j, x[j], h).
					WithHint("choose another operator or scale, or keep the states in its range")
			}
			if predicted != nil {
				predicted[k] = h
			}
			if simulated != nil {
				simulated[k] = o.errorOf(k).draw(h, stream)
			}
			if logLikelihood != nil || gradient != nil {
				l, dl := 0.0, 0.0
				if y := r.Observation[k]; !math.IsNaN(y) {
					l, dl = o.errorOf(k).logDensity(y, h)
				}
				if logLikelihood != nil {
					logLikelihood[k] = l
				}
				if gradient != nil && dl != 0 {
					gradient[j] += dl * o.Scale * o.function.slope(o.Scale*x[j])
				}
			}
			k++
		}
	}
	return nil
}

// errorOf returns the distribution of the error of component k.
func (o *operator) errorOf(k int) distribution { return o.errors[min(k, len(o.errors)-1)] }

func rowOf(m *mat.Dense, i int) []float64 {
	if m == nil {
		return nil
	}
	return m.RawRowView(i)
}
