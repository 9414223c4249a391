package cli

import (
	"cmp"
	"context"
	"fmt"
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

func (a *app) showPlan(ctx context.Context, o *opened) error {
	p, w := o.plan, o.workflow
	out := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "experiment\t%s, seed %d\n", w.Experiment.Name, w.Experiment.Seed)
	fmt.Fprintf(out, "time\t%d cycles of %g, burn-in %d%s\n", p.Clock.Cycles, p.Clock.Interval, p.Clock.BurnIn, stepText(w))
	fmt.Fprintf(out, "model\t%s: %s\n", w.Model.Plugin, layoutText(p.State))
	for i, o := range w.Observations {
		fmt.Fprintf(out, "%s\t%s: %s, %s errors%s\n", cmp.Or(o.Label, "observations"), o.Plugin, layoutText(p.Streams[i].Operator.Space().Layout), o.Error.Dist, cadenceText(o))
	}
	if p.Reference != nil {
		fmt.Fprintf(out, "reference\t%s: %d members, %d kept\n", w.Reference.Plugin, p.Reference.Size, p.Keep)
	}
	fmt.Fprintf(out, "\ntrial\tfilter\tplugin\tmembers\ttime\tstored\n")
	probe, err := newProbe(ctx, p)
	if err != nil {
		return err
	}
	var total time.Duration
	var stored int64
	for i := range p.Trials {
		t := &p.Trials[i]
		each, err := probe.perCycle(ctx, t)
		if err != nil {
			return &trialError{t.Label, err}
		}
		took, bytes := each*time.Duration(p.Clock.Cycles), storedBytes(w, p, t)
		total, stored = total+took, stored+bytes
		fmt.Fprintf(out, "%d\t%s\t%s\t%d\t%s\t%s\n", t.Number, t.Label, w.Filters[i].Plugin, t.Size, roughly(took), size(bytes))
	}
	if p.Reference != nil {
		each, err := probe.perCycle(ctx, p.Reference)
		if err != nil {
			return fmt.Errorf("reference: %w", err)
		}
		took := each * time.Duration(p.Clock.Cycles)
		total += took
		fmt.Fprintf(out, "\treference\t%s\t%d\t%s\t\n", w.Reference.Plugin, p.Reference.Size, roughly(took))
	}
	fmt.Fprintf(out, "\ttotal\t\t\t%s with one worker\t%s\n", roughly(total), size(stored))
	return out.Flush()
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
	err := cycle.Assimilate(ctx, p.plan, t, p.twin, func(*cycle.Step) error {
		if took := time.Since(start); fastest < 0 || took < fastest {
			fastest = took
		}
		start = time.Now()
		return nil
	})
	return fastest, err
}

// storedBytes estimates what a trial writes: its ensembles, with their index
// columns, the descriptions of both stages, the innovations, and some 2500 bytes of
// scores, diagnostics and framing a cycle.
func storedBytes(w *workflow.Workflow, p *plan.Plan, t *plan.Trial) int64 {
	stages := map[string]int{"none": 0, archive.Forecast: 1, archive.Analysis: 1, "both": 2}[w.Output.Ensemble]
	member := 8*p.State.Size() + 40
	described := 2 * len(archive.Described(p.State, w.Output.Variables)) * (100 + len(t.Label))
	return int64(p.Clock.Cycles) * int64(stages*(t.Size*member+1200)+described+8*p.Space.Layout.Size()+2500)
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
