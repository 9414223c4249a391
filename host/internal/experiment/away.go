package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

const (
	// mostLost is how many workers a trial may lose before it is given up: it may be what
	// ends them.
	mostLost = 3
	// mostStarts is how many starts of a worker may fail one after the other, unless the first
	// says that all would.
	mostStarts = 5
)

// NoWorkerError says why the trials that are left were not run: no worker starts.
type NoWorkerError struct{ Err error }

func (e *NoWorkerError) Error() string { return "no worker starts: " + e.Err.Error() }

// Unwrap returns why the last worker did not start.
func (e *NoWorkerError) Unwrap() error { return e.Err }

// hopeless reports whether e is a new run of which nothing has been run, and for which no worker
// will start however often that is tried.
func (e *engine) hopeless() bool {
	return e.made && errors.Is(e.noWorker, launch.ErrPermanent) && len(e.outcomes) == 0 && len(e.run.Saved("trial=")) == 0
}

// Variables for tests: pauses between starts of a worker that fail.
var firstPause, longestPause = 200 * time.Millisecond, 30 * time.Second

// executeAway runs trials on workers elsewhere. Truths and references are made here.
func (e *engine) executeAway(ctx context.Context, known observations.Known, log func(launch.Record)) error {
	s, err := e.setup(known)
	if err != nil {
		return err
	}
	work, over := e.schedule(ctx)
	defer over()
	pool := &workers{engine: e, setup: s, work: work, log: log, lost: map[int]int{}, left: e.Workers, all: make([]archive.Replica, e.Workers)}
	starting, cancel := context.WithCancel(ctx) // when no trial is left, those that wait for a place are given up
	var slots, makers sync.WaitGroup
	for range e.makers {
		makers.Go(func() {
			for _, sc := work.next(false, true); sc != nil; _, sc = work.next(false, true) {
				err := e.makeScenario(ctx, sc)
				sc.forget() // workers get its files
				work.made(sc, err)
			}
			cancel()
		})
	}
	for i := range e.Workers {
		slots.Go(func() { pool.slot(ctx, starting, i) })
	}
	makers.Wait()
	slots.Wait()
	cancel()
	e.workers = pool.all
	return nil
}

// setup returns what workers are told first.
func (e *engine) setup(known observations.Known) (*setup, error) {
	text, err := e.Workflow.Resolved()
	if err != nil {
		return nil, err
	}
	info := e.run.Info()
	info.Inputs = slices.Clone(info.Inputs)
	for i := range info.Inputs {
		info.Inputs[i].Info = nil
	}
	return &setup{
		Plume: e.Plume, Workflow: string(text), File: e.Workflow.File, Info: info, Known: known,
		InProcess: e.InProcess, Checkpoint: e.Checkpoint,
	}, nil
}

// workers are the workers of a run.
type workers struct {
	engine *engine
	setup  *setup
	work   *schedule
	log    func(launch.Record)

	mu   sync.Mutex
	lost map[int]int       // workers, by number of the trial that they ran
	left int               // slots that have not given up
	all  []archive.Replica // what they have done, by slot
}

// slot keeps one worker until no trial is left. A worker that is lost is replaced.
func (p *workers) slot(ctx, starting context.Context, number int) {
	p.note(number, func(r *archive.Replica) { r.Plugin, r.Replica = "worker", number+1 })
	pause := firstPause
	for failed := 0; starting.Err() == nil; {
		w, err := p.start(starting)
		if err == nil {
			pause, failed = firstPause, 0
			if p.use(ctx, w, number) {
				return
			}
			continue
		}
		if failed++; failed == mostStarts || errors.Is(err, launch.ErrPermanent) {
			p.giveUp(err)
			return
		}
		select {
		case <-time.After(pause):
		case <-starting.Done():
		}
		pause = min(2*pause, longestPause)
	}
}

// note changes what is known of the worker of a slot.
func (p *workers) note(number int, change func(*archive.Replica)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.all[number])
}

// giveUp ends a slot in which no worker starts. The last one ends the run; trials that are left
// wait for another.
func (p *workers) giveUp(err error) {
	p.mu.Lock()
	p.left--
	last := p.left == 0
	p.mu.Unlock()
	if !last {
		return
	}
	p.engine.noWorker = &NoWorkerError{err}
	p.work.close()
}

// away is a worker elsewhere.
type away struct {
	*launch.Peer
	*link
	scenario *scenario // whose files it has
}

// start starts a worker and has it open the workflow.
func (p *workers) start(ctx context.Context) (*away, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	peer, err := launch.Connect(ctx, p.engine.Away, "worker", []string{self, "worker"}, p.log)
	if err != nil {
		return nil, err
	}
	w := &away{Peer: peer, link: newLink(peer)}
	defer context.AfterFunc(ctx, func() { _ = peer.Conn.Close() })()
	err = p.introduce(w)
	if ctx.Err() == nil {
		peer.Judge(err == nil)
	}
	if err != nil {
		return nil, errors.Join(err, peer.Close())
	}
	return w, nil
}

// introduce tells w what the run is, and compares its plugins with those here.
func (p *workers) introduce(w *away) error {
	if err := w.send(order{Setup: p.setup}); err != nil {
		return w.Lost(err)
	}
	for {
		var a answer
		if err := w.Decode(&a); err != nil {
			return w.Lost(err)
		}
		switch {
		case a.Log != nil:
			p.log(*a.Log)
		case a.Wants:
			if err := w.sendInputs(p.setup.Info.Inputs); err != nil {
				return err
			}
		case a.Refused != nil:
			return elsewhere(w, a.Refused)
		case a.Ready != nil:
			return elsewhere(w, newFault(p.engine.samePlugins(a.Ready.Plugins)))
		}
	}
}

// elsewhere returns a fault that says where it is; nil if there is none.
func elsewhere(w *away, f *fault) error {
	if f == nil {
		return nil
	}
	f.Text = fmt.Sprintf("worker on %s: %s", w.Place().Node, f.Text)
	return f.err()
}

// sendInputs sends the files that results depend on.
func (w *away) sendInputs(inputs []archive.Input) error {
	out := sender(func(data []byte) error { return w.send(order{Inputs: data}) })
	if err := pack(out, fromOutside(inputs)); err != nil {
		return err
	}
	return w.send(order{Packed: true})
}

// sender is a function that writes.
type sender func([]byte) error

// Write implements io.Writer.
func (s sender) Write(data []byte) (int, error) { return len(data), s(data) }

var _ io.Writer = sender(nil)

// samePlugins returns an error if the plugins of a worker are not those here: its results
// could differ.
func (e *engine) samePlugins(there []archive.PluginInfo) error {
	here, err := e.pluginInfo()
	if err != nil {
		return err
	}
	of := map[string]archive.PluginInfo{}
	for _, p := range there {
		of[p.Name] = p
	}
	for _, p := range here {
		if q := of[p.Name]; q != p {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "is another one there: version %s with checksum %.12s, but here version %s, checksum %.12s", q.Version, q.SHA256, p.Version, p.SHA256).
				WithHint("results could differ: put the same program there, or on a file system that the machines share")
		}
	}
	return nil
}

// use has w run trials until none is left, or until w is lost, of which it reports false.
func (p *workers) use(ctx context.Context, w *away, number int) bool {
	defer func() { _ = w.Close() }()
	began := time.Now()
	at := w.Place()
	p.note(number, func(r *archive.Replica) {
		r.Node, r.Job, r.Cores, r.Memory, r.GPUs = at.Node, at.Job, at.Cores, at.Memory, at.GPUs
	})
	defer func() { p.note(number, func(r *archive.Replica) { r.Seconds += time.Since(began).Seconds() }) }()
	for {
		j, _ := p.work.next(true, false)
		if j == nil {
			return true
		}
		start := time.Now()
		left, err := p.trial(ctx, w, j)
		end := time.Now()
		p.engine.meter.Add(start, end)
		p.note(number, func(r *archive.Replica) {
			r.Calls++
			r.Busy += end.Sub(start).Seconds()
			if err != nil {
				r.Lost++
			}
		})
		if err != nil || left {
			return false
		}
	}
}

// trial runs a trial on w. It reports whether w has left because its engine wants that; an
// error says that w is lost. The trial is then the next one, unless it has lost too many.
func (p *workers) trial(ctx context.Context, w *away, j *job) (left bool, err error) {
	e := p.engine
	if j.scenario.err != nil { // there is nothing to run
		e.record(j, e.runTrial(ctx, j))
		p.work.ended(j)
		return false, nil
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-e.Stop.Asked():
			_ = w.send(order{Stop: true}) // if it is lost, that is noticed
		case <-ctx.Done():
			_ = w.Conn.Close()
		case <-over:
		}
	}()
	counted := 0 // cycles that have been shown as done
	end, err := p.follow(w, j, &counted)
	stopped := e.Stop.Err() != nil || ctx.Err() != nil
	var out outcome
	switch {
	case err == nil && (end.Outcome.Status != archive.Interrupted || stopped):
		out = end.Outcome
		out.err = end.Fault.err()
		e.Observer.Ended(out.Status, end.Missing)
		e.record(j, e.conclude(j, out, end.Long))
		p.work.ended(j)
		return false, nil
	case err == nil: // its time is up
		e.Observer.More(counted)
		p.work.again(j)
		return true, nil
	case stopped:
		out = outcome{Status: archive.Interrupted, err: err}
	case p.loses(j) < mostLost:
		e.Observer.More(counted)
		p.work.again(j)
		return false, err
	default:
		out = outcome{Status: archive.Failed, err: fmt.Errorf("%d workers were lost that ran it; the last one: %w", mostLost, err)}
	}
	e.Observer.Ended(out.Status, j.plan.Clock.Cycles-counted)
	e.record(j, out)
	p.work.ended(j)
	return false, err
}

// loses counts a worker that was lost with a trial, and returns how many that are.
func (p *workers) loses(j *job) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost[j.trial.Number]++
	return p.lost[j.trial.Number]
}

// follow has w run a trial, with what there is of it, and does what it says until the trial
// has ended. An error says that w is lost, or that files cannot be read or written here.
func (p *workers) follow(w *away, j *job, counted *int) (*ended, error) {
	e, number := p.engine, j.trial.Number
	if err := p.prepare(w, j); err != nil {
		return nil, w.Lost(err)
	}
	if err := w.send(order{Trial: number}); err != nil {
		return nil, w.Lost(err)
	}
	for {
		var a answer
		if err := w.Decode(&a); err != nil {
			return nil, w.Lost(err)
		}
		switch {
		case a.Log != nil:
			p.log(*a.Log)
		case a.Piece != nil:
			if err := e.run.Put(archive.TrialWork(number), *a.Piece); err != nil {
				return nil, err
			}
		case a.Ended != nil:
			return a.Ended, nil
		case a.More > 0:
			e.Observer.More(a.More)
		case a.Recalled > 0:
			*counted += a.Recalled
			e.Observer.Recalled(a.Recalled, 0)
		}
		*counted += len(a.Cycles)
		for _, runs := range a.Cycles {
			e.Observer.Cycle(runs)
		}
	}
}

// prepare sends w the files that it needs for a trial: what there is of it, and, unless w has them, those
// that it shares with others. They go in pieces, so that neither end holds a truth.
func (p *workers) prepare(w *away, j *job) error {
	for i, work := range worksOf(j) {
		if i > 0 && w.scenario == j.scenario {
			break
		}
		there := p.engine.run.Mirror(work, func(piece archive.Piece) error {
			return w.send(order{Trial: j.trial.Number, Work: i, Piece: &piece})
		})
		if err := there.Update(); err != nil {
			return err
		}
	}
	w.scenario = j.scenario
	return nil
}
