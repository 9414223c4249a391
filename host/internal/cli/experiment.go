package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// experiment is one run of a workflow.
type experiment struct {
	*opened
	app       *app
	workers   int
	run       *archive.Run
	progress  *progress
	twin      *cycle.Twin
	reference *cycle.Reference

	outcomes []outcome // by trial
}

// outcome is how a trial ended.
type outcome struct {
	judge  *judge
	status archive.Status
	err    error
}

// result is what a run leaves to print.
type result struct {
	dir     string
	status  archive.Status
	metrics []archive.Metric
	trials  []archive.TrialRow
}

// perform runs s and writes a run directory below root. The result is there even
// when some trials failed; the error then says so.
func (a *app) perform(ctx context.Context, s *source, root string, workers int) (_ *result, err error) {
	log := &logFile{}
	o, err := s.open(ctx, log.record)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close(), log.close()) }()
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	e := &experiment{opened: o, app: a, workers: workers, outcomes: make([]outcome, len(o.plan.Trials))}
	if err := e.create(s, root); err != nil {
		return nil, err
	}
	path, err := e.run.Path(archive.LogFile)
	if err == nil {
		err = log.open(path)
	}
	if err != nil {
		return nil, err
	}
	e.progress = newProgress(a.stderr, a.quiet)
	cause := e.execute(ctx)
	e.progress.wait()
	return e.finish(cause)
}

// create makes the run directory.
func (e *experiment) create(s *source, root string) error {
	given, err := readWorkflow(e.workflow)
	if err != nil {
		return err
	}
	resolved, err := e.workflow.Resolved()
	if err != nil {
		return err
	}
	e.run, err = archive.Create(root, archive.Info{
		Name: e.workflow.Experiment.Name, Seed: e.workflow.Experiment.Seed, Profile: s.profile, Set: s.set,
		Plume: versionText(), Go: runtime.Version(), Workers: e.workers, Plugins: e.pluginInfo(),
	}, given, resolved)
	return err
}

// execute makes truth, observations and reference, then runs all trials. It
// returns what stopped all of them, if anything did; what stopped one is in its
// outcome.
func (e *experiment) execute(ctx context.Context) error {
	e.app.say("%s: %d trials of %d cycles, %d at a time\nresults: %s", e.workflow.Experiment.Name, len(e.plan.Trials), e.plan.Clock.Cycles, e.workers, e.run.Dir)
	t := e.progress.task("truth", e.plan.Clock.Cycles)
	var err error
	if e.twin, err = cycle.Simulate(ctx, e.plan, t.step); err != nil {
		t.stop()
		return err
	}
	if err := e.run.Twin(e.twin, e.plan.Clock.Time, e.plan.State, e.plan.Space.Layout); err != nil {
		return err
	}
	if e.plan.Reference != nil {
		if err := e.makeReference(ctx); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	e.runTrials(ctx)
	return nil
}

func (e *experiment) makeReference(ctx context.Context) (err error) {
	t := e.progress.task("reference", e.plan.Clock.Cycles)
	defer t.stop()
	members, err := e.run.Reference(e.plan.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, members.Close()) }()
	e.reference, err = cycle.NewReference(ctx, e.plan, e.twin, func(s *cycle.Step, kept cycle.Ensemble) error {
		t.step()
		if err := members.Append(s.Cycle, s.Time, archive.Stage{Name: archive.Analysis, Ensemble: kept}); err != nil {
			return err
		}
		return stopping(ctx)
	})
	return err
}

// runTrials runs the trials, several at a time. They share nothing but plugin
// processes, and a plugin is a pure function of its requests, so their results do
// not depend on how many run at once.
func (e *experiment) runTrials(ctx context.Context) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(e.workers, len(e.plan.Trials)) {
		wg.Go(func() {
			for i := range next {
				e.outcomes[i] = e.runTrial(ctx, &e.plan.Trials[i])
			}
		})
	}
	for i := range e.plan.Trials {
		next <- i
	}
	close(next)
	wg.Wait()
}

func (e *experiment) runTrial(ctx context.Context, t *plan.Trial) (out outcome) {
	out.judge = newJudge(e.plan, t, e.twin, e.reference, e.workflow.Output.Variables)
	defer func() {
		switch {
		case errors.As(out.err, new(interruptError)) || sdk.KindOf(out.err) == sdk.KindCanceled && out.err != nil:
			out.status = archive.Interrupted
		case out.err != nil:
			out.status = archive.Failed
		case out.judge.diverged():
			out.status = archive.Diverged
		default:
			out.status = archive.OK
		}
	}()
	keep := e.workflow.Output.Ensemble
	tables, err := e.run.Trial(t.Number, t.Label, e.plan.State, e.plan.Space.Layout, archive.Keep{
		Forecast: keep == "forecast" || keep == "both", Analysis: keep == "analysis" || keep == "both",
		Variables: e.workflow.Output.Variables,
	})
	if err != nil {
		out.err = err
		return out
	}
	bar := e.progress.task(t.Label, e.plan.Clock.Cycles)
	defer bar.stop()
	err = cycle.Assimilate(ctx, e.plan, t, e.twin, func(s *cycle.Step) error {
		if err := tables.Append(s, out.judge.rows(s), out.judge.innovation(s), out.judge.descriptions(s)); err != nil {
			return err
		}
		bar.step()
		return stopping(ctx)
	})
	if err == nil || out.judge.cycles < e.plan.Clock.Cycles {
		out.err = err // a stop that was asked for in the last cycle came too late
	}
	if err := errors.Join(tables.RankHistograms(out.judge.rankHistograms()), tables.Close()); err != nil {
		out.err = errors.Join(out.err, err)
	}
	return out
}

// finish writes what concerns all trials and says how the run ended.
func (e *experiment) finish(cause error) (*result, error) {
	r := &result{dir: e.run.Dir, status: archive.OK}
	failed := 0
	if e.twin != nil {
		r.metrics = baselines(e.plan, e.twin)
	}
	first := cause
	for i, t := range e.plan.Trials {
		row := archive.TrialRow{Trial: t.Number, Filter: t.Label, Plugin: e.workflow.Filters[i].Plugin, Size: t.Size, Status: archive.Failed}
		if out := e.outcomes[i]; out.judge != nil {
			row.Status, row.Cycles = out.status, out.judge.cycles
			if out.err != nil {
				row.Error = out.err.Error()
				first = errors.Join(first, &trialError{t.Label, out.err})
				failed++
			}
			if out.err == nil {
				r.metrics = append(r.metrics, out.judge.metrics(out.status)...)
			}
		}
		r.trials = append(r.trials, row)
	}
	switch {
	case errors.As(first, new(interruptError)):
		r.status = archive.Interrupted
	case cause != nil || failed == len(r.trials):
		r.status = archive.Failed
	case failed > 0:
		r.status = archive.SomeFailed
		first = &exitError{exitSomeFailed, first}
	}
	return r, errors.Join(first, e.run.Finish(r.trials, r.metrics, r.status, first))
}

// trialError says which trial an error stopped.
type trialError struct {
	label string
	err   error
}

func (e *trialError) Error() string { return fmt.Sprintf("filter %q: %v", e.label, e.err) }

func (e *trialError) Unwrap() error { return e.err }

// defaultRoot is where runs go: below the working directory.
const defaultRoot = "runs"
