package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
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
		Example: `  plume plan twin.toml --set ensemble.size=1000`,
		Args:    exactly(1, "one workflow file"),
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
				a.say("\nNext:\n  plume run %s", s.path)
			}
			return err
		},
	}
	s.flags(c)
	return c
}

// shownTrials bounds how many trials plan lists.
const shownTrials = 40

// showPlan prints what o would do. Trials are those of the first replicate; all
// replicates take as long.
func (a *app) showPlan(ctx context.Context, o *opened) error {
	w, replicates := o.workflow, o.workflow.Replicates()
	out := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	a.head(out, o)
	fmt.Fprintf(out, "\ntrial\tfilter\tplugin\tmembers\t%stime\tstored\n", cell(o.sweep.Axes...))
	var total cost
	listed := 0
	for _, twin := range o.sweep.Twins {
		if twin.Replicate != replicates[0] {
			break
		}
		shared, err := a.planTwin(ctx, out, o, twin, &total, &listed)
		if err != nil {
			return err
		}
		total.add(shared)
	}
	if listed > shownTrials {
		fmt.Fprintf(out, "\t... and %d more\n", listed-shownTrials)
	}
	blank := strings.Repeat("\t", len(o.sweep.Axes))
	if n := len(replicates); n > 1 {
		fmt.Fprintf(out, "\teach replicate\t\t\t%s%s\t%s\n", blank, roughly(total.time), size(total.bytes))
		total = cost{total.time * time.Duration(n), total.bytes * int64(n)}
	}
	cores := runtime.GOMAXPROCS(0)
	fmt.Fprintf(out, "\ttotal\t\t\t%s%s with one worker\t%s\n", blank, roughly(total.time), size(total.bytes))
	if trials, _ := o.sweep.Size(); min(trials, cores) > 1 && w.Sweep != nil {
		fmt.Fprintf(out, "\t\t\t\t%sabout %s with %d\t\n", blank, roughly(total.time/time.Duration(min(trials, cores))), min(trials, cores))
	}
	return out.Flush()
}

// head prints what all trials have in common.
func (a *app) head(out io.Writer, o *opened) {
	w, p := o.workflow, o.sweep.Twins[0].Plans[0]
	fmt.Fprintf(out, "experiment\t%s, seed %d\n", w.Experiment.Name, w.Experiment.Seed)
	fmt.Fprintf(out, "time\t%d cycles of %g, burn-in %d%s\n", p.Clock.Cycles, p.Clock.Interval, p.Clock.BurnIn, stepText(w))
	fmt.Fprintf(out, "model\t%s: %s%s\n", w.Model.Plugin, layoutText(p.State), careText(&w.Model.Component, w.Model.Replicas, w.Model.MaxFailed))
	for i, o := range w.Observations {
		fmt.Fprintf(out, "%s\t%s: %s, %s errors%s\n", cmp.Or(o.Label, "observations"), o.Plugin, layoutText(p.Streams[i].Operator.Space().Layout), o.Error.Dist, cadenceText(o)+careText(&o.Component, o.Replicas, 0))
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

// cost is what something takes.
type cost struct {
	time  time.Duration
	bytes int64
}

func (c *cost) add(o cost) { c.time, c.bytes = c.time+o.time, c.bytes+o.bytes }

// planTwin lists the trials of a truth, adds up what they take, and returns what the
// truth and its references take.
func (a *app) planTwin(ctx context.Context, out io.Writer, o *opened, twin *plan.Twin, total *cost, listed *int) (shared cost, err error) {
	references := map[*plan.Trial]bool{}
	for i, p := range twin.Plans {
		start := time.Now()
		probe, err := newProbe(ctx, p)
		if err != nil {
			return shared, err
		}
		if i == 0 {
			shared.time = time.Since(start) * time.Duration(p.Clock.Cycles) / time.Duration(probe.plan.Clock.Cycles)
			shared.bytes = twinBytes(p)
		}
		for k := range p.Trials {
			t := &p.Trials[k]
			each, err := probe.perCycle(ctx, t)
			if err != nil {
				return shared, &trialError{o.trialName(twin, t), err}
			}
			c := cost{each * time.Duration(p.Clock.Cycles), trialBytes(o.workflow, p, t)}
			total.add(c)
			if *listed++; *listed <= shownTrials {
				fmt.Fprintf(out, "%d\t%s\t%s\t%d\t%s%s\t%s\n", t.Number, t.Label, t.Plugin, t.Size, cell(axisValues(o.sweep.Axes, t.Values)...), roughly(c.time), size(c.bytes))
			}
		}
		if p.Reference == nil || references[p.Reference] {
			continue
		}
		references[p.Reference] = true
		each, err := probe.perCycle(ctx, p.Reference)
		if err != nil {
			return shared, fmt.Errorf("reference: %w", err)
		}
		c := cost{each * time.Duration(p.Clock.Cycles), int64(p.Clock.Cycles) * memberBytes(p, p.Keep)}
		shared.add(c)
		fmt.Fprintf(out, "\treference\t%s\t%d\t%s%s\t%s\n", p.Reference.Plugin, p.Reference.Size, strings.Repeat("\t", len(o.sweep.Axes)), roughly(c.time), size(c.bytes))
	}
	return shared, nil
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
	plan *plan.Plan
	twin *cycle.Twin
}

// probeCycles is how many cycles a probe runs; the first ones pay for memory
// and caches, so the fastest counts.
const probeCycles = 4

func newProbe(ctx context.Context, p *plan.Plan) (*probe, error) {
	short := *p
	short.Clock.Cycles = min(probeCycles, p.Clock.Cycles)
	twin, err := cycle.Simulate(ctx, &short, func() {})
	return &probe{&short, twin}, err
}

func (p *probe) perCycle(ctx context.Context, t *plan.Trial) (time.Duration, error) {
	fastest, start := time.Duration(-1), time.Now()
	err := cycle.Assimilate(ctx, p.plan, t, p.twin, nil, func(*cycle.Step) error {
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
