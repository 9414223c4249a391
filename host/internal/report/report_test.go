package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/score"
)

// The vendored files are those of the package uplot 1.6.32 of the npm registry.
func TestVendoredFiles(t *testing.T) {
	for name, want := range map[string]string{
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"LICENSE":           "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		text, err := os.ReadFile(filepath.Join("web", "uplot", name))
		if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: %x, %v", name, sum, err)
		}
	}
}

// Of a long series every bucket keeps its extremes, in the order in which they
// occurred, whatever lies between.
func TestThinKeepsExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_003
	s := &series{values: map[string][]float64{}}
	for k := range n {
		s.cycle, s.time = append(s.cycle, int32(k+1)), append(s.time, 0.5*float64(k+1))
		s.add("a", r.NormFloat64())
		s.add("b", r.NormFloat64())
	}
	a, b := s.values["a"], s.values["b"]
	a[17], a[n-1], b[50_001] = 99, -98, 97 // one cycle wide
	for k := 60_000; k < 70_000; k++ {
		b[k] = math.NaN()
	}
	for _, points := range []int{60, 1000, 4000} {
		out := s.thin(points)
		if len(out.time) != points || len(out.cycle) != points || !slices.IsSorted(out.time) {
			t.Fatalf("%d points: %d times", points, len(out.time))
		}
		for _, name := range []string{"a", "b"} {
			values := out.values[name]
			for bucket := range points / 2 {
				from, to := bucket*n/(points/2), (bucket+1)*n/(points/2)
				there := slices.DeleteFunc(slices.Clone(s.values[name][from:to]), math.IsNaN)
				low, high := math.NaN(), math.NaN()
				if len(there) > 0 {
					low, high = slices.Min(there), slices.Max(there)
				}
				got := values[2*bucket : 2*bucket+2]
				if !same(min(got[0], got[1]), low) || !same(max(got[0], got[1]), high) {
					t.Fatalf("%d points, %s, bucket %d: got %v, want %v and %v", points, name, bucket, got, low, high)
				}
			}
		}
		if !slices.Contains(out.values["a"], 99) || !slices.Contains(out.values["a"], -98) || !slices.Contains(out.values["b"], 97) {
			t.Errorf("%d points: an extreme is lost", points)
		}
	}
	if short := (&series{time: []float64{1, 2, 3}}); short.thin(4) != short {
		t.Error("a short series is changed")
	}
	if first, second := extremes([]float64{3, 9, 1, 5}); first != 9 || second != 1 {
		t.Errorf("order: %v, %v", first, second)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// A truth of uniform ranks is inside the band in 95 % of the bars; the share over 400
// histograms of 20 bars is known to 0.003 (one standard error of a binomial of 8000,
// 0.0024, rounded up), and the normal approximation errs by less than 0.01 at 25 a bar.
func TestHistogramBand(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	inside, all := 0, 0
	for range 400 {
		counts := make([]float64, 20)
		for range 500 {
			counts[r.IntN(20)]++
		}
		h := histogramOf(counts, 500)
		for _, y := range h.heights {
			all++
			if y >= h.low && y <= h.high {
				inside++
			}
		}
	}
	if share := float64(inside) / float64(all); math.Abs(share-0.95) > 0.02 {
		t.Errorf("%.3f of the bars are inside", share)
	}
}

func TestHistogramPutsRanksTogether(t *testing.T) {
	counts := slices.Repeat([]float64{3}, 101)
	h := histogramOf(counts, 0)
	if len(h.heights) != fewBars || len(h.edges) != fewBars+1 || h.edges[0] != -0.5 || h.edges[fewBars] != 100.5 || !math.IsNaN(h.low) {
		t.Fatalf("%+v", h)
	}
	for _, y := range h.heights {
		if math.Abs(y-1) > 1e-12 {
			t.Errorf("a flat histogram has a bar of %v", y)
		}
	}
	if h := histogramOf([]float64{1, 2, 9}, 0); !slices.Equal(h.heights, []float64{0.25, 0.5, 2.25}) {
		t.Errorf("%v", h.heights)
	}
}

func TestPlusMinus(t *testing.T) {
	nan := math.NaN()
	for want, m := range map[string]score.Mean{
		"0.504 ± 0.048": {Value: 0.50379, SE: 0.0481}, "−12.3 ± 1.5": {Value: -12.34, SE: 1.52}, "123 ± 45": {Value: 123.4, SE: 45.4},
		"0.504": {Value: 0.5041, SE: nan}, "–": {Value: nan, SE: nan}, "100": {Value: 100}, "+Inf": {Value: math.Inf(1), SE: nan},
	} {
		if got := plusMinus(m); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A sweep of two sizes with three replicates, of which one diverged: its scores do not
// enter means, and are counted as missing.
func TestSettings(t *testing.T) {
	r := &run{setup: Setup{BurnIn: 1}}
	number := 0
	for _, size := range []int{10, 20} {
		for _, filter := range []string{"a", "b"} {
			for replicate := 1; replicate <= 3; replicate++ {
				number++
				x := &trial{number: number, replicate: replicate, filter: filter, size: size, status: "ok"}
				v := float64(replicate)
				if filter == "b" {
					v += 0.5
				}
				if number == 3 { // a, size 10
					x.status = "diverged"
					v = 1e9
				}
				x.set("analysis", "rmse", score.Mean{Value: v, SE: 0.1, Count: 9})
				r.trials = append(r.trials, x)
			}
		}
	}
	r.addAxis(sizeAxis, "N", strings.Fields("10 10 10 10 10 10 20 20 20 20 20 20"), nil)
	r.addAxis("same", "same", slices.Repeat([]string{"x"}, 12), nil)
	if len(r.axes) != 1 || !slices.Equal(r.axes[0].numbers, []float64{10, 20}) {
		t.Fatalf("axes %+v", r.axes)
	}
	rows := r.rows()
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	c := rows[0].cell("analysis", "rmse")
	if c.mean.Value != 1.5 || math.Abs(c.mean.SE-0.5) > 1e-15 || c.used != 2 || c.of != 3 {
		t.Errorf("got %+v", c)
	}
	if got := cellOf(c).Text; got != "1.50 ± 0.50 (2/3)" {
		t.Errorf("got %q", got)
	}
	list := r.differences("analysis")
	if len(list) != 2 {
		t.Fatalf("%d differences", len(list))
	}
	for i, d := range list { // the pairs are the replicates in which neither is lost
		p := d.scores["rmse"]
		if p.mean.Value != 0.5 || p.mean.SE != 0 || p.wins != 0 || p.mean.Count != []int{2, 3}[i] {
			t.Errorf("difference %d: %+v", i, p)
		}
	}
	if got := r.pivots(); len(got) != 1 || len(got[0].Rows) != 2 || got[0].Rows[1][2].Text != "2.50 ± 0.58" {
		t.Errorf("pivots %+v", got[0].Rows)
	}
}

func TestNumbers(t *testing.T) {
	text, err := json.Marshal(numbers{1.0 / 3, math.NaN(), math.Inf(1), -1e-9, 123456})
	if err != nil || string(text) != "[0.33333,null,null,-1e-09,1.2346e+05]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestRoundTicks(t *testing.T) {
	var labels []string
	for _, tick := range roundTicks(5).Ticks(-0.7, 1.1) {
		labels = append(labels, tick.Label)
	}
	if got := strings.Join(labels, " "); got != "−0.5 0 0.5 1" {
		t.Errorf("got %s", got)
	}
}

// Observations that went through an operator are not drawn over the variable.
func TestForeignObservations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, known := range []bool{true, false} {
		direct, foreign := &series{values: map[string][]float64{}}, &series{values: map[string][]float64{}}
		for range 500 {
			x, truth := 3*r.NormFloat64(), math.NaN()
			if known {
				truth = x
			}
			direct.add("observed", x+1.4*r.NormFloat64())
			foreign.add("observed", math.Abs(x))
			for _, s := range []*series{direct, foreign} {
				s.add("truth", truth)
				s.add("mean", x+0.3*r.NormFloat64())
			}
		}
		direct.withoutForeignObservations()
		foreign.withoutForeignObservations()
		if direct.values["observed"] == nil || foreign.values["observed"] != nil {
			t.Errorf("truth known %v: the wrong ones are dropped", known)
		}
	}
}
