package rpc

import (
	"context"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// featureNumbers is the feature of plugins that read the numbers of members which do not follow
// each other. Others would take them for first_member + row, so their models and operators get several calls,
// in each of which that is right, unless members depend on each other: that is an error. A filter that lacks it
// has random numbers by row; to it a number means nothing else.
const featureNumbers = "numbers.v1"

// integers returns list as integers of another type; nil for an empty one.
func integers[To, From int | int64](list []From) (to []To) {
	for _, v := range list {
		to = append(to, To(v))
	}
	return to
}

// eachPart calls do with the parts of a call whose numbers follow each other, by rows [from, to).
func (c *client) eachPart(call sdk.Call, do func(of sdk.Call, from, to int) error) error {
	numbers := call.Numbers()
	if !c.parted {
		return sdk.Errorf(sdk.KindPlugin, "call", "the plugin does not know that members have been dropped (it lacks %s), and takes member %d for another", featureNumbers, gap(numbers)).
			WithHint("make it with this version of plume's kit; its members depend on each other, so they cannot go in several calls")
	}
	for from, to := 0, 1; from < len(numbers); to++ {
		if to < len(numbers) && numbers[to] == numbers[to-1]+1 {
			continue
		}
		if err := do(call.Rows(from, to), from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// gap returns the first number that does not follow the one before it.
func gap(numbers []int) int {
	i := 1
	for numbers[i] == numbers[i-1]+1 {
		i++
	}
	return numbers[i]
}

// inParts is Forecast for a plugin without [featureNumbers].
func (m *model) inParts(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	whole, carry := &sdk.ForecastResult{}, make([][]byte, len(r.Numbers())) // metrics of a part are not those of the whole
	err := m.client.eachPart(r.Call, func(of sdk.Call, from, to int) error {
		part := *r
		part.Call, part.Ensemble, part.Into, part.Parameters = of, rowsOf(r.Ensemble, from, to), rowsOf(r.Into, from, to), rowsOf(r.Parameters, from, to)
		if r.Carry != nil {
			part.Carry = r.Carry[from:to]
		}
		res, err := m.Forecast(ctx, &part)
		if err != nil {
			return err
		}
		for _, f := range res.Failures {
			f.Member += from
			whole.Failures = append(whole.Failures, f)
		}
		copy(carry[from:], res.Carry)
		return nil
	})
	if slices.ContainsFunc(carry, func(b []byte) bool { return len(b) > 0 }) {
		whole.Carry = carry
	}
	return whole, err
}

// inParts is Observe for a plugin without [featureNumbers].
func (o *operator) inParts(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	whole := &sdk.ObserveResult{}
	err := o.client.eachPart(r.Call, func(of sdk.Call, from, to int) error {
		part := *r
		part.Call, part.Ensemble, part.Predicted, part.Simulated = of, rowsOf(r.Ensemble, from, to), rowsOf(r.Predicted, from, to), rowsOf(r.Simulated, from, to)
		part.LogLikelihood, part.Gradient = rowsOf(r.LogLikelihood, from, to), rowsOf(r.Gradient, from, to)
		res, err := o.Observe(ctx, &part)
		if err != nil {
			return err
		}
		if from > 0 && !slices.Equal(res.ErrorVariance, whole.ErrorVariance) {
			return contract("answer", "the error variance depends on the members: members %d to %d have another one than those before", of.Member(0), of.Member(to-from-1))
		}
		whole.ErrorVariance = res.ErrorVariance
		return nil
	})
	return whole, err
}

// rowsOf returns rows [from, to) of m, which share their memory with m; nil for nil.
func rowsOf(m *mat.Dense, from, to int) *mat.Dense {
	if m == nil {
		return nil
	}
	_, n := m.Dims()
	return m.Slice(from, to, 0, n).(*mat.Dense)
}
