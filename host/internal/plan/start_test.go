package plan

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

var state = &sdk.Layout{Variables: []sdk.Variable{{Name: "level"}, {Name: "u", Shape: []int{2}}}}

var wanted = []column{{name: "level", list: "level"}, {name: "u[0]", list: "u"}, {name: "u[1]", list: "u", item: 1, value: 1}}

func TestCSV(t *testing.T) {
	e, err := parseCSV(strings.NewReader("\ufeffu[1], other, level,u[0]\n3,x,1,2\n6, y, 4, 5\r\n"), wanted)
	if err != nil {
		t.Fatal(err)
	}
	if want := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6}); !mat.Equal(e, want) {
		t.Errorf("got %v", mat.Formatted(e))
	}
}

// What a run writes of its members starts another one.
func TestArrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "members.arrow")
	w, err := table.Create(path, append([]table.Column{{Name: "cycle", Type: table.Int32}}, table.Variables(state)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})
	if err := w.Append(2, []int32{7, 8}, table.Block{Matrix: want}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := readArrow(path, wanted)
	if err != nil || !mat.Equal(e, want) {
		t.Errorf("got %v, %v", e, err)
	}
	e, err = readArrow(path, []column{{name: "cycle"}})
	if err != nil || e.At(1, 0) != 8 {
		t.Errorf("got %v, %v", e, err)
	}
	for _, c := range []column{{name: "v"}, {name: "u", list: "u", item: 2}, {name: "u"}} {
		if _, err := readArrow(path, []column{c}); err == nil {
			t.Errorf("column %+v was found", c)
		}
	}
	truncated(t, path)
}

// A file that is cut anywhere is refused, or read up to its last whole batch, which
// is what a run that has not ended leaves.
func truncated(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		if err := os.WriteFile(path, text[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := readArrow(path, wanted); (e == nil) == (err == nil) {
			t.Fatalf("cut at byte %d: got %v, %v", i, e, err)
		}
	}
}

// FuzzCSV: no text panics; what is read is finite and has a row for every line.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"level,u[0],u[1]\n1,2,3\n", "\"level\",u[0],u[1]\n1,\"2\",3e400\n", "level\n", "", "\xff,\n", "level,level\n1,2\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseCSV(strings.NewReader(text), wanted)
		if (e == nil) == (err == nil) {
			t.Fatalf("got %v, %v", e, err)
		}
		if e == nil {
			return
		}
		for _, v := range e.RawMatrix().Data {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("read %v", v)
			}
		}
	})
}

// The mean and the standard deviation of 20,000 draws are within 5 standard errors
// of those of the law: 5 sd/sqrt(N), and 5 sd sqrt(k/4N) with the kurtosis term
// k - 1, at most 8 for a lognormal of sd 0.5.
func TestLaws(t *testing.T) {
	const n = 20_000
	d := Draw{Laws: []Law{
		{Dist: Normal, Middle: 3, Width: 2},
		{Dist: LogNormal, Middle: 2, Width: 0.5},
		{Dist: Uniform, Middle: -1, Width: 4},
		{Dist: Normal, Around: Truth0, Width: 1},
		{Dist: LogNormal, Around: TruthInit, Width: 0},
	}}
	truth, init := []float64{0, 0, 0, 10, 0}, []float64{0, 0, 0, 0, 7}
	e := mat.NewDense(n, 5, nil)
	seed := rng.New(1)
	for i := range n {
		d.Into(e.RawRowView(i), i, truth, init, seed.Member(i))
	}
	grow := math.Exp(0.125) // mean of a lognormal of median 1 and sd 0.5
	for j, want := range []struct{ mean, sd float64 }{
		{3, 2}, {2 * grow, 2 * grow * math.Sqrt(math.Exp(0.25)-1)}, {1, 4 / math.Sqrt(12)}, {10, 1}, {7, 0},
	} {
		sum, squares := 0.0, 0.0
		for i := range n {
			sum += e.At(i, j)
		}
		mean := sum / n
		for i := range n {
			squares += (e.At(i, j) - mean) * (e.At(i, j) - mean)
		}
		sd := math.Sqrt(squares / (n - 1))
		if math.Abs(mean-want.mean) > 5*want.sd/math.Sqrt(n) || math.Abs(sd-want.sd) > 5*want.sd*math.Sqrt(8.0/4/n) {
			t.Errorf("law %d: mean %v, sd %v; want %+v", j, mean, sd, want)
		}
	}
}

// still does not move; its second row is lost when To is 3.
type still struct{}

func (still) Layout() *sdk.Layout { return state }

func (still) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	r.Into.Copy(r.Ensemble)
	if r.To == 3 {
		return &sdk.ForecastResult{Failures: []sdk.MemberFailure{{Member: 1}}}, nil
	}
	return &sdk.ForecastResult{}, nil
}

func noisyForecast(t *testing.T, m sdk.Model, first, rows int, to float64) *mat.Dense {
	t.Helper()
	r := &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(5), First: first}, From: 1, To: to, Ensemble: mat.NewDense(rows, 3, nil), Into: mat.NewDense(rows, 3, nil)}
	if _, err := m.Forecast(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r.Into
}

// Noise has the standard deviation that was asked for, within 5 standard errors of
// 10,000 draws, leaves alone what has none, and does not depend on how members are
// split.
func TestNoise(t *testing.T) {
	const n = 10_000
	for _, c := range []struct {
		perTime bool
		to      float64
		scale   float64
	}{{false, 2, 1}, {false, 5, 1}, {true, 5, 2}, {true, 1, 0}} {
		m := &noisy{Model: still{}, sd: []float64{0.5, 0, 2}, perTime: c.perTime}
		e := noisyForecast(t, m, 0, n, c.to)
		for j, sd := range []float64{0.5, 0, 2} {
			squares := 0.0
			for i := range n {
				squares += e.At(i, j) * e.At(i, j)
			}
			if got, want := math.Sqrt(squares/n), sd*c.scale; math.Abs(got-want) > 5*want/math.Sqrt(2*n) {
				t.Errorf("%+v, value %d: sd %v, want %v", c, j, got, want)
			}
		}
		part := noisyForecast(t, m, 100, 3, c.to)
		if !mat.Equal(part, e.Slice(100, 103, 0, 3)) {
			t.Errorf("%+v: members 100 to 102 alone differ", c)
		}
	}
	if e := noisyForecast(t, &noisy{Model: still{}, sd: []float64{1, 1, 1}}, 0, 3, 3); e.At(1, 0) != 0 || e.At(2, 0) == 0 {
		t.Errorf("a member that is lost, and the next: %v", mat.Formatted(e))
	}
}
