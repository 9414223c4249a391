package lorenz05

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plume-da/plume/plugins/internal/modeltest"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func configured(t testing.TB, params map[string]any) *model {
	t.Helper()
	return modeltest.New(t, Plugin, 0, params).(*model)
}

func state(n int) []float64 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float64, n)
	for i := range x {
		x[i] = 3 + 2*r.NormFloat64()
	}
	return x
}

// printed is the tendency as the paper prints it (equations 11 to 15), with double sums and
// modulos.
func printed(z []float64, k, i int, b, c, f float64) []float64 {
	n := len(z)
	at := func(v []float64, j int) float64 { return v[((j%n)+n)%n] }
	half := func(j, end int, halved bool) float64 {
		if halved && (j == end || j == -end) {
			return 0.5
		}
		return 1
	}
	x, y := make([]float64, n), make([]float64, n)
	ii := float64(i)
	alpha, beta := (3*ii*ii+3)/(2*ii*ii*ii+4*ii), (2*ii*ii+1)/(ii*ii*ii*ii+2*ii*ii)
	for m := range n {
		for j := -i; j <= i; j++ {
			x[m] += half(j, i, true) * (alpha - beta*math.Abs(float64(j))) * at(z, m+j)
		}
		y[m] = z[m] - x[m]
	}
	bracket := func(x, y []float64, k, m int) (s float64) {
		for j := -(k / 2); j <= k/2; j++ {
			for i := -(k / 2); i <= k/2; i++ {
				w := half(i, k/2, k%2 == 0) * half(j, k/2, k%2 == 0) / float64(k*k)
				s += w * (-at(x, m-2*k-i)*at(y, m-k-j) + at(x, m-k+j-i)*at(y, m+k+j))
			}
		}
		return s
	}
	out := make([]float64, n)
	for m := range out {
		out[m] = bracket(x, x, k, m) + b*b*bracket(y, y, 1, m) + c*bracket(y, x, 1, m) - x[m] - b*y[m] + f
	}
	return out
}

// Sums of some hundred terms of up to a thousand, each rounded.
func TestTendency(t *testing.T) {
	for _, v := range []struct{ n, k, i int }{{40, 1, 1}, {48, 8, 1}, {49, 7, 1}, {60, 6, 5}, {33, 4, 12}, {36, 1, 12}} {
		m := configured(t, map[string]any{"n": v.n, "smoothing": v.k, "separation": v.i})
		z, got := state(v.n), make([]float64, v.n)
		m.tendency(got, 0, z)
		for j, want := range printed(z, v.k, v.i, 10, 2.5, 15) {
			if math.Abs(got[j]-want) > 1e-10 {
				t.Errorf("%+v, site %d: got %v, want %v", v, j, got[j], want)
			}
		}
	}
}

// Models I and II conserve energy but for damping and forcing: sum X dX/dt = sum (F X - X²).
func TestEnergy(t *testing.T) {
	for _, k := range []int{1, 7, 8} {
		m := configured(t, map[string]any{"n": 240, "smoothing": k, "separation": 1})
		x, dx := state(240), make([]float64, 240)
		m.tendency(dx, 0, x)
		var change, want float64
		for j := range x {
			change += x[j] * dx[j]
			want += 15*x[j] - x[j]*x[j]
		}
		if math.Abs(change-want) > 1e-9 {
			t.Errorf("K = %d: energy changes by %v, want %v", k, change, want)
		}
	}
}

// Long waves pass into X unchanged: the weights keep quadratic functions within I sites
// (Lorenz 2005, section 5), and of a wave of w sites all but O((I/w)^4).
func TestLongWavesAreKept(t *testing.T) {
	const n, separation = 960, 12
	s := newScratch(n, 32, separation)
	z := make([]float64, n)
	for j := range z {
		z[j] = math.Cos(2 * math.Pi * float64(j) / n)
	}
	s.split(z)
	small := math.Pow(2*math.Pi*separation/n, 4)
	for j := range n {
		if math.Abs(s.y[s.margin+j]) > small {
			t.Fatalf("site %d: y is %g, more than %g", j, s.y[s.margin+j], small)
		}
	}
}

// DAPPER 1.7 (mods/explore_props.py) gives 8.36 for the leading Lyapunov exponent of model III
// with its default parameters, over 100 units of time. It is measured here over 20, from two states
// that are kept close. Over 80 it is 8.2, and parts of that scatter so that the standard errors over 20 and
// 100 are 0.82 and 0.37.
func TestLyapunovExponent(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const parts, length, apart = 100, 0.2, 1e-6
	m := configured(t, nil)
	z := modeltest.Forecast(t, m, 5, state(960))
	near := append([]float64(nil), z...)
	near[3] += apart
	var rate float64
	for part := range parts + 10 {
		both := modeltest.Forecasts(t, m, length, z, near)
		z = both.RawRowView(0)
		var d float64
		for i := range z {
			d += math.Pow(both.RawRowView(1)[i]-z[i], 2)
		}
		d = math.Sqrt(d)
		for i := range near {
			near[i] = z[i] + (both.RawRowView(1)[i]-z[i])*apart/d
		}
		if part >= 10 { // the difference has turned into the direction of growth
			rate += math.Log(d/apart) / length / parts
		}
	}
	if math.Abs(rate-8.36) > 4*math.Hypot(0.82, 0.37) {
		t.Errorf("leading Lyapunov exponent %.2f, want 8.36", rate)
	}
}

// Parameters by member replace those of the workflow.
func TestParametersByMember(t *testing.T) {
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	with := func(params map[string]any, perMember []string, values *mat.Dense) []float64 {
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params, PerMember: perMember})
		if err != nil {
			t.Fatal(err)
		}
		r := &sdk.ForecastRequest{To: 0.05, Ensemble: mat.NewDense(1, 60, state(60)), Into: mat.NewDense(1, 60, nil), Parameters: values}
		if _, err := m.Forecast(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return r.Into.RawRowView(0)
	}
	sizes := map[string]any{"n": 60, "smoothing": 8, "separation": 3}
	got := with(sizes, []string{"forcing", "short", "coupling"}, mat.NewDense(1, 3, []float64{12, 9, 2}))
	want := with(map[string]any{"n": 60, "smoothing": 8, "separation": 3, "forcing": 12, "short": 9, "coupling": 2}, nil, nil)
	for j := range want {
		if got[j] != want[j] {
			t.Fatalf("site %d: got %v, want %v", j, got[j], want[j])
		}
	}
}

func TestRefusals(t *testing.T) {
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	for want, params := range map[string]map[string]any{
		"smoothing: got 32 for 100 sites, want at most 25, a quarter": {"n": 100},
		"separation: got 12 for 24 sites, want less than half":        {"n": 24, "smoothing": 4},
	} {
		if _, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestCoordinates(t *testing.T) {
	l := configured(t, nil).Layout()
	if err := l.Check(); err != nil || l.Size() != 960 || l.Coordinates.Period[0] != 960 || l.Coordinates.Points.At(3, 0) != 3 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func BenchmarkForecast20x960(b *testing.B) {
	modeltest.Benchmark(b, configured(b, nil), 0.05, 20, state(960))
}
