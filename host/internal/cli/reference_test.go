package cli

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// Lorenz-63 observed in z alone has a mirror, (x, y) -> (-x, -y): the exact
// posterior has mean 0 in x and y, and half its mass in each lobe. The reference
// of paper-lorenz63 must show it.
//
// How well it can is known. Members that descend from one initial member stay
// together at first, so a share of mass is an average over families rather than
// members: with family f holding the fraction p_f its standard error is at most
// 1/2 sqrt(sum p_f²), and that of the mean of x is sd(x) sqrt(sum p_f²). The
// families are counted from the stored parents of a filter that is the reference
// but for its name, so that its members are those of the reference; those kept of
// it are a sample whose variance adds. 12 cycles, 2 ensembles and 3 statistics make
// 72 comparisons: 4.5 standard errors are exceeded by chance once in 2,000 seeds.
func TestReferenceIsSymmetric(t *testing.T) {
	const cycles, size, keep = 12, 20_000, 200
	var stdout strings.Builder
	code := Main([]string{
		"run", "../../../workflows/paper-lorenz63.toml", "--run-dir", t.TempDir(), "--quiet",
		"--set", "time.cycles=12", "--set", "ensemble.size=20", "--set", "reference.size=20_000", "--set", "reference.store=200",
		"--set", "filter.sir.size=20_000", "--set", "filter.sir.params.resampling=systematic",
	}, &stdout, io.Discard)
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	dir := strings.TrimSpace(stdout.String())
	trials := read(t, dir, "trials.arrow")
	sir := trials.Column("trial").([]int32)[slices.Index(trials.Column("filter").([]string), "sir")]
	all := read(t, dir, "ensemble", fmt.Sprintf("trial=%04d", sir), "part-00000.arrow")
	kept := read(t, dir, "reference", "replicate=001", "part-00000.arrow")
	family := make([]int, size)
	for i := range family {
		family[i] = i
	}
	for k := range cycles {
		family = descend(family, all.Column("parent").([]int32)[k*size:(k+1)*size])
		variance := concentration(family)
		checkMirror(t, fmt.Sprintf("cycle %d, all members", k+1), all, k, size, math.Sqrt(variance))
		checkMirror(t, fmt.Sprintf("cycle %d, kept members", k+1), kept, k, keep, math.Sqrt(variance+1.0/keep))
		if k == 9 && variance > 0.01 {
			t.Errorf("cycle 10 has only %.0f families left: too few for the test to mean much", 1/variance)
		}
	}
}

// checkMirror wants x and y of one cycle to be symmetric about 0, given the
// standard error of the mean of numbers of unit variance.
func checkMirror(t *testing.T, what string, members *table.Table, k, size int, se float64) {
	t.Helper()
	for _, name := range []string{"x", "y"} {
		mean, sd, right := statistics(members.Column(name).([]float64)[k*size : (k+1)*size])
		if limit := 4.5 * sd * se; math.Abs(mean) > limit {
			t.Errorf("%s: mean of %s is %.3f, want 0 within %.3f", what, name, mean, limit)
		}
		if limit := 4.5 * 0.5 * se; name == "x" && math.Abs(right-0.5) > limit {
			t.Errorf("%s: the right lobe holds %.3f, want 0.5 within %.3f", what, right, limit)
		}
	}
}

func read(t *testing.T, parts ...string) *table.Table {
	t.Helper()
	tab, err := table.Read(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// descend returns the family of every member from those of its parents.
func descend(family []int, parents []int32) []int {
	next := make([]int, len(family))
	for i, p := range parents {
		next[i] = family[p]
	}
	return next
}

// concentration returns the sum of the squared shares of families.
func concentration(family []int) float64 {
	counts := map[int]float64{}
	for _, f := range family {
		counts[f] += 1 / float64(len(family))
	}
	var sum float64
	for _, p := range counts {
		sum += p * p
	}
	return sum
}

// statistics returns mean and standard deviation of x, and the share above 0.
func statistics(x []float64) (mean, sd, above float64) {
	n := float64(len(x))
	var squares float64
	for _, v := range x {
		mean, squares = mean+v/n, squares+v*v/n
		if v > 0 {
			above += 1 / n
		}
	}
	return mean, math.Sqrt(squares - mean*mean), above
}
