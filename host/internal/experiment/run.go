package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// Options says how a run is executed; the results do not depend on it.
type Options struct {
	Workers    int                        // trials at a time; 0: one per processor
	Checkpoint time.Duration              // between checkpoints of a trial
	InProcess  bool                       // built-in plugins run in this process
	Executors  map[string]launch.Executor // by the names that the workflow uses
	Away       launch.Executor            // whole trials run there, on so many workers, with all their plugins; nil: here
	AcceptSize bool                       // the run may need more memory or disk than there is
	Plume      string                     // the version of this program
	Stop       *Stop                      // asks the run to stop; may be nil
	Bytes      []int64                    // of each file of observations that are read, while others append to them; nil or 0: all
	Observer   Observer                   // may be nil
	Feed       Feed                       // of rows that are appended to the observations while the run goes on; may be nil
}

// Observer follows a run. Begin is called first and End last; the other methods are called
// in between, by several goroutines at once, and should return quickly.
type Observer interface {
	// Begin says that the run directory exists and that trials are about to run.
	Begin(Beginning)
	// Simulated says that a truth has been simulated for one more cycle.
	Simulated()
	// Cycle says that a trial has run one more cycle, in so many runs of the model: with a window
	// there are several.
	Cycle(runs int)
	// More says that a trial will run so many cycles in addition: once more over the whole
	// record.
	More(cycles int)
	// Recalled gives the numbers of cycles and complete trials that were run before the run
	// was resumed.
	Recalled(cycles, trials int)
	// Ended says how a trial has ended; missing is the number of its cycles that will not be
	// run.
	Ended(status archive.Status, missing int)
	// Joining says that no trial is left to run, and that the tables of all trials are
	// being joined.
	Joining()
	// End says that the run directory is complete, or that it cannot be completed.
	End()
}

// Beginning describes a run at its beginning.
type Beginning struct {
	Name           string // of the experiment
	Dir            string // the run directory
	Trials, Cycles int    // of all trials together
	Workers        int
	Memory         *Memory
	Stored         float64 // bytes that the run stores, about
}

// unobserved is the observer of a run without one.
type unobserved struct{}

func (unobserved) Begin(Beginning)           {}
func (unobserved) Simulated()                {}
func (unobserved) Cycle(int)                 {}
func (unobserved) More(int)                  {}
func (unobserved) Recalled(_, _ int)         {}
func (unobserved) Ended(archive.Status, int) {}
func (unobserved) Joining()                  {}
func (unobserved) End()                      {}

// Source says where a workflow came from, for the manifest of its run, so that the run can
// be resumed.
type Source struct {
	Path       string // absolute
	Profile    string
	Set, Sweep []string // from the command line
}

// Result is the result of a run.
type Result struct {
	Dir       string
	Status    archive.Status
	Resumable bool     // resuming has something to do
	Notes     []string // remarks on the scores
	Retryable bool     // there are failed trials that may continue when the cause is fixed
	Warnings  []string // about what makes no trial fail, such as a plugin that has not ended
	Metrics   []archive.Metric
	Trials    []archive.TrialRow
	Observed  string            // what happened to real observations; empty: the truth is observed
	Rejected  []Count           // observations that the background check rejected
	Dropped   []Count           // members that could not be forecast and left the ensemble
	Beyond    []Count           // values of ensembles that are stored as null, because they are beyond the range of float32
	Replicas  []archive.Replica // on other machines
}

// Count is how often something happened in a trial.
type Count struct {
	Trial string // its name
	Count int
}

// Run runs w and writes a run directory below root. If some trials failed or the run was
// stopped, it returns a result and an error.
func Run(ctx context.Context, w *workflow.Workflow, root string, from Source, o Options) (*Result, error) {
	return perform(ctx, w, observations.Known{Bytes: o.Bytes}, o, func(e *engine) error { return e.create(ctx, root, from) })
}

// Again says how a run is resumed.
type Again struct {
	Path          string // of the workflow, absolute
	AcceptChanged bool   // continue even if inputs have changed

	known observations.Known // of the observations
	grown bool               // rows may have been added to the observations
}

// Resume runs the trials that are left of the run in dir, whose workflow is w. It refuses
// if plume, the plugins or the workflow have changed since the run began and, unless a
// accepts it, if inputs have.
func Resume(ctx context.Context, w *workflow.Workflow, dir string, a Again, o Options) (*Result, error) {
	info, err := archive.ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	a.known = observations.Known{Arrivals: info.Arrivals, Late: "rerun"} // a changed file is refused as an input
	return perform(ctx, w, a.known, o, func(e *engine) error { return e.reopen(ctx, dir, a) })
}

// Continue runs the trials of the run in dir, whose workflow is w, over the rows that have been
// added to its observations. late says what happens with rows of times that have been
// assimilated; if it is empty, the workflow says so. Continue refuses the changes that
// [Resume] refuses, except for those rows, and returns [ErrNothingNew] if there are none.
func Continue(ctx context.Context, w *workflow.Workflow, dir string, a Again, late string, o Options) (*Result, error) {
	info, err := archive.ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	a.known, a.grown = observations.Known{Arrivals: info.Arrivals, Late: late, Bytes: o.Bytes}, true
	return perform(ctx, w, a.known, o, func(e *engine) error { return e.reopen(ctx, dir, a) })
}

// ErrNothingNew is the error of [Continue] for a run that has ended and has assimilated all
// rows.
var ErrNothingNew = errors.New("no rows have been added to the observations")

// engine executes one run.
type engine struct {
	*Experiment
	Options
	run     *archive.Run
	arrival observations.Arrival // of a run that has grown: the rows that it has read

	makers int             // truths and references that are made at a time
	mirror *archive.Mirror // of the trial that this worker runs; nil: it is no worker

	mu        sync.Mutex
	outcomes  map[int]outcome                     // of the trials that have ended, by number
	baselines map[*plan.Scenario][]archive.Metric // of the truths that were needed
	workers   []archive.Replica                   // on other machines, and what they did
	noWorker  error                               // a *NoWorkerError, when the last of them has given up
	made      bool                                // the run is new

	files sync.Map // *truthFiles, by *plan.Scenario
}

// truthFiles are the tables of a truth, which several scenarios may have.
type truthFiles struct {
	sync.Mutex      // held while they are written
	complete   bool // of a truth that stays in them: they are all there
	ended      bool // so are its baselines
}

// filesOf returns the tables of a truth.
func (e *engine) filesOf(planned *plan.Scenario) *truthFiles {
	files, _ := e.files.LoadOrStore(planned, new(truthFiles))
	return files.(*truthFiles)
}

// outcome is how a trial ended.
type outcome struct {
	Status   archive.Status
	Cycles   int // completed
	Rejected int // observations, by the background check
	Dropped  int // members
	Beyond   int // values of ensembles that are not stored, because they are beyond the range of float32
	Metrics  []archive.Metric
	err      error
}

// perform opens w and the run directory that claim makes or reopens, and runs the trials
// that are left.
func perform(ctx context.Context, w *workflow.Workflow, known observations.Known, o Options, claim func(*engine) error) (r *Result, err error) {
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	log := &logFile{room: map[string]int{}}
	if o.Away != nil {
		w, o.Executors = w.Anywhere(), nil
	}
	x, err := open(ctx, w, known, o.InProcess, o.Executors, log.record)
	if err != nil {
		return nil, err
	}
	defer func() {
		left := errors.Join(x.Close(), closeExecutor(o.Away))
		if r != nil && left != nil {
			r.Warnings, left = append(r.Warnings, left.Error()), nil
		}
		err = errors.Join(err, left, log.close())
	}()
	trials, cycles := x.Sweep.Size()
	here := o.Workers
	if o.Away != nil {
		here = 0 // those here make truths
		x.RunElsewhere(o.Workers)
	}
	memory, err := x.checkRoom(here)
	if err != nil && !o.AcceptSize {
		return nil, err
	}
	e := &engine{Experiment: x, Options: o, makers: memory.Workers, outcomes: map[int]outcome{}, baselines: map[*plan.Scenario][]archive.Metric{}}
	if e.Workers = memory.Workers; o.Away != nil {
		e.Workers = x.remote
	}
	if err := claim(e); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.run.Release()) }()
	path, err := e.run.Path(archive.LogFile)
	if err == nil {
		err = log.open(path)
	}
	if err != nil {
		return nil, err
	}
	o.Observer.Begin(Beginning{Name: w.Experiment.Name, Dir: e.run.Dir, Trials: trials, Cycles: cycles, Workers: e.Workers, Memory: memory, Stored: x.stores()})
	o.Stop.heed()
	if o.Away == nil {
		e.execute(ctx)
	} else if err := e.executeAway(ctx, known, log.record); err != nil {
		return nil, err
	}
	o.Observer.Joining()
	defer o.Observer.End()
	if e.hopeless() {
		return nil, errors.Join(e.noWorker, e.run.Discard())
	}
	return e.finish(ctx)
}

// create makes the run directory.
func (e *engine) create(ctx context.Context, root string, from Source) error {
	if err := e.checkDisk(root, e.Workers); err != nil && !e.AcceptSize {
		return err
	}
	given, err := os.ReadFile(e.Workflow.File)
	if err != nil {
		return err
	}
	resolved, err := e.Workflow.Resolved()
	if err != nil {
		return err
	}
	plugins, err := e.pluginInfo()
	if err != nil {
		return err
	}
	inputs, err := e.inputs(ctx)
	if err != nil {
		return err
	}
	e.run, err = archive.Create(root, archive.Info{
		Name: e.Workflow.Experiment.Name, Seed: e.Workflow.Experiment.Seed, Source: from.Path, Profile: from.Profile, Set: from.Set, Sweep: from.Sweep,
		Plume: e.Plume, Go: runtime.Version(), Workers: e.Workers, InProcess: e.InProcess, Every: e.Workflow.Output.Every, Only: e.Workflow.Output.Only, Members: e.Workflow.Output.Members, Notes: e.notes(), Dates: (*archive.Dates)(plan.Dates(e.Workflow)), Plugins: plugins, Inputs: inputs, Arrivals: e.arrivals(nil),
	}, given, resolved)
	e.made = err == nil
	return err
}

// schedule returns a schedule of the trials that have not ended, until the run is stopped or
// ctx ends; call the function when it is not used any more. The trials share only truths,
// references and plugin processes, and a plugin is a pure function of its requests, so their
// results do not depend on how many run at once, or where. An error that stops one trial does
// not stop the others; it is in the outcome of the trial.
func (e *engine) schedule(ctx context.Context) (*schedule, func()) {
	work := newSchedule(e.Sweep, e.Workers, func(planned *plan.Scenario, p *plan.Plan, t *plan.Trial) bool { return !e.recall(planned, p, t) })
	over := make(chan struct{})
	go func() {
		select {
		case <-e.Stop.Asked():
		case <-ctx.Done():
		case <-over:
		}
		work.close()
	}()
	return work, func() { close(over) }
}

// execute runs trials here, several at a time.
func (e *engine) execute(ctx context.Context) {
	work, over := e.schedule(ctx)
	defer over()
	var wg sync.WaitGroup
	for range e.Workers {
		wg.Go(func() {
			for e.Stop.Err() == nil && ctx.Err() == nil {
				j, sc := work.next(true, true)
				switch {
				case sc != nil:
					work.made(sc, e.makeScenario(ctx, sc))
				case j != nil:
					out := e.runTrial(ctx, j)
					e.record(j, out)
					work.ended(j)
				default:
					return
				}
			}
		})
	}
	wg.Wait()
}

// record stores how a trial ended.
func (e *engine) record(j *job, out outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outcomes[j.trial.Number] = out
}

// recall reports whether a trial ended before the run was resumed and the files that it
// shares with others are complete too. If so, it stores the outcome of the trial.
func (e *engine) recall(planned *plan.Scenario, p *plan.Plan, t *plan.Trial) bool {
	var out outcome
	if !e.run.Ended(archive.TrialWork(t.Number), &out) || !e.recallScenario(planned) ||
		p.Reference != nil && !e.run.Ended(archive.ReferenceWork(planned, p), new(bool)) {
		return false
	}
	e.outcomes[t.Number] = out
	e.Observer.Recalled(p.Clock.Cycles, 1)
	return true
}

// recallScenario reports whether a truth has been made. If so, it stores its baselines.
func (e *engine) recallScenario(planned *plan.Scenario) bool {
	if _, known := e.baselines[planned]; known {
		return true
	}
	var metrics []archive.Metric
	if !e.run.Ended(archive.ScenarioWork(planned), &metrics) {
		return false
	}
	e.baselines[planned] = metrics
	return true
}

// truthStored reports whether a truth stays in its files; more do in tests.
var truthStored = (*plan.Plan).TruthStored

// makeScenario makes truth and observations, and the reference if there is one.
func (e *engine) makeScenario(ctx context.Context, sc *scenario) (err error) {
	if truthStored(sc.plan) {
		sc.made, err = e.storeTruth(ctx, sc)
	} else {
		sc.made, err = cycle.Simulate(ctx, sc.plan, func() error { e.Observer.Simulated(); return e.Stop.Err() })
	}
	if err != nil {
		return err
	}
	if err := e.writeScenario(sc); err != nil {
		return err
	}
	if sc.plan.Reference == nil {
		return nil
	}
	if sc.reference, err = e.makeReference(ctx, sc); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	return nil
}

// storeTruth makes a truth with its observations and writes them as they are made, unless that has been done
// for another scenario. It stays in its files.
func (e *engine) storeTruth(ctx context.Context, sc *scenario) (_ *cycle.Scenario, err error) {
	files := e.filesOf(sc.planned)
	files.Lock()
	defer files.Unlock()
	if !files.complete {
		w, err := e.run.Truth(sc.planned)
		if err != nil {
			return nil, err
		}
		err = cycle.Trajectory(ctx, sc.plan, func(k int, truth, y []float64) error {
			if k > 0 {
				e.Observer.Simulated()
			}
			return errors.Join(w.Append(k, truth, y), e.Stop.Err())
		})
		if err != nil {
			return nil, errors.Join(err, w.Abandon())
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		files.complete = true
	}
	stored, err := e.run.StoredTruth(sc.planned)
	return &cycle.Scenario{Init: cycle.Init(sc.plan), Stored: stored}, err
}

// writeScenario writes the truth of sc with its baselines unless that has been done for another scenario.
func (e *engine) writeScenario(sc *scenario) error {
	files := e.filesOf(sc.planned)
	files.Lock()
	defer files.Unlock()
	if files.ended {
		return nil
	}
	if err := e.endScenario(sc); err != nil {
		return err
	}
	files.ended = true
	return nil
}

// endScenario writes the truth of sc, unless it is one that stays in its files, and its baselines. It may
// take long, and only those who want the same truth wait for it.
func (e *engine) endScenario(sc *scenario) error {
	metrics := baselines(sc.plan, sc.planned, sc.made)
	if sc.made.Stored == nil {
		if err := e.run.Scenario(sc.planned, sc.made); err != nil {
			return err
		}
	}
	if err := sc.made.Err(); err != nil {
		return err
	}
	if sc.planned.Replicate == e.Sweep.Scenarios[0].Replicate {
		if err := e.run.Coordinates(sc.planned); err != nil {
			return err
		}
	}
	e.mu.Lock()
	e.baselines[sc.planned] = metrics
	e.mu.Unlock()
	return e.run.End(archive.ScenarioWork(sc.planned), metrics, false)
}

// makeReference runs the reference, or reads the one that was stored before the run was
// resumed.
func (e *engine) makeReference(ctx context.Context, sc *scenario) (_ *cycle.Reference, err error) {
	work := archive.ReferenceWork(sc.planned, sc.plan)
	if e.run.Ended(work, new(bool)) {
		if r := e.run.StoredReference(sc.planned, sc.plan); r != nil {
			return r, nil
		}
	}
	members, err := e.run.Reference(sc.planned, sc.plan)
	if err != nil {
		return nil, err
	}
	failures, err := e.run.ReferenceFailures(sc.planned, sc.plan)
	if err != nil {
		return nil, errors.Join(err, members.Close())
	}
	noted := noted{failures}
	defer func() {
		noted.Add(ending(err)...)
		if err = errors.Join(err, members.Close(), noted.Close()); err == nil {
			err = e.run.End(work, true, true)
		}
	}()
	return cycle.NewReference(noted.noting(ctx), sc.plan, sc.made, func(s *cycle.Step, kept cycle.Ensemble) error {
		if err := errors.Join(noted.end(s), sc.made.Err()); err != nil {
			return err
		}
		if err := members.Append(s.Cycle, s.Time, archive.Stage{Name: archive.Analysis, Ensemble: kept}); err != nil {
			return err
		}
		return e.Stop.Err()
	})
}

// runTrial runs a trial here.
func (e *engine) runTrial(ctx context.Context, j *job) outcome {
	out, missing, long := e.assimilate(ctx, j)
	e.Observer.Ended(out.Status, missing)
	return e.conclude(j, out, long)
}

// conclude records that a trial has ended, if it has not failed, and returns its outcome; if
// long, also for a loss of power.
func (e *engine) conclude(j *job, out outcome, long bool) outcome {
	if out.err == nil {
		out.err = errors.Join(e.run.End(archive.TrialWork(j.trial.Number), out, long), e.run.Forget(checkpointOf(j.trial)))
	}
	return out
}

// assimilate runs the cycles of a trial that are left. missing is the number of its cycles
// that were not run; long reports whether it took so long that it had a checkpoint.
func (e *engine) assimilate(ctx context.Context, j *job) (out outcome, missing int, long bool) {
	again := 0 // cycles that will be run again
	defer func() { missing = j.plan.Clock.Cycles - out.Cycles + again }()
	if j.scenario.err != nil {
		return outcome{Status: statusOf(ctx, j.scenario.err), err: j.scenario.err}, 0, false
	}
	scorer := newScorer(j.plan, j.trial, j.scenario.made, j.scenario.reference, e.Workflow.Output.Variables)
	scorer.chosen = e.Workflow.Verify.Metrics
	ahead := newForecaster(j.plan, j.scenario.made, e.Workflow.Output.Variables)
	tables, from, err := e.openTrial(j, scorer, ahead)
	if err == nil && e.mirror != nil {
		err = e.mirror.Begin(from != nil)
	}
	if err != nil {
		return outcome{Status: archive.Failed, err: err}, 0, false
	}
	noted := noted{tables.failures}
	saver := &saver{every: e.Checkpoint, saved: time.Now()}
	calls, growth := noted.noting(ctx), e.growthOf(j)
	last, saving := time.Now(), time.Duration(0) // the end of the last cycle, and what its checkpoint took
	write := func(s *cycle.Step) error {
		if err := noted.end(s); err != nil {
			return err
		}
		begun := time.Now()
		rows, descriptions := scorer.rows(s)
		innovation := scorer.innovation(s)
		if err := j.scenario.made.Err(); err != nil {
			return err
		}
		s.Timing.Score, s.Timing.Archive, s.Timing.Since = time.Since(begun), saving, last
		if growth.fed {
			e.Feed.Described(Described{e.idOf(j), s.Cycle, s.Time, s.Cycle <= j.plan.Record.Settled(), scorer.described, descriptions})
		}
		err := tables.Append(s, rows, innovation, descriptions)
		last, saving = time.Now(), 0
		err = errors.Join(err, tables.AppendFit(s, scorer.fit(s)),
			tables.AppendHeldOut(s, scorer.heldOut(s)), tables.AppendRejections(s, j.plan.Streams))
		if err != nil || j.trial.Whole() && s.Cycle < j.plan.LastObserved() { // earlier analyses know what would verify a forecast
			return err
		}
		return ahead.step(calls, s, tables.Trial)
	}
	err = cycle.Assimilate(calls, j.plan, j.trial, j.scenario.made, from, func(s *cycle.Step) error {
		if s.Pass != nil {
			scorer.pass(s.Pass)
		}
		switch {
		case !s.Again:
			if err := write(s); err != nil {
				return err
			}
		case s.Cycle == 1:
			again += j.plan.Clock.Cycles
			e.Observer.More(j.plan.Clock.Cycles)
			fallthrough
		default:
			again--
		}
		e.Observer.Cycle(runsOf(j.trial, s))
		if r := j.plan.Record; r != nil && s.Cycle == r.Settled() && !j.trial.Whole() {
			more, err := e.feed(ctx, j, growth, scorer, ahead)
			if err == nil && growth.grown && !growth.open && e.Stop.Err() == nil {
				scorer, err = e.settle(ctx, j, scorer)
			}
			if err == nil && !more {
				err = e.keep(j, s, tables, scorer, ahead)
			}
			if err != nil {
				return err
			}
		}
		stop := e.Stop.Err()
		begun := time.Now()
		defer func() { saving = time.Since(begun) }()
		return errors.Join(stop, saver.save(stop != nil, func() error {
			c, numbers, err := e.checkpoint(j, s, tables, scorer, ahead)
			if err = errors.Join(err, e.run.Save(checkpointOf(j.trial), c, numbers...)); err == nil && e.mirror != nil {
				err = e.mirror.Update()
			}
			return err
		}))
	})
	if scorer.Cycles == j.plan.Clock.Cycles && errors.As(err, new(*StoppedError)) {
		err = nil // the stop was asked for in the last cycle: the trial is complete
	}
	noted.Add(ending(err)...)
	err = errors.Join(err, tables.RankHistograms(scorer.rankHistograms()), tables.Lags(scorer.lags()), tables.Observed(scorer.Sums), tables.Passes(scorer.Passes), tables.Close())
	if err == nil {
		err = e.scoreAhead(j)
	}
	out = outcome{Status: statusOf(ctx, err), Cycles: scorer.Cycles, Rejected: scorer.Rejected, Dropped: scorer.Dropped, Beyond: tables.Beyond(), err: err}
	if err != nil {
		return out, 0, false
	}
	if scorer.diverged() {
		out.Status = archive.Diverged
	}
	out.Metrics = scorer.metrics(e.idOf(j), j.scenario.planned.Number, out.Status)
	return out, 0, saver.took > 0
}

// runsOf returns the number of model runs of a step, over one cycle. Over the whole record there is a
// step for each.
func runsOf(t *plan.Trial, s *cycle.Step) int {
	if t.Whole() {
		return 1
	}
	return s.Runs
}

// checkpoint returns the checkpoint of a trial after a step, and what is large of it: see [checkpoint.recall].
func (e *engine) checkpoint(j *job, s *cycle.Step, tables *storage, scorer *scorer, ahead *forecaster) (checkpoint, [][]float64, error) {
	c, err := tables.sums()
	if scorer.Left {
		err = errors.Join(err, e.run.Arrived(e.arrival, nil)) // the checkpoint depends on it
	}
	c.State, c.Tally, c.Arrivals, c.Pending = s.State(), scorer.tally, len(e.run.Info().Arrivals), ahead.waiting()
	if r := j.plan.Record; r != nil {
		c.Closes = r.Closes(s.Cycle)
		// Any row changes all of a whole record. It also changes which cycle is the last one with
		// observations: that one always has a forecast, and those after it have no scores.
		if j.trial.Whole() || s.Cycle > r.Settled() {
			c.Closes = math.Inf(1)
		}
	}
	numbers, state := c.State.Large()
	sums, rest := scorer.Sums.Numbers()
	numbers = append(numbers, sums...)
	for _, list := range numbers {
		c.Numbers += len(list)
	}
	c.State, c.Tally.Sums = state, rest
	return c, numbers, err
}

// keep stores a checkpoint of a trial after a step to go back to when observations are added.
func (e *engine) keep(j *job, s *cycle.Step, tables *storage, scorer *scorer, ahead *forecaster) error {
	c, numbers, err := e.checkpoint(j, s, tables, scorer, ahead)
	if err != nil {
		return err
	}
	return e.keepCheckpoint(j.trial, c, numbers)
}

func (e *engine) idOf(j *job) archive.TrialID {
	return archive.TrialID{Trial: j.trial.Number, Replicate: j.scenario.planned.Replicate, Filter: j.trial.Label}
}

// statusOf returns the status of a trial that ended with err. If a plugin says that it was
// cancelled although the run was not stopped, it has failed.
func statusOf(ctx context.Context, err error) archive.Status {
	switch {
	case err == nil:
		return archive.OK
	case errors.As(err, new(*StoppedError)) || ctx.Err() != nil && sdk.KindOf(err) == sdk.KindCanceled:
		return archive.Interrupted
	}
	return archive.Failed
}

// finish writes the tables of all trials and returns the result of the run.
func (e *engine) finish(ctx context.Context) (*Result, error) {
	r := &Result{Dir: e.run.Dir, Status: archive.OK, Notes: e.notes(), Warnings: e.Warnings()}
	failures := &FailuresError{}
	for _, planned := range e.Sweep.Scenarios {
		if e.recallScenario(planned) {
			r.Metrics = append(r.Metrics, e.baselines[planned]...)
		}
		for _, p := range planned.Plans {
			for i := range p.Trials {
				t := &p.Trials[i]
				r.Trials = append(r.Trials, e.row(planned, p, t, failures))
				if n := e.outcomes[t.Number].Rejected; n > 0 {
					r.Rejected = append(r.Rejected, Count{e.trialName(planned, t), n})
				}
				if n := e.outcomes[t.Number].Dropped; n > 0 {
					r.Dropped = append(r.Dropped, Count{e.trialName(planned, t), n})
				}
				if n := e.outcomes[t.Number].Beyond; n > 0 {
					r.Beyond = append(r.Beyond, Count{e.trialName(planned, t), n})
				}
			}
		}
	}
	if record := e.Sweep.Scenarios[0].Plans[0].Record; record != nil {
		r.Observed = record.Summary()
	}
	slices.SortFunc(r.Trials, func(a, b archive.TrialRow) int { return a.Trial - b.Trial })
	for _, t := range r.Trials {
		r.Metrics = append(r.Metrics, e.outcomes[t.Trial].Metrics...)
	}
	stopped := errors.Join(e.Stop.Err(), context.Cause(ctx))
	failures.Some = failures.failed < len(r.Trials)
	var err error
	switch {
	case failures.interrupted > 0 && stopped != nil:
		r.Status, err = archive.Interrupted, stopped
	case e.noWorker != nil && failures.interrupted > 0:
		r.Status, err = archive.Interrupted, e.noWorker
	case failures.failed > 0 && failures.Some:
		r.Status, err = archive.SomeFailed, failures
	case failures.failed > 0:
		r.Status, err = archive.Failed, failures
	}
	r.Resumable = failures.interrupted+failures.passing > 0
	if r.Retryable = failures.curable > 0; r.Retryable {
		e.run.Retryable()
	}
	r.Replicas = append(e.replicas(), e.workers...)
	e.run.Ran(r.Replicas, e.usage(len(r.Replicas)))
	return r, errors.Join(err, e.run.Finish(e.Sweep.Axes, r.Trials, r.Metrics, r.Status, r.Resumable, err))
}

// usage says how busy n replicas on other machines were; nil if n is 0.
func (e *engine) usage(n int) *archive.Usage {
	if n == 0 {
		return nil
	}
	every, busy := e.meter.Busy()
	u := &archive.Usage{Every: every.Seconds()}
	for _, b := range busy {
		u.Busy = append(u.Busy, math.Round(100*b)/100)
	}
	return u
}

// replicas says what the replicas on other machines did.
func (e *engine) replicas() []archive.Replica {
	var list []archive.Replica
	for _, l := range e.pool.Loads() {
		r := archive.Replica{
			Plugin: l.Plugin, Replica: l.Replica, Node: l.Node, Job: l.Job, Cores: l.Cores, Memory: l.Memory, GPUs: l.GPUs,
			Busy: l.Busy.Seconds(), Calls: l.Calls, Lost: l.Lost,
		}
		if !l.Since.IsZero() {
			r.Seconds = time.Since(l.Since).Seconds()
		}
		list = append(list, r)
	}
	return list
}

// row describes a trial and how it ended.
func (e *engine) row(planned *plan.Scenario, p *plan.Plan, t *plan.Trial, f *FailuresError) archive.TrialRow {
	row := archive.TrialRow{
		TrialID: archive.TrialID{Trial: t.Number, Replicate: planned.Replicate, Filter: t.Label},
		Truth:   planned.Number, Reference: -1, Plugin: t.Plugin, Size: t.Size, Values: t.Values, Status: archive.Waiting,
	}
	if p.Reference != nil {
		row.Reference = p.Reference.Number
	}
	out, known := e.outcomes[t.Number]
	if known {
		row.Status, row.Cycles = out.Status, out.Cycles
	} else if c := new(checkpoint); e.begun(t, c) { // before the run was resumed
		row.Status, row.Cycles = archive.Interrupted, c.Tally.Cycles
	}
	if out.err != nil {
		row.Error = out.err.Error()
	}
	f.add(row, e.trialName(planned, t), out.err)
	return row
}

// begun reports whether a trial that was not continued has a checkpoint, and reads it.
func (e *engine) begun(t *plan.Trial, c *checkpoint) bool {
	_, ok := e.run.Load(checkpointOf(t), c)
	return ok
}

// trialName returns a name for t: its filter and, in a sweep, its number, replicate and
// axis values.
func (e *Experiment) trialName(planned *plan.Scenario, t *plan.Trial) string {
	name := fmt.Sprintf("filter %q", t.Label)
	if e.Workflow.Sweep == nil {
		return name
	}
	name = fmt.Sprintf("trial %d: %s, replicate %d", t.Number, name, planned.Replicate)
	for _, key := range e.Sweep.Axes {
		if v, ok := t.Values[key]; ok {
			name += fmt.Sprintf(", %s = %v", key, v)
		}
	}
	return name
}
