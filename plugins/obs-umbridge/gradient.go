package main

import (
	"context"
	"slices"
)

// pullBack writes the sensitivity to the state into gradient, given that to the
// observed values: the sum of sens J over all output and input vectors.
func (o *operator) pullBack(ctx context.Context, input []vector, sens vector, time values, gradient []float64) error {
	clear(gradient)
	for out, size := range o.outputSizes {
		if !o.observed[out] {
			continue
		}
		var of vector
		of, sens = sens[:size], sens[size:]
		for in, ps := range o.inputs {
			if !slices.ContainsFunc(ps, part.holdsState) {
				continue
			}
			g, err := o.gradientOf(ctx, out, in, input, of, time)
			if err != nil {
				return err
			}
			unpack(ps, g, func(first int, values []float64) {
				for j, v := range values {
					gradient[first+j] += v
				}
			})
		}
	}
	return nil
}

// gradientOf returns sens times the Jacobian of output vector out with respect to
// input vector in.
func (s *server) gradientOf(ctx context.Context, out, in int, input []vector, sens vector, v values) (vector, error) {
	r, err := s.request(v)
	if err != nil {
		return nil, err
	}
	r.Input = input
	var answer struct{ Output vector }
	if err := s.ask(ctx, "/Gradient", struct {
		request
		OutWrt int    `json:"outWrt"`
		InWrt  int    `json:"inWrt"`
		Sens   vector `json:"sens"`
	}{r, out, in, sens}, &answer, s.inputSizes[in]); err != nil {
		return nil, err
	}
	if got, want := len(answer.Output), s.inputSizes[in]; got != want {
		return nil, s.fault("/Gradient", "the answer holds %d values, want %d, one per value of input %d", got, want, in)
	}
	return answer.Output, nil
}
