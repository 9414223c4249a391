package sdk

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// gridded are two fields on one grid, of which the second is turned.
var gridded = []Variable{
	{Name: "h", Shape: []int{3, 4}, Dims: []string{"y", "x"}},
	{Name: "v", Shape: []int{4, 3}, Dims: []string{"x", "y"}},
}

// The rule against positions that are counted out.
func TestGrid(t *testing.T) {
	g, err := NewGrid(gridded, []string{"y", "x"}, []float64{0.1, 7})
	if err != nil {
		t.Fatal(err)
	}
	want := mat.NewDense(24, 2, nil)
	for y := range 3 {
		for x := range 4 {
			at := []float64{0.1 * float64(y), 7 * float64(x)}
			want.SetRow(4*y+x, at)
			want.SetRow(12+3*x+y, at)
		}
	}
	if !mat.Equal(g, want) || !mat.Equal(g.T(), want.T()) {
		t.Errorf("got %v", mat.Formatted(g))
	}
	for first := range 24 {
		for stride := 1; stride < 9; stride++ {
			for count := 1; first+(count-1)*stride < 24; count++ {
				part := g.Part(first, stride, count)
				if rows, _ := part.Dims(); rows != count || part.check(2) != nil {
					t.Fatalf("%d, %d, %d: got %+v", first, stride, count, part)
				}
				for k := range count {
					if !slices.Equal(mat.Row(nil, k, part), want.RawRowView(first+k*stride)) {
						t.Fatalf("%d, %d, %d: value %d is at %v", first, stride, count, k, mat.Row(nil, k, part))
					}
				}
			}
		}
	}
	moved, shifted := g.From(-0.5, 0.3), mat.NewDense(24, 2, nil)
	for i := range 24 {
		shifted.SetRow(i, []float64{want.At(i, 0) - 0.5, want.At(i, 1) + 0.3})
	}
	if !mat.Equal(moved, shifted) || !mat.Equal(g, want) {
		t.Errorf("moved: got %v", mat.Formatted(moved))
	}
	l := Layout{Variables: gridded, Coordinates: &Coordinates{Dims: []string{"y", "x"}, Period: []float64{0, 0}, Points: g}}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
}

func TestGridWithoutADimension(t *testing.T) {
	for _, v := range []Variable{{Name: "s"}, {Name: "u", Shape: []int{3}, Dims: []string{"y"}}, {Name: "w", Shape: []int{3, 3}, Dims: []string{"y", "z"}}, {Name: "r", Shape: []int{3, 4}}} {
		if g, err := NewGrid([]Variable{v}, []string{"y", "x"}, []float64{1, 1}); KindOf(err) != KindConfig {
			t.Errorf("%s: got %v, %v", v.Name, g, err)
		}
	}
}

// A rule comes from another process: whatever it says, it is refused or can be followed.
func TestGridsAreChecked(t *testing.T) {
	variables := []Variable{{Name: "x", Shape: []int{6}, Dims: []string{"site"}}}
	ok := Grid{{Count: 6, Stride: 1, Axes: []GridAxis{{1, 1, 6, 0.5}}}}
	check := func(g Grid) error {
		l := Layout{Variables: variables, Coordinates: &Coordinates{Dims: []string{"site"}, Period: []float64{6}, Points: g}}
		return l.Check()
	}
	if err := check(ok); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*GridPart){
		"too few":        func(p *GridPart) { p.Count = 5 },
		"none":           func(p *GridPart) { p.Count = 0 },
		"below the ends": func(p *GridPart) { p.First = -1 },
		"no stride":      func(p *GridPart) { p.Stride = 0 },
		"overflow":       func(p *GridPart) { p.Stride = math.MaxInt },
		"beyond":         func(p *GridPart) { p.First = math.MaxInt32 },
		"no axes":        func(p *GridPart) { p.Axes = nil },
		"division by 0":  func(p *GridPart) { p.Axes = []GridAxis{{1, 0, 6, 0}} },
		"remainder of 0": func(p *GridPart) { p.Axes = []GridAxis{{1, 1, 0, 0}} },
		"not a number":   func(p *GridPart) { p.Axes = []GridAxis{{math.NaN(), 1, 6, 0}} },
		"infinite":       func(p *GridPart) { p.Axes = []GridAxis{{math.MaxFloat64, 1, 6, 0}} },
		"infinite alone": func(p *GridPart) { p.Axes = []GridAxis{{math.Inf(1), 1, 6, math.Inf(-1)}} },
		"no origin":      func(p *GridPart) { p.Axes = []GridAxis{{1, 1, 6, math.NaN()}} },
		"far origin":     func(p *GridPart) { p.Axes = []GridAxis{{math.MaxFloat64 / 12, 1, 6, math.MaxFloat64}} },
	} {
		g := Grid{ok[0]}
		spoil(&g[0])
		if err := check(g); KindOf(err) != KindContract || reflect.DeepEqual(g, ok) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
