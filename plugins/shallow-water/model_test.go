package shallowwater

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/plugins/internal/modeltest"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func configured(t testing.TB, step float64, params map[string]any) *model {
	t.Helper()
	return modeltest.New(t, Plugin, step, params).(*model)
}

// free are parameters without what is not conserved.
func free(rows, columns int) map[string]any {
	return map[string]any{"rows": rows, "columns": columns, "relaxation": 0, "viscosity": 0}
}

// state is a depth of about 1 with velocities of the given size, random but smooth.
func state(rows, columns int, speed float64) []float64 {
	r := rand.New(rand.NewPCG(1, uint64(rows)))
	size := rows * columns
	x := make([]float64, 3*size)
	for k := range 3 {
		for range 6 {
			l, p, a, phase := float64(r.IntN(5)-2), float64(r.IntN(3)), speed*r.NormFloat64()/2, 2*math.Pi*r.Float64()
			for i := range size {
				x[k*size+i] += a * math.Cos(2*math.Pi*(l*float64(i/columns)/float64(rows)+p*float64(i%columns)/float64(columns))+phase)
			}
		}
	}
	for i := range size {
		x[i]++
	}
	return x
}

// energy is the sum that the scheme conserves.
func energy(m *model, x []float64) (sum float64) {
	size := m.Rows * m.Columns
	h, u, v := x[:size], x[size:2*size], x[2*size:]
	m.rows(func(_, row, south, _ int) {
		for i := range m.Columns {
			at := row + i
			sum += h[at]*h[at]/2 + (h[at]+h[row+m.west[i]])*u[at]*u[at]/4 + (h[at]+h[south+i])*v[at]*v[at]/4
		}
	})
	return sum
}

func mass(m *model, x []float64) (sum float64) {
	for _, h := range x[:m.Rows*m.Columns] {
		sum += h
	}
	return sum
}

// The mass is conserved by every step, to the rounding of 200 steps of 240 values near 1.
func TestMass(t *testing.T) {
	m := configured(t, 0.5, map[string]any{"rows": 12, "columns": 20})
	x := state(12, 20, 0.1)
	if change := mass(m, modeltest.Forecast(t, m, 100, x)) - mass(m, x); math.Abs(change) > 240*200*2.3e-16 {
		t.Errorf("the mass changes by %g", change)
	}
}

// The differences conserve energy: its derivative along the tendency is 0 to rounding. The
// derivative is taken by the chain rule, with no step in time.
func TestEnergyOfTheDifferences(t *testing.T) {
	m := configured(t, 0.5, free(12, 20))
	x, dx, flat := state(12, 20, 0.3), make([]float64, 720), make([]float64, 720)
	m.tendency(dx, 0, x)
	s := newScratch(240)
	m.diagnose(s, x[:240], x[240:480], x[480:])
	copy(flat, s.b)
	copy(flat[240:], s.u)
	copy(flat[480:], s.v)
	var change, size float64
	for i := range dx {
		change += flat[i] * dx[i]
		size += math.Abs(flat[i] * dx[i])
	}
	if math.Abs(change) > 1e-14*size {
		t.Errorf("energy changes at a rate of %g of %g", change, size)
	}
}

// In time RK4 conserves energy to its order: the error of a step is O(dt^5) for a nonlinear system, so
// that over an interval it falls at least by 2^4 when the step is halved; for the fastest waves, which
// are linear, by 2^5, for |R(iw)|² = 1 - w^6/72 + ... a step.
func TestEnergyInTime(t *testing.T) {
	x := state(12, 20, 0.3)
	var errors []float64
	for _, step := range []float64{0.25, 0.125, 0.0625} {
		m := configured(t, step, free(12, 20))
		errors = append(errors, math.Abs(energy(m, modeltest.Forecast(t, m, 10, x))/energy(m, x)-1))
	}
	for i := range errors[1:] {
		if order := math.Log2(errors[i] / errors[i+1]); order < 3.9 || order > 6 {
			t.Errorf("order %.2f, errors %g", order, errors)
		}
	}
	if errors[2] > 1e-6 || errors[2] < 1e-14 {
		t.Errorf("errors %g", errors)
	}
}

// Small waves have the frequencies of Arakawa and Lamb (1977) for their grid C,
//
//	w² = f² cos²(k/2) cos²(l/2) + 4 (sin²(k/2) + sin²(l/2))
//
// A wave in the depth alone is a geostrophic part that stays and a part that oscillates:
//
//	h = 1 + a cos(k x + l y) (f² cos² cos² + (w² - f² cos² cos²) cos w t) / w²
//
// Terms of a² are 1e-12 of it; RK4 with steps of 0.05 adds w^5 dt^4 t / 120, below 1e-4.
func TestDispersion(t *testing.T) {
	const rows, columns, a, until, f = 12, 16, 1e-6, 7.0, 0.25
	params := free(rows, columns)
	params["coriolis"] = f
	m := configured(t, 0.05, params)
	for _, wave := range [][2]float64{{1, 0}, {0, 2}, {3, 5}, {8, 6}, {7, 2}} {
		k, l := 2*math.Pi*wave[0]/columns, 2*math.Pi*wave[1]/rows
		x := make([]float64, 3*rows*columns)
		for i := range rows * columns {
			x[i] = 1 + a*math.Cos(k*float64(i%columns)+l*float64(i/columns))
		}
		steady := math.Pow(f*math.Cos(k/2)*math.Cos(l/2), 2)
		w2 := steady + 4*(math.Pow(math.Sin(k/2), 2)+math.Pow(math.Sin(l/2), 2))
		factor := (steady + (w2-steady)*math.Cos(math.Sqrt(w2)*until)) / w2
		got := modeltest.Forecast(t, m, until, x)
		for i := range rows * columns {
			if want := 1 + (x[i]-1)*factor; math.Abs(got[i]-want) > 1e-4*a {
				t.Errorf("wave %v, value %d: got %g, want %g", wave, i, (got[i]-1)/a, (want-1)/a)
				break
			}
		}
	}
}

// Moving the state by one cell to the east moves the solution, bit by bit.
func TestShift(t *testing.T) {
	const rows, columns = 8, 12
	m := configured(t, 0.5, map[string]any{"rows": rows, "columns": columns, "jets": 1})
	x := state(rows, columns, 0.1)
	moved := make([]float64, len(x))
	east := func(dst, src []float64) {
		for i := range src {
			dst[i/columns*columns+(i+1)%columns] = src[i]
		}
	}
	east(moved, x)
	want := make([]float64, len(x))
	east(want, modeltest.Forecast(t, m, 20, x))
	for i, got := range modeltest.Forecast(t, m, 20, moved) {
		if got != want[i] {
			t.Fatalf("value %d: got %v, want %v", i, got, want[i])
		}
	}
}

// The jets are kept up against drag and are unstable: small noise grows to vortices, with velocities to the
// north as large as those to the east; and the vortices are chaotic: two states that differ
// by 1e-8 in the mean separate.
func TestVortices(t *testing.T) {
	m := configured(t, 0.5, nil)
	size := m.Rows * m.Columns
	x := make([]float64, 3*size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range size {
		x[i] = 1
		x[2*size+i] = 1e-2 * r.NormFloat64()
	}
	rms := func(x []float64) (sum float64) {
		for _, v := range x {
			sum += v * v / float64(len(x))
		}
		return math.Sqrt(sum)
	}
	x = modeltest.Forecast(t, m, 1500, x)
	if u, v := rms(x[size:2*size]), rms(x[2*size:]); u < 0.05 || u > 0.3 || v < u/2 || v > 2*u {
		t.Errorf("velocities to the east are %g, to the north %g; want vortices", u, v)
	}
	y := append([]float64(nil), x...)
	y[5] += 1e-8 * math.Sqrt(float64(len(x)))
	x, y = modeltest.Forecast(t, m, 800, x), modeltest.Forecast(t, m, 800, y)
	for i := range x {
		y[i] -= x[i]
	}
	if d := rms(y); d < 1e-7 || d > 1 {
		t.Errorf("states that differed by 1e-8 differ by %g", d)
	}
}

func TestCoordinates(t *testing.T) {
	l := configured(t, 0.5, map[string]any{"rows": 3, "columns": 4}).Layout()
	at := func(name string, i int) [2]float64 {
		first, _ := l.Offset(name)
		return [2]float64{l.Coordinates.Points.At(first+i, 0), l.Coordinates.Points.At(first+i, 1)}
	}
	if err := l.Check(); err != nil || l.Size() != 36 || l.Coordinates.Period[0] != 3 || l.Coordinates.Period[1] != 4 ||
		at("h", 6) != [2]float64{1, 2} || at("u", 6) != [2]float64{1, 1.5} || at("v", 6) != [2]float64{0.5, 2} {
		t.Errorf("got %+v, %v", l, err)
	}
	if _, byRule := l.Coordinates.Points.(sdk.Grid); !byRule {
		t.Errorf("got %T: a list takes memory for every value", l.Coordinates.Points)
	}
	listed := mat.NewDense(36, 2, nil)
	for i := range 12 {
		y, x := float64(i/4), float64(i%4)
		listed.SetRow(i, []float64{y, x})
		listed.SetRow(12+i, []float64{y, x - 0.5})
		listed.SetRow(24+i, []float64{y - 0.5, x})
	}
	if !mat.Equal(l.Coordinates.Points, listed) {
		t.Errorf("got %v", mat.Formatted(l.Coordinates.Points))
	}
}

func BenchmarkForecast20x32x32(b *testing.B) {
	modeltest.Benchmark(b, configured(b, 0.5, nil), 5, 20, state(32, 32, 0.1))
}
