package obsnonlinear

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

var mixedState = &sdk.Layout{
	Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{2, 3}}, {Name: "t"}},
	Coordinates: &sdk.Coordinates{
		Dims: []string{"s"}, Period: []float64{0}, Points: mat.NewDense(8, 1, []float64{0, 10, 20, 30, 40, 50, 60, 70}),
	},
}

func configure(t testing.TB, state *sdk.Layout, e sdk.ErrorModel, params map[string]any) (*operator, error) {
	t.Helper()
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.NewOperator(t.Context(), sdk.OperatorConfig{Params: params, State: state, Error: e})
	if err != nil {
		return nil, err
	}
	return o.(*operator), nil
}

func configured(t testing.TB, e sdk.ErrorModel, params map[string]any) *operator {
	t.Helper()
	o, err := configure(t, mixedState, e, params)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var unit = sdk.ErrorModel{Dist: "normal", SD: []float64{1}}

// stateValues returns the state value of each component that o observes.
func stateValues(o *operator) (at []int) {
	for _, r := range o.observed {
		for i := range r.count {
			at = append(at, r.first+i*r.stride)
		}
	}
	return at
}

func TestSelection(t *testing.T) {
	tests := []struct {
		params map[string]any
		at     []int
		names  string
	}{
		{nil, []int{0, 1, 2, 3, 4, 5, 6, 7}, "level u6 t"},
		{map[string]any{"variables": []any{"t", "u"}}, []int{7, 1, 2, 3, 4, 5, 6}, "t u6"},
		{map[string]any{"variables": []any{"u"}, "stride": 2}, []int{1, 3, 5}, "u3"},
		{map[string]any{"start": 1, "stop": 4}, []int{1, 2, 3}, "u3"},
		{map[string]any{"indices": []any{7, 0}}, []int{7, 0}, "t level"},
		{map[string]any{"indices": []any{1, 0, 2}}, []int{1, 0, 2}, "u1 level u_21"},
	}
	for _, tt := range tests {
		o := configured(t, unit, tt.params)
		var names []string
		for _, v := range o.space.Layout.Variables {
			name := v.Name
			for _, k := range v.Shape {
				name += string(rune('0' + k))
			}
			names = append(names, name)
		}
		at := stateValues(o)
		if !slices.Equal(at, tt.at) || strings.Join(names, " ") != tt.names {
			t.Errorf("%v: got %v, %v", tt.params, at, names)
		}
		for k, j := range tt.at {
			if got := o.space.Layout.Coordinates.Points.At(k, 0); got != float64(10*j) {
				t.Errorf("%v: component %d lies at %v", tt.params, k, got)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		params map[string]any
		e      sdk.ErrorModel
		want   string
	}{
		{map[string]any{"scale": 0.0}, unit, "scale: got 0, want a finite number other than 0"},
		{map[string]any{"variables": []any{"v"}}, unit, `variables: the state has no variable "v"; it has level, u, t`},
		{map[string]any{"variables": []any{"u", "u"}}, unit, `variables: "u" is named twice`},
		{map[string]any{"indices": []any{8}}, unit, "indices: item 1 is 8, want at most 7"},
		{map[string]any{"indices": []any{1, 1}}, unit, "indices: 1 is listed twice"},
		{map[string]any{"indices": []any{1}, "stride": 2}, unit, "indices: cannot be combined with start, stop or stride"},
		{map[string]any{"stop": 9}, unit, "stop: got 9, want at most 8"},
		{map[string]any{"start": 3, "stop": 3}, unit, "start: got 3, want less than stop, which is 3"},
		{nil, sdk.ErrorModel{Dist: "normal", SD: []float64{1, 2}}, "error.sd: got 2 values for 8 observed values, want 1 or 8"},
	}
	for _, tt := range tests {
		_, err := configure(t, mixedState, tt.e, tt.params)
		if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.params, err, tt.want)
		}
	}
}

func TestFunctions(t *testing.T) {
	want := map[string]func(x float64) float64{
		"identity": func(x float64) float64 { return 2 * x }, "abs": func(x float64) float64 { return math.Abs(2 * x) },
		"square": func(x float64) float64 { return 4 * x * x }, "cube": func(x float64) float64 { return 8 * x * x * x },
		"exp": func(x float64) float64 { return math.Exp(2 * x) }, "log_abs": func(x float64) float64 { return math.Log(math.Abs(2 * x)) },
		"arctan": func(x float64) float64 { return math.Atan(2 * x) }, "tanh": func(x float64) float64 { return math.Tanh(2 * x) },
	}
	x := []float64{-1.3, 0.4, 2, -0.1, 0.7, 1, 3, -2}
	for name, f := range want {
		o := configured(t, unit, map[string]any{"operator": name, "scale": 2.0})
		r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, 8, x), Predicted: mat.NewDense(1, 8, nil)}
		if _, err := o.Observe(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for j, v := range x {
			if got := r.Predicted.At(0, j); math.Abs(got-f(v)) > 1e-15*math.Abs(f(v))*4 {
				t.Errorf("%s(%v): got %v, want %v", name, v, got, f(v))
			}
		}
	}
}

var allLaws = []sdk.ErrorModel{
	{Dist: "normal", SD: []float64{0.7}}, {Dist: "laplace", SD: []float64{0.7}}, {Dist: "student_t", SD: []float64{0.7}, DF: 5},
	{Dist: "uniform", SD: []float64{0.7}}, {Dist: "lognormal", SD: []float64{0.7}},
}

func distributionOf(t *testing.T, e sdk.ErrorModel) distribution {
	t.Helper()
	l, err := distributions(e, 1)
	if err != nil {
		t.Fatal(err)
	}
	return l[0]
}

// Densities integrate to one and have the stated variance. The trapezoidal rule
// on 400,000 points errs by up to one step times the density at each jump of the
// uniform distribution, 1e-3 together, and by far less for the others; beyond +-200 the Student distribution with 5 degrees of freedom holds 3e-5 of the
// variance.
func TestDensities(t *testing.T) {
	const h, step = 1.5, 0.001
	for _, e := range allLaws {
		l := distributionOf(t, e)
		var mass, mean, square float64
		for i := -200_000; i <= 200_000; i++ {
			y := h + (float64(i)+0.5)*step
			logP, _ := l.logDensity(y, h)
			p := math.Exp(logP) * step
			mass, mean, square = mass+p, mean+p*(y-h), square+p*(y-h)*(y-h)
		}
		if math.Abs(mass-1) > 1e-3 {
			t.Errorf("%s: mass %v", e.Dist, mass)
		}
		v, ok := l.variance()
		if ok != (e.Dist != "lognormal") {
			t.Errorf("%s: offers a variance: %v", e.Dist, ok)
		}
		if ok && (math.Abs(square-v) > 2e-3*v || math.Abs(v-0.49) > 1e-12 || math.Abs(mean) > 1e-3) {
			t.Errorf("%s: variance %v, stated %v, mean %v", e.Dist, square, v, mean)
		}
	}
}

// Draws follow the density: the probability integral transform of n draws is
// uniform, so its mean and mean square have standard errors sqrt(1/12n) and
// sqrt(4/45n); 4.5 of these.
func TestDraws(t *testing.T) {
	const n, h, step = 20000, -2.0, 0.0005
	for _, e := range allLaws {
		l := distributionOf(t, e)
		cdf := make([]float64, 80_001) // of y - h in [-20, 20]
		for i := 1; i < len(cdf); i++ {
			logP, _ := l.logDensity(h-20+(float64(i)-0.5)*step, h)
			cdf[i] = cdf[i-1] + math.Exp(logP)*step
		}
		var sum, squares float64
		for i := range n {
			d := l.draw(h, rng.New(4).Member(i)) - h
			u := 0.0
			if k := int((d + 20) / step); k >= 0 && k < len(cdf) {
				u = cdf[k]
			} else if d > 0 {
				u = 1
			}
			sum, squares = sum+u, squares+u*u
		}
		if math.Abs(sum/n-0.5) > 4.5*math.Sqrt(1.0/12/n) || math.Abs(squares/n-1.0/3) > 4.5*math.Sqrt(4.0/45/n) {
			t.Errorf("%s: mean %.4f, mean square %.4f of the transform", e.Dist, sum/n, squares/n)
		}
	}
}

// The gradient against central differences of the log-likelihood. With steps of
// 1e-5 the truncation error is about 1e-10 times a third derivative below 1e3,
// the rounding error 1e-16 / 1e-5 times a log-likelihood below 1e3: 1e-6 covers
// both.
func TestGradient(t *testing.T) {
	x := []float64{-1.3, 0.4, 2, -0.3, 0.7, 1, 1.4, -2}
	for _, e := range allLaws {
		for name := range functions {
			o := configured(t, e, map[string]any{"operator": name, "scale": 0.8, "indices": []any{6, 1, 0}})
			if e.Dist == "uniform" {
				if slices.Contains(o.space.Offers, sdk.Gradient) {
					t.Error("a uniform distribution offers a gradient")
				}
				continue
			}
			y := make([]float64, 3)
			for k, j := range stateValues(o) {
				y[k] = functions[name].value(0.8*x[j]) * 1.3
			}
			y[1] = math.NaN()
			sum := func(x []float64, gradient *mat.Dense) float64 {
				r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, 8, x), Observation: y, LogLikelihood: mat.NewDense(1, 3, nil), Gradient: gradient}
				if _, err := o.Observe(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				return mat.Sum(r.LogLikelihood)
			}
			got := mat.NewDense(1, 8, nil)
			got.Set(0, 4, 99) // former content must not matter
			sum(x, got)
			for j := range x {
				up, down := slices.Clone(x), slices.Clone(x)
				up[j], down[j] = x[j]+1e-5, x[j]-1e-5
				want := (sum(up, nil) - sum(down, nil)) / 2e-5
				if math.Abs(got.At(0, j)-want) > 1e-6*(1+math.Abs(want)) {
					t.Errorf("%s, %s: value %d: got %v, want %v", e.Dist, name, j, got.At(0, j), want)
				}
			}
		}
	}
}

func TestImpossible(t *testing.T) {
	for _, tt := range []struct {
		e    sdk.ErrorModel
		y, h float64
	}{{sdk.ErrorModel{Dist: "uniform", SD: []float64{1}}, 5, 1}, {sdk.ErrorModel{Dist: "lognormal", SD: []float64{1}}, -1, 1}, {sdk.ErrorModel{Dist: "lognormal", SD: []float64{1}}, 1, 0}} {
		if l, dl := distributionOf(t, tt.e).logDensity(tt.y, tt.h); !math.IsInf(l, -1) || dl != 0 {
			t.Errorf("%+v: got %v, %v", tt, l, dl)
		}
	}
}

func TestNamesDoNotClash(t *testing.T) {
	state := &sdk.Layout{Variables: []sdk.Variable{{Name: "u", Shape: []int{2}}, {Name: "u_2"}}}
	o, err := configure(t, state, unit, map[string]any{"indices": []any{0, 2, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.space.Layout.Check(); err != nil || o.space.Layout.Variables[2].Name != "u_3" {
		t.Errorf("got %+v, %v", o.space.Layout.Variables, err)
	}
}

func TestOutOfRange(t *testing.T) {
	for name, x := range map[string]float64{"log_abs": 0, "exp": 1000, "cube": 1e200} {
		o := configured(t, unit, map[string]any{"operator": name, "indices": []any{3}})
		r := &sdk.ObserveRequest{Call: sdk.Call{}.From(5), Ensemble: mat.NewDense(1, 8, []float64{1, 1, 1, x, 1, 1, 1, 1}), Predicted: mat.NewDense(1, 1, nil)}
		if _, err := o.Observe(t.Context(), r); sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), "member 5: "+name+" of state value 3") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSDByComponent(t *testing.T) {
	o := configured(t, sdk.ErrorModel{Dist: "laplace", SD: []float64{1, 2}}, map[string]any{"indices": []any{3, 5}})
	r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, 8, nil), Predicted: mat.NewDense(1, 2, nil)}
	res, err := o.Observe(t.Context(), r)
	if err != nil || math.Abs(res.ErrorVariance[0]-1) > 1e-15 || math.Abs(res.ErrorVariance[1]-4) > 1e-14 {
		t.Errorf("got %v, %v", res, err)
	}
}

func BenchmarkObserve100x3(b *testing.B) {
	state := &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}, {Name: "y"}, {Name: "z"}}}
	o, err := configure(b, state, unit, map[string]any{"operator": "abs"})
	if err != nil {
		b.Fatal(err)
	}
	r := &sdk.ObserveRequest{
		Ensemble: mat.NewDense(100, 3, nil), Observation: make([]float64, 3), Predicted: mat.NewDense(100, 3, nil),
		Simulated: mat.NewDense(100, 3, nil), LogLikelihood: mat.NewDense(100, 3, nil),
	}
	for b.Loop() {
		if _, err := o.Observe(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// What is observed as it is keeps its unit; that of a function of it is not known.
func TestUnits(t *testing.T) {
	for _, c := range []struct {
		params map[string]any
		want   []string
	}{
		{map[string]any{"operator": "identity"}, []string{"m", "", ""}},
		{map[string]any{"operator": "abs"}, []string{"m", "", ""}},
		{map[string]any{"operator": "square"}, []string{"1", "1", "1"}},
		{map[string]any{"operator": "identity", "scale": 2.0}, []string{"1", "1", "1"}},
	} {
		var got []string
		for _, v := range configured(t, unit, c.params).Space().Layout.Variables {
			got = append(got, v.Unit)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.params, got, c.want)
		}
	}
}
