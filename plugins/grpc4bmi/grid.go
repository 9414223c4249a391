package grpc4bmi

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"

	"github.com/plume-da/plume/plugins/grpc4bmi/bmi"
)

// variable is a variable of the model.
type variable struct {
	name  string // in the model
	kind  string // float64, int32, ...
	item  int    // bytes of a value
	size  int
	field sdk.Variable
	axes  []string  // of points
	at    []float64 // coordinates of the values, row by row; nil: not known
}

// about returns what the server knows of a variable. What its model leaves out is not used: many
// models have only what they need.
func (s *server) about(ctx context.Context, name string) (*variable, error) {
	r := &bmi.GetVarRequest{Name: name}
	bytes, err := s.GetVarNBytes(ctx, r)
	if err != nil {
		return nil, answered("size of "+name, err)
	}
	item, err := s.GetVarItemSize(ctx, r)
	if err != nil {
		return nil, answered("size of "+name, err)
	}
	if item.Size <= 0 || bytes.Nbytes < item.Size {
		return nil, config("state", "%s has %d bytes in items of %d", name, bytes.Nbytes, item.Size)
	}
	kind, err := s.GetVarType(ctx, r)
	if err != nil {
		return nil, answered("type of "+name, err)
	}
	v := &variable{name: name, kind: kind.Type, item: int(item.Size), size: int(bytes.Nbytes / item.Size)}
	v.field = sdk.Variable{Name: plain(name), Unit: "1"}
	if units, err := s.GetVarUnits(ctx, r); err == nil && strings.Trim(units.Units, " -") != "" {
		v.field.Unit = units.Units
	}
	if v.size > 1 {
		v.field.Shape = []int{v.size}
		s.place(ctx, v)
	}
	return v, nil
}

// all returns what the server knows of variables.
func (s *server) all(ctx context.Context, names []string) (variables []*variable, err error) {
	for _, name := range names {
		v, err := s.about(ctx, name)
		if err != nil {
			return nil, err
		}
		variables = append(variables, v)
	}
	return variables, nil
}

var notInNames = regexp.MustCompile(`\W+`)

// plain returns the name of a variable of plume for one of BMI, such as a_b for a-b.
func plain(name string) string { return strings.Trim(notInNames.ReplaceAllString(name, "_"), "_") }

// place sets the shape and the coordinates of a variable, as far as its grid gives them.
func (s *server) place(ctx context.Context, v *variable) {
	grid, err := s.GetVarGrid(ctx, &bmi.GetVarRequest{Name: v.name})
	if err != nil {
		return
	}
	g := &bmi.GridRequest{GridId: int64(grid.GridId)}
	kind, err1 := s.GetGridType(ctx, g)
	rank, err2 := s.GetGridRank(ctx, g)
	if err1 != nil || err2 != nil || rank.Rank < 1 || rank.Rank > 3 {
		return
	}
	v.axes = []string{"z", "y", "x"}[3-rank.Rank:]
	shape := []int{v.size}
	if got, err := s.GetGridShape(ctx, g); err == nil && len(got.Shape) == len(v.axes) && product(got.Shape) == v.size {
		shape = shape[:0]
		for _, k := range got.Shape {
			shape = append(shape, int(k))
		}
		v.field.Shape, v.field.Dims = shape, slices.Clone(v.axes)
	}
	switch {
	case kind.Type == "uniform_rectilinear" && v.field.Dims != nil:
		v.at = s.uniform(ctx, g, shape)
	case kind.Type == "rectilinear" && v.field.Dims != nil:
		if axes := s.points(ctx, g, shape); axes != nil {
			v.at = outer(axes)
		}
	default: // every value has its node, or it is on edges or faces
		if nodes := s.points(ctx, g, slices.Repeat([]int{v.size}, len(v.axes))); nodes != nil {
			for i := range v.size {
				for _, axis := range nodes {
					v.at = append(v.at, axis[i])
				}
			}
		}
	}
}

// uniform returns the coordinates of a uniform grid; nil if the model does not give them.
func (s *server) uniform(ctx context.Context, g *bmi.GridRequest, shape []int) []float64 {
	spacing, err1 := s.GetGridSpacing(ctx, g)
	origin, err2 := s.GetGridOrigin(ctx, g)
	if err1 != nil || err2 != nil || len(spacing.Spacing) != len(shape) || len(origin.Origin) != len(shape) {
		return nil
	}
	axes := make([][]float64, len(shape))
	for d, n := range shape {
		for k := range n {
			axes[d] = append(axes[d], origin.Origin[d]+spacing.Spacing[d]*float64(k))
		}
	}
	return outer(axes)
}

// points returns the coordinates along each axis, z, y, x; nil if some are not there, or are not as
// many as lengths.
func (s *server) points(ctx context.Context, g *bmi.GridRequest, lengths []int) [][]float64 {
	type get = func() (*bmi.GetGridPointsResponse, error)
	axes := make([][]float64, len(lengths))
	for d, ask := range []get{
		func() (*bmi.GetGridPointsResponse, error) { return s.GetGridZ(ctx, g) },
		func() (*bmi.GetGridPointsResponse, error) { return s.GetGridY(ctx, g) },
		func() (*bmi.GetGridPointsResponse, error) { return s.GetGridX(ctx, g) },
	}[3-len(lengths):] {
		got, err := ask()
		if err != nil || len(got.Coordinates) != lengths[d] {
			return nil
		}
		axes[d] = got.Coordinates
	}
	return axes
}

// outer returns all combinations of coordinates, the last axis the fastest, row by row.
func outer(axes [][]float64) []float64 {
	rows := [][]float64{{}}
	for _, axis := range axes {
		next := make([][]float64, 0, len(rows)*len(axis))
		for _, row := range rows {
			for _, c := range axis {
				next = append(next, append(slices.Clone(row), c))
			}
		}
		rows = next
	}
	return slices.Concat(rows...)
}

func product(shape []int64) int {
	n := 1
	for _, k := range shape {
		n *= int(k)
	}
	return n
}

// layoutOf returns the layout of variables. It has coordinates if all have some along the same axes.
func layoutOf(variables []*variable) (*sdk.Layout, error) {
	l, lengths, at := &sdk.Layout{}, map[string]int{}, []float64{}
	axes := variables[0].axes
	for i, v := range variables {
		for d, dim := range v.field.Dims { // grids of several sizes have dimensions of their own
			if n, there := lengths[dim]; there && n != v.field.Shape[d] {
				v.field.Dims[d] = fmt.Sprintf("%s%d", dim, i+1)
			}
			lengths[v.field.Dims[d]] = v.field.Shape[d]
		}
		l.Variables = append(l.Variables, v.field)
		if v.at == nil || !slices.Equal(v.axes, axes) {
			axes = nil
		}
		at = append(at, v.at...)
	}
	if len(axes) > 0 {
		l.Coordinates = &sdk.Coordinates{Dims: axes, Period: make([]float64, len(axes)), Points: mat.NewDense(len(at)/len(axes), len(axes), at)}
	}
	if err := l.Check(); err != nil {
		return nil, config("state", "%v", err)
	}
	return l, nil
}
