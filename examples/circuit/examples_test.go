// Package circuit runs the workflow next to it, whose model is ngspice.
package circuit

import (
	"math"
	"os"
	"os/exec"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// The load of the rectifier is found: the estimate is within four standard deviations of the truth, and at least five
// away from the middle of where it began, and there is much less spread than at the start.
func TestRectifier(t *testing.T) {
	if _, err := exec.LookPath("ngspice"); err != nil {
		t.Skipf("NOT TESTED: rectifier.toml: %v; install ngspice to run this test", err)
	}
	tab := examplestest.Table(t, examplestest.Run(t, plume, "rectifier.toml", "--profile", "quick"), "variables.arrow")
	truths, means, spreads := tab.Column("truth").([]float64), tab.Column("mean").([]float64), tab.Column("spread").([]float64)
	var of []int
	for i, name := range tab.Column("variable").([]string) {
		if name == "rload" {
			of = append(of, i)
		}
	}
	if len(of) != 2*20 {
		t.Fatalf("%d rows of rload", len(of))
	}
	first, last := of[0], of[len(of)-1]
	const prior = 1.0
	off, moved := math.Abs(means[last]-truths[last])/spreads[last], (means[last]-prior)/spreads[last]
	t.Logf("%.1f standard deviations from the truth, and %.1f from the middle of the prior", off, moved)
	if truths[last] != 2.2 || off > 4 || moved < 5 || spreads[last] > spreads[first]/4 {
		t.Errorf("the load is %.3g ± %.2g kOhm, at first %.3g ± %.2g, and in truth %g", means[last], spreads[last], means[first], spreads[first], truths[last])
	}
}
