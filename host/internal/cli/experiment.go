package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

// experiment is one run of a workflow.
type experiment struct {
	*opened
	app      *app
	how      running
	run      *archive.Run
	progress *progress

	mu        sync.Mutex
	outcomes  map[int]outcome                 // of the trials that have ended, by number
	baselines map[*plan.Twin][]archive.Metric // of the truths that were needed
	written   map[*plan.Twin]bool             // truths whose files are there
}

// running says how a run is carried out; its results do not depend on it.
type running struct {
	workers    int           // trials at a time; 0: one per processor
	checkpoint time.Duration // between checkpoints of a trial
}

func (r *running) flags(c *cobra.Command) {
	c.Flags().IntVar(&r.workers, "workers", 0, "trials that run at once; 0 means one per processor")
	c.Flags().DurationVar(&r.checkpoint, "checkpoint", 5*time.Second, "time between two checkpoints of a trial, from which resume goes on")
}

// outcome is how a trial ended.
type outcome struct {
	Status   archive.Status
	Cycles   int // completed
	Rejected int // observations, by the background check
	Metrics  []archive.Metric
	err      error
}

// result is what a run leaves to print.
type result struct {
	notes   []string // what else to say
	dir     string
	status  archive.Status
	left    bool // something that resume may do
	axes    []string
	chosen  []string // scores to show; nil: the usual ones
	metrics []archive.Metric
	trials  []archive.TrialRow
}

// perform runs s and writes a run directory below root. The result is there even
// when some trials failed; the error then says so.
func (a *app) perform(ctx context.Context, s *source, root string, how running) (*result, error) {
	return a.withPlugins(ctx, s, how, func(e *experiment) error { return e.create(s, root) })
}

// withPlugins opens s and the run directory that claim makes or takes, and runs what
// is left of it.
func (a *app) withPlugins(ctx context.Context, s *source, how running, claim func(*experiment) error) (_ *result, err error) {
	if how.workers < 0 || how.checkpoint < 0 {
		return nil, usage("--workers and --checkpoint: got %d and %v, want 0 or more", how.workers, how.checkpoint)
	}
	log := &logFile{}
	o, err := s.open(ctx, log.record)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close(), log.close()) }()
	if how.workers == 0 {
		how.workers = runtime.GOMAXPROCS(0)
	}
	e := &experiment{opened: o, app: a, how: how, outcomes: map[int]outcome{}, baselines: map[*plan.Twin][]archive.Metric{}, written: map[*plan.Twin]bool{}}
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
	trials, cycles := e.sweep.Size()
	a.say("%s: %s of %s, %d at a time\nresults: %s", e.workflow.Experiment.Name, plural(trials, "trial"), plural(cycles/trials, "cycle"), how.workers, e.run.Dir)
	e.progress = newProgress(a.stderr, a.quiet, trials, cycles)
	finishCycles(ctx)
	e.execute(ctx)
	e.progress.wait()
	return e.finish(ctx)
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
	path, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	e.run, err = archive.Create(root, archive.Info{
		Name: e.workflow.Experiment.Name, Seed: e.workflow.Experiment.Seed, Source: path, Profile: s.profile, Set: s.set, Sweep: s.sweep,
		Plume: versionText(), Go: runtime.Version(), Workers: e.how.workers, InProcess: s.inProcess, Plugins: e.pluginInfo(),
	}, given, resolved)
	return err
}

// execute runs the trials that have not ended, several at a time. They share nothing
// but truths, references and plugin processes, and a plugin is a pure function of its
// requests, so their results do not depend on how many run at once. What stops one
// trial does not stop the others; it is in its outcome.
func (e *experiment) execute(ctx context.Context) {
	work := newSchedule(e.sweep, func(twin *plan.Twin, p *plan.Plan, t *plan.Trial) bool { return !e.recall(twin, p, t) })
	var wg sync.WaitGroup
	for range e.how.workers {
		wg.Go(func() {
			for stopping(ctx) == nil && ctx.Err() == nil {
				j, sc := work.next()
				switch {
				case sc != nil:
					work.made(sc, e.makeScene(ctx, sc))
				case j != nil:
					out := e.runTrial(ctx, j)
					work.ended(j)
					e.mu.Lock()
					e.outcomes[j.trial.Number] = out
					e.mu.Unlock()
				default:
					return
				}
			}
		})
	}
	wg.Wait()
}

// recall says whether a trial ended before the run was resumed, and what it shares with
// others is whole too; its outcome is then known.
func (e *experiment) recall(twin *plan.Twin, p *plan.Plan, t *plan.Trial) bool {
	var out outcome
	if !e.run.Ended(archive.TrialWork(t.Number), &out) || !e.recallTwin(twin) ||
		p.Reference != nil && !e.run.Ended(archive.ReferenceWork(twin, p), new(bool)) {
		return false
	}
	e.outcomes[t.Number] = out
	e.progress.skip(p.Clock.Cycles, 1)
	return true
}

// recallTwin says whether a truth has been made; its baselines are then known.
func (e *experiment) recallTwin(twin *plan.Twin) bool {
	if _, known := e.baselines[twin]; known {
		return true
	}
	var metrics []archive.Metric
	if !e.run.Ended(archive.TwinWork(twin), &metrics) {
		return false
	}
	e.baselines[twin] = metrics
	return true
}

// checkpointOf names the checkpoints of a trial.
func checkpointOf(t *plan.Trial) string { return fmt.Sprintf("trial=%04d", t.Number) }

// makeScene makes truth and observations, and the reference when there is one.
func (e *experiment) makeScene(ctx context.Context, sc *scene) (err error) {
	if sc.truth, err = cycle.Simulate(ctx, sc.plan, func() error { return stopping(ctx) }); err != nil {
		return err
	}
	if err := e.writeTwin(sc); err != nil {
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

// writeTwin writes the truth of sc unless that has been done for another scene.
func (e *experiment) writeTwin(sc *scene) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.written[sc.twin] {
		return nil
	}
	e.written[sc.twin], e.baselines[sc.twin] = true, baselines(sc.plan, sc.twin, sc.truth)
	if err := e.run.Twin(sc.twin, sc.truth); err != nil {
		return err
	}
	return e.run.End(archive.TwinWork(sc.twin), e.baselines[sc.twin], false)
}

// makeReference runs the reference, or reads what it left before the run was resumed.
func (e *experiment) makeReference(ctx context.Context, sc *scene) (_ *cycle.Reference, err error) {
	work := archive.ReferenceWork(sc.twin, sc.plan)
	if e.run.Ended(work, new(bool)) {
		if r := e.run.StoredReference(sc.twin, sc.plan); r != nil {
			return r, nil
		}
	}
	members, err := e.run.Reference(sc.twin, sc.plan)
	if err != nil {
		return nil, err
	}
	noted, err := e.run.ReferenceFailures(sc.twin, sc.plan)
	if err != nil {
		return nil, errors.Join(err, members.Close())
	}
	defer func() {
		noted.Add(ending(err)...)
		if err = errors.Join(err, members.Close(), noted.Close()); err == nil {
			err = e.run.End(work, true, true)
		}
	}()
	return cycle.NewReference(noting(ctx, noted), sc.plan, sc.truth, func(s *cycle.Step, kept cycle.Ensemble) error {
		noted.Add(membersOf(s.Cycle, s.Dropped, archive.Dropped)...)
		if err := noted.Flush(); err != nil {
			return err
		}
		if err := members.Append(s.Cycle, s.Time, archive.Stage{Name: archive.Analysis, Ensemble: kept}); err != nil {
			return err
		}
		return stopping(ctx)
	})
}

// checkpoint is what a trial goes on from when a run is resumed.
type checkpoint struct {
	State cycle.State
	Tally tally
}

func (e *experiment) runTrial(ctx context.Context, j *job) (out outcome) {
	defer func() { e.progress.ended(j.plan.Clock.Cycles-out.Cycles, out.err) }()
	if j.scene.err != nil {
		return outcome{Status: statusOf(j.scene.err), err: j.scene.err}
	}
	judge := newJudge(j.plan, j.trial, j.scene.truth, j.scene.reference, e.workflow.Output.Variables)
	judge.chosen = e.workflow.Verify.Metrics
	tables, from, err := e.openTrial(j, judge)
	if err != nil {
		return outcome{Status: archive.Failed, err: err}
	}
	noted, err := e.run.Failures(e.idOf(j), from.Completed())
	if err != nil {
		return outcome{Status: archive.Failed, err: errors.Join(err, tables.Close())}
	}
	saver := &saver{every: e.how.checkpoint, saved: time.Now()}
	err = cycle.Assimilate(noting(ctx, noted), j.plan, j.trial, j.scene.truth, from, func(s *cycle.Step) error {
		noted.Add(membersOf(s.Cycle, s.Dropped, archive.Dropped)...)
		if err := noted.Flush(); err != nil {
			return err
		}
		err := errors.Join(tables.Append(s, judge.rows(s), judge.innovation(s), judge.descriptions(s)),
			tables.AppendHeldOut(s, judge.heldOut(s)), tables.AppendRejections(s, j.plan.Streams))
		if err != nil {
			return err
		}
		e.progress.step()
		stop := stopping(ctx)
		return errors.Join(stop, saver.save(stop != nil, func() error {
			return e.run.Save(checkpointOf(j.trial), checkpoint{s.State(), judge.tally})
		}))
	})
	if judge.Cycles == j.plan.Clock.Cycles && errors.As(err, new(interruptError)) {
		err = nil // a stop that was asked for in the last cycle came too late
	}
	noted.Add(ending(err)...)
	err = errors.Join(err, tables.RankHistograms(judge.rankHistograms()), tables.Close(), noted.Close())
	out = outcome{Status: statusOf(err), Cycles: judge.Cycles, Rejected: judge.Rejected, err: err}
	if err != nil {
		return out
	}
	if judge.diverged() {
		out.Status = archive.Diverged
	}
	out.Metrics = judge.metrics(e.idOf(j), j.scene.twin.Number, out.Status)
	out.err = errors.Join(e.run.End(archive.TrialWork(j.trial.Number), out, saver.took > 0), e.run.Forget(checkpointOf(j.trial)))
	return out
}

func (e *experiment) idOf(j *job) archive.TrialID {
	return archive.TrialID{Trial: j.trial.Number, Replicate: j.scene.twin.Replicate, Filter: j.trial.Label}
}

// openTrial opens the tables of a trial: where its checkpoint says, or, when there
// is none that fits what is stored, from the start.
func (e *experiment) openTrial(j *job, judge *judge) (*archive.Trial, *cycle.State, error) {
	output := e.workflow.Output
	open := func(through int) (*archive.Trial, error) {
		return e.run.Trial(e.idOf(j), j.plan.State, j.plan.Space.Layout, archive.Keep{
			Forecast: output.Ensemble == "forecast" || output.Ensemble == "both", Analysis: output.Ensemble == "analysis" || output.Ensemble == "both",
			Variables: output.Variables, HeldOut: holdsOut(e.workflow), Rejected: j.plan.Checked,
		}, through)
	}
	var c checkpoint
	if e.run.Load(checkpointOf(j.trial), &c) {
		if tables, err := open(c.State.Cycle); err == nil {
			judge.remind(c.Tally)
			e.progress.skip(c.State.Cycle, 0)
			return tables, &c.State, nil
		}
	}
	tables, err := open(0)
	return tables, nil, err
}

// saver says when the next checkpoint of a trial is due: at even distances, unless
// checkpoints are so dear that they would take more than a twentieth of the time.
type saver struct {
	every time.Duration
	saved time.Time
	took  time.Duration
}

func (s *saver) save(now bool, do func() error) error {
	start := time.Now()
	if !now && start.Sub(s.saved) < max(s.every, 20*s.took) {
		return nil
	}
	err := do()
	s.saved = time.Now()
	s.took = s.saved.Sub(start)
	return err
}

// statusOf returns how a trial stands that ended with err.
func statusOf(err error) archive.Status {
	switch {
	case err == nil:
		return archive.OK
	case errors.As(err, new(interruptError)) || sdk.KindOf(err) == sdk.KindCanceled:
		return archive.Interrupted
	}
	return archive.Failed
}

// finish writes what concerns all trials and says how the run ended.
func (e *experiment) finish(ctx context.Context) (*result, error) {
	r := &result{dir: e.run.Dir, status: archive.OK, axes: e.sweep.Axes, chosen: e.workflow.Verify.Metrics}
	failures := &failures{}
	for _, twin := range e.sweep.Twins {
		if e.recallTwin(twin) {
			r.metrics = append(r.metrics, e.baselines[twin]...)
		}
		for _, p := range twin.Plans {
			for i := range p.Trials {
				r.trials = append(r.trials, e.row(twin, p, &p.Trials[i], failures))
			}
		}
	}
	r.notes = e.observed()
	slices.SortFunc(r.trials, func(a, b archive.TrialRow) int { return a.Trial - b.Trial })
	for _, t := range r.trials {
		r.metrics = append(r.metrics, e.outcomes[t.Trial].Metrics...)
	}
	stopped := errors.Join(stopping(ctx), context.Cause(ctx))
	var err error
	switch {
	case failures.interrupted > 0 && stopped != nil:
		r.status, err = archive.Interrupted, stopped
	case failures.failed == len(r.trials):
		r.status, err = archive.Failed, failures
	case failures.failed > 0:
		r.status, err = archive.SomeFailed, &exitError{exitSomeFailed, failures}
	}
	r.left = failures.interrupted+failures.passing > 0
	return r, errors.Join(err, e.run.Finish(r.axes, r.trials, r.metrics, r.status, r.left, err))
}

// observed says what became of real observations, and what the background check
// rejected.
func (e *experiment) observed() (notes []string) {
	for _, twin := range e.sweep.Twins {
		if record := twin.Plans[0].Record; record != nil && twin == e.sweep.Twins[0] {
			notes = append(notes, "observations: "+record.Summary())
		}
		for _, p := range twin.Plans {
			for i := range p.Trials {
				if n := e.outcomes[p.Trials[i].Number].Rejected; n > 0 {
					notes = append(notes, fmt.Sprintf("%s: the background check rejected %s", e.trialName(twin, &p.Trials[i]), plural(n, "observation")))
				}
			}
		}
	}
	return notes
}

// row describes a trial and how it ended.
func (e *experiment) row(twin *plan.Twin, p *plan.Plan, t *plan.Trial, f *failures) archive.TrialRow {
	row := archive.TrialRow{
		TrialID: archive.TrialID{Trial: t.Number, Replicate: twin.Replicate, Filter: t.Label},
		Truth:   twin.Number, Reference: -1, Plugin: t.Plugin, Size: t.Size, Values: t.Values, Status: archive.Interrupted,
	}
	if p.Reference != nil {
		row.Reference = p.Reference.Number
	}
	out, begun := e.outcomes[t.Number]
	if begun {
		row.Status, row.Cycles = out.Status, out.Cycles
	}
	if out.err != nil {
		row.Error = out.err.Error()
	}
	f.add(row, e.trialName(twin, t), out.err)
	return row
}

// trialName says which trial t is: its filter and, in a sweep, its number, replicate
// and axis values.
func (o *opened) trialName(twin *plan.Twin, t *plan.Trial) string {
	name := fmt.Sprintf("filter %q", t.Label)
	if o.workflow.Sweep == nil {
		return name
	}
	name = fmt.Sprintf("trial %d: %s, replicate %d", t.Number, name, twin.Replicate)
	for _, key := range o.sweep.Axes {
		if v, ok := t.Values[key]; ok {
			name += fmt.Sprintf(", %s = %v", key, v)
		}
	}
	return name
}

// failures is the error of the trials that did not finish; it shows the first few.
type failures struct {
	failed, interrupted int
	passing             int // of those that failed: what stopped them may not come again
	first               []error
}

const shownFailures = 5

func (f *failures) add(row archive.TrialRow, name string, err error) {
	switch row.Status {
	case archive.Interrupted:
		f.interrupted++
	case archive.Failed:
		if f.failed++; len(f.first) < shownFailures {
			f.first = append(f.first, &trialError{name, err})
		}
		if mayPass(err) {
			f.passing++
		}
	}
}

// mayPass says whether what stopped a trial may have gone when it is tried again. A
// trial that leaves the range of numbers does so each time.
func mayPass(err error) bool {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return true // a file
	}
	return slices.Contains([]sdk.Kind{sdk.KindCrash, sdk.KindDeadline, sdk.KindResource, sdk.KindTransient, sdk.KindExternal, sdk.KindCanceled}, e.Kind)
}

func (f *failures) Error() string {
	text := errors.Join(f.first...).Error()
	if more := f.failed - len(f.first); more > 0 {
		text += fmt.Sprintf("\nand %s, see trials.arrow", plural(more, "more failed trial"))
	}
	return text
}

func (f *failures) Unwrap() []error { return f.first }

// trialError says which trial an error stopped.
type trialError struct {
	name string
	err  error
}

// Error takes the first of several errors: where one table cannot be written or closed
// the others cannot either. trials.arrow has them all.
func (e *trialError) Error() string {
	first, _, _ := strings.Cut(e.err.Error(), "\n")
	return e.name + ": " + first
}

func (e *trialError) Unwrap() error { return e.err }

// defaultRoot is where runs go: below the working directory.
const defaultRoot = "runs"
