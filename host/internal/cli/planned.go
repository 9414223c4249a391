package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

func (a *app) plan() *cobra.Command {
	s := &source{}
	c := &cobra.Command{
		Use:   "plan WORKFLOW",
		Short: "Show what a run would do, how long it would take and how much it would store",
		Long: `Plan checks a workflow like validate, then tries the first cycles of every trial to
estimate the time. It writes nothing.`,
		Example: `  plume plan twin.toml --set ensemble.size=1000
  plume plan twin.toml --sweep 'ensemble.size=[20, 50, 100]' --sweep replicate=1..10`,
		Args: exactly(1, "one workflow file"),
		RunE: func(c *cobra.Command, args []string) error {
			s.path = args[0]
			o, err := s.open(c.Context(), nil)
			if err != nil {
				return err
			}
			err = a.showPlan(c.Context(), o)
			if closed := o.close(); err == nil {
				err = closed
			}
			if err == nil {
				a.next("run", s.path)
			}
			return err
		},
	}
	s.flags(c)
	return c
}

// shownTrials bounds how many trials plan lists.
const shownTrials = 40

// showPlan prints what o would do.
func (a *app) showPlan(ctx context.Context, o *opened) error {
	e := &estimate{opened: o, Experiment: o.workflow.Experiment.Name, Truths: len(o.sweep.Twins), Replicates: len(o.workflow.Replicates())}
	e.Trials, _ = o.sweep.Size()
	if err := e.probe(ctx); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(e)
	}
	axes := o.sweep.Axes
	out := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	a.head(out, o)
	fmt.Fprintf(out, "\ntrial\tfilter\tplugin\tmembers\t%stime\tstored\n", cell(axes...))
	for _, t := range e.Rows[:min(len(e.Rows), shownTrials)] {
		number := strconv.Itoa(t.Trial)
		if t.Trial == 0 {
			number = ""
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s%s\t%s\n", number, t.Filter, t.Plugin, t.Members, cell(axisValues(axes, t.Axes)...), roughly(t.time()), size(t.Bytes))
	}
	if more := len(e.Rows) - shownTrials; more > 0 {
		fmt.Fprintf(out, "\t... and %d more\n", more)
	}
	blank := strings.Repeat("\t", len(axes))
	if e.Replicates > 1 {
		fmt.Fprintf(out, "\teach replicate\t\t\t%s%s\t%s\n", blank, roughly(e.each.time()), size(e.each.Bytes))
	}
	fmt.Fprintf(out, "\ttotal\t\t\t%s%s with one worker\t%s\n", blank, roughly(e.time()), size(e.Bytes))
	if workers := min(e.Trials, runtime.GOMAXPROCS(0)); workers > 1 {
		fmt.Fprintf(out, "\t\t\t\t%sabout %s with %d\t\n", blank, roughly(e.time()/time.Duration(workers)), workers)
	}
	return out.Flush()
}

// head prints what all trials have in common.
func (a *app) head(out io.Writer, o *opened) {
	w, p := o.workflow, o.sweep.Twins[0].Plans[0]
	fmt.Fprintf(out, "experiment\t%s, seed %d\n", w.Experiment.Name, w.Experiment.Seed)
	fmt.Fprintf(out, "time\t%d cycles %s, burn-in %d%s\n", p.Clock.Cycles, intervalText(p.Clock), p.Clock.BurnIn, stepText(w))
	fmt.Fprintf(out, "model\t%s: %s%s\n", w.Model.Plugin, layoutText(p.State), careText(&w.Model.Component, w.Model.Replicas, w.Model.MaxFailed))
	for i, o := range w.Observations {
		fmt.Fprintf(out, "%s\t%s: %s, %s errors%s\n", cmp.Or(o.Label, "observations"), o.Plugin, layoutText(p.Streams[i].Operator.Space().Layout), o.Error.Dist, cadenceText(o)+careText(&o.Component, o.Replicas, 0))
	}
	if p.Record != nil {
		fmt.Fprintf(out, "\t%s\n", p.Record.Summary())
	}
	if p.Reference != nil {
		fmt.Fprintf(out, "reference\t%s: %d members, %d kept\n", w.Reference.Plugin, p.Reference.Size, p.Keep)
	}
	if w.Sweep == nil {
		return
	}
	trials, _ := o.sweep.Size()
	fmt.Fprintf(out, "sweep\t%s on %s of %s\n", plural(trials, "trial"), plural(len(o.sweep.Twins), "truth"), plural(len(w.Replicates()), "replicate"))
	for _, key := range o.sweep.Axes {
		fmt.Fprintf(out, "\t%s = %v\n", key, w.Sweep.Axes[key])
	}
}

// careText says how often a plugin runs and what is done when it fails, where that is
// not once and nothing.
func careText(c *workflow.Component, replicas, maxFailed int) string {
	text := ""
	if replicas > 1 {
		text = fmt.Sprintf(", %d replicas", replicas)
	}
	switch c.OnFailure {
	case "retry":
		text += fmt.Sprintf(", up to %d retries", c.Retries)
	case "drop_member":
		text += fmt.Sprintf(", up to %d retries and then %d members dropped", c.Retries, maxFailed)
	}
	return text
}

// estimate is what a run would do, how long it would take with one worker, and how
// much it would store.
type estimate struct {
	*opened `json:"-"`

	Experiment string         `json:"experiment"`
	Trials     int            `json:"trials"`
	Truths     int            `json:"truths"`
	Replicates int            `json:"replicates"`
	Rows       []estimatedRow `json:"rows"` // of the first replicate; the others take as long
	cost
	each cost // replicate
}

// cost is what something takes.
type cost struct {
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"`
}

func (c cost) time() time.Duration { return time.Duration(c.Seconds * float64(time.Second)) }

func (c cost) times(n int) cost { return cost{c.Seconds * float64(n), c.Bytes * int64(n)} }

func (c *cost) add(o cost) { c.Seconds, c.Bytes = c.Seconds+o.Seconds, c.Bytes+o.Bytes }

// estimatedRow is a trial, or, with number 0, a truth or a reference.
type estimatedRow struct {
	Trial   int            `json:"trial,omitempty"`
	Filter  string         `json:"filter"`
	Plugin  string         `json:"plugin"`
	Members int            `json:"members"`
	Axes    map[string]any `json:"axes,omitempty"`
	cost
}

// probe tries the first cycles of all trials of the first replicate.
func (e *estimate) probe(ctx context.Context) error {
	for _, twin := range e.sweep.Twins {
		if twin.Replicate != e.workflow.Replicates()[0] {
			break
		}
		references := map[*plan.Trial]bool{}
		for i, p := range twin.Plans {
			if err := e.probePlan(ctx, twin, p, i == 0, references); err != nil {
				return err
			}
		}
	}
	for _, r := range e.Rows {
		e.each.add(r.cost)
	}
	e.cost = e.each.times(e.Replicates)
	return nil
}

// probePlan tries the trials of p, its reference unless that is among references, and,
// when it is the first of its truth, the truth.
func (e *estimate) probePlan(ctx context.Context, twin *plan.Twin, p *plan.Plan, first bool, references map[*plan.Trial]bool) error {
	start := time.Now()
	probe, err := newProbe(ctx, p, e.workflow.Output.Variables)
	if err != nil {
		return err
	}
	if first && p.Record == nil {
		seconds := time.Since(start).Seconds() * float64(p.Clock.Cycles) / float64(probe.plan.Clock.Cycles)
		e.Rows = append(e.Rows, estimatedRow{Filter: "truth", Plugin: e.workflow.Model.Plugin, Members: 1, cost: cost{seconds, twinBytes(p)}})
	}
	for i := range p.Trials {
		t := &p.Trials[i]
		each, err := probe.perCycle(ctx, t)
		if err != nil {
			return &trialError{e.trialName(twin, t), err}
		}
		e.Rows = append(e.Rows, estimatedRow{t.Number, t.Label, t.Plugin, t.Size, t.Values, cost{each.Seconds(), 0}.times(p.Clock.Cycles)})
		e.Rows[len(e.Rows)-1].Bytes = trialBytes(e.workflow, p, t)
	}
	if p.Reference == nil || references[p.Reference] {
		return nil
	}
	references[p.Reference] = true
	each, err := probe.perCycle(ctx, p.Reference)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	e.Rows = append(e.Rows, estimatedRow{0, "reference", p.Reference.Plugin, p.Reference.Size, nil, cost{each.Seconds(), memberBytes(p, p.Keep)}.times(p.Clock.Cycles)})
	return nil
}

// cell returns values as cells of a table.
func cell(values ...string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(v + "\t")
	}
	return b.String()
}

// axisValues returns the values of a trial in the order of axes; empty where an axis
// does not concern it.
func axisValues(axes []string, values map[string]any) []string {
	out := make([]string, len(axes))
	for i, key := range axes {
		if v, ok := values[key]; ok {
			out[i] = fmt.Sprint(v)
		}
	}
	return out
}

func intervalText(c plan.Clock) string {
	if c.Interval > 0 {
		return fmt.Sprintf("of %g", c.Interval)
	}
	return fmt.Sprintf("at the times of the observations, %g to %g", c.Time(1), c.Time(c.Cycles))
}

func cadenceText(o workflow.Observations) string {
	if o.Every <= 1 {
		return ""
	}
	return fmt.Sprintf(", every %d cycles", o.Every)
}

func stepText(w *workflow.Workflow) string {
	if w.Time.Step == 0 {
		return ""
	}
	return fmt.Sprintf(", time step %g", w.Time.Step)
}

func layoutText(l *sdk.Layout) string {
	parts := make([]string, 0, len(l.Variables))
	for _, v := range l.Variables {
		name := v.Name
		if len(v.Shape) > 0 {
			name += strings.ReplaceAll(fmt.Sprint(v.Shape), " ", " x ")
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// probe runs the first cycles of trials to see how long they take.
type probe struct {
	plan      *plan.Plan
	twin      *cycle.Twin
	described int
}

// probeCycles is how many cycles a probe runs; the first ones pay for memory
// and caches, so the fastest counts.
const probeCycles = 4

func newProbe(ctx context.Context, p *plan.Plan, described int) (*probe, error) {
	short := *p
	short.Clock.Cycles = min(probeCycles, p.Clock.Cycles)
	twin, err := cycle.Simulate(ctx, &short, func() error { return nil })
	return &probe{&short, twin, described}, err
}

// perCycle returns how long a cycle of t takes, with its scores.
func (p *probe) perCycle(ctx context.Context, t *plan.Trial) (time.Duration, error) {
	j := newJudge(p.plan, t, p.twin, nil, p.described)
	fastest, start := time.Duration(-1), time.Now()
	err := cycle.Assimilate(ctx, p.plan, t, p.twin, nil, func(s *cycle.Step) error {
		j.rows(s)
		j.innovation(s)
		j.descriptions(s)
		if took := time.Since(start); fastest < 0 || took < fastest {
			fastest = took
		}
		start = time.Now()
		return nil
	})
	return fastest, err
}

// The sizes of a run's tables, in bytes, as Arrow stores them: 8 for a number, 4 for
// an integer or the offset of a text, and of texts their letters. They are estimates:
// names of labels and diagnostics vary.
const (
	batchBytes      = 1300 // of metadata, for every batch of members
	cycleBytes      = 2 * 160
	innovationBytes = 50
	diagnosticBytes = 5 * 40
	timingBytes     = 60
)

// memberBytes returns what one batch of members takes.
func memberBytes(p *plan.Plan, members int) int64 {
	return int64(members*(8*p.State.Size()+41) + batchBytes)
}

// trialBytes estimates what a trial writes: scores, innovations, diagnostics,
// timings, rank histograms and the ensembles that are kept.
func trialBytes(w *workflow.Workflow, p *plan.Plan, t *plan.Trial) int64 {
	stages := map[string]int64{"none": 0, archive.Forecast: 1, archive.Analysis: 1, "both": 2}[w.Output.Ensemble]
	described := 2 * len(archive.Described(p.State, w.Output.Variables)) * (100 + len(t.Label))
	each := cycleBytes + innovationBytes + diagnosticBytes + timingBytes + int64(described+8*p.Space.Layout.Size()) + stages*memberBytes(p, t.Size)
	return int64(p.Clock.Cycles)*each + int64(2*(t.Size+1)*50)
}

// twinBytes estimates what a truth and its observations take.
func twinBytes(p *plan.Plan) int64 {
	return int64(p.Clock.Cycles+1) * int64(8*p.State.Size()+8*p.Space.Layout.Size()+32)
}

func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func size(bytes int64) string {
	switch {
	case bytes < 1e6:
		return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
	case bytes < 1e9:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}
