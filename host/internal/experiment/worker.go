package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// workerHandshake is the first line of a worker that listens on a socket, for [launch.Connect].
const workerHandshake = "1|1|unix|%s|plume\n"

// Work is the main function of plume worker: it runs whole trials for a host, the one that
// connects to it. Files are in a folder that whoever has started it removes. plume is the
// version of this program. It returns the exit code.
func Work(plume string) int {
	if err := work(plume, os.Getenv("PLUGIN_UNIX_SOCKET_DIR")); err != nil {
		fmt.Fprintf(os.Stderr, "plume worker: %v\n", err)
		return 1
	}
	return 0
}

func work(plume, dir string) error {
	if dir == "" {
		return errors.New("is started by plume, on the nodes of a cluster")
	}
	if err := os.Setenv("TMPDIR", dir); err != nil { // also of its plugins
		return err
	}
	w := &worker{plume: plume, dir: dir, stop: NewStop()}
	var ctx context.Context
	ctx, w.leave = context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Ignore(os.Interrupt, syscall.SIGHUP)
	signal.Notify(signals, syscall.SIGTERM)
	go func() { w.stop.Ask(fmt.Errorf("stopped by %v", <-signals)) }() // a trial ends soon, and the host hangs up
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end says that the host is gone
		w.abandon()
	}()
	conn, err := listen(filepath.Join(dir, "worker"))
	if err != nil {
		return err
	}
	w.link = newLink(conn)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	return w.serve(ctx)
}

// listen waits for the host on a socket.
func listen(path string) (net.Conn, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	fmt.Printf(workerHandshake, path)
	return l.Accept()
}

// onlySent says that a worker uses no inputs of its own machine; for tests.
var onlySent bool

// worker runs trials for a host.
type worker struct {
	*link
	plume string // version
	dir   string
	stop  *Stop
	leave context.CancelFunc

	engine   *engine
	jobs     map[int]*job // by number of the trial
	scenario *scenario    // whose files are here

	mu      sync.Mutex
	counted []int // model runs of each cycle that the host does not know of
	told    time.Time
}

// abandonTime is how long plugins may take to end when the host is gone.
const abandonTime = 3 * time.Second

// abandon ends the worker: nobody wants its results.
func (w *worker) abandon() {
	w.leave()
	time.AfterFunc(abandonTime, func() {
		launch.KillAll()
		os.Exit(1)
	})
}

// serve does what the host says until that hangs up.
func (w *worker) serve(ctx context.Context) error {
	orders := make(chan order)
	go func() {
		defer close(orders)
		for {
			var o order
			if err := w.Decode(&o); err != nil {
				w.abandon()
				return
			}
			if o.Stop {
				w.stop.Ask(errors.New("stopped by the host"))
				continue
			}
			select {
			case orders <- o:
			case <-ctx.Done():
				return
			}
		}
	}()
	first, ok := <-orders
	if !ok || first.Setup == nil {
		return errors.New("was not told what to run")
	}
	err := w.open(ctx, first.Setup, orders)
	if w.engine != nil {
		defer func() { _ = errors.Join(w.engine.Close(), w.engine.run.Release()) }()
	}
	if err != nil {
		return errors.Join(err, w.send(answer{Refused: newFault(err)}))
	}
	plugins, err := w.engine.pluginInfo()
	if err != nil {
		return errors.Join(err, w.send(answer{Refused: newFault(err)}))
	}
	if err := w.send(answer{Ready: &plugged{plugins}}); err != nil {
		return err
	}
	for {
		var o order
		select {
		case o, ok = <-orders:
		case <-ctx.Done():
			return nil
		}
		switch {
		case !ok:
			return nil
		case o.Piece != nil:
			if err := w.put(o); err != nil {
				return err
			}
		default:
			if err := w.run(ctx, o.Trial); err != nil {
				return err
			}
		}
	}
}

// open starts the plugins of a workflow and makes the plan.
func (w *worker) open(ctx context.Context, s *setup, orders <-chan order) error {
	if s.Plume != w.plume {
		return sdk.Errorf(sdk.KindPlugin, "plume", "is %s here, but %s on the machine of the host", w.plume, s.Plume).WithHint("install that version here")
	}
	file, text := s.File, s.Workflow
	if onlySent || !has(ctx, s.Info.Inputs) {
		if err := w.fetch(orders); err != nil {
			return fmt.Errorf("inputs: %w", err)
		}
		file, text = w.below(s.File), w.moved(text, s.Info.Inputs)
	}
	resolved := filepath.Join(w.dir, archive.ResolvedFile)
	if err := os.WriteFile(resolved, []byte(text), 0o600); err != nil {
		return err
	}
	flow, found := workflow.Load(resolved, workflow.Options{})
	if len(found) > 0 {
		return &FindingsError{found}
	}
	flow.File = file
	x, err := open(ctx, flow, s.Known, s.InProcess, nil, func(r launch.Record) { _ = w.send(answer{Log: &r}) })
	if err != nil {
		return err
	}
	run, err := archive.Create(w.dir, s.Info, nil, []byte(text))
	if err != nil {
		return errors.Join(err, x.Close())
	}
	w.engine = &engine{Experiment: x, run: run, Options: Options{Checkpoint: s.Checkpoint, Plume: w.plume, Stop: w.stop, Observer: w}}
	w.jobs = map[int]*job{}
	all := newSchedule(x.Sweep, 1, func(*plan.Scenario, *plan.Plan, *plan.Trial) bool { return true })
	for _, sc := range all.unmade {
		for i := range sc.jobs {
			w.jobs[sc.jobs[i].trial.Number] = &sc.jobs[i]
		}
	}
	return nil
}

// has reports whether inputs are on this machine, with the same paths and contents.
func has(ctx context.Context, inputs []archive.Input) bool {
	inputs = fromOutside(inputs)
	here := slices.Clone(inputs)
	for i := range here {
		here[i].SHA256 = ""
	}
	return archive.Sum(ctx, here) == nil && slices.EqualFunc(here, inputs, func(a, b archive.Input) bool { return a.SHA256 == b.SHA256 })
}

// fromOutside returns the inputs that are not part of a resolved workflow.
func fromOutside(inputs []archive.Input) []archive.Input {
	return slices.DeleteFunc(slices.Clone(inputs), func(in archive.Input) bool { return in.Key == archive.Include })
}

// fetch has the host send the inputs, which are then below the folder of the worker.
func (w *worker) fetch(orders <-chan order) error {
	if err := w.send(answer{Wants: true}); err != nil {
		return err
	}
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := unpack(out, w.below(""))
		_ = out.CloseWithError(err)
		done <- err
	}()
	for o := range orders {
		if o.Packed {
			break
		}
		_, _ = in.Write(o.Inputs) // its error is that of unpack
	}
	_ = in.Close()
	return <-done
}

// below returns where an input of the host is kept.
func (w *worker) below(path string) string { return filepath.Join(w.dir, "inputs", path) }

// moved returns a resolved workflow whose inputs are below the folder of the worker.
func (w *worker) moved(text string, inputs []archive.Input) string {
	var change []string
	for _, in := range fromOutside(inputs) {
		change = append(change, strconv.Quote(in.Path), strconv.Quote(w.below(in.Path)))
	}
	return strings.NewReplacer(change...).Replace(text)
}

// put stores what there is of a trial, or of what it shares with others.
func (w *worker) put(o order) error {
	j := w.jobs[o.Trial]
	if j == nil {
		return unknownTrial(o.Trial)
	}
	works := worksOf(j)
	if o.Work >= len(works) {
		return fmt.Errorf("trial %d has no work %d", o.Trial, o.Work)
	}
	if o.Work > 0 {
		if err := w.turn(j); err != nil {
			return err
		}
	}
	return w.engine.run.Put(works[o.Work], *o.Piece)
}

func unknownTrial(number int) error { return fmt.Errorf("there is no trial %d", number) }

// turn removes the files that j does not share with the trials before it.
func (w *worker) turn(j *job) error {
	last := w.scenario
	if w.scenario = j.scenario; last == nil || last == j.scenario {
		return nil
	}
	last.forget()
	var err error
	for _, work := range worksOf(&last.jobs[0])[1:] {
		err = errors.Join(err, w.engine.run.Clear(work))
	}
	return err
}

// run runs a trial, of which there may be a checkpoint, and sends how it ended.
func (w *worker) run(ctx context.Context, number int) error {
	j := w.jobs[number]
	if j == nil {
		return unknownTrial(number)
	}
	if err := w.turn(j); err != nil {
		return err
	}
	e, work := w.engine, archive.TrialWork(number)
	if j.scenario.made == nil {
		j.scenario.err = e.openScenario(j.scenario)
	}
	e.mirror = e.run.Mirror(work, func(p archive.Piece) error { return w.send(answer{Piece: &p}) })
	out, missing, long := e.assimilate(ctx, j)
	if err := e.mirror.Update(); err != nil {
		return err
	}
	w.tell(true)
	return errors.Join(w.send(answer{Ended: &ended{out, newFault(out.err), missing, long}}), e.run.Clear(work))
}

// openScenario opens the files of a truth and reads those of its reference.
func (e *engine) openScenario(sc *scenario) error {
	sc.made = &cycle.Scenario{Record: sc.plan.Record}
	if sc.plan.Record == nil {
		stored, err := e.run.StoredTruth(sc.planned)
		if err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		sc.made = &cycle.Scenario{Init: cycle.Init(sc.plan), Stored: stored}
	}
	if sc.plan.Reference == nil {
		return nil
	}
	if sc.reference = e.run.StoredReference(sc.planned, sc.plan); sc.reference == nil {
		return errors.New("reference: its members cannot be read")
	}
	return nil
}

// tellEvery is how often a worker says how far it is.
const tellEvery = 200 * time.Millisecond

// tell tells the host of the cycles that it does not know of, from time to time or now.
func (w *worker) tell(now bool) {
	w.mu.Lock()
	cycles := w.counted
	if len(cycles) == 0 || !now && time.Since(w.told) < tellEvery {
		w.mu.Unlock()
		return
	}
	w.counted, w.told = nil, time.Now()
	w.mu.Unlock()
	_ = w.send(answer{Cycles: cycles}) // its next message fails too
}

// Cycle implements [Observer].
func (w *worker) Cycle(runs int) {
	w.mu.Lock()
	w.counted = append(w.counted, runs)
	w.mu.Unlock()
	w.tell(false)
}

// More implements [Observer].
func (w *worker) More(cycles int) { _ = w.send(answer{More: cycles}) }

// Recalled implements [Observer].
func (w *worker) Recalled(cycles, _ int) { _ = w.send(answer{Recalled: cycles}) }

// Begin, Simulated, Ended, Joining and End are those of the host.

// Begin implements [Observer].
func (w *worker) Begin(Beginning) {}

// Simulated implements [Observer].
func (w *worker) Simulated() {}

// Ended implements [Observer].
func (w *worker) Ended(archive.Status, int) {}

// Joining implements [Observer].
func (w *worker) Joining() {}

// End implements [Observer].
func (w *worker) End() {}
