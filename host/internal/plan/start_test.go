package plan

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

var state = &sdk.Layout{Variables: []sdk.Variable{{Name: "level"}, {Name: "u", Shape: []int{2}}}}

var wanted = []string{"level", "u[0]", "u[1]"}

// members writes a file and reads the wanted members from it.
func members(t *testing.T, name, text string, d tabular.Dialect) (e *mat.Dense, left int, faults []error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return matrixOf(path, d, workflow.Choice{Ignore: []string{"other"}}, wanted)
}

// matrixOf returns the members of a file as a matrix.
func matrixOf(path string, d tabular.Dialect, c workflow.Choice, names []string) (e *mat.Dense, left int, faults []error) {
	r, faults := readMembers(path, d, c, names)
	if r == nil {
		return nil, 0, faults
	}
	return mat.NewDense(len(r.values)/len(names), len(names), r.values), r.left, faults
}

func TestMembersOfText(t *testing.T) {
	want := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})
	for name, text := range map[string]string{
		"m.csv": "\ufeffu[1], other, level,u[0]\n3,x,1,2\n6, y, 4, \"5\"\r\n",
		"m.CSV": "level,u[0],u[1]\n1,2,3\n4,5,6",
		"m.tsv": "level\tu[0]\tu[1]\n1\t2\t3\n4\t5\t6\n",
	} {
		if e, left, faults := members(t, name, text, tabular.Dialect{}); len(faults) > 0 || left > 0 || !mat.Equal(e, want) {
			t.Errorf("%s: got %v, %d, %v", name, e, left, faults)
		}
	}
	d := tabular.Dialect{Delimiter: ";", Comment: "#", Decimal: ",", Thousands: ".", SkipLines: 1, SkipRows: 1, Missing: []string{"-9999", `/.*\*/`}}
	const text = "from a logger\nlevel;u[0];u[1]\nm;1;1\n1,5;2;-9999,0\n1.000,5;2;3\n# pause\n4;-9999;-9999\n1*;2;3\n4;0,5D+01;6\n"
	if e, left, faults := members(t, "m.txt", text, d); len(faults) > 0 || left != 3 || !mat.Equal(e, mat.NewDense(2, 3, []float64{1000.5, 2, 3, 4, 5, 6})) {
		t.Errorf("got %v, %d, %v", e, left, faults)
	}
}

// A value that is not there is a fault, unless the dialect says what stands for that. Faults
// are reported up to a number, with their places.
func TestMembersWithoutValues(t *testing.T) {
	_, _, faults := members(t, "m.csv", "level,u[0],u[1]\n1,,3\n4,5,NaN\n", tabular.Dialect{})
	if got, want := fmt.Sprint(faults), `[column "u[0]" is "", not a finite number column "u[1]" is "NaN", not a finite number]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e, left, faults := members(t, "m.csv", "level,u[0],u[1]\n1,,3\n", tabular.Dialect{Missing: []string{""}}); e != nil || left != 0 || fmt.Sprint(faults) != "[has no row without a missing value]" {
		t.Errorf("got %v, %d, %v", e, left, faults)
	}
	if _, _, faults := members(t, "m.csv", "level,u[0],u[1]\n"+strings.Repeat("a,b,c\n", 100), tabular.Dialect{}); len(faults) != maxFaults {
		t.Errorf("%d faults", len(faults))
	}
}

// What a run writes of its members starts another one.
func TestMembersOfRuns(t *testing.T) {
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
	e, _, faults := matrixOf(path, tabular.Dialect{}, workflow.Choice{Ignore: []string{"cycle"}}, wanted)
	if len(faults) > 0 || !mat.Equal(e, want) {
		t.Errorf("got %v, %v", e, faults)
	}
	e, _, faults = matrixOf(path, tabular.Dialect{}, workflow.Choice{Ignore: []string{"level", "u"}}, []string{"cycle"})
	if len(faults) > 0 || e.At(1, 0) != 8 {
		t.Errorf("got %v, %v", e, faults)
	}
	for name, want := range map[string]string{"v": "there is no column v; there are cycle, level, u[0] to u[1]", "u[2]": "there is no column u[2]; there are cycle, level, u[0] to u[1]",
		"u": `has lists of 2 values in column "u"`, "u[01]": "there is no column u[01]; there are cycle, level, u[0] to u[1]"} {
		if _, _, faults := matrixOf(path, tabular.Dialect{}, workflow.Choice{Ignore: []string{"cycle"}}, []string{name}); len(faults) != 1 || faults[0].Error() != want {
			t.Errorf("%s: got %v, want %s", name, faults, want)
		}
	}
	truncated(t, path)
}

// A file that is cut anywhere is refused.
func truncated(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		if err := os.WriteFile(path, text[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if e, _, faults := matrixOf(path, tabular.Dialect{}, workflow.Choice{Ignore: []string{"cycle"}}, wanted); e != nil || len(faults) == 0 {
			t.Fatalf("cut at byte %d: got %v", i, e)
		}
	}
}

// The mean and the standard deviation of 20,000 draws are within 5 standard errors
// of those of the distribution: 5 sd/sqrt(N), and 5 sd sqrt(k/4N) with the kurtosis term
// k - 1, at most 8 for a lognormal of sd 0.5.
func TestLaws(t *testing.T) {
	const n = 20_000
	d := Draw{Dists: []Distribution{
		{Size: 1, Dist: Normal, Middle: workflow.Numbers{3}, Width: workflow.Numbers{2}},
		{Size: 1, Dist: LogNormal, Middle: workflow.Numbers{2}, Width: workflow.Numbers{0.5}},
		{Size: 1, Dist: Uniform, Middle: workflow.Numbers{-1}, Width: workflow.Numbers{4}},
		{Size: 1, Dist: Normal, Around: Truth0, Width: workflow.Numbers{1}},
		{Size: 1, Dist: LogNormal, Around: TruthInit, Width: workflow.Numbers{0}},
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
			t.Errorf("distribution %d: mean %v, sd %v; want %+v", j, mean, sd, want)
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
	r := &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(5)}.From(first), From: 1, To: to, Ensemble: mat.NewDense(rows, 3, nil), Into: mat.NewDense(rows, 3, nil)}
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
		m := &noisy{still{}, &Noise{sd: []workflow.Numbers{{0.5}, {0, 2}}, sizes: []int{1, 2}, perTime: c.perTime}}
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
	if e := noisyForecast(t, &noisy{still{}, &Noise{sd: []workflow.Numbers{{1}, {1}}, sizes: []int{1, 2}}}, 0, 3, 3); e.At(1, 0) != 0 || e.At(2, 0) == 0 {
		t.Errorf("a member that is lost, and the next: %v", mat.Formatted(e))
	}
}
