package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

func (a *app) plan() *cobra.Command {
	s := &source{}
	var workers int
	c := &cobra.Command{
		Use:   "plan WORKFLOW",
		Short: "Show what a run would do, and its time, memory and disk",
		Long: `Plan checks a workflow like validate, then tries the first cycles of every trial
to estimate the time, or one cycle if that takes more than a second. After half
a minute it tries one trial of each filter, number of members and size of state,
and the others count as that one. The most memory that plume and each plugin
will hold follows from the sizes of the matrices. It is that of as many trials
at a time as fit, up to one per processor, as in run. A run of which no trial
fits into the memory that is left is refused before anything is tried: that of
the machine, of the control group (a container or a job), and of ulimit -v. Plan
writes nothing, but it starts the plugins, among them the programs that the
workflow names: check a workflow that you do not trust with validate --offline.
If the run would store more than 10 GB, or more than the disk of ./runs has room
for, plan says with which settings of [output] it would store how much.
What would run on an executor starts on this machine; plan shows what each
replica, or each worker for whole trials, would ask for there. With workers the
memory of this machine has to hold the truths that are made here; that of each
worker with its plugins is shown next to it. If this machine has no room for a
trial, none is tried, and the time is not known.`,
		Example: `  plume plan twin.toml --set ensemble.size=1000
  plume plan twin.toml --executor slurm
  plume plan twin.toml --executor slurm --workers 64
  plume plan twin.toml --sweep 'ensemble.size=[20, 50]' --sweep replicate=1..10`,
		Args: exactly(1, "one workflow file"),
		RunE: func(c *cobra.Command, args []string) error {
			s.path = args[0]
			if s.elsewhere(workers); workers != 0 && s.trials == "" {
				return usage("--workers: got %d, want 1 or more, with an --executor other than local", workers)
			}
			e, err := s.open(c.Context())
			if err != nil {
				return err
			}
			asks := askings(e.Workflow, s.executed)
			if s.trials != "" {
				asks, err = s.askWorkers()
			}
			if err == nil {
				err = s.shown(a.showPlan(c.Context(), e, asks))
			}
			a.close(e)
			if err == nil {
				a.next("run", s.args()...)
			}
			return err
		},
	}
	s.flags(c)
	s.placeFlags(c)
	c.Flags().IntVar(&workers, "workers", 0, "with --executor: workers that run whole trials there")
	return c
}

// shownTrials bounds the number of trials that plan lists.
const shownTrials = 40

// showPlan prints what x would do, and what it would ask of executors.
func (a *app) showPlan(ctx context.Context, x *experiment.Experiment, asks []asking) error {
	trying := a.sayIfSlow("trying the first cycles of every trial")
	e, err := x.Estimate(ctx, func(left time.Duration) {
		if trying.Stop(); left > patience {
			a.say("trying a cycle of every other trial takes about %s", roughly(left))
		}
	})
	trying.Stop()
	if err != nil {
		return err
	}
	x.Save(e, defaultRoot)
	a.warn(e.Warnings...)
	untried := 0
	for _, r := range e.Rows {
		if r.Untried {
			untried++
		}
	}
	for _, asked := range asks {
		if w := e.Worker; w != nil && asked.Memory > 0 && w.Total() > float64(asked.Memory) {
			a.warn(fmt.Sprintf("a worker needs about %s of memory, but executor %s asks for %s: raise memory in its table of the site file", experiment.Bytes(w.Total()), asked.Executor, experiment.Bytes(float64(asked.Memory))))
		}
	}
	switch {
	case e.TooLarge != "":
		a.say("no trial was tried, so times are not known: one needs about %s of memory, but %s", experiment.Bytes(e.Worker.Total()), e.TooLarge)
	case untried > 0:
		a.say("not tried, to save time: %s, each of which counts as an earlier one of the same filter, members and state", diag.Plural(untried, "trial"))
	}
	if a.json {
		return a.printJSON(struct {
			*experiment.Estimate
			Executors []asking `json:"executors,omitempty"`
		}{e, asks})
	}
	rows, err := planned(x)
	if err != nil {
		return err
	}
	rows = append(rows, asked(asks)...)
	if err := printTable(a.stdout, []column{{}, {fold: true}}, rows); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	columns, rows := trialTable(e, x.Sweep.Axes, widthOf(a.stdout) > 0)
	if err := printTable(a.stdout, columns, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s; %s\n%s", totalTime(e), experiment.Bytes(e.Bytes), memoryText(e))
	return err
}

// totalTime says how long e takes.
func totalTime(e *experiment.Estimate) string {
	if e.TooLarge != "" {
		return "total: of unknown time"
	}
	total := fmt.Sprintf("total: %s with one worker", roughly(e.Time()))
	if workers := cmp.Or(e.Workers, e.Memory.Workers); workers > 1 {
		total += fmt.Sprintf(", about %s with %d", roughly(e.TimeWith(workers)), workers)
	}
	return total
}

// memoryText says how much memory e needs here, and on each worker elsewhere.
func memoryText(e *experiment.Estimate) string {
	if e.Worker == nil {
		return fmt.Sprintf("with %s at a time: %s\n", diag.Plural(e.Memory.Workers, "trial"), needs(e.Memory, e.Bytes))
	}
	return fmt.Sprintf("here, with %s at a time: %s\neach of %s there: memory: about %s%s\n",
		diag.Plural(e.Memory.Workers, "truth"), needs(e.Memory, e.Bytes), diag.Plural(e.Workers, "worker"), experiment.Bytes(e.Worker.Total()), processes(e.Worker))
}

// trialTable returns a table of the trials of a plan, see [axisColumns] for short.
func trialTable(e *experiment.Estimate, axes []string, short bool) ([]column, [][]string) {
	columns := append([]column{{head: "trial"}, {head: "filter"}, {head: "plugin", drop: 1}, {head: "members", right: true}}, axisColumns(axes, short)...)
	windows := slices.ContainsFunc(e.Rows, func(r experiment.EstimatedRow) bool { return r.Runs > 1 })
	if windows {
		columns = append(columns, column{head: "model runs", right: true})
	}
	columns = append(columns, column{head: "time", right: true}, column{head: "stored", right: true})
	row := func(number, filter, plugin, members string, values []string, runs string, c experiment.Cost, tried bool) []string {
		line := append([]string{number, filter, plugin, members}, axisCells(filter, axes, values, short)...)
		if windows {
			line = append(line, runs)
		}
		took := "?"
		if tried {
			took = roughly(c.Time())
		}
		return append(line, took, experiment.Bytes(c.Bytes))
	}
	var rows [][]string
	for _, t := range e.Rows[:min(len(e.Rows), shownTrials)] {
		number := strconv.Itoa(t.Trial)
		if t.Trial == 0 {
			number = ""
		}
		rows = append(rows, row(number, t.Filter, t.Plugin, strconv.Itoa(t.Members), axisValues(axes, t.Axes), runsText(t), t.Cost, t.Trial == 0 || e.TooLarge == ""))
	}
	if more := len(e.Rows) - shownTrials; more > 0 {
		rows = append(rows, []string{"", fmt.Sprintf("... and %d more", more)})
	}
	if e.Replicates > 1 {
		rows = append(rows, row("", "each replicate", "", "", make([]string, len(axes)), "", e.Each, e.TooLarge == ""))
	}
	return columns, rows
}

// runsText says how often the model runs in a cycle of t.
func runsText(t experiment.EstimatedRow) string {
	switch {
	case t.Runs == 0:
		return ""
	case t.UpTo:
		return fmt.Sprintf("up to %d a cycle", t.Runs)
	}
	return fmt.Sprintf("%d a cycle", t.Runs)
}

// planned returns what all trials have in common, line by line.
func planned(x *experiment.Experiment) (lines [][]string, err error) {
	line := func(name, format string, args ...any) {
		lines = append(lines, []string{name, fmt.Sprintf(format, args...)})
	}
	w, p := x.Workflow, x.Sweep.Scenarios[0].Plans[0]
	line("experiment", "%s, seed %d", w.Experiment.Name, w.Experiment.Seed)
	line("time", "%d cycles %s, burn-in %d%s", p.Clock.Cycles, intervalText(p.Clock), p.Clock.BurnIn, stepText(w))
	if start := w.Time.Start; start.Dated {
		line("", "0 is %s, 1 is %v later", start.Date.UTC().Format(time.RFC3339), w.Time.Unit)
	}
	precision := ""
	if w.Model.Precision == workflow.Float32 {
		precision = ", in float32"
	}
	line("model", "%s: %s%s%s", w.Model.Plugin, layoutText(p.State), precision, careText(&w.Model.Component, w.Model.Replicas, w.Model.MaxFailed))
	for i, o := range w.Observations {
		line(cmp.Or(o.Label, "observations"), "%s: %s, %s errors%s", o.Plugin, layoutText(p.Streams[i].Operator.Space().Layout), errorText(&o.Error), cadenceText(o)+careText(&o.Component, o.Replicas, 0))
		if t := twinText(o); t != "" {
			line("", "simulated with %s", t)
		}
	}
	if p.Record != nil {
		line("", "%s", p.Record.Summary())
		if n := p.Clock.Cycles - p.LastObserved(); n > 0 {
			line("", "%s after the last observation, which are in no time mean", diag.Plural(n, "cycle"))
		}
	}
	for _, f := range w.Filters {
		if f.Every > 1 {
			line("analyses", "of %s: every %d cycles, with all observations since the last one at their own times", f.Label, f.Every)
		}
	}
	if a := p.Ahead; a != nil {
		n := a.Issues(p)
		line("forecasts", "%s of %s, %g to %g; model runs: %d of each trial", diag.Plural(n, "forecast"), diag.Plural(a.Leads, "lead time"), a.Step, float64(a.Leads)*a.Step, n*a.Leads*a.Calls)
	}
	if p.Reference != nil {
		line("reference", "%s: %d members, %d kept", w.Reference.Plugin, p.Reference.Size, p.Keep)
	}
	if w.Sweep == nil {
		return lines, nil
	}
	trials, _ := x.Sweep.Size()
	line("sweep", "%s on %s of %s", diag.Plural(trials, "trial"), diag.Plural(len(x.Sweep.Scenarios), "truth"), diag.Plural(len(w.Replicates()), "replicate"))
	for _, key := range x.Sweep.Axes {
		values, err := tomltext.Inline(w.Sweep.Axes[key])
		if err != nil {
			return nil, err
		}
		line("", "%s = %s", key, values)
	}
	return lines, nil
}

// careText says how many processes of a plugin there are and what is done if it fails,
// unless there is one and nothing is done.
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

// axisValues returns the values of a trial in the order of axes; empty if an axis does not
// apply to it.
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
	switch {
	case c.Interval > 0 && c.Lead != 0:
		return fmt.Sprintf("of %g, the first at %g", c.Interval, c.Time(1))
	case c.Interval > 0:
		return fmt.Sprintf("of %g", c.Interval)
	}
	return fmt.Sprintf("at the times of the observations, %g to %g", c.Time(1), c.Time(c.Cycles))
}

func cadenceText(o workflow.Observations) string {
	text := ""
	if of := o.Over; of != nil {
		text = fmt.Sprintf(", %s over %d cycles", of.Take, of.Cycles)
	}
	if o.Every > 1 {
		text += fmt.Sprintf(", every %d cycles", o.Every)
	}
	if o.From > 0 {
		text += fmt.Sprintf(", from cycle %d", o.From)
	}
	if o.Until > 0 {
		text += fmt.Sprintf(", until cycle %d", o.Until)
	}
	switch {
	case o.QC.Background > 0:
		text += fmt.Sprintf(", rejected beyond %g sd", o.QC.Background)
	case o.File != "":
		text += ", no background check"
	}
	return text
}

// errorText says which distribution errors have.
func errorText(e *workflow.ErrorModel) string {
	if e.Correlation != nil {
		return "correlated " + e.Dist
	}
	if e.Relative > 0 {
		return fmt.Sprintf("relative (%.3g %%) %s", 100*e.Relative, e.Dist)
	}
	return e.Dist
}

// twinText says what filters do not know about simulated observations; empty if nothing.
func twinText(o workflow.Observations) string {
	var parts []string
	if e := o.TrueError; e != nil {
		parts = append(parts, errorText(e)+" errors")
	}
	if t := o.Outliers; t != nil {
		parts = append(parts, fmt.Sprintf("%.3g %% outliers", 100*t.Fraction))
	}
	if d := o.Dropout; d != nil {
		parts = append(parts, fmt.Sprintf("%.3g %% missing, %.3g cycles at a time", 100*d.Fraction, d.Length()))
	}
	return strings.Join(parts, ", ")
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
		if v.Diagnostic {
			name += " (diagnostic)"
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
