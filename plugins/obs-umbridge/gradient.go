package obsumbridge

import (
	"context"
	"slices"

	"github.com/plume-da/plume/plugins/internal/umbridge"
)

// pullBack writes the sensitivity to the state into gradient, given the sensitivity to the
// observed values: the sum of sens J over all output and input vectors.
func (o *operator) pullBack(ctx context.Context, input []umbridge.Vector, sens umbridge.Vector, time umbridge.Values, gradient []float64) error {
	clear(gradient)
	for out, size := range o.OutputSizes {
		if !o.observed[out] {
			continue
		}
		var of umbridge.Vector
		of, sens = sens[:size], sens[size:]
		for in, ps := range o.inputs {
			if !slices.ContainsFunc(ps, umbridge.Part.HoldsState) {
				continue
			}
			g, err := o.Gradient(ctx, out, in, input, of, time)
			if err != nil {
				return err
			}
			umbridge.Unpack(ps, g, func(first int, values []float64) {
				for j, v := range values {
					gradient[first+j] += v
				}
			})
		}
	}
	return nil
}
