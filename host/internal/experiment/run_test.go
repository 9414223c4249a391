package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
)

// after calls do once when so many cycles have been run.
type after struct {
	unobserved
	cycles atomic.Int64
	more   atomic.Int64
	at     int64
	do     func()
}

func (a *after) More(cycles int) { a.more.Add(int64(cycles)) }

func (a *after) Cycle(int) {
	if a.cycles.Add(1) == a.at {
		a.do()
	}
}

// swept is a sweep of two replicates with a reference: 2 truths, 2 references and 12 trials.
const swept = twin + oneModel + `
reference = { plugin = "fake-filter", size = 12, store = 4 }
sweep = { replicate = "1..2", axes = { "ensemble.size" = [6, 8] } }
`

var threeFilters = filterOf("nudge") + filterOf("weigh") + filterOf("choose")

func TestWorkersDoNotMatter(t *testing.T) {
	alone := ran(t, swept+threeFilters, Options{Workers: 1})
	if alone.Status != archive.OK || len(alone.Trials) != 12 || alone.Resumable {
		t.Fatalf("got %+v", alone)
	}
	sameRun(t, alone.Dir, ran(t, swept+threeFilters, Options{Workers: 5}).Dir)
}

// A run that is asked to stop ends after the cycles under way, and has the bytes of one
// that was never stopped when it is resumed, wherever the stop came.
func TestStopAndResume(t *testing.T) {
	want := ran(t, swept+threeFilters, Options{Workers: 2})
	for _, at := range []int64{1, 17, 40, 41, 333, 12 * 40} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			w, root := loadText(t, swept+threeFilters, workflow.Options{}), t.TempDir()
			o := Options{Workers: 2, InProcess: true, Stop: NewStop()}
			o.Observer = &after{at: at, do: func() { o.Stop.Ask(errEnough) }}
			r, err := Run(t.Context(), w, root, Source{}, o)
			if at == 12*40 { // it came too late
				if err != nil || r.Status != archive.OK {
					t.Fatalf("got %v, %v", r.Status, err)
				}
				sameRun(t, want.Dir, r.Dir)
				return
			}
			if !errors.As(err, new(*StoppedError)) || !errors.Is(err, errEnough) || r.Status != archive.Interrupted || !r.Resumable {
				t.Fatalf("got %v, %v, resumable %v", err, r.Status, r.Resumable)
			}
			again := resumed(t, w, r.Dir, Options{Workers: 2})
			if again.Status != archive.OK || again.Resumable {
				t.Errorf("got %v, resumable %v", again.Status, again.Resumable)
			}
			sameRun(t, want.Dir, again.Dir)
		})
	}
}

// records is a sweep of three filters over the whole record, two of them in three passes, with a
// model that loses a member in each run.
const records = twin + `
sweep = { replicate = "1..2" }
[model]
plugin     = "fake-model"
on_failure = "drop_member"
max_failed = 4
params     = { fault = "member" }
[model.estimate.memory]
init = { dist = "uniform", low = 0.3, high = 0.7 }
` + "[[filter]]\nlabel = \"weigh\"\nplugin = \"fake-filter\"\nwindow = { length = \"all\", passes = 1 }\nparams = { scheme = \"weigh\" }\n" +
	"[[filter]]\nlabel = \"choose\"\nplugin = \"fake-filter\"\nwindow = { length = \"all\", passes = 3 }\nparams = { scheme = \"choose\" }\n" +
	"[[filter]]\nlabel = \"shift\"\nplugin = \"fake-filter\"\nwindow = { length = \"all\", passes = 3 }\nparams = { scheme = \"shift\" }\n"

// A run over whole records that is asked to stop, in any run of the model, has the bytes of one
// that was never stopped when it is resumed. It counts the cycles of all runs, and its tables hold
// prior and posterior.
func TestRecordStopAndResume(t *testing.T) {
	count := &after{at: -1}
	want := ran(t, records, Options{Workers: 2, Observer: count})
	const runs = 2 * (2 + 4 + 4)
	if n, more := count.cycles.Load(), count.more.Load(); n != 40*runs || more != 40*(runs-6) {
		t.Errorf("%d cycles were run, %d more than the result has, want %d and %d", n, more, 40*runs, 40*(runs-6))
	}
	for name, rows := range map[string]int{"passes": runs, "start": 3 * runs, "fit": 6 * 40 * 2 * 2, "failures": runs} {
		if tab := tableOf(t, want.Dir, name+".arrow"); tab.Rows != rows {
			t.Errorf("%s.arrow has %d rows, want %d", name, tab.Rows, rows)
		}
	}
	for at := int64(1); at < count.cycles.Load(); at += 131 {
		w := loadText(t, records, workflow.Options{})
		dir := stopped(t, w, at, Options{Workers: 2, Checkpoint: time.Nanosecond})
		resumed(t, w, dir, Options{Workers: 1})
		sameRun(t, want.Dir, dir)
	}
}

// Noise with a memory is part of what a trial goes on from, also of members that have moved.
func TestResumedNoise(t *testing.T) {
	const model = "model = { plugin = \"fake-model\", noise = { sd = 1, memory = 0.9 }, on_failure = \"drop_member\", max_failed = 1, params = { fault = \"member\" } }\n"
	text := strings.Replace(twin, "truth      = {", "truth      = { noise = { sd = 1, memory = 0.5 },", 1) + model + filterOf("choose") + filterOf("nudge")
	w := loadText(t, text, workflow.Options{})
	dir := stopped(t, w, 57, Options{Workers: 1})
	resumed(t, w, dir, Options{})
	sameRun(t, ran(t, text, Options{Workers: 2}).Dir, dir)
}

// A trial goes on from its checkpoint: cycles that were run are not run again.
func TestResumedTrialGoesOn(t *testing.T) {
	w := loadText(t, twin+oneModel+filterOf("nudge"), workflow.Options{})
	o := Options{Workers: 1, InProcess: true, Stop: NewStop()}
	o.Observer = &after{at: 17, do: func() { o.Stop.Ask(errEnough) }}
	r, err := Run(t.Context(), w, t.TempDir(), Source{}, o)
	if !errors.Is(err, errEnough) || r.Trials[0].Cycles != 17 || r.Trials[0].Status != archive.Interrupted {
		t.Fatalf("got %v, %+v", err, r.Trials)
	}
	before := analysed.Load()
	resumed(t, w, r.Dir, Options{})
	if n := analysed.Load() - before; n != 23 {
		t.Errorf("%d cycles were run, want 23", n)
	}
}

// A trial whose checkpoint has another version's numbers next to it begins again.
func TestCheckpointOfAnotherVersion(t *testing.T) {
	text := twin + oneModel + filterOf("nudge")
	w := loadText(t, text, workflow.Options{})
	dir := stopped(t, w, 17, Options{Workers: 1})
	run, err := archive.Reopen(dir)
	if err != nil {
		t.Fatal(err)
	}
	var c checkpoint
	name := run.Saved("trial=")[0]
	numbers, ok := run.Load(name, &c)
	if !ok || c.recall(numbers[1:]) {
		t.Fatalf("the checkpoint was read: %v; and taken without a number: %v", ok, ok)
	}
	c.Numbers = 0 // which earlier versions did not have
	if err := errors.Join(run.Save(name, c, numbers[:3]), run.Release()); err != nil {
		t.Fatal(err)
	}
	resumed(t, w, dir, Options{})
	sameRun(t, ran(t, text, Options{Workers: 1}).Dir, dir)
}

// Checkpoints while a run goes on change nothing, and none is left when it ends.
func TestCheckpointsLeaveNoTrace(t *testing.T) {
	r := ran(t, swept+threeFilters, Options{Workers: 2, Checkpoint: time.Nanosecond})
	sameRun(t, ran(t, swept+threeFilters, Options{Workers: 2, Checkpoint: time.Hour}).Dir, r.Dir)
	err := filepath.WalkDir(r.Dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "checkpoint") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A run whose context ends is interrupted, for the reason that was given.
func TestCancelledRunIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := Run(ctx, loadText(t, twin+oneModel+filterOf("nudge"), workflow.Options{}), t.TempDir(), Source{},
		Options{Workers: 1, InProcess: true, Observer: &after{at: 17, do: func() { cancel(errEnough) }}})
	if !errors.Is(err, errEnough) || r.Status != archive.Interrupted || r.Trials[0].Status != archive.Interrupted {
		t.Errorf("got %v, %+v", err, r)
	}
}

// What trials that fail leave: their status and reason, those of the others, and one text
// that says which they are.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		status   archive.Status
		trials   string // their status
		error    []string
		resuming bool // may help
		retrying bool // may help when the cause is fixed
	}{
		"a plugin that says it was cancelled": {twin + oneModel + faulty("f", "canceled"), archive.Failed, "failed",
			[]string{`filter "f": plugin fake-filter: cycle 5: analyse: the inner solver: context canceled`}, true, false},
		"a model that says it was cancelled": {twin + modelWith("canceled") + filterOf("nudge"), archive.Failed, "failed",
			[]string{`filter "nudge": truth: plugin fake-model: cycle 5: forecast: context canceled`}, true, false},
		"a truth of two filters": {twin + modelWith("canceled") + filterOf("nudge") + filterOf("lose"), archive.Failed, "failed failed",
			[]string{`filter "nudge" and 1 more: truth: plugin fake-model: cycle 5: forecast: context canceled`}, true, false},
		"a member": {twin + modelWith("member") + filterOf("nudge"), archive.Failed, "failed",
			[]string{`filter "nudge": cycle 5: forecast: 1 of 8 members failed; member 2: it boiled over`}, false, true},
		"a member out of range": {twin + modelWith("overflow") + filterOf("nudge"), archive.Failed, "failed",
			[]string{`filter "nudge": cycle 5: forecast: 1 of 8 members failed; member 2: it boiled over`}, false, false},
		"numbers out of range": {twin + oneModel + faulty("f", "diverged") + filterOf("nudge"), archive.SomeFailed, "failed ok",
			[]string{`filter "f": plugin fake-filter: cycle 5: analyse: weights: all are 0; use more members`}, false, false},
		"a panic": {twin + oneModel + faulty("f", "panic"), archive.Failed, "failed", []string{`filter "f": plugin fake-filter: cycle 5: analyse: `, "index out of patience"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := runText(t, c.text, Options{Workers: 1})
			var failed *FailuresError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v", err)
			}
			if n := strings.Count(err.Error(), "context canceled"); n > 1 {
				t.Errorf("%q says it %d times", err, n)
			}
			for _, want := range c.error {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q", err, want)
				}
			}
			var trials []string
			for _, row := range r.Trials {
				trials = append(trials, string(row.Status))
				if (row.Error != "") != (row.Status == archive.Failed) {
					t.Errorf("%s: status %s, error %q", row.Filter, row.Status, row.Error)
				}
			}
			if got := strings.Join(trials, " "); got != c.trials || r.Status != c.status || r.Resumable != c.resuming || r.Retryable != c.retrying || failed.Some != (c.status == archive.SomeFailed) {
				t.Errorf("got %s, trials %s, resumable %v, retryable %v, some %v", r.Status, got, r.Resumable, r.Retryable, failed.Some)
			}
			if info, err := archive.ReadInfo(r.Dir); err != nil || info.Status != c.status || info.Error != failed.Error() {
				t.Errorf("run.json: %v, %s, %q", err, info.Status, info.Error)
			}
		})
	}
}

// A member that is dropped leaves the trial, which goes on with the others.
func TestDroppedMember(t *testing.T) {
	text := twin + strings.Replace(modelWith("member"), "}", "}, on_failure = \"drop_member\", max_failed = 1", 1)
	r := ran(t, text+filterOf("nudge")+filterOf("weigh"), Options{Workers: 2})
	failures := tableOf(t, r.Dir, "failures.arrow")
	if failures.Rows != 2 || !slices.Equal(failures.Column("action").([]string), []string{archive.Dropped, archive.Dropped}) ||
		!slices.Equal(failures.Column("cycle").([]int32), []int32{5, 5}) || !slices.Equal(failures.Column("member").([]int32), []int32{2, 2}) {
		t.Errorf("got %+v", failures)
	}
	cycles := tableOf(t, r.Dir, "cycles.arrow")
	for i, ess := range cycles.Column("weights_ess").([]float64) {
		want := 8.0
		if cycles.Column("cycle").([]int32)[i] >= 5 {
			want = 7
		}
		if cycles.Column("filter").([]string)[i] == "nudge" && ess != want {
			t.Errorf("cycle %d: %v members, want %v", cycles.Column("cycle").([]int32)[i], ess, want)
		}
	}
}

// A trial that is restarted says when and why, and gives the same bytes when it is resumed
// after it.
func TestRestart(t *testing.T) {
	for text, want := range map[string]archive.Failure{
		modelWith("member") + filterOf("weigh"): {Call: "forecast", Member: 2, Members: 1, Reason: "it boiled over"},
		oneModel + faulty("f", "diverged"):      {Call: "analyse", Members: 8, Reason: "plugin fake-filter: cycle 5: analyse: weights: all are 0; use more members"},
	} {
		text = restarting("climatology") + text
		whole := ran(t, text, Options{Workers: 1})
		f := tableOf(t, whole.Dir, "failures.arrow")
		got := archive.Failure{Call: f.Column("call").([]string)[0], Member: int(f.Column("member").([]int32)[0]), Members: int(f.Column("members").([]int32)[0]), Reason: f.Column("reason").([]string)[0]}
		if f.Rows != 1 || got != want || f.Column("action").([]string)[0] != archive.Restarted || f.Column("cycle").([]int32)[0] != 5 {
			t.Errorf("%d failures: %+v, want %+v", f.Rows, got, want)
		}
		w := loadText(t, text, workflow.Options{})
		dir := stopped(t, w, 7, Options{Workers: 1})
		resumed(t, w, dir, Options{Workers: 1})
		sameRun(t, whole.Dir, dir)
	}
}

// The text of many failures shows five, which say what trials they are of.
func TestManyFailures(t *testing.T) {
	r, err := runText(t, swept+faulty("f", "diverged")+faulty("g", "diverged"), Options{Workers: 2})
	if err == nil || r.Status != archive.Failed || len(r.Trials) != 8 {
		t.Fatalf("got %v, %+v", err, r)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 6 || lines[5] != "and 3 more failed trials, see trials.arrow" {
		t.Errorf("got %q", lines)
	}
	if want := `trial 1: filter "f", replicate 1`; !strings.HasPrefix(lines[0], want) || !strings.Contains(lines[0], "ensemble.size") {
		t.Errorf("got %q, want it to begin with %s and to name the size", lines[0], want)
	}
}

// A filter that loses the truth has diverged; its numbers are there, and say so.
func TestDivergence(t *testing.T) {
	text := strings.Replace(twin, "cycles = 40", "cycles = 80", 1)
	r := ran(t, text+oneModel+filterOf("lose")+filterOf("nudge"), Options{Workers: 1})
	if r.Trials[0].Status != archive.Diverged || r.Trials[1].Status != archive.OK || r.Status != archive.OK {
		t.Errorf("trials %s and %s, run %s", r.Trials[0].Status, r.Trials[1].Status, r.Status)
	}
	n := 0
	for _, m := range r.Metrics {
		if m.Filter == "lose" {
			if n++; m.Status != archive.Diverged {
				t.Errorf("%s has status %s", m.Metric, m.Status)
			}
		}
	}
	if n == 0 {
		t.Error("it has no numbers")
	}
}

// Without a truth a filter has diverged if its innovations are larger than what the
// observations vary; the manifest counts such trials, and its status text names them.
func TestDivergenceFromRecord(t *testing.T) {
	for cycles, want := range map[int]archive.Status{60: archive.OK, 90: archive.Diverged} { // a third is held out: 40 and 60 are left
		r := ran(t, recordedFor(t, cycles, "x")+oneModel+filterOf("lose")+filterOf("nudge"), Options{Workers: 1})
		if r.Trials[0].Status != want || r.Trials[1].Status != archive.OK || r.Status != archive.OK {
			t.Errorf("%d cycles: trials %s and %s, run %s", cycles, r.Trials[0].Status, r.Trials[1].Status, r.Status)
		}
		text := "ok"
		if want == archive.Diverged {
			text = "ok, 1 of 2 trials diverged"
		}
		if info, err := archive.ReadInfo(r.Dir); err != nil || info.StatusText() != text || info.Trials[want] == 0 {
			t.Errorf("%d cycles: %q, %v, %v", cycles, info.StatusText(), info.Trials, err)
		}
	}
}

// A truth is made when it is first needed, once for all that share it, and forgotten after
// the last of them; no trial is dealt out twice.
func TestSchedule(t *testing.T) {
	e, err := Open(t.Context(), loadText(t, swept+threeFilters, workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	skipped := e.Sweep.Scenarios[0].Plans[0].Trials[1].Number
	work := newSchedule(e.Sweep, 1, func(_ *plan.Scenario, _ *plan.Plan, trial *plan.Trial) bool { return trial.Number != skipped })
	var order []string
	var last *scenario
	for {
		j, sc := work.next(true, true)
		if j == nil && sc == nil {
			break
		}
		if sc != nil {
			order, last = append(order, "truth"), sc
			work.made(sc, nil)
			continue
		}
		if j.scenario != last {
			t.Errorf("trial %d came before its truth, or after that of the next", j.trial.Number)
		}
		order = append(order, fmt.Sprint(j.trial.Number))
		work.ended(j)
	}
	want := "truth 1 3 4 5 6 truth 7 8 9 10 11 12"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The estimate of the bytes of a run comes near what its tables take.
func TestEstimatedBytes(t *testing.T) {
	text := strings.Replace(twin, "cycles = 40", "cycles = 400", 1) + modelWith("none") + threeFilters + "[output]\nensemble = \"none\"\n"
	estimate := estimateOf(t, text)
	var written int64
	err := filepath.WalkDir(ran(t, text, Options{}).Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".arrow" {
			info, statErr := d.Info()
			written, err = written+info.Size(), statErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if ratio := float64(estimate.Bytes) / float64(written); ratio < 0.95 || ratio > 1.1 {
		t.Errorf("%.0f bytes were estimated, %d written: %.2f times", estimate.Bytes, written, ratio)
	}
}

func asFindings(err error, found **FindingsError) bool { return errors.As(err, found) }

// A trial over the whole record whose run was stopped starts again when observations are added:
// any of them changes all of it.
func TestStoppedRecordGrows(t *testing.T) {
	const filter = "[[filter]]\nlabel = \"weigh\"\nplugin = \"fake-filter\"\nwindow = { length = \"all\", passes = 2 }\nparams = { scheme = \"weigh\" }\n"
	text := recordedFor(t, 40, "x") + oneModel + filter
	restore := shorten(t, text, 30)
	w := loadText(t, text, workflow.Options{})
	dir := stopped(t, w, 75, Options{Workers: 1}) // in the last of three runs over 30 cycles
	restore()
	again, found := workflow.Load(w.File, workflow.Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	if _, err := Continue(t.Context(), again, dir, Again{}, "", Options{InProcess: true}); err != nil {
		t.Fatal(err)
	}
	sameRun(t, ran(t, text, Options{}).Dir, dir)
}

// With ensemble_every the stored ensembles are those of a run without it in the cycles that are multiples of it,
// also of a run that was stopped and resumed between two of them; nothing else changes.
func TestEnsembleEvery(t *testing.T) {
	text := twin + oneModel + filterOf("nudge") + "[output]\nensemble = \"both\"\n"
	every := func(dir string, k int32) (rows string) {
		tab := tableOf(t, dir, "ensemble", "trial=0001", "part-00000.arrow")
		cycle := tab.Column("cycle").([]int32)
		for i := range tab.Rows {
			if cycle[i]%k == 0 {
				for _, c := range tab.Columns {
					rows += fmt.Sprint(reflect.ValueOf(c).Index(i).Interface(), " ")
				}
			}
		}
		return rows
	}
	all, some := ran(t, text, Options{Workers: 1}), ran(t, text+"ensemble_every = 7\n", Options{Workers: 1})
	if got, want := every(some.Dir, 1), every(all.Dir, 7); got != want || len(got) == 0 {
		t.Error("the stored members differ")
	}
	if got, want := fmt.Sprint(tableOf(t, some.Dir, "cycles.arrow")), fmt.Sprint(tableOf(t, all.Dir, "cycles.arrow")); got != want {
		t.Error("the scores differ")
	}
	w := loadText(t, text+"ensemble_every = 7\n", workflow.Options{})
	dir := stopped(t, w, 17, Options{Workers: 1, Checkpoint: time.Nanosecond})
	resumed(t, w, dir, Options{Workers: 1})
	sameRun(t, some.Dir, dir)
}

// A part of ensembles that is stored is that part of them, also of a run that was stopped and resumed,
// and with members that have been dropped; nothing else changes.
func TestEnsembleParts(t *testing.T) {
	for _, model := range []string{oneModel, strings.Replace(modelWith("member"), "}", "}, on_failure = \"drop_member\", max_failed = 1", 1)} {
		text := twin + model + filterOf("weigh") + "[output]\nensemble = \"both\"\n"
		all := ran(t, text, Options{Workers: 1})
		text += "ensemble_members = 3\nprecision = \"float32\"\n"
		some := ran(t, text, Options{Workers: 1})
		for _, name := range []string{"cycles.arrow", "metrics.arrow"} {
			if got, want := fmt.Sprint(tableOf(t, some.Dir, name)), fmt.Sprint(tableOf(t, all.Dir, name)); got != want {
				t.Errorf("%s differs", name)
			}
		}
		w := loadText(t, text, workflow.Options{})
		dir := stopped(t, w, 17, Options{Workers: 1, Checkpoint: time.Nanosecond})
		resumed(t, w, dir, Options{Workers: 1})
		sameRun(t, some.Dir, dir)
	}
}

// Values of members beyond the range of float32 are null and counted, over a stop as well, and the scores are those of
// the values.
func TestBeyondSingle(t *testing.T) {
	text := strings.Replace(twin, "mean = 0.0, sd = 1.0 } }\nobs", "mean = 0.0, sd = 1e39 } }\nobs", 1) + oneModel + filterOf("nudge") + "[output]\nensemble = \"both\"\n"
	all := ran(t, text, Options{Workers: 1})
	text += "precision = \"float32\"\n"
	some := ran(t, text, Options{Workers: 1})
	for _, name := range []string{"cycles.arrow", "metrics.arrow"} {
		if got, want := fmt.Sprint(tableOf(t, some.Dir, name)), fmt.Sprint(tableOf(t, all.Dir, name)); got != want {
			t.Errorf("%s differs", name)
		}
	}
	want, tab := 0, tableOf(t, all.Dir, "ensemble", "trial=0001", "part-00000.arrow")
	for _, column := range tab.Columns[6:] {
		for i := range tab.Rows {
			values, one := column.([][]float64)
			if !one {
				values = [][]float64{{column.([]float64)[i]}}
			} else {
				values = values[i : i+1]
			}
			for _, v := range values[0] {
				if math.IsInf(float64(float32(v)), 0) {
					want++
				}
			}
		}
	}
	if want == 0 || len(some.Beyond) != 1 || some.Beyond[0].Count != want || len(all.Beyond) > 0 {
		t.Errorf("got %v and %v, want %d", some.Beyond, all.Beyond, want)
	}
	w := loadText(t, text, workflow.Options{})
	dir := stopped(t, w, 17, Options{Workers: 1, Checkpoint: time.Nanosecond})
	if r := resumed(t, w, dir, Options{Workers: 1}); len(r.Beyond) != 1 || r.Beyond[0].Count != want {
		t.Errorf("resumed: got %v, want %d", r.Beyond, want)
	}
	sameRun(t, some.Dir, dir)
}

// Noise with a memory, and that of a window, are stored next to a checkpoint, and not in its encoding, and a run goes on with them.
func TestResumeWithNoise(t *testing.T) {
	model := strings.Replace(oneModel, " }", ", noise = { sd = 0.2, memory = 0.8 } }", 1)
	for _, window := range []string{"", "window = { length = 2, passes = 1 }\n"} {
		text := twin + model + filterOf("weigh") + window
		w := loadText(t, text, workflow.Options{})
		dir := stopped(t, w, 17, Options{Workers: 1})
		run, err := archive.Reopen(dir)
		if err != nil {
			t.Fatal(err)
		}
		var c checkpoint
		numbers, ok := run.Load(run.Saved("trial=")[0], &c)
		if !ok || c.State.Noise != nil || len(c.State.Stored) < 2 || c.State.Stored[1] == 0 || len(numbers) != c.Numbers {
			t.Errorf("%q: the checkpoint was read: %v; with %d values of noise, and %v next to it", window, ok, len(c.State.Noise), c.State.Stored)
		}
		if err := run.Release(); err != nil {
			t.Fatal(err)
		}
		resumed(t, w, dir, Options{})
		sameRun(t, ran(t, text, Options{Workers: 1}).Dir, dir)
	}
}
