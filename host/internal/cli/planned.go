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

	"github.com/plume-da/plume/host/internal/experiment"
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
			e, err := s.open(c.Context())
			if err != nil {
				return err
			}
			err = a.showPlan(c.Context(), e)
			if closed := e.Close(); err == nil {
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

// showPlan prints what x would do.
func (a *app) showPlan(ctx context.Context, x *experiment.Experiment) error {
	e, err := x.Estimate(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(e)
	}
	axes := x.Sweep.Axes
	out := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	a.head(out, x)
	fmt.Fprintf(out, "\ntrial\tfilter\tplugin\tmembers\t%stime\tstored\n", cell(axes...))
	for _, t := range e.Rows[:min(len(e.Rows), shownTrials)] {
		number := strconv.Itoa(t.Trial)
		if t.Trial == 0 {
			number = ""
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%s%s\t%s\n", number, t.Filter, t.Plugin, t.Members, cell(axisValues(axes, t.Axes)...), roughly(t.Time()), size(t.Bytes))
	}
	if more := len(e.Rows) - shownTrials; more > 0 {
		fmt.Fprintf(out, "\t... and %d more\n", more)
	}
	blank := strings.Repeat("\t", len(axes))
	if e.Replicates > 1 {
		fmt.Fprintf(out, "\teach replicate\t\t\t%s%s\t%s\n", blank, roughly(e.Each.Time()), size(e.Each.Bytes))
	}
	fmt.Fprintf(out, "\ttotal\t\t\t%s%s with one worker\t%s\n", blank, roughly(e.Time()), size(e.Bytes))
	if workers := min(e.Trials, runtime.GOMAXPROCS(0)); workers > 1 {
		fmt.Fprintf(out, "\t\t\t\t%sabout %s with %d\t\n", blank, roughly(e.Time()/time.Duration(workers)), workers)
	}
	return out.Flush()
}

// head prints what all trials have in common.
func (a *app) head(out io.Writer, x *experiment.Experiment) {
	w, p := x.Workflow, x.Sweep.Scenarios[0].Plans[0]
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
	trials, _ := x.Sweep.Size()
	fmt.Fprintf(out, "sweep\t%s on %s of %s\n", plural(trials, "trial"), plural(len(x.Sweep.Scenarios), "truth"), plural(len(w.Replicates()), "replicate"))
	for _, key := range x.Sweep.Axes {
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
