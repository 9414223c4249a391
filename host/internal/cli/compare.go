package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
	"github.com/spf13/cobra"
)

// losses lists the scores of which less is better.
var losses = []string{"rmse", "crps", "crps_fair", "energy_score_fair", "w2_reference"}

func (a *app) compare() *cobra.Command {
	var root, metric, stage, against, format string
	c := &cobra.Command{
		Use:   "compare RUN [RUN]",
		Short: "Compare filters by their paired scores",
		Long: `Compare prints the time mean of a score for every filter and how it differs from
another filter, cycle by cycle: filters of a run meet the same truth, observations and
model noise, and the difference is known better than the scores are. Standard errors
allow for autocorrelation. Wins is the share of cycles in which the filter is better,
with ties as halves.

With one run the other filter is the first, or the one --against names, with as many
members. With two runs it is the filter of that name in the first run; their truths must
be the same.

RUN is a path, @last, or the beginning of a run's name.`,
		Example: `  plume compare @last
  plume compare @last --metric crps_fair --against enkf --format latex`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage("%s takes a run or two runs, got %d arguments; see %s --help", c.CommandPath(), len(args), c.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(losses, metric) {
				return usage("--metric: got %q, want one of %s", metric, strings.Join(losses, ", "))
			}
			if stage != archive.Forecast && stage != archive.Analysis {
				return usage("--stage: got %q, want %s or %s", stage, archive.Forecast, archive.Analysis)
			}
			printTable := comparisonFormats[format]
			if printTable == nil {
				return usage("--format: got %q, want one of %s", format, strings.Join(slices.Sorted(maps.Keys(comparisonFormats)), ", "))
			}
			var runs []*scored
			for _, name := range args {
				dir, err := archive.Find(root, name)
				if err != nil {
					return usage("%v", err)
				}
				r, err := readScored(dir, metric, stage)
				if err != nil {
					return err
				}
				runs = append(runs, r)
			}
			rows, err := comparisons(runs, against)
			if err != nil {
				return err
			}
			return printTable(a.stdout, metric, rows)
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	c.Flags().StringVar(&metric, "metric", "rmse", "the score: "+strings.Join(losses, ", "))
	c.Flags().StringVar(&stage, "stage", archive.Analysis, "of the cycle: forecast or analysis")
	c.Flags().StringVar(&against, "against", "", "label of the filter that others are compared with (default the first)")
	c.Flags().StringVar(&format, "format", "text", "text, markdown, latex or csv")
	return c
}

// scored is one score of the trials of a run.
type scored struct {
	dir    string
	truths map[string]string // checksums by path
	trials []*scoredTrial    // in the order of the run
}

// scoredTrial is the score of one filter, size and replicate by cycle, after burn-in.
type scoredTrial struct {
	key    trialKey
	status string
	values map[int32]float64
}

type trialKey struct {
	filter          string
	size, replicate int32
}

func readScored(dir, metric, stage string) (*scored, error) {
	info, err := archive.ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	r := &scored{dir: dir, truths: info.Files}
	if info.Status == archive.Running {
		return nil, fmt.Errorf("%s: the run is %q; compare takes one that has ended", dir, info.Status)
	}
	w, found := workflow.Load(filepath.Join(dir, "workflow.resolved.toml"), workflow.Options{})
	if len(found) > 0 {
		return nil, &exitError{exitWorkflow, &findings{found, "human"}}
	}
	byNumber, err := r.readTrials()
	if err != nil {
		return nil, err
	}
	return r, r.readCycles(byNumber, metric, stage, int32(w.Time.BurnIn))
}

func (r *scored) readTrials() (map[int32]*scoredTrial, error) {
	t, err := table.Read(filepath.Join(r.dir, "trials.arrow"))
	if err != nil {
		return nil, err
	}
	number, ok1 := t.Column("trial").([]int32)
	replicate, ok2 := t.Column("replicate").([]int32)
	size, ok3 := t.Column("size").([]int32)
	filter, ok4 := t.Column("filter").([]string)
	status, ok5 := t.Column("status").([]string)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return nil, fmt.Errorf("%s: trials.arrow does not have the columns of this version", r.dir)
	}
	byNumber := map[int32]*scoredTrial{}
	for i := range t.Rows {
		trial := &scoredTrial{trialKey{filter[i], size[i], replicate[i]}, status[i], map[int32]float64{}}
		r.trials, byNumber[number[i]] = append(r.trials, trial), trial
	}
	return byNumber, nil
}

func (r *scored) readCycles(trials map[int32]*scoredTrial, metric, stage string, burnIn int32) error {
	t, err := table.Read(filepath.Join(r.dir, "cycles.arrow"))
	if err != nil {
		return err
	}
	number, ok1 := t.Column("trial").([]int32)
	cycle, ok2 := t.Column("cycle").([]int32)
	stages, ok3 := t.Column("stage").([]string)
	value, ok4 := t.Column(metric).([]float64)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return fmt.Errorf("%s: cycles.arrow has no %s by trial, cycle and stage", r.dir, metric)
	}
	valid, seen := t.Valid[slices.Index(t.Names, metric)], false
	for i := range t.Rows {
		trial := trials[number[i]]
		if trial == nil || stages[i] != stage || cycle[i] <= burnIn || !valid[i] {
			continue
		}
		trial.values[cycle[i]], seen = value[i], true
	}
	if !seen {
		return fmt.Errorf("%s: the run has no %s of the %s after its burn-in", r.dir, metric, stage)
	}
	return nil
}

// comparison is one line of the table.
type comparison struct {
	run        string // empty: there is but one
	filter     string
	size       int32
	status     string
	mean       score.Mean
	difference *score.Mean // nil: nothing to compare with
	wins       float64
}

// comparisons compares the trials of the last run with those of the first. Trials of
// one replicate are paired by cycle.
func comparisons(runs []*scored, against string) ([]comparison, error) {
	first, last := runs[0], runs[len(runs)-1]
	if len(runs) == 2 && !maps.Equal(truths(first), truths(last)) {
		return nil, fmt.Errorf("%s and %s have different truths; their scores cannot be paired", first.dir, last.dir)
	}
	if against == "" && len(runs) == 1 && len(first.trials) > 0 {
		against = first.trials[0].key.filter
	}
	base := map[trialKey]*scoredTrial{}
	for _, t := range first.trials {
		base[t.key] = t
	}
	if against != "" && !slices.ContainsFunc(first.trials, func(t *scoredTrial) bool { return t.key.filter == against }) {
		return nil, usage("--against: %s has no filter %q", first.dir, against)
	}
	var rows []comparison
	for _, r := range runs {
		for _, t := range r.trials {
			row := comparison{filter: t.key.filter, size: t.key.size, status: t.status, mean: score.TimeMean(t.series())}
			if len(runs) == 2 {
				row.run = filepath.Base(r.dir)
			}
			key := t.key
			if against != "" {
				key.filter = against
			}
			if other := base[key]; other != nil && other != t {
				row.difference, row.wins = t.minus(other)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// truths returns the checksums of a run's true trajectories.
func truths(r *scored) map[string]string {
	sums := maps.Clone(r.truths)
	maps.DeleteFunc(sums, func(name, _ string) bool { return !strings.HasPrefix(name, "truth/") })
	return sums
}

// series returns the values in the order of cycles.
func (t *scoredTrial) series() []float64 {
	values := make([]float64, 0, len(t.values))
	for _, k := range slices.Sorted(maps.Keys(t.values)) {
		values = append(values, t.values[k])
	}
	return values
}

// minus returns the time mean of the difference to o over the cycles that both have,
// and the share of these in which t is smaller, ties as halves.
func (t *scoredTrial) minus(o *scoredTrial) (*score.Mean, float64) {
	var differences []float64
	wins := 0.0
	for _, k := range slices.Sorted(maps.Keys(t.values)) {
		other, ok := o.values[k]
		if !ok {
			continue
		}
		differences = append(differences, t.values[k]-other)
		switch { // what is undefined does not win
		case t.values[k] < other:
			wins++
		case t.values[k] == other:
			wins += 0.5
		}
	}
	if len(differences) == 0 {
		return nil, math.NaN()
	}
	m := score.TimeMean(differences)
	return &m, wins / float64(len(differences))
}

// comparisonFormats are the ways to print comparisons.
var comparisonFormats = map[string]func(w io.Writer, metric string, rows []comparison) error{
	"text": printText, "markdown": printMarkdown, "latex": printLaTeX, "csv": printCSV,
}

// cells returns the lines of a table for people, its head first.
func cells(metric string, rows []comparison) [][]string {
	head := []string{"filter", "members", metric, "difference", "wins", "status"}
	if rows[0].run != "" {
		head = append([]string{"run"}, head...)
	}
	lines := [][]string{head}
	for _, r := range rows {
		line := []string{r.filter, fmt.Sprint(r.size), withError("%.4g", r.mean), "", "", r.status}
		if r.difference != nil {
			line[3], line[4] = withError("%+.4g", *r.difference), fmt.Sprintf("%.0f %%", 100*r.wins)
		}
		if r.run != "" {
			line = append([]string{r.run}, line...)
		}
		lines = append(lines, line)
	}
	return lines
}

func withError(verb string, m score.Mean) string {
	if math.IsNaN(m.SE) {
		return fmt.Sprintf(verb, m.Value)
	}
	return fmt.Sprintf(verb+" ± %.2g", m.Value, m.SE)
}

func printText(w io.Writer, metric string, rows []comparison) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range cells(metric, rows) {
		fmt.Fprintln(out, strings.Join(line, "\t"))
	}
	return out.Flush()
}

func printMarkdown(w io.Writer, metric string, rows []comparison) error {
	var err error
	for i, line := range cells(metric, rows) {
		for k := range line {
			line[k] = strings.ReplaceAll(line[k], "|", `\|`)
		}
		_, e := fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
		err = errors.Join(err, e)
		if i == 0 {
			_, e = fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(line)))
			err = errors.Join(err, e)
		}
	}
	return err
}

// latex escapes the characters that mean something to LaTeX.
var latex = strings.NewReplacer(`\`, `\textbackslash{}`, "_", `\_`, "%", `\%`, "&", `\&`, "#", `\#`, "$", `\$`, "{", `\{`, "}", `\}`,
	"~", `\textasciitilde{}`, "^", `\textasciicircum{}`, "±", `$\pm$`)

// printLaTeX prints a tabular with the rules of package booktabs.
func printLaTeX(w io.Writer, metric string, rows []comparison) error {
	lines := cells(metric, rows)
	var b strings.Builder
	fmt.Fprintf(&b, "\\begin{tabular}{%s}\n\\toprule\n", strings.Repeat("l", len(lines[0])))
	for i, line := range lines {
		for k := range line {
			line[k] = latex.Replace(line[k])
			if negative, ok := strings.CutPrefix(line[k], "-"); ok {
				line[k] = "$-$" + negative
			}
		}
		fmt.Fprintf(&b, "%s \\\\\n", strings.Join(line, " & "))
		if i == 0 {
			b.WriteString("\\midrule\n")
		}
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// printCSV prints all digits.
func printCSV(w io.Writer, metric string, rows []comparison) error {
	digits := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	out := csv.NewWriter(w)
	lines := [][]string{{"run", "filter", "members", "metric", "value", "se", "difference", "difference_se", "wins", "cycles", "status"}}
	for _, r := range rows {
		line := []string{r.run, r.filter, fmt.Sprint(r.size), metric, digits(r.mean.Value), digits(r.mean.SE), "", "", "", fmt.Sprint(r.mean.Count), r.status}
		if r.difference != nil {
			line[6], line[7], line[8] = digits(r.difference.Value), digits(r.difference.SE), digits(r.wins)
		}
		lines = append(lines, line)
	}
	return out.WriteAll(lines)
}
