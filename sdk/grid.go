package sdk

import (
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// Grid is positions by rule: those of its parts, one after the other. It is a matrix with
// one row per value and one column per axis, and takes the same memory for any number of
// values.
type Grid []GridPart

// GridPart is the positions of Count values. Value k, from 0, is value
// i = First + k Stride of an array in row-major order, and lies on each axis at
//
//	Spacing * (i / Every mod Length) + Origin
type GridPart struct {
	Count, First, Stride int
	Axes                 []GridAxis
}

// GridAxis is the rule for one axis. Every and Length are, of the dimension of the array
// that runs along the axis, the number of values between two of its indices and its length.
type GridAxis struct {
	Spacing       float64
	Every, Length int
	Origin        float64 // the position of index 0
}

// NewGrid returns the positions of variables whose value (i, j, ...) lies at i, j, ... times
// the spacing of its dimensions. dims are the axes, each with its spacing; every variable
// must have all of them as dimensions, and no others.
func NewGrid(variables []Variable, dims []string, spacing []float64) (Grid, error) {
	var g Grid
	for _, v := range variables {
		part := GridPart{Count: v.Size(), Stride: 1, Axes: make([]GridAxis, len(dims))}
		every := 1
		for d, length := range slices.Backward(v.Shape) { // the last dimension varies fastest
			if len(v.Dims) != len(dims) || !slices.Contains(dims, v.Dims[d]) {
				break
			}
			axis := slices.Index(dims, v.Dims[d])
			part.Axes[axis] = GridAxis{Spacing: spacing[axis], Every: every, Length: length}
			every *= length
		}
		if slices.ContainsFunc(part.Axes, func(a GridAxis) bool { return a.Every == 0 }) {
			return nil, Errorf(KindConfig, "spacing", "%s lacks some of the dimensions %s, so its position is unknown", v.Name, strings.Join(dims, ", "))
		}
		g = append(g, part)
	}
	return g, nil
}

// From returns the positions of g, moved by origin, which has one value per axis. It does not
// modify g.
func (g Grid) From(origin ...float64) Grid {
	moved := slices.Clone(g)
	for i := range moved {
		axes := slices.Clone(moved[i].Axes)
		for k := range axes {
			axes[k].Origin += origin[k]
		}
		moved[i].Axes = axes
	}
	return moved
}

// Part returns the positions of count values from first on, each stride after the last. It
// panics if there are not as many.
func (g Grid) Part(first, stride, count int) Grid {
	var found Grid
	for _, p := range g {
		if k := min(count, (p.Count-first+stride-1)/stride); k > 0 {
			found = append(found, GridPart{k, p.First + first*p.Stride, stride * p.Stride, p.Axes})
			count, first = count-k, first+k*stride
		}
		first -= p.Count
	}
	if count > 0 {
		panic(mat.ErrRowAccess)
	}
	return found
}

// Dims implements [mat.Matrix].
func (g Grid) Dims() (rows, columns int) {
	for _, p := range g {
		rows, columns = rows+p.Count, len(p.Axes)
	}
	return rows, columns
}

// At implements [mat.Matrix]: it returns the position of value i on an axis.
func (g Grid) At(i, axis int) float64 {
	for _, p := range g {
		if i < p.Count {
			a := p.Axes[axis]
			return float64(a.Spacing*float64((p.First+i*p.Stride)/a.Every%a.Length)) + a.Origin // rounded twice on every processor
		}
		i -= p.Count
	}
	panic(mat.ErrRowAccess)
}

// T implements [mat.Matrix].
func (g Grid) T() mat.Matrix { return mat.Transpose{Matrix: g} }

// check returns an error if g is not a rule for points on some axes.
func (g Grid) check(axes int) error {
	for i, p := range g {
		sound := len(p.Axes) == axes && p.Count > 0 && p.First >= 0 && p.Stride > 0 &&
			p.Count <= maxSize && p.First <= maxSize && p.Stride <= maxSize && (p.Count-1) <= (maxSize-p.First)/p.Stride
		for _, a := range p.Axes {
			sound = sound && a.Every > 0 && a.Length > 0 && !math.IsNaN(a.Spacing-a.Spacing) && !math.IsNaN(a.Origin-a.Origin) &&
				!math.IsInf(a.Spacing*float64(a.Length)+a.Origin, 0)
		}
		if !sound {
			return Errorf(KindContract, "layout: coordinates", "part %d of the grid is %+v, want %d axes and a rule for at most %d values", i, p, axes, maxSize)
		}
	}
	return nil
}
