package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/remote"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// isWorker is a variable of the environment of workers.
const isWorker = "EXPERIMENT_TEST_WORKER"

// The test program is plume on the node and the worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "node-exec":
			os.Exit(remote.Serve("1.0", os.Args[2:]))
		case "worker":
			onlySent = os.Getenv("ONLY_SENT") != ""
			os.Exit(Work(os.Getenv(isWorker)))
		}
	}
	firstPause = time.Millisecond
	os.Exit(m.Run())
}

// elsewhereHere returns an executor whose machines are this one, with variables for workers,
// and the version of plume there.
func elsewhereHere(t *testing.T, env ...string) launch.Executor {
	t.Helper()
	x, err := remote.New("lab", &workflow.Executor{
		Env:      append([]string{isWorker + "=1.0"}, env...),
		Commands: workflow.Commands{Start: []string{"sh", "-c", "exec {{.Shell}}"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// onWorkers are the options of a run on some workers.
func onWorkers(t *testing.T, n int, env ...string) Options {
	return Options{Workers: n, Plume: "1.0", Away: elsewhereHere(t, env...)}
}

// loads returns the number of trials that workers have run, and how often they were lost.
func loads(r *Result) (calls, lost int) {
	for _, w := range r.Replicas {
		calls, lost = calls+w.Calls, lost+w.Lost
	}
	return calls, lost
}

// A run on workers elsewhere has the bytes of one here.
func TestAway(t *testing.T) {
	more := "[output]\nensemble = \"both\"\nvariables = 2\n"
	want := ran(t, swept+more+threeFilters, Options{Workers: 2})
	got := ran(t, swept+more+threeFilters, onWorkers(t, 3))
	sameRun(t, want.Dir, got.Dir)
	if calls, lost := loads(got); calls != 12 || lost != 0 || len(got.Replicas) != 3 || got.Status != archive.OK {
		t.Errorf("got %+v, %v", got.Replicas, got.Status)
	}
	info, err := archive.ReadInfo(got.Dir)
	if err != nil || info.Usage == nil || info.Usage.Every <= 0 || slices.Max(info.Usage.Busy) <= 0 || slices.Max(info.Usage.Busy) > 3.01 {
		t.Errorf("got %+v, %v", info.Usage, err)
	}
	if len(got.Metrics) != len(want.Metrics) {
		t.Errorf("got %d metrics, want %d", len(got.Metrics), len(want.Metrics))
	}
}

// A trial whose worker is lost goes on where its last checkpoint was, with the same bytes.
func TestLostWorker(t *testing.T) {
	text := swept + faulty("f", "die") + filterOf("weigh")
	want := ran(t, text, Options{Workers: 2})
	for _, c := range []struct {
		name     string
		every    time.Duration
		recalled int // cycles, at least
	}{{"from its checkpoint", time.Nanosecond, 1}, {"from the start", time.Hour, 0}} {
		t.Run(c.name, func(t *testing.T) {
			o := onWorkers(t, 2, "MARKER="+filepath.Join(t.TempDir(), "died"))
			o.Checkpoint = c.every
			seen := &counter{}
			o.Observer = seen
			got := ran(t, text, o)
			sameRun(t, want.Dir, got.Dir)
			if calls, lost := loads(got); calls != 9 || lost != 1 {
				t.Errorf("got %+v", got.Replicas)
			}
			if seen.recalled < c.recalled || seen.recalled > 4*c.recalled || seen.cycles+seen.recalled != 8*40+seen.more {
				t.Errorf("got %d cycles, %d more and %d recalled", seen.cycles, seen.more, seen.recalled)
			}
		})
	}
}

// counter counts what an observer is told.
type counter struct {
	unobserved
	mu                     sync.Mutex
	cycles, more, recalled int
}

func (c *counter) Cycle(int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cycles++
}

func (c *counter) More(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more += n
}

func (c *counter) Recalled(n, _ int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recalled += n
}

// A trial that ends three workers is given up; the others are not.
func TestPoisonousTrial(t *testing.T) {
	r, err := runText(t, twin+oneModel+faulty("f", "die")+threeFilters, onWorkers(t, 2))
	if want := `filter "f": 3 workers were lost that ran it; the last one: worker: exited with code 3 on `; !strings.Contains(fmt.Sprint(err), want) || sdk.KindOf(err) != sdk.KindCrash {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, lost := loads(r); lost != 3 || r.Status != archive.SomeFailed || !r.Resumable {
		t.Errorf("got %+v, %v", r.Replicas, r.Status)
	}
}

// Errors of trials elsewhere are those of trials here.
func TestFaultsAway(t *testing.T) {
	for _, text := range []string{
		twin + oneModel + faulty("f", "panic") + faulty("g", "diverged") + filterOf("nudge"),
		twin + modelWith("member") + filterOf("nudge") + filterOf("weigh"),
		twin + modelWith("canceled") + filterOf("nudge"),
	} {
		want, wrong := runText(t, text, Options{Workers: 2})
		got, err := runText(t, text, onWorkers(t, 2))
		if fmt.Sprint(err) != fmt.Sprint(wrong) || sdk.KindOf(err) != sdk.KindOf(wrong) {
			t.Errorf("got %v, want %v", err, wrong)
		}
		if got.Status != want.Status || got.Resumable != want.Resumable || got.Retryable != want.Retryable {
			t.Errorf("got %v, resumable %v, retryable %v", got.Status, got.Resumable, got.Retryable)
		}
		sameRun(t, want.Dir, got.Dir)
	}
}

// A run on workers that is stopped goes on here, and the other way around.
func TestStopAway(t *testing.T) {
	want := ran(t, swept+threeFilters, Options{Workers: 2})
	for _, at := range []int64{1, 17, 333} {
		for _, away := range []bool{true, false} {
			w, root := loadText(t, swept+threeFilters, workflow.Options{}), t.TempDir()
			first, second := Options{Workers: 2, Plume: "1.0"}, onWorkers(t, 2)
			if away {
				first, second = onWorkers(t, 2), first
			}
			first.InProcess, first.Stop = true, NewStop()
			first.Observer = &after{at: at, do: func() { first.Stop.Ask(errEnough) }}
			r, err := Run(t.Context(), w, root, Source{}, first)
			if !errors.Is(err, errEnough) && err != nil {
				t.Fatal(err)
			}
			if err != nil {
				sameRun(t, want.Dir, resumed(t, w, r.Dir, second).Dir)
			}
		}
	}
}

// A run whose context ends does not wait for its workers.
func TestCanceledAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := onWorkers(t, 2)
	o.InProcess = true
	seen := &after{at: 3, do: cancel}
	o.Observer = seen
	r, err := Run(ctx, loadText(t, strings.Replace(twin, "cycles = 40", "cycles = 20000", 1)+oneModel+threeFilters, workflow.Options{}), t.TempDir(), Source{}, o)
	if !errors.Is(err, context.Canceled) || r.Status != archive.Interrupted {
		t.Errorf("got %v", err)
	}
	if n := seen.cycles.Load(); n >= 20000 {
		t.Errorf("went on for %d cycles", n)
	}
}

// A worker whose engine ends its job writes a checkpoint, with which the trial goes on. It
// does not count as lost.
func TestTimeIsUp(t *testing.T) {
	text := strings.Replace(twin, "cycles = 40", "cycles = 1000", 1) + oneModel + filterOf("weigh") + filterOf("nudge")
	want := ran(t, text, Options{Workers: 2})
	o := onWorkers(t, 1)
	o.Checkpoint = time.Hour
	seen := &killer{at: 200}
	o.Observer = seen
	got := ran(t, text, o)
	sameRun(t, want.Dir, got.Dir)
	if calls, lost := loads(got); calls != 3 || lost != 0 || seen.recalled < 1 {
		t.Errorf("got %+v, %d cycles recalled", got.Replicas, seen.recalled)
	}
}

// killer ends the node-exec of the worker as an engine does, at a cycle.
type killer struct {
	counter
	at   int
	done atomic.Bool
}

func (k *killer) Cycle(runs int) {
	k.counter.Cycle(runs)
	if k.cycles < k.at || !k.done.CompareAndSwap(false, true) {
		return
	}
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, e := range entries {
		var pid, parent int
		_, _ = fmt.Sscanf(e, "/proc/%d/", &pid)
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		_, _ = fmt.Sscanf(rest, "%1s %d", new(string), &parent)
		text, _ := os.ReadFile(e)
		if strings.HasSuffix(string(text), "\x00node-exec\x00") && parent == os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGUSR1)
		}
	}
}

// When no worker starts, the run says why, once, and its trials wait for another.
func TestNoWorker(t *testing.T) {
	o := onWorkers(t, 2)
	o.Plume = "2.0"
	r, err := runText(t, twin+oneModel+threeFilters, o)
	host, _ := os.Hostname()
	if want := "no worker starts: worker on " + host + ": plume: is 1.0 here, but 2.0 on the machine of the host; install that version here"; !strings.Contains(fmt.Sprint(err), want) || sdk.KindOf(err) != sdk.KindPlugin {
		t.Errorf("got %v, want %q", err, want)
	}
	waits := func(t archive.TrialRow) bool { return t.Status == archive.Waiting && t.Error == "" }
	if r.Status != archive.Interrupted || !r.Resumable || slices.ContainsFunc(r.Trials, func(t archive.TrialRow) bool { return !waits(t) }) {
		t.Errorf("got %v, %+v", r.Status, r.Trials)
	}
}

// A worker that the engine can never start, as where there is no such partition, is tried once; one that
// may start the next time, some times. The run says the cause.
func TestNoSuchPartition(t *testing.T) {
	root := t.TempDir()
	for said, tries := range map[string]int{
		"Invalid partition name specified":      2, // one of each worker
		"Unable to contact the controller":      2 * mostStarts,
		"Required node not available (drained)": 2 * mostStarts,
	} {
		dir := t.TempDir()
		log := filepath.Join(dir, "tries")
		x, err := remote.New("lab", &workflow.Executor{Shared: dir, Commands: workflow.Commands{
			Submit: []string{"sh", "-c", "echo try >> " + log + "; echo 'sbatch: error: " + said + "' >&2; exit 1"},
			Script: "x", Cancel: []string{"true"}, Permanent: []string{"Invalid partition name"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), loadText(t, twin+oneModel+threeFilters, workflow.Options{}), root, Source{}, Options{Workers: 2, Plume: "1.0", InProcess: true, Away: x})
		if want := "no worker starts: worker: executor lab: sh refused the job: exit status 1: sbatch: error: " + said; !errors.As(err, new(*NoWorkerError)) || !strings.Contains(fmt.Sprint(err), want) || strings.Count(fmt.Sprint(err), said) != 1 {
			t.Errorf("got %v, want %q once", err, want)
		}
		text, err := os.ReadFile(log)
		if got := strings.Count(string(text), "try"); err != nil || got != tries {
			t.Errorf("%s: got %d tries, want %d, %v", said, got, tries, err)
		}
		switch left, _ := filepath.Glob(filepath.Join(root, "*")); {
		case tries == 2 && (r != nil || len(left) > 0):
			t.Errorf("%s: got %+v, and %v is left of a run that nothing can continue", said, r, left)
		case tries > 2 && (r == nil || r.Status != archive.Interrupted || !r.Resumable):
			t.Errorf("%s: got %+v", said, r)
		}
		if r != nil {
			_ = os.RemoveAll(filepath.Dir(r.Dir))
		}
	}
}

// Workers go on with trials when rows have been added to observations.
func TestContinueAway(t *testing.T) {
	text := recordedFor(t, 40, "x") + oneModel + threeFilters
	restore := shorten(t, text, 30)
	first := ran(t, text, onWorkers(t, 2))
	restore()
	seen := &counter{}
	o := onWorkers(t, 2)
	o.InProcess, o.Observer = true, seen
	if _, err := Continue(t.Context(), loadText(t, text, workflow.Options{}), first.Dir, Again{}, "", o); err != nil {
		t.Fatal(err)
	}
	sameRun(t, ran(t, text, Options{Workers: 2}).Dir, first.Dir)
	if seen.recalled != 3*29 { // the last cycle had not been settled
		t.Errorf("%d cycles were recalled", seen.recalled)
	}
}

// Files of a workflow go to workers that do not have them.
func TestInputsAway(t *testing.T) {
	for _, env := range []string{"", "ONLY_SENT=1"} {
		text := recordedFor(t, 40, "x") + oneModel + threeFilters
		sameRun(t, ran(t, text, Options{Workers: 2}).Dir, ran(t, text, onWorkers(t, 2, env)).Dir)
	}
}

// wide is a sweep whose truths, observations and references are larger than a piece of a file.
func wide() string {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("x%d", i))
	}
	model := fmt.Sprintf("model = { plugin = \"fake-model\", params = { variables = %s } }\n", strings.Join(strings.Fields(fmt.Sprintf("%q", names)), ", "))
	return strings.NewReplacer(oneModel, model, "cycles = 40", "cycles = 200", `, axes = { "ensemble.size" = [6, 8] }`, "").Replace(swept) + "output = { variables = 1 }\n"
}

// A truth that stays in its files goes to workers in pieces, also to one that takes the place of another,
// and gives the bytes of a run here.
func TestStoredTruthAway(t *testing.T) {
	storeTruths(t)
	text := wide() + faulty("f", "die")
	want := ran(t, text, Options{Workers: 2, InProcess: true})
	got := ran(t, text, onWorkers(t, 2, "MARKER="+filepath.Join(t.TempDir(), "died")))
	sameRun(t, want.Dir, got.Dir)
	if calls, lost := loads(got); calls != 3 || lost != 1 {
		t.Errorf("got %+v", got.Replicas)
	}
}

// recorder is the other end of a connection, which keeps what it is sent.
type recorder struct {
	bytes.Buffer
	largest int
}

func (r *recorder) Write(b []byte) (int, error) {
	r.largest = max(r.largest, len(b))
	return r.Buffer.Write(b)
}

// What trials share is sent once to a worker, in pieces of a bounded size that make up the files, and the
// host does not keep it.
func TestSharedFilesAreSentInPieces(t *testing.T) {
	x, err := Open(t.Context(), loadText(t, wide()+filterOf("weigh"), workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	e := engineOf(t, x)
	sc := newSchedule(x.Sweep, 1, func(*plan.Scenario, *plan.Plan, *plan.Trial) bool { return true }).unmade[0]
	if err := e.makeScenario(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	sc.forget()
	sent := &recorder{}
	w, pool := &away{link: newLink(sent)}, &workers{engine: e}
	for range 2 {
		if err := pool.prepare(w, &sc.jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	files, pieces := map[string][]byte{}, 0
	for {
		var o order
		if err := w.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Piece == nil || o.Work < 1 || len(o.Piece.Data) > 1<<18 {
			t.Fatalf("got %+v", o)
		}
		pieces++
		files[o.Piece.Name] = append(files[o.Piece.Name], o.Piece.Data...)
	}
	if pieces < 5 || sent.largest > 1<<19 {
		t.Errorf("%d pieces were sent, and up to %d bytes at a time", pieces, sent.largest)
	}
	for _, folder := range []string{"truth/replicate=001/part-00000.arrow", "observations/replicate=001-part-00000.arrow", "reference/replicate=001/part-00000.arrow"} {
		want, err := os.ReadFile(filepath.Join(e.run.Dir, folder))
		if err != nil || !bytes.Equal(want, files[folder]) {
			t.Errorf("%s: %d bytes were sent, want %d, %v", folder, len(files[folder]), len(want), err)
		}
	}
}

// A host whose trials run on workers elsewhere needs memory for truths and references alone: none for
// members, or for the scenarios of workers.
func TestMemoryOfHost(t *testing.T) {
	e, err := Open(t.Context(), loadText(t, twin+oneModel+threeFilters, workflow.Options{Set: []string{"ensemble.size=10_000_000"}, Sweep: []string{"replicate=1..100"}}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	here := e.Memory(1).Host
	if worker := e.workerMemory(); worker.Host < here-20e6 || worker.Host > here+20e6 || worker.Workers != 1 {
		t.Errorf("%s is needed for a trial here, %s by a worker", Bytes(here), Bytes(worker.Host))
	}
	e.RunElsewhere(64)
	there := e.Memory(1).Host - launch.Self().Resident
	if here < 500e6 || there > 300e6 {
		t.Errorf("%s is needed for trials here, %s for trials elsewhere", Bytes(here), Bytes(there))
	}
	e.RunElsewhere(128)
	if more := e.Memory(1).Host - launch.Self().Resident - there; more < 32e6 || more > 128e6 {
		t.Errorf("64 workers more need %s", Bytes(more))
	}
}
