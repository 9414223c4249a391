package score

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"

	"gonum.org/v1/gonum/mat"
)

type ensembleCase struct {
	Name     string      `json:"name"`
	Truth    []float64   `json:"truth"`
	Members  [][]float64 `json:"members"`
	Weights  []float64   `json:"weights"`
	Variance []float64   `json:"variance"`
}

type pointsCase struct {
	A [][]float64 `json:"a"`
	B [][]float64 `json:"b"`
}

func rowsOf(e *mat.Dense) [][]float64 {
	n, _ := e.Dims()
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = e.RawRowView(i)
	}
	return rows
}

// cases are random, tied, tiny and weighted ensembles, with more members than
// values and fewer.
func cases() []ensembleCase {
	var list []ensembleCase
	add := func(name string, e *mat.Dense, weights []float64) {
		rows, n := e.Dims()
		truth, variance := normals(uint64(100*rows+n), 1, n).RawRowView(0), make([]float64, n)
		for j := range variance {
			variance[j] = 0.5 + float64(j)
		}
		list = append(list, ensembleCase{name, truth, rowsOf(e), weights, variance})
	}
	weights := func(n int) []float64 {
		w, sum := make([]float64, n), 0.0
		for i := range w {
			w[i] = math.Exp(2 * normals(uint64(i), 1, 1).At(0, 0))
			sum += w[i]
		}
		for i := range w {
			w[i] /= sum
		}
		return w
	}
	for _, size := range [][2]int{{2, 2}, {2, 5}, {3, 8}, {20, 3}, {40, 40}, {250, 3}} {
		e := normals(uint64(size[0]), size[0], size[1])
		tied := mat.DenseCopyOf(e)
		tied.Apply(func(_, _ int, v float64) float64 { return math.Round(v) }, tied)
		for _, c := range []struct {
			name string
			e    *mat.Dense
		}{{"random", e}, {"tied", tied}} {
			name := fmt.Sprintf("%s %v", c.name, size)
			add(name, c.e, nil)
			add(name+" weighted", c.e, weights(size[0]))
		}
	}
	return list
}

// Every score against another implementation. The scores are of order 1, and sums
// of at most 1e5 terms; 1e-12 is 5000 units of rounding. A fair score of a weighted
// ensemble divides by 1 - sum w², here at least 0.1, after a subtraction.
func TestAgainstOtherPackages(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with the packages of testdata/requirements.txt; make test sets it")
	}
	ensembles := cases()
	var points []pointsCase
	for _, size := range [][2]int{{20, 1000}, {100, 1000}, {250, 1000}, {300, 300}, {6, 7}, {64, 48}} {
		points = append(points, pointsCase{rowsOf(normals(1, size[0], 3)), rowsOf(normals(2, size[1], 3))})
	}
	flat := [][]float64{{12, 9, 11}, {40, 6, 31, 22, 17}}
	var series [][]float64
	for seed := range uint64(4) { // the first is white, the last a random walk
		x := normals(seed, 1, 300).RawRowView(0)
		for i := 1; i < len(x); i++ {
			x[i] += float64(seed) / 3 * x[i-1]
		}
		series = append(series, x)
	}
	job, err := json.Marshal(map[string]any{"scores": ensembles, "w2": points, "flat": flat, "time": series})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/scores.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(job), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Scores []map[string]float64 `json:"scores"`
		W2     []float64            `json:"w2"`
		Flat   []float64            `json:"flat"`
		Time   []struct{ Mean, SE float64 }
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, c := range ensembles {
		e := denseOf(c.Members)
		m := MarginalsOf(e, c.Weights, c.Truth)
		in := innovate(c.Truth, e, c.Weights, c.Variance)
		quantiles, levels := make([]float64, 5), []float64{0.05, 0.25, 0.5, 0.75, 0.95}
		m.Quantiles(quantiles, len(c.Truth)-1, levels)
		for k, p := range levels {
			near(t, c.Name+fmt.Sprint(": quantile ", p), quantiles[k], want.Scores[i][fmt.Sprintf("q%02.0f of the last value", 100*p)], 1e-15)
		}
		counts := make([]float64, len(c.Members)+1)
		m.Ranks(counts)
		for r, count := range counts {
			near(t, c.Name+fmt.Sprint(": rank ", r), count, want.Scores[i][fmt.Sprint("rank ", r)], 1e-12)
		}
		got := map[string]float64{"nis": in.NIS, "expected": in.Expected}
		for _, s := range OfCycles(nil) {
			if v, ok := s.Of(caseOf(c.Truth, e, c.Weights)); ok {
				got[s.Name] = v
			}
		}
		for name, v := range got {
			other, ok := want.Scores[i][name]
			if !ok {
				t.Fatalf("%s: python gives no %s", c.Name, name)
			}
			near(t, c.Name+": "+name, v, other, 1e-12*max(1, math.Abs(other)))
		}
	}
	for i, c := range flat {
		total := 0.0
		for _, v := range c {
			total += v
		}
		near(t, fmt.Sprint("flatness of ", c), FlatnessOf(c, total).P, want.Flat[i], 1e-12)
	}
	for i, x := range series {
		m := TimeMean(x)
		near(t, fmt.Sprintf("series %d: mean", i), m.Value, want.Time[i].Mean, 1e-12)
		near(t, fmt.Sprintf("series %d: se", i), m.SE, want.Time[i].SE, 1e-12)
	}
	for i, c := range points {
		a, b := denseOf(c.A), denseOf(c.B)
		near(t, fmt.Sprintf("W2 of %d and %d points", len(c.A), len(c.B)), w2(a, b), want.W2[i], 1e-10*want.W2[i])
	}
}

func denseOf(rows [][]float64) *mat.Dense {
	e := mat.NewDense(len(rows), len(rows[0]), nil)
	for i, r := range rows {
		e.SetRow(i, r)
	}
	return e
}
