package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The fakes are plugins of this process, small enough to know what runs with them must
// give. A state is two values of every variable, a first-order autoregression in a unit of
// its own; all values are observed.
func init() {
	launch.Builtin(map[string]func() (*sdk.Plugin, error){
		"fake-model":    func() (*sdk.Plugin, error) { return sdk.ModelPlugin(fakeModelManifest, newFakeModel) },
		"fake-operator": func() (*sdk.Plugin, error) { return sdk.OperatorPlugin(fakeOperatorManifest, newFakeOperator) },
		"fake-filter":   func() (*sdk.Plugin, error) { return sdk.FilterPlugin(fakeFilterManifest, newFakeFilter) },
	}, os.Executable)
}

const fakeModelManifest = `
name    = "fake-model"
version = "1.0.0"
role    = "model"
summary = "x(k+1) = memory x(k) + unit e(k), with e normal; of a variable called still nothing moves"
carries = true
param = [
  { name = "variables", type = "strings", default = ["x"], doc = "names" },
  { name = "units", type = "strings", default = [], doc = "units" },
  { name = "scales", type = "floats", default = [], doc = "what one of a variable is in its unit" },
  { name = "fault", type = "string", default = "none", choices = ["none", "canceled", "member", "overflow"], doc = "what goes wrong in cycle 5" },
  { name = "sleep", type = "float", default = 0.0, unit = "ms", doc = "for a unit of model time" },
  { name = "memory", type = "float", default = 0.5, min = 0.0, max = 1.0, per_member = true, doc = "autoregression" },
  { name = "keeps", type = "int", default = 0, doc = "bytes that each member carries" },
  { name = "keeps_more", type = "int", default = 0, doc = "bytes, for each cycle" },
]
`

type fakeModel struct {
	Variables []string  `param:"variables"`
	Units     []string  `param:"units"`
	Scales    []float64 `param:"scales"`
	Memory    float64   `param:"memory"`
	Fault     string    `param:"fault"`
	Sleep     float64   `param:"sleep"`
	Keeps     int       `param:"keeps"`
	KeepsMore int       `param:"keeps_more"`

	layout *sdk.Layout
}

func newFakeModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &fakeModel{layout: &sdk.Layout{}}
	c.Params.Decode(m)
	for i, name := range m.Variables {
		v := sdk.Variable{Name: name, Shape: []int{2}}
		if len(m.Units) > 0 {
			v.Unit = m.Units[i]
		}
		m.layout.Variables = append(m.layout.Variables, v)
	}
	return m, nil
}

func (m *fakeModel) Layout() *sdk.Layout { return m.layout }

func (m *fakeModel) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.Cycle == 5 && m.Fault == "canceled" {
		return nil, context.Canceled
	}
	time.Sleep(time.Duration((r.To - r.From) * m.Sleep * float64(time.Millisecond)))
	rows, _ := r.Ensemble.Dims()
	if m.Fault == "member" && rows == 7 && r.Member(2) != 3 { // of 8, without the one that is dropped first
		return nil, sdk.Errorf(sdk.KindBug, "fake-model", "row 2 is called member %d, want 3", r.Member(2))
	}
	for i := range rows {
		memory, noise := m.Memory, r.Seed.Member(r.Member(i))
		if r.Parameters != nil {
			memory = r.Parameters.At(i, 0)
		}
		from, to := r.Ensemble.RawRowView(i), r.Into.RawRowView(i)
		for j := range to {
			scale := 1.0
			if len(m.Scales) > 0 {
				scale = m.Scales[j/2]
			}
			if to[j] = memory*from[j] + scale*noise.NormFloat64(); m.Variables[j/2] == "still" {
				to[j] = from[j]
			}
		}
	}
	result := &sdk.ForecastResult{}
	if kept := m.Keeps + m.KeepsMore*r.Cycle; kept > 0 {
		result.Carry = slices.Repeat([][]byte{make([]byte, kept)}, rows)
	}
	if kind, fails := map[string]sdk.Kind{"member": "", "overflow": sdk.KindDiverged}[m.Fault]; fails && r.Cycle == 5 && rows > 1 {
		result.Failures = []sdk.MemberFailure{{Member: 2, Reason: "it boiled over", Kind: kind}}
	}
	return result, ctx.Err()
}

const fakeOperatorManifest = `
name    = "fake-operator"
version = "1.0.0"
role    = "operator"
summary = "observes every value with normal errors"
errors  = ["normal"]
`

type fakeOperator struct {
	space    *sdk.ObservationSpace
	variance []float64
}

func newFakeOperator(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	o := &fakeOperator{space: &sdk.ObservationSpace{Layout: c.State, Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.ErrorVariance}}}
	for j := range c.State.Size() {
		sd := c.Error.SD[j%len(c.Error.SD)]
		o.variance = append(o.variance, sd*sd)
	}
	return o, nil
}

func (o *fakeOperator) Space() *sdk.ObservationSpace { return o.space }

func (o *fakeOperator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		errors := r.Seed.Member(r.Member(i))
		for j := range n {
			if r.Predicted != nil {
				r.Predicted.Set(i, j, r.Ensemble.At(i, j))
			}
			if r.Simulated != nil {
				r.Simulated.Set(i, j, r.Ensemble.At(i, j)+math.Sqrt(o.variance[j])*errors.NormFloat64())
			}
		}
	}
	return &sdk.ObserveResult{ErrorVariance: o.variance}, ctx.Err()
}

const fakeFilterManifest = `
name    = "fake-filter"
version = "1.0.0"
role    = "filter"
summary = "moves members half-way to the observations, gives them weights or chooses among them"
fractions = true
param = [
  { name = "scheme", type = "string", default = "nudge", choices = ["nudge", "weigh", "choose", "lose", "shift"], doc = "what it does" },
  { name = "fault", type = "string", default = "none", choices = ["none", "canceled", "diverged", "panic", "die"], doc = "what goes wrong in cycle 5" },
]
`

// analysed counts the analyses that fake filters have made.
var analysed atomic.Int64

type fakeFilter struct {
	Scheme string `param:"scheme"`
	Fault  string `param:"fault"`
}

func newFakeFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &fakeFilter{}
	c.Params.Decode(f)
	return f, nil
}

func (f *fakeFilter) Needs() []sdk.Capability { return []sdk.Capability{sdk.Predicted} }

// Analyse counts the cycles in what it carries over, so that a run that goes on must have
// kept it. It reports as many diagnostics as an estimate of bytes expects.
func (f *fakeFilter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	analysed.Add(1)
	if p.Cycle == 5 {
		switch f.Fault {
		case "canceled":
			return nil, fmt.Errorf("the inner solver: %w", context.Canceled)
		case "diverged":
			if p.Carry == nil { // it was restarted
				break
			}
			return nil, sdk.Errorf(sdk.KindDiverged, "weights", "all are 0").WithHint("use more members")
		case "panic":
			panic("index out of patience")
		case "die":
			die()
		}
	}
	rows, n := p.Ensemble.Dims()
	a := &sdk.Analysis{Carry: append(bytes.Clone(p.Carry), 1), Metrics: map[string]float64{}}
	for _, name := range []string{"cycles", "two", "three", "four", "five"} {
		a.Metrics[name] = float64(len(a.Carry))
	}
	p.Into.Copy(p.Ensemble)
	switch f.Scheme {
	case "nudge", "lose":
		for i := range rows {
			for j, y := range p.Observation {
				if v := p.Into.At(i, j); f.Scheme == "lose" {
					p.Into.Set(i, j, v+100)
				} else if !math.IsNaN(y) {
					p.Into.Set(i, j, v+(y-p.Predicted.At(i, j))/2)
				}
			}
		}
	case "shift": // by the mean innovation
		for i := range rows {
			sum := 0.0
			for j, y := range p.Observation {
				sum += (y - p.Predicted.At(i, j)) / float64(len(p.Observation))
			}
			for j := range n {
				p.Into.Set(i, j, p.Ensemble.At(i, j)+sum/2)
			}
		}
	case "weigh":
		total := 0.0
		for i := range rows {
			total += float64(1 + i)
		}
		for i := range rows {
			a.LogWeights = append(a.LogWeights, math.Log(float64(1+i)/total))
		}
	case "choose":
		for i := range rows {
			a.Ancestors = append(a.Ancestors, i/2)
			for j := range n {
				p.Into.Set(i, j, p.Ensemble.At(i/2, j))
			}
		}
	}
	return a, ctx.Err()
}

// twin is a workflow of fakes with a truth. Tests add to it; tables that have been closed
// cannot be opened again.
const twin = `format = 1
experiment = { name = "fakes", seed = 3 }
time       = { cycles = 40, interval = 1.0, burn_in = 10 }
truth      = { init = { dist = "normal", mean = 0.0, sd = 1.0 } }
ensemble   = { size = 8, init = { dist = "normal", mean = 0.0, sd = 1.0 } }
observations = { plugin = "fake-operator", error = { sd = 0.5 } }
`

// restarting is twin with a word for on_divergence.
func restarting(how string) string {
	return strings.Replace(twin, "size = 8,", fmt.Sprintf("size = 8, on_divergence = %q,", how), 1)
}

const oneModel = "model = { plugin = \"fake-model\" }\n"

// modelWith is the text of a model with a fault.
func modelWith(fault string) string {
	return fmt.Sprintf("model = { plugin = \"fake-model\", params = { fault = %q } }\n", fault)
}

// filterOf is the text of a filter of a scheme that is labelled so.
func filterOf(scheme string) string {
	return fmt.Sprintf("[[filter]]\nlabel = %q\nplugin = \"fake-filter\"\nparams = { scheme = %q }\n", scheme, scheme)
}

// faulty is the text of a filter with a fault.
func faulty(label, fault string) string {
	return fmt.Sprintf("[[filter]]\nlabel = %q\nplugin = \"fake-filter\"\nparams = { fault = %q }\n", label, fault)
}

// loadText reads a workflow of fakes.
func loadText(t testing.TB, text string, o workflow.Options) *workflow.Workflow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fakes.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w, found := workflow.Load(path, o)
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return w
}

// runText runs a workflow of fakes in this process.
func runText(t testing.TB, text string, o Options) (*Result, error) {
	t.Helper()
	o.InProcess = true
	r, err := Run(t.Context(), loadText(t, text, workflow.Options{}), t.TempDir(), Source{}, o)
	var found *FindingsError
	if errors.As(err, &found) {
		t.Fatal(found.Diagnostics.Text(false))
	}
	return r, err
}

// stopped runs a workflow of fakes, asks it to stop after so many cycles of its trials, and returns the directory of
// the run.
func stopped(t testing.TB, w *workflow.Workflow, at int64, o Options) string {
	t.Helper()
	o.InProcess, o.Stop = true, NewStop()
	o.Observer = &after{at: at, do: func() { o.Stop.Ask(errEnough) }}
	r, err := Run(t.Context(), w, t.TempDir(), Source{}, o)
	if !errors.Is(err, errEnough) {
		t.Fatalf("stopped after %d cycles: got %v", at, err)
	}
	return r.Dir
}

// resumed goes on with the run in dir, which must end well.
func resumed(t testing.TB, w *workflow.Workflow, dir string, o Options) *Result {
	t.Helper()
	again, found := workflow.Load(w.File, workflow.Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	o.InProcess = true
	r, err := Resume(t.Context(), again, dir, Again{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ran runs a workflow of fakes, which must end well.
func ran(t testing.TB, text string, o Options) *Result {
	t.Helper()
	r, err := runText(t, text, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tableOf reads a table of a run.
func tableOf(t testing.TB, dir string, path ...string) *table.Table {
	t.Helper()
	read, err := table.Read(filepath.Join(dir, filepath.Join(path...)))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// sameRun says that two runs have the same results, byte for byte.
func sameRun(t testing.TB, a, b string) {
	t.Helper()
	lines, err := archive.Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) > 0 {
		t.Errorf("%s and %s differ:\n%s", a, b, strings.Join(lines, "\n"))
	}
}

// die ends a process that is a worker: each time, or only once if MARKER names a file, which
// it makes.
func die() {
	if os.Getenv(isWorker) == "" {
		return
	}
	marker := os.Getenv("MARKER")
	if f, err := os.OpenFile(marker, os.O_CREATE|os.O_EXCL, 0o600); err == nil || marker == "" {
		_ = f.Close()
		os.Exit(3)
	}
}
