package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// over is a linear model without noise. The position is observed in most cycles, and the mean or the sum of the
// velocity over every four.
const over = `format = 1
[experiment]
name = "over"
seed = 3
[time]
interval = 0.5
[model]
plugin = "linear"
params = { variables = ["p", "q"], matrix = [-0.1, 1.0, -0.8, -0.2] }
[ensemble]
size = 12
init = { dist = "normal", mean = 1, sd = 1 }
[output]
ensemble = "both"
[[observations]]
label  = "hourly"
plugin = "obs-nonlinear"
params = { variables = ["p"] }
error  = { sd = 0.3 }
file   = "p.csv"
time   = { column = "t" }
[[observations]]
label  = "daily"
plugin = "obs-nonlinear"
params = { variables = ["q"], scale = 2.0 }
error  = { sd = 0.1 }
file   = "q.csv"
time   = { column = "t" }
over   = { cycles = 4, take = "TAKE" }
[[filter]]
label  = "each"
plugin = "filter-enkf"
params = { scheme = "etkf" }
[[filter]]
label  = "fourth"
plugin = "filter-enkf"
params = { scheme = "etkf" }
every  = 4
`

// overWorkflow writes the workflow over and its files: the cycles of observations of the position and of
// the velocity, and their values.
func overWorkflow(t *testing.T, take string) (file string, p, q map[int]float64) {
	t.Helper()
	dir := t.TempDir()
	p, q = map[int]float64{}, map[int]float64{}
	rows := map[string]string{"p": "t,p\n", "q": "t,q\n"}
	for k := 1; k <= 16; k++ {
		if k%5 != 0 {
			p[k] = 2*math.Cos(float64(k)/3) + 0.1*float64(k%3)
			rows["p"] += fmt.Sprintf("%g,%.17g\n", float64(k)/2, p[k])
		}
		if k%4 == 0 && k != 8 {
			q[k] = 1 - float64(k)/5
			rows["q"] += fmt.Sprintf("%g,%.17g\n", float64(k)/2, q[k])
		}
	}
	for name, text := range rows {
		if err := os.WriteFile(filepath.Join(dir, name+".csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, "over.toml")
	if err := os.WriteFile(file, []byte(strings.Replace(over, "TAKE", take, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, p, q
}

// augmented is the Kalman filter of position, velocity and what is observed of the velocity.
type augmented struct {
	mean *mat.VecDense
	cov  *mat.Dense
}

// grow is the forecast to cycle k.
func (g *augmented) grow(m *mat.Dense, take string, k int) {
	old, fresh, before := 1.0, 1.0, float64((k-1)%4)
	switch {
	case before == 0:
		old = 0
	case take == "mean":
		old, fresh = before/(before+1), 1/(before+1)
	}
	f := mat.NewDense(3, 3, []float64{
		m.At(0, 0), m.At(0, 1), 0,
		m.At(1, 0), m.At(1, 1), 0,
		2 * fresh * m.At(1, 0), 2 * fresh * m.At(1, 1), old,
	})
	g.mean.MulVec(f, g.mean)
	g.cov.Mul(f, g.cov)
	g.cov.Mul(g.cov, f.T())
}

// meet assimilates an observation of value j.
func (g *augmented) meet(j int, y, sd float64) {
	s := g.cov.At(j, j) + sd*sd
	gain := mat.NewVecDense(3, nil)
	gain.ScaleVec(1/s, g.cov.ColView(j))
	var less mat.Dense
	less.Outer(1, gain, g.cov.RowView(j))
	g.mean.AddScaledVec(g.mean, y-g.mean.AtVec(j), gain)
	g.cov.Sub(g.cov, &less)
}

// Observed means and sums over several cycles, with other observations in between, and analyses of all observations
// since the last one: mean and variance of the ETKF are those of the Kalman filter of the augmented state that has mean and covariance
// of the first forecast, to rounding.
func TestOverIsTheAugmentedKalmanFilter(t *testing.T) {
	t.Parallel()
	m := new(mat.Dense)
	m.Exp(mat.NewDense(2, 2, []float64{-0.05, 0.5, -0.4, -0.1}))
	for _, take := range []string{"mean", "sum"} {
		file, p, q := overWorkflow(t, take)
		code, dir, said := plumeHere(t, nil, "run", file, "--in-process", "--run-dir", t.TempDir())
		if code != exitOK {
			t.Fatalf("exit code %d\n%s", code, said)
		}
		g := &augmented{mat.NewVecDense(3, nil), mat.NewDense(3, 3, nil)}
		stored := read(t, dir, "ensemble/trial=0001/part-00000.arrow")
		var first []float64
		for i, cycle := range stored.Column("cycle").([]int32) {
			if cycle == 1 && stored.Column("stage").([]string)[i] == "forecast" {
				for _, name := range []string{"p", "q", "daily.q"} {
					first = append(first, stored.Column(name).([]float64)[i])
				}
			}
		}
		members := mat.NewDense(len(first)/3, 3, first)
		var cov mat.SymDense
		stat.CovarianceMatrix(&cov, members, nil)
		g.cov.Copy(&cov)
		for j := range 3 {
			g.mean.SetVec(j, stat.Mean(mat.Col(nil, j, members), nil))
		}
		states := read(t, dir, "variables.arrow")
		means, spreads, stages := states.Column("mean").([]float64), states.Column("spread").([]float64), states.Column("stage").([]string)
		each, fourth := rowsOf(states, "each"), rowsOf(states, "fourth")
		if len(each) != 16*2*3 || len(fourth) != len(each) {
			t.Fatalf("%d and %d rows", len(each), len(fourth))
		}
		off := func(rows []int, k int, stage string) (worst float64) {
			at := 6 * (k - 1)
			if stage == "analysis" {
				at += 3
			}
			for j := range 3 {
				i := rows[at+j]
				if stages[i] != stage {
					t.Fatalf("row %d is of the %s", i, stages[i])
				}
				worst = max(worst, math.Abs(means[i]-g.mean.AtVec(j)), math.Abs(spreads[i]*spreads[i]-g.cov.At(j, j)))
			}
			return worst
		}
		for k := 1; k <= 16; k++ {
			if k > 1 {
				g.grow(m, take, k)
			}
			forecast := off(each, k, "forecast")
			if y, ok := p[k]; ok {
				g.meet(0, y, 0.3)
			}
			if y, ok := q[k]; ok {
				g.meet(2, y, 0.1)
			}
			if worst := max(forecast, off(each, k, "analysis")); worst > 1e-11 { // values up to 10: 1e4 ulps
				t.Errorf("%s, cycle %d: off by %g", take, k, worst)
			}
			if worst := off(fourth, k, "analysis"); k%4 == 0 && worst > 1e-11 {
				t.Errorf("%s, every fourth cycle, cycle %d: off by %g", take, k, worst)
			}
		}
	}
}

// Runs with means over cycles are the same however they are executed, also one to which rows are added in the
// middle of an interval.
func TestOverTheSame(t *testing.T) {
	t.Parallel()
	file, _, _ := overWorkflow(t, "mean")
	root := t.TempDir()
	run := func(how ...string) string {
		t.Helper()
		code, dir, said := plumeHere(t, nil, append([]string{"run", file, "--run-dir", root}, how...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", how, code, said)
		}
		return dir
	}
	same := func(how string, a, b string) {
		t.Helper()
		if code, _, said := plume(t, "verify", a, b); code != exitOK {
			t.Errorf("%s: %s", how, said)
		}
	}
	whole := run()
	same("in this process", whole, run("--in-process"))
	same("replicas", whole, run("--set", "model.replicas=3", "--workers", "2"))
	rest := map[string]string{}
	for _, name := range []string{"p.csv", "q.csv"} {
		path := filepath.Join(filepath.Dir(file), name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		cut := map[string]int{"p.csv": 8, "q.csv": 2}[name] // up to cycles 8 and 4
		rest[path] = string(text)
		if err := os.WriteFile(path, []byte(strings.Join(lines[:cut], "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := run("--in-process")
	for path, text := range rest {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, said := plumeHere(t, nil, "continue", dir); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	same("continued", whole, dir)
}
