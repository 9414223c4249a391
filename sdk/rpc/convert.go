package rpc

import (
	"slices"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/protobuf/types/known/structpb"
)

// The features of plugins that take positions by rule, and by rules with origins.
const (
	featureGrid    = "grid.v1"
	featureOrigins = "grid.v2"
)

// rules says which positions by rule a receiver takes.
type rules struct{ grid, origins bool }

// take reports whether the receiver takes g as it is. One that does not know origins would leave
// them out.
func (r rules) take(g sdk.Grid) bool {
	return r.grid && (r.origins || !slices.ContainsFunc(g, func(p sdk.GridPart) bool {
		return slices.ContainsFunc(p.Axes, func(a sdk.GridAxis) bool { return a.Origin != 0 })
	}))
}

// layoutToProto returns the message of l: positions by rule are listed where the receiver does not
// take the rule.
func layoutToProto(l *sdk.Layout, to rules) *pb.Layout {
	if l == nil {
		return nil
	}
	out := &pb.Layout{}
	for _, v := range l.Variables {
		p := &pb.Variable{Name: v.Name, Dims: v.Dims, Unit: v.Unit, Diagnostic: v.Diagnostic}
		for _, k := range v.Shape {
			p.Shape = append(p.Shape, int64(k))
		}
		out.Variables = append(out.Variables, p)
	}
	if c := l.Coordinates; c != nil {
		out.Coordinates = &pb.Coordinates{Dims: c.Dims, Period: c.Period}
		if rule, ok := c.Points.(sdk.Grid); ok && to.take(rule) {
			out.Coordinates.Grid = gridToProto(rule)
		} else {
			out.Coordinates.Points = mat.DenseCopyOf(c.Points).RawMatrix().Data
		}
	}
	return out
}

func gridToProto(g sdk.Grid) (parts []*pb.GridPart) {
	for _, p := range g {
		part := &pb.GridPart{Count: int64(p.Count), First: int64(p.First), Stride: int64(p.Stride)}
		for _, a := range p.Axes {
			part.Axes = append(part.Axes, &pb.GridAxis{Spacing: a.Spacing, Every: int64(a.Every), Length: int64(a.Length), Origin: a.Origin})
		}
		parts = append(parts, part)
	}
	return parts
}

func gridFromProto(parts []*pb.GridPart) (g sdk.Grid) {
	for _, p := range parts {
		part := sdk.GridPart{Count: int(p.Count), First: int(p.First), Stride: int(p.Stride)}
		for _, a := range p.Axes {
			part.Axes = append(part.Axes, sdk.GridAxis{Spacing: a.Spacing, Every: int(a.Every), Length: int(a.Length), Origin: a.Origin})
		}
		g = append(g, part)
	}
	return g
}

// layoutFromProto returns the layout a plugin described, checked.
func layoutFromProto(p *pb.Layout) (*sdk.Layout, error) {
	if p == nil {
		return nil, contract("layout", "is missing")
	}
	l := &sdk.Layout{}
	for _, v := range p.Variables {
		variable := sdk.Variable{Name: v.Name, Dims: v.Dims, Unit: v.Unit, Diagnostic: v.Diagnostic}
		for _, k := range v.Shape {
			variable.Shape = append(variable.Shape, int(k))
		}
		l.Variables = append(l.Variables, variable)
	}
	if c := p.Coordinates; c != nil {
		l.Coordinates = &sdk.Coordinates{Dims: c.Dims, Period: c.Period, Points: gridFromProto(c.Grid)}
		if len(c.Grid) == 0 {
			axes := len(c.Dims)
			if axes == 0 || len(c.Points) == 0 || len(c.Points)%axes != 0 {
				return nil, contract("layout: coordinates", "%d numbers for %d axes", len(c.Points), axes)
			}
			l.Coordinates.Points = mat.NewDense(len(c.Points)/axes, axes, c.Points)
		}
	}
	return l, l.Check()
}

func spaceToProto(s *sdk.ObservationSpace, to rules) *pb.ObservationSpace {
	out := &pb.ObservationSpace{Layout: layoutToProto(s.Layout, to), Cutoffs: s.Cutoffs}
	for _, o := range s.Offers {
		out.Offers = append(out.Offers, string(o))
	}
	return out
}

func spaceFromProto(p *pb.ObservationSpace) (*sdk.ObservationSpace, error) {
	if p == nil {
		return nil, contract("observations", "are missing")
	}
	l, err := layoutFromProto(p.Layout)
	if err != nil {
		return nil, err
	}
	if len(p.Cutoffs) > 0 && len(p.Cutoffs) != l.Size() {
		return nil, contract("observations", "%d cutoffs for %d values", len(p.Cutoffs), l.Size())
	}
	s := &sdk.ObservationSpace{Layout: l, Cutoffs: p.Cutoffs}
	for _, o := range p.Offers {
		s.Offers = append(s.Offers, sdk.Capability(o))
	}
	return s, nil
}

// paramsToProto turns resolved or given parameters into a protobuf struct.
func paramsToProto(params sdk.Params) (*structpb.Struct, error) {
	plain := make(map[string]any, len(params))
	for name, v := range params {
		switch v := v.(type) {
		case []float64:
			plain[name] = anyList(v)
		case []int64:
			plain[name] = anyList(v)
		case []string:
			plain[name] = anyList(v)
		default:
			plain[name] = v
		}
	}
	s, err := structpb.NewStruct(plain)
	if err != nil {
		return nil, sdk.Errorf(sdk.KindConfig, "params", "%v", err)
	}
	return s, nil
}

func anyList[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}
