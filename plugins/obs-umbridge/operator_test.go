package obsumbridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/plugins/internal/umbridge/umbridgetest"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

type params = map[string]any

// line is a state of six values of x on a line.
func line() *sdk.Layout {
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{6}, Dims: []string{"site"}, Unit: "1"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{6}, Points: mat.NewDense(6, 1, []float64{0, 1, 2, 3, 4, 5})},
	}
}

func configure(state *sdk.Layout, sd []float64, p params) (*operator, error) {
	plugin, err := Plugin()
	if err != nil {
		return nil, err
	}
	o, err := plugin.NewOperator(context.Background(), sdk.OperatorConfig{Params: p, State: state, Error: sdk.ErrorModel{Dist: "normal", SD: sd}})
	if err != nil {
		return nil, err
	}
	return o.(*operator), nil
}

// products is a model with time, a state and the same state again in its inputs, whose
// outputs are products of them.
var products = umbridgetest.Model{
	Inputs: []int{7, 7}, Outputs: []int{2, 1, 1},
	Evaluate: func(in [][]float64, config map[string]any) [][]float64 {
		t, x, z := in[0][0], in[0][1:], in[1]
		return [][]float64{{t + x[0]*z[1], x[2] * x[2] * z[6]}, {x[5]}, {math.Sin(x[3]) * z[4] * config["time"].(float64)}}
	},
	Gradient: func(out, in int, input [][]float64, sens []float64) []float64 {
		t, x, z := input[0][0], input[0][1:], input[1]
		g := make([]float64, 7)
		switch {
		case out == 0 && in == 0:
			g[0], g[1], g[3] = sens[0], sens[0]*z[1], sens[1]*2*x[2]*z[6]
		case out == 0 && in == 1:
			g[1], g[6] = sens[0]*x[0], sens[1]*x[2]*x[2]
		case out == 2 && in == 0:
			g[4] = sens[0] * math.Cos(x[3]) * z[4] * t
		case out == 2 && in == 1:
			g[4] = sens[0] * math.Sin(x[3]) * t
		default:
			panic("a vector that is not observed")
		}
		return g
	},
}

func observed(t *testing.T) *operator {
	t.Helper()
	o, err := configure(line(), []float64{0.5, 2, 0.1}, params{"url": products.Serve(t), "model": "m", "inputs": []string{"time, state", "x, 2"},
		"outputs": []string{"a", "skip", "b"}, "positions": []float64{0.5, 1, 1.5}, "config": `{"time": {{.time}}}`})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func requestOf(state []float64, y []float64) *sdk.ObserveRequest {
	return &sdk.ObserveRequest{
		Call: sdk.Call{Cycle: 3, Seed: rng.New(1)}.From(40), Time: 1.5, Ensemble: mat.NewDense(1, 6, state), Observation: y,
		Predicted: mat.NewDense(1, 3, nil), Simulated: mat.NewDense(1, 3, nil), LogLikelihood: mat.NewDense(1, 3, nil), Gradient: mat.NewDense(1, 6, nil),
	}
}

var stateHere = []float64{1, 0.5, -1, 2, -0.5, 1.5}

func TestSpace(t *testing.T) {
	s := observed(t).Space()
	if err := s.Layout.Check(); err != nil || len(s.Layout.Variables) != 2 || s.Layout.Variables[1].Name != "b" || s.Layout.Size() != 3 {
		t.Errorf("got %+v: %v", s.Layout.Variables, err)
	}
	if c := s.Layout.Coordinates; c.Points.At(2, 0) != 1.5 || c.Period[0] != 6 {
		t.Errorf("got %+v", c)
	}
	want := []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.ErrorVariance, sdk.Gradient, sdk.HasPositions}
	if !slices.Equal(s.Offers, want) {
		t.Errorf("got %v, want %v", s.Offers, want)
	}
}

func TestObservations(t *testing.T) {
	o := observed(t)
	r := requestOf(stateHere, []float64{3, math.NaN(), 0})
	res, err := o.Observe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	h := []float64{1.5 + 1*0.5, 1 * 2, math.Sin(2) * -0.5 * 1.5}
	if got := r.Predicted.RawRowView(0); !slices.Equal(got, h) {
		t.Errorf("predicted: got %v, want %v", got, h)
	}
	if want := []float64{0.25, 4, o.sd[2] * o.sd[2]}; !slices.Equal(res.ErrorVariance, want) {
		t.Errorf("error variance: got %v, want %v", res.ErrorVariance, want)
	}
	stream := r.Seed.Member(40)
	for k, sd := range o.sd {
		if got, want := r.Simulated.At(0, k), h[k]+sd*stream.NormFloat64(); got != want {
			t.Errorf("simulated %d: got %v, want %v", k, got, want)
		}
		want := 0.0
		if k != 1 {
			want = distuv.Normal{Mu: h[k], Sigma: sd}.LogProb(r.Observation[k])
		}
		// A handful of operations on numbers below 100.
		if got := r.LogLikelihood.At(0, k); math.Abs(got-want) > 1e-12 {
			t.Errorf("log-likelihood %d: got %v, want %v", k, got, want)
		}
	}
}

// The gradient is that of the log-likelihood: its central difference of step s. The
// third derivatives are below 1e4 here, so the difference errs by 1e4 s²/6 + 1e3 2^-53/s,
// which is 2e-7 for s = 1e-5.
func TestGradient(t *testing.T) {
	o := observed(t)
	for name, y := range map[string][]float64{"all": {3, 1, 0}, "one is missing": {3, math.NaN(), 0}} {
		r := requestOf(slices.Clone(stateHere), y)
		if _, err := o.Observe(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		const s = 1e-5
		for j := range 6 {
			difference := 0.0
			for _, sign := range []float64{-1, 1} {
				moved := requestOf(slices.Clone(stateHere), y)
				moved.Ensemble.Set(0, j, stateHere[j]+sign*s)
				if _, err := o.Observe(t.Context(), moved); err != nil {
					t.Fatal(err)
				}
				difference += sign * mat.Sum(moved.LogLikelihood) / (2 * s)
			}
			if got := r.Gradient.At(0, j); math.Abs(got-difference) > 2e-7 {
				t.Errorf("%s: value %d: got %v, want %v", name, j, got, difference)
			}
		}
	}
}

// The official server's gradient of an arctan, and its predicted values.
func TestPython(t *testing.T) {
	o, err := configure(line(), []float64{0.5}, params{"url": umbridgetest.Python(t), "model": "arctan", "config": `{"values": 6, "scale": 0.5}`})
	if err != nil {
		t.Fatal(err)
	}
	n := 6
	r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, n, stateHere), Observation: make([]float64, n), Predicted: mat.NewDense(1, n, nil), Gradient: mat.NewDense(1, n, nil)}
	if _, err := o.Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for j, x := range stateHere {
		h := math.Atan(0.5 * x)
		want := -h / 0.25 * 0.5 / (1 + 0.25*x*x)
		// Arctans of two libraries may differ by 2^-52 of themselves, and some roundings follow.
		if got := r.Predicted.At(0, j); math.Abs(got-h) > 4*0x1p-53*math.Abs(h) {
			t.Errorf("predicted %d: got %v, want %v", j, got, h)
		}
		if got := r.Gradient.At(0, j); math.Abs(got-want) > 20*0x1p-53*math.Abs(want) {
			t.Errorf("gradient %d: got %v, want %v", j, got, want)
		}
	}
}

// A server's refusal names the member and what the server said, and ends the call.
func TestFailedMember(t *testing.T) {
	asked := 0
	s := umbridgetest.Model{Inputs: []int{6}, Outputs: []int{1}}
	s.Answer = func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": {"type": "InvalidInput", "message": "no such lake"}}`)
			return
		}
		fmt.Fprint(w, `{"output": [[1]]}`)
	}
	address := s.Serve(t)
	o, err := configure(line(), []float64{1}, params{"url": address, "model": "m"})
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.ObserveRequest{Call: sdk.Call{}.From(40), Ensemble: mat.NewDense(4, 6, nil), Predicted: mat.NewDense(4, 1, nil)}
	_, err = o.Observe(t.Context(), r)
	if want := "member 41: " + address + "/Evaluate: m: the server says InvalidInput: no such lake"; err == nil || err.Error() != want || sdk.KindOf(err) != sdk.KindExternal {
		t.Errorf("got %v, want %s", err, want)
	}
	if asked != 2 {
		t.Errorf("%d requests were made, want 2", asked)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Observe(cancelled, r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	address := umbridgetest.Model{Inputs: []int{6}, Outputs: []int{2, 1}}.Serve(t)
	nowhere := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{6}}}}
	for _, tt := range []struct {
		where, want string
		state       *sdk.Layout
		sd          []float64
		given       params
	}{
		{"model", "has no \"n\"", line(), nil, params{"model": "n"}},
		{"inputs", "got 2, want one for each of the 1 vectors", line(), nil, params{"inputs": []string{"x", "time"}}},
		{"inputs", `got "y", want a number or one of state, x, time`, line(), nil, params{"inputs": []string{"y"}}},
		{"inputs", "does not describe the 6 values", line(), nil, params{"inputs": []string{"x, time"}}},
		{"outputs", "got 1, want one for each of the 2 output vectors", line(), nil, params{"outputs": []string{"a"}}},
		{"outputs", "no variables", line(), nil, params{"outputs": []string{"skip", "skip"}}},
		{"outputs", "name is repeated", line(), nil, params{"outputs": []string{"a", "a"}}},
		{"positions", "the state has no coordinates", nowhere, nil, params{"positions": []float64{1, 2, 3}}},
		{"positions", "got 2 numbers, want 3: 1 for each of 3 observed values", line(), nil, params{"positions": []float64{1, 2}}},
		{"error.sd", "got 2 values for 3 observed values", line(), []float64{1, 2}, nil},
	} {
		p := params{"url": address, "model": "m"}
		for k, v := range tt.given {
			p[k] = v
		}
		if tt.sd == nil {
			tt.sd = []float64{1}
		}
		_, err := configure(tt.state, tt.sd, p)
		if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.HasPrefix(err.Error(), tt.where+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s: ... %s", tt.given, err, tt.where, tt.want)
		}
	}
}
