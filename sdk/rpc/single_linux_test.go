package rpc

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
)

// singleWays are the ways to a model in single precision, and how its states travel there.
var singleWays = map[string]struct {
	numbers wire.Numbers
	to      func(testing.TB, *sdk.Plugin) *sdk.Plugin
}{
	"within a process": {wire.Single, func(t testing.TB, p *sdk.Plugin) *sdk.Plugin { return within(t, p, nil) }},
	"shared memory":    {wire.Single, func(t testing.TB, p *sdk.Plugin) *sdk.Plugin { return over(t, p, nil) }},
	"socket":           {wire.Single, func(t testing.TB, p *sdk.Plugin) *sdk.Plugin { return over(t, p, nil, noShare) }},
	"without features": {wire.Rounded, func(t testing.TB, p *sdk.Plugin) *sdk.Plugin { return over(t, p, nil, noFeatures) }},
	"shared, without float32": {wire.Rounded, func(t testing.TB, p *sdk.Plugin) *sdk.Plugin {
		return over(t, p, nil, without(func(_ string, res any) error {
			if d, ok := res.(*pb.DescribeResponse); ok {
				d.Features = []string{featureShared}
			}
			return nil
		}))
	}},
}

// eachSingleWay calls do with a model of so many values, with params, for every way to it.
func eachSingleWay(t *testing.T, trouble func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error), do func(t *testing.T, m sdk.Model)) {
	t.Helper()
	for name, way := range singleWays {
		for _, width := range []int{4, 30_000} { // small and large calls
			t.Run(fmt.Sprintf("%s, %d values", name, width), func(t *testing.T) {
				m, err := way.to(t, must(growing(trouble))).NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"width": width}, Single: true})
				if err != nil {
					t.Fatal(err)
				}
				if got := m.(*model).state.numbers; got != way.numbers {
					t.Fatalf("states travel as %d, want %d", got, way.numbers)
				}
				do(t, m)
			})
		}
	}
}

// thirds returns a request for states that float32 has not.
func thirds(m sdk.Model, rows int) *sdk.ForecastRequest {
	r := request(m, rows)
	r.Ensemble.Apply(func(_, _ int, v float64) float64 { return (v + 1) / 3 }, r.Ensemble)
	return r
}

// A model gets the nearest float32 of each value, and so does whoever asks it, however the
// states travel. The states that the caller keeps are not rounded.
func TestSinglePrecision(t *testing.T) {
	nearest := func(_, _ int, v float64) float64 { return float64(float32(v)) }
	eachSingleWay(t, func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		for i := range r.Ensemble.RawMatrix().Rows {
			for _, v := range r.Ensemble.RawRowView(i) {
				if v != float64(float32(v)) {
					t.Errorf("the model got %v", v)
				}
			}
		}
		return &sdk.ForecastResult{}, nil
	}, func(t *testing.T, m sdk.Model) {
		for range 2 {
			r, want := thirds(m, 6), thirds(m, 6)
			want.Ensemble.Apply(nearest, want.Ensemble)
			if _, err := (&grow{Rate: 1, Width: m.Layout().Size() - 2}).Forecast(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			want.Into.Apply(nearest, want.Into)
			if _, err := m.Forecast(t.Context(), r); err != nil || !mat.Equal(r.Into, want.Into) {
				t.Errorf("the answer is not that of float32 numbers, rounded: %v", err)
			}
			if !mat.Equal(r.Ensemble, thirds(m, 6).Ensemble) {
				t.Error("the request was changed")
			}
		}
	})
}

// A member whose state leaves the range of float32 has failed, for the same reason however the
// states travel, next to those that the model says have failed; what is not a number is refused.
func TestBeyondSinglePrecision(t *testing.T) {
	const tooLarge, notANumber = 1, 2 // cycles
	eachSingleWay(t, func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		res := &sdk.ForecastResult{}
		for i := range r.Into.RawMatrix().Rows { // of the members left, or of some of them
			switch member := r.Member(i); {
			case member == 8 && r.Cycle == notANumber:
				r.Into.Set(i, 0, math.NaN())
			case member == 1:
				r.Into.Set(i, 0, math.MaxFloat32)
			case member == 2:
				res.Failures = []sdk.MemberFailure{{Member: i, Reason: "burst"}}
			case member == 4:
				r.Into.Set(i, 3, 1e39)
			case member == 9:
				r.Into.Set(i, 0, -math.MaxFloat64)
			}
		}
		return res, nil
	}, func(t *testing.T, m sdk.Model) {
		r := thirds(m, len(left))
		r.Call = r.Of(left)
		r.Cycle = tooLarge
		res, err := m.Forecast(t.Context(), r)
		want := []sdk.MemberFailure{
			{Member: 1, Reason: "burst"},
			{Member: 2, Reason: "u[2] is beyond the range of float32", Kind: sdk.KindDiverged},
			{Member: 4, Reason: "level is beyond the range of float32", Kind: sdk.KindDiverged},
		}
		if err != nil || !reflect.DeepEqual(res.Failures, want) {
			t.Fatalf("got %+v, %v; want %+v", res, err, want)
		}
		if got := r.Into.At(0, 0); got != math.MaxFloat32 {
			t.Errorf("got %v for the largest float32", got)
		}
		r.Cycle = notANumber
		if _, err := m.Forecast(t.Context(), r); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), "member 8, level is NaN") {
			t.Errorf("got %v", err)
		}
	})
}

// A state that float32 has not the range for is not sent; the call ends at once, and the next one is made.
func TestRequestBeyondSinglePrecision(t *testing.T) {
	eachSingleWay(t, nil, func(t *testing.T, m sdk.Model) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r := thirds(m, len(left))
		r.Call = r.Of(left)
		r.Ensemble.Set(3, 2, -1e39)
		_, err := m.Forecast(ctx, r)
		if sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), `member 8, u[1] is -1e+39, beyond the range of float32, which ends at 3.4e38; write precision = "float64" in [model]`) {
			t.Fatalf("got %v (%s)", err, sdk.KindOf(err))
		}
		r.Ensemble.Set(3, 2, 1)
		if _, err := m.Forecast(ctx, r); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

// Parameters by member are not states.
func TestParametersStayDouble(t *testing.T) {
	text := strings.Replace(manifest, "default = 1.0", "default = 1.0\nper_member = true", 1)
	for name, way := range singleWays {
		p := must(sdk.ModelPlugin(text, func(c sdk.ModelConfig) (sdk.Model, error) {
			g := &grow{trouble: func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
				if got := r.Parameters.At(1, 0); got != 1.0/3 {
					return nil, fmt.Errorf("the model got the parameter %v", got)
				}
				return &sdk.ForecastResult{}, nil
			}}
			c.Params.Decode(g)
			return g, nil
		}))
		m, err := way.to(t, p).NewModel(t.Context(), sdk.ModelConfig{PerMember: []string{"rate"}, Single: true})
		if err != nil {
			t.Fatal(err)
		}
		r := thirds(m, 2)
		r.Parameters = mat.NewDense(2, 1, []float64{1, 1.0 / 3})
		if _, err := m.Forecast(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
