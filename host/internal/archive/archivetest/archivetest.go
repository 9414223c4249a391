// Package archivetest writes run directories for tests, with the writers of package archive
// and no plugin.
package archivetest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Run is a run directory to be written.
type Run struct {
	Workflow  string // see [Workflow]
	BurnIn    int
	Axes      []string
	Trials    []Trial
	Baselines []archive.Metric // estimates that know no observations
	Open      bool             // the run goes on: its tables are in parts, and no table lists the trials
}

// Trial is a trial and what it stores. The metrics of one that has not failed are the time
// means of its scores and the flatness of its ranks.
type Trial struct {
	archive.TrialRow
	Scores map[string][]map[string]float64 // by stage and cycle, from 1; spread and weights_ess among them
	Ranks  map[string][]float64            // counts by stage
}

// State is the layout of the states of all runs, Observed that of the observations.
var (
	State = &sdk.Layout{Variables: []sdk.Variable{
		{Name: "x", Unit: "m"}, {Name: "u", Shape: []int{2}, Dims: []string{"site"}, Unit: "m/s"},
	}}
	Observed = &sdk.Layout{Variables: State.Variables[:1]}
)

// Workflow returns a workflow with those filters, and what more says.
func Workflow(burnIn int, filters []string, more string) string {
	text := fmt.Sprintf(`format = 1
experiment = { name = "test", seed = 1 }
time = { cycles = 1000, interval = 1, burn_in = %d }
model = { plugin = "model" }
truth = { init = [0, 0, 0] }
observations = { plugin = "operator", error = { sd = 1 } }
ensemble = { size = 10, init = { dist = "normal", around = "truth", sd = 1 } }
`, burnIn)
	for _, f := range filters {
		text += fmt.Sprintf("[[filter]]\nlabel = %q\nplugin = \"filter\"\n", f)
	}
	return text + more
}

// Write writes the run below root and returns its directory.
func (r *Run) Write(t testing.TB, root string) string {
	t.Helper()
	info, text := archive.Info{Name: "test", Seed: 1, Plume: "devel"}, []byte(r.Workflow)
	run, err := archive.Create(root, info, text, text)
	check(t, err)
	made := map[[2]int]bool{}
	var rows []archive.TrialRow
	metrics, status := slices.Clone(r.Baselines), archive.OK
	for _, trial := range r.Trials {
		if key := [2]int{trial.Replicate, trial.Truth}; !made[key] {
			made[key] = true
			check(t, scenario(run, trial.Replicate, trial.Truth))
		}
		r.write(t, run, &trial)
		rows = append(rows, trial.TrialRow)
		metrics = append(metrics, trial.Metrics(r.BurnIn)...)
		if trial.Status == archive.Failed {
			status = archive.SomeFailed
		}
	}
	if !r.Open {
		check(t, run.Finish(r.Axes, rows, metrics, status, false, nil))
	}
	check(t, run.Release())
	return run.Dir
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scenario writes a truth, whose values say which one it is, and its observations.
func scenario(run *archive.Run, replicate, number int) error {
	truth, observed := mat.NewDense(3, State.Size(), nil), mat.NewDense(2, Observed.Size(), nil)
	for i := range truth.RawMatrix().Data {
		truth.RawMatrix().Data[i] = float64(100*replicate + 10*number + i)
	}
	p := &plan.Plan{State: State, Space: &sdk.ObservationSpace{Layout: Observed}, Clock: plan.Clock{Interval: 1, Cycles: 2}}
	planned := &plan.Scenario{Replicate: replicate, Number: number, Plans: []*plan.Plan{p}}
	return run.Scenario(planned, &cycle.Scenario{Truth: truth, Observations: observed})
}

func (r *Run) write(t testing.TB, run *archive.Run, trial *Trial) {
	t.Helper()
	tables, err := run.Trial(trial.TrialID, State, Observed, archive.Keep{Variables: 2}, 0)
	check(t, err)
	for k := 1; k <= trial.Cycles; k++ {
		step := &cycle.Step{Cycle: k, Time: float64(k), Metrics: map[string]float64{"gain": 0.5}}
		var rows []archive.CycleRow
		var described []archive.Description
		for _, stage := range []string{archive.Forecast, archive.Analysis} {
			if list := trial.Scores[stage]; len(list) >= k {
				rows = append(rows, archive.CycleRow{Stage: stage, Scores: list[k-1]})
			}
			d := archive.Description{Stage: stage, Truth: []float64{1, 2, 3}, Mean: []float64{1, 2, 3}, Spread: []float64{1, 1, 1}}
			for i := range 3 * len(archive.Quantiles) {
				d.Quantiles = append(d.Quantiles, float64(i))
			}
			described = append(described, d)
		}
		check(t, tables.Append(step, rows, &score.Innovation{Values: []float64{0.5}, NIS: 1, Expected: 1}, described))
	}
	if trial.Ranks != nil {
		var list []archive.RankHistogram
		for _, stage := range slices.Sorted(maps.Keys(trial.Ranks)) {
			list = append(list, archive.RankHistogram{Stage: stage, Counts: trial.Ranks[stage]})
		}
		check(t, tables.RankHistograms(list))
	}
	check(t, tables.Close())
}

// Metrics returns the time means of a trial.
func (t *Trial) Metrics(burnIn int) []archive.Metric {
	var list []archive.Metric
	if t.Status != archive.OK && t.Status != archive.Diverged {
		return nil
	}
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		series := map[string][]float64{}
		for _, scores := range t.Scores[stage][min(burnIn, len(t.Scores[stage])):] {
			for name, v := range scores {
				series[name] = append(series[name], v)
			}
		}
		add := func(name string, m score.Mean) {
			list = append(list, archive.Metric{TrialID: t.TrialID, Truth: t.Truth, Metric: name, Stage: stage,
				Value: m.Value, SE: m.SE, Cycles: m.Count, Status: t.Status})
		}
		for _, name := range slices.Sorted(maps.Keys(series)) {
			add(name, score.TimeMean(series[name]))
		}
		if ranks := t.Ranks[stage]; ranks != nil {
			n := len(series["spread"])
			add("rank_flatness_p", score.Mean{Value: score.FlatnessOf(ranks, float64(n)).P, SE: math.NaN(), Count: n})
		}
	}
	return list
}

// Sweep returns the table of a workflow that says what the axes of a sweep are.
func Sweep(axes map[string][]any) string {
	var b strings.Builder
	b.WriteString("[sweep.axes]\n")
	for _, key := range slices.Sorted(maps.Keys(axes)) {
		var values []string
		for _, v := range axes[key] {
			values = append(values, fmt.Sprint(v))
		}
		fmt.Fprintf(&b, "%q = [%s]\n", key, strings.Join(values, ", "))
	}
	return b.String()
}
