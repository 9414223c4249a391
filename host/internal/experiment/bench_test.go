package experiment

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/workflow"
)

// BenchmarkCycle runs cycles of 100 x 3 with real processes: the model, the
// operator and one filter. It reports the median beside the mean.
func BenchmarkCycle(b *testing.B) {
	e := opened(b, "lorenz63-quick", "time.cycles=2000")
	plan := e.Sweep.Scenarios[0].Plans[0]
	made, err := cycle.Simulate(b.Context(), plan, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	for i := range plan.Trials {
		trial := &plan.Trials[i]
		b.Run(trial.Label, func(b *testing.B) {
			var took []time.Duration
			b.ResetTimer()
			for len(took) < b.N {
				start := time.Now()
				err := cycle.Assimilate(b.Context(), plan, trial, made, nil, func(*cycle.Step) error {
					took = append(took, time.Since(start))
					start = time.Now()
					if len(took) >= b.N {
						return errEnough
					}
					return nil
				})
				if err != nil && !errors.Is(err, errEnough) {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms/cycle")
		})
	}
}

// BenchmarkWindow runs the cycles of filters with a window and without one, with 40 values, 20 members
// and real processes. It reports what the window takes in addition, extra calls of its filter
// and of its cheap model included, as a share of what its extra model runs would take with a
// model of 1 ms a member. The goal is 10 %.
func BenchmarkWindow(b *testing.B) {
	plan := opened(b, "iterated-lorenz96", "model.params.n=40", "time.cycles=100", "time.burn_in=0").Sweep.Scenarios[0].Plans[0]
	made, err := cycle.Simulate(b.Context(), plan, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	for k := 0; k < len(plan.Trials); k += 2 { // each is followed by itself with a window
		b.Run(plan.Trials[k].Label, func(b *testing.B) {
			var took [2]time.Duration
			var runs [2]int
			for b.Loop() {
				for i := range took {
					start := time.Now()
					err := cycle.Assimilate(b.Context(), plan, &plan.Trials[k+i], made, nil, func(s *cycle.Step) error {
						runs[i] += s.Runs
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
					took[i] += time.Since(start)
				}
			}
			model := time.Duration((runs[1]-runs[0])*plan.Trials[k].Size) * time.Millisecond
			b.ReportMetric(100*float64(took[1]-took[0])/float64(model), "%overhead")
			b.ReportMetric(float64(runs[1])/float64(runs[0]), "runs/cycle")
		})
	}
}

// loaded reads a workflow of the project, whose plugins it builds.
func loaded(tb testing.TB, name string, o workflow.Options) *workflow.Workflow {
	tb.Helper()
	dir := tb.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "../../../plugins/...").CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	tb.Setenv("PLUME_PLUGINS", dir)
	w, found := workflow.Load("../../../workflows/"+name+".toml", o)
	if len(found) > 0 {
		tb.Fatal(found.Text(false))
	}
	return w
}

// opened is a workflow of the project with its plugins running.
func opened(tb testing.TB, name string, set ...string) *Experiment {
	tb.Helper()
	e, err := Open(tb.Context(), loaded(tb, name, workflow.Options{Set: set}), false)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

var errEnough = errors.New("enough")

// BenchmarkTrials runs a sweep of 201 trials of Lorenz-63, N = 20, 100 cycles: the
// paper's filter, an EnKF and a particle filter in 67 replicates. One operation is the
// whole run, from the workflow's text to tables that are on the disk, plugins' start
// included.
func BenchmarkTrials(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			w := loaded(b, "lorenz63-quick", workflow.Options{
				Set:   []string{"time.cycles=100", "ensemble.size=20"},
				Sweep: []string{"replicate=1..67", `filter=["diffusion", "enkf", "particle"]`},
			})
			for b.Loop() {
				r, err := Run(b.Context(), w, b.TempDir(), Source{}, Options{Workers: workers, Checkpoint: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				if len(r.Trials) != 201 {
					b.Fatalf("%d trials, want 201", len(r.Trials))
				}
			}
		})
	}
}

// BenchmarkWriting runs sakov2008-lorenz96 (N = 40, the stochastic EnKF) with real
// processes, scores every cycle and stores everything there is to store. It reports
// which share of the time goes into scoring, into writing, closing included, and into checksums, and
// how many bytes are stored for one byte of the members' states.
func BenchmarkWriting(b *testing.B) {
	e := opened(b, "sakov2008-lorenz96", "time.cycles=100_000")
	plan := e.Sweep.Scenarios[0].Plans[0]
	plan.Clock.Cycles = max(b.N, plan.Clock.BurnIn+1)
	made, err := cycle.Simulate(b.Context(), plan, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	run, err := archive.Create(b.TempDir(), archive.Info{Name: "bench"}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	trial := &plan.Trials[0]
	tables, err := run.Trial(archive.TrialID{Trial: 1, Replicate: 1, Filter: trial.Label}, plan.State, plan.Space.Layout, archive.Keep{Forecast: true, Analysis: true, Variables: 100}, 0)
	if err != nil {
		b.Fatal(err)
	}
	j := newScorer(plan, trial, made, nil, 100)
	var scoring, writing time.Duration
	cycles := 0
	b.ResetTimer()
	err = cycle.Assimilate(b.Context(), plan, trial, made, nil, func(s *cycle.Step) error {
		start := time.Now()
		rows, stages := j.rows(s)
		in := j.innovation(s)
		scored := time.Now()
		err := tables.Append(s, rows, in, stages)
		scoring, writing = scoring+scored.Sub(start), writing+time.Since(scored)
		if cycles++; err == nil && cycles == b.N {
			err = errEnough
		}
		return err
	})
	if !errors.Is(err, errEnough) && err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := tables.Close(); err != nil {
		b.Fatal(err)
	}
	closed := time.Now()
	if err := run.End(archive.TrialWork(1), true, false); err != nil {
		b.Fatal(err)
	}
	writing += closed.Sub(start)
	summing := time.Since(closed)
	b.StopTimer()
	total := float64(b.Elapsed())
	b.ReportMetric(100*float64(scoring)/total, "%scoring")
	b.ReportMetric(100*float64(writing)/total, "%writing")
	b.ReportMetric(100*float64(summing)/total, "%checksums")

	members := filepath.Join(run.Dir, "ensemble", "trial=0001", "part-00000.arrow")
	info, err := os.Stat(members)
	if err != nil {
		b.Fatal(err)
	}
	rows, n := float64(2*cycles*trial.Size), float64(plan.State.Size())
	b.ReportMetric(float64(info.Size())/rows/(8*n), "stored/members")
}
