package filterdiffusion

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// denoiseInSpan does with the latents in p.Into what denoising them directly does,
// at a cost that hardly depends on n. A state enters the flow through its inner
// products with the centres alone, so what of a latent lies outside of their span
// keeps its direction. In orthonormal coordinates of the span, and one more for
// that direction, in which all centres are 0, the ODE has r + 1 values, and all
// norms are the same.
//
// Cost: three products of 2 N² n, for the centres, the latents and the result, and
// O(N²) a state and evaluation in place of O(N n).
func (f *filter) denoiseInSpan(ctx context.Context, p *sdk.Problem, d *density, s schedule, streams []*rand.Rand) (map[string]float64, error) {
	members, n := p.Into.Dims()
	basis, inner, err := spanOf(d.centres)
	if err != nil {
		return nil, err
	}
	_, r := basis.Dims()
	latent := innerProducts(members, n, func() columnsOf {
		return func(from, to int) (a, b mat.Matrix) { return cut(p.Into, from, to), cut(d.centres, from, to) }
	})
	inside, outside := mat.NewDense(members, r, nil), make([]float64, members)
	linalg.Mul(inside, latent, basis)
	x := mat.NewDense(members, r+1, nil)
	for i := range members {
		size, within := floats.Norm(p.Into.RawRowView(i), 2), floats.Norm(inside.RawRowView(i), 2)
		outside[i] = math.Sqrt(max(0, size-within)) * math.Sqrt(size+within)
		copy(x.RawRowView(i), inside.RawRowView(i))
		x.Set(i, r, outside[i])
	}
	centres := mat.NewDense(members, r+1, nil)
	linalg.Mul(centres.Slice(0, members, 0, r).(*mat.Dense), inner, basis)
	metrics, err := f.denoise(ctx, x, newMixture(centres, d.logWeights, d.bandwidth), s, streams, n)
	if err != nil {
		return nil, err
	}
	f.leaveSpan(p.Into, d.centres, basis, inside, outside, x)
	return metrics, nil
}

// leaveSpan turns the latents z in into, of which inside and outside are the
// coordinates, into the states with coordinates x,
//
//	(x_outside / outside) z + (x_inside - (x_outside / outside) inside) basis' C
func (f *filter) leaveSpan(into, centres, basis, inside *mat.Dense, outside []float64, x *mat.Dense) {
	members, n := into.Dims()
	_, r := basis.Dims()
	change, kept := mat.NewDense(members, r, nil), make([]float64, members)
	for i := range members {
		row := x.RawRowView(i)
		if outside[i] > 0 {
			kept[i] = row[r] / outside[i]
		}
		floats.AddScaledTo(change.RawRowView(i), row[:r], -kept[i], inside.RawRowView(i))
	}
	transform := mat.NewDense(members, members, nil)
	linalg.Mul(transform, change, basis.T())
	width := min(n, max(32, 1<<15/members))
	ensemble.InBlocks(n, width, func() func(from, to int) {
		products := mat.NewDense(members, width, nil)
		return func(from, to int) {
			product := products.Slice(0, members, 0, to-from).(*mat.Dense)
			linalg.Mul(product, transform, centres.Slice(0, members, from, to))
			for i := range members {
				row := into.RawRowView(i)[from:to]
				floats.Scale(kept[i], row)
				floats.Add(row, product.RawRowView(i))
			}
		}
	})
}

// spanOf returns B, N x r, such that the rows of B'C are orthonormal and span the
// rows of the centres C, and the inner products C C'. Directions below
// rankTolerance of the largest count as rounding.
func spanOf(centres *mat.Dense) (basis, inner *mat.Dense, err error) {
	members, n := centres.Dims()
	inner = innerProducts(members, n, func() columnsOf {
		return func(from, to int) (a, b mat.Matrix) { return cut(centres, from, to), cut(centres, from, to) }
	})
	values, vectors, err := eigen(symmetric(inner))
	if err != nil {
		return nil, nil, err
	}
	slices.Reverse(values)
	r := max(1, rankOf(values, rankTolerance*rankTolerance))
	basis = mat.NewDense(members, r, nil)
	for k := range r {
		for i := range members {
			if values[k] > 0 {
				basis.Set(i, k, vectors.At(i, members-1-k)/math.Sqrt(values[k]))
			}
		}
	}
	return basis, inner, nil
}

// cut returns a view of columns from to to-1 of e.
func cut(e *mat.Dense, from, to int) mat.Matrix {
	rows, _ := e.Dims()
	return e.Slice(0, rows, from, to)
}

// columnsOf returns the columns from to to-1 of two matrices.
type columnsOf func(from, to int) (a, b mat.Matrix)

// innerProducts returns A B' for matrices of n columns, both with rows rows.
// newColumns is called by every goroutine that takes part. Columns are summed in
// stripes, as many whatever the number of processors, and these in order.
func innerProducts(rows, n int, newColumns func() columnsOf) *mat.Dense {
	const stripes = 16
	width := (n + stripes - 1) / stripes
	parts := make([]*mat.Dense, (n+width-1)/width)
	ensemble.InBlocks(n, width, func() func(from, to int) {
		columns := newColumns()
		return func(from, to int) {
			a, b := columns(from, to)
			product := mat.NewDense(rows, rows, nil)
			linalg.Mul(product, a, b.T())
			parts[from/width] = product
		}
	})
	for _, part := range parts[1:] {
		parts[0].Add(parts[0], part)
	}
	return parts[0]
}
