// Package historymatching runs the workflows next to it, and looks for the parameters of their truths.
package historymatching

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
	"github.com/plume-da/plume/sdk/wire/table"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// run runs a filter of a workflow and returns its tables.
func run(t *testing.T, workflow, filter string, more ...string) (start, passes *table.Table) {
	t.Helper()
	dir := examplestest.Run(t, plume, workflow, append([]string{"--set", fmt.Sprintf("sweep.filter=[%q]", filter)}, more...)...)
	return examplestest.Table(t, dir, "start.arrow"), examplestest.Table(t, dir, "passes.arrow")
}

// matched checks that the posterior fits the observations, and that the true values of the
// unknowns are within four standard deviations, which are at most so many times those of the
// prior. A misfit is a mean of n squares, whose standard deviation is sqrt(2/n).
func matched(t *testing.T, start, passes *table.Table, narrower map[string]float64) {
	t.Helper()
	last := passes.Rows - 1
	misfit, n := passes.Column("misfit").([]float64)[last], float64(passes.Column("values").([]int32)[last])
	if math.Abs(misfit-1) > 5*math.Sqrt(2/n) {
		t.Errorf("the misfit is %v", misfit)
	}
	if got := passes.Column("misfit").([]float64)[0]; got < 10 {
		t.Errorf("the prior has a misfit of %v: there is nothing to find", got)
	}
	of := func(name string) []float64 { return start.Column(name).([]float64) }
	pass, prior, seen := start.Column("pass").([]int32), map[string]float64{}, 0
	for i, name := range start.Column("variable").([]string) {
		key := fmt.Sprint(name, start.Column("index").([]int32)[i])
		if pass[i] == 0 {
			prior[key] = of("spread")[i]
		}
		most, unknown := narrower[name]
		if int(pass[i]) != last || !unknown {
			continue
		}
		seen++
		if off := math.Abs(of("mean")[i]-of("truth")[i]) / of("spread")[i]; off > 4 || of("spread")[i] > most*prior[key] {
			t.Errorf("%s: %.4g ± %.2g, the prior had ± %.2g, the truth is %.4g", key, of("mean")[i], of("spread")[i], prior[key], of("truth")[i])
		}
	}
	if seen < len(narrower) {
		t.Errorf("%d unknowns are in the table", seen)
	}
}

// The transmissivities of an aquifer and its recharge from heads, by a program.
func TestAquifer(t *testing.T) {
	start, passes := run(t, "aquifer.toml", "es-mda")
	matched(t, start, passes, map[string]float64{"transmissivity": 0.5, "recharge": 0.5})
}

// The parameters of a decline curve, by an UM-Bridge server.
func TestDecline(t *testing.T) {
	start, passes := run(t, "decline.toml", "eki", "--set", "observations.params.url="+examplestest.Serve(t, "decline.py"))
	matched(t, start, passes, map[string]float64{"log_q": 0.5, "log_d": 0.5, "odds_b": 1})
}
