package cli

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// comparisonFormats are the ways to print a comparison.
var comparisonFormats = map[string]func(w io.Writer, c *compare.Comparison) error{
	"text": printText, "markdown": printMarkdown, "latex": printLaTeX, "csv": printCSV, "json": printJSON,
}

// restarts is the score that is shown next to any other, of runs that have it.
const restarts = "divergences"

// comparisonLines returns the lines of a table for people, its head first, with short or
// long names of axes. Columns without information are omitted.
func comparisonLines(c *compare.Comparison, short bool) [][]string {
	lines := [][]string{{"run", "filter", "members", "setting", c.Label(), "published", restarts, "difference", "wins", "status"}}
	for _, r := range c.Rows {
		setting := settingText(r.Filter, r.Run.Axes, r.Values, short)
		line := []string{runOf(c, r), r.Filter, r.Group.SizeText(), setting, r.Mean.Text(), publishedText(r), "", "", "", r.Status()}
		if c.Name != restarts && r.Divergences.OK > 0 {
			line[6] = r.Divergences.Text()
		}
		if d := r.Difference; d != nil {
			line[7], line[8] = d.Text(), d.WinsText()
		}
		lines = append(lines, line)
	}
	for _, k := range []int{6, 5, 3, 0} { // divergences, published, setting and run
		if slices.ContainsFunc(lines[1:], func(line []string) bool { return line[k] != "" }) {
			continue
		}
		for i := range lines {
			lines[i] = slices.Delete(lines[i], k, k+1)
		}
	}
	return lines
}

// runOf returns the name of the run of a row if there are several runs.
func runOf(c *compare.Comparison, r compare.Row) string {
	if c.Rows[0].Run == c.Rows[len(c.Rows)-1].Run {
		return ""
	}
	return filepath.Base(r.Run.Dir)
}

// publishedText returns the published score of a row with the digits that it was published
// with; empty if there is none.
func publishedText(r compare.Row) string {
	if r.Published == nil {
		return ""
	}
	return strconv.FormatFloat(*r.Published, 'g', -1, 64)
}

// settingOf returns the values of a group by axis.
func settingOf(axes []string, g *compare.Group) map[string]string {
	setting := map[string]string{}
	for k, v := range g.Values {
		if v != "" {
			setting[axes[k]] = v
		}
	}
	return setting
}

// axesOf returns the axes of all runs, without those whose values are in other columns.
func axesOf(c *compare.Comparison) []string {
	var axes []string
	for _, r := range c.Rows {
		for _, axis := range r.Run.Axes {
			if !compare.IsSize(axis) && !slices.Contains(axes, axis) {
				axes = append(axes, axis)
			}
		}
	}
	return axes
}

func printText(w io.Writer, c *compare.Comparison) error {
	lines := comparisonLines(c, widthOf(w) > 0)
	columns := make([]column, len(lines[0]))
	for k, head := range lines[0] {
		columns[k] = column{head: head, fold: head == "setting"}
		switch {
		case head == c.Label() && score.IsLoss(c.Name):
			best, _ := compare.Best(c.Rows)
			columns[k].style = rowStyle(best)
		case head == "status" && !slices.ContainsFunc(lines[1:], func(line []string) bool { return line[k] != string(archive.OK) }):
			columns[k].drop = 1
		case head == "wins":
			columns[k].drop = 2
		}
		if head == "status" {
			columns[k].style = statusStyle
		}
	}
	return printTable(w, columns, lines[1:])
}

func printMarkdown(w io.Writer, c *compare.Comparison) error {
	var err error
	for i, line := range comparisonLines(c, false) {
		for k := range line {
			line[k] = strings.ReplaceAll(oneLine(line[k]), "|", `\|`)
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

// latex escapes the characters that are special in LaTeX.
var latex = strings.NewReplacer(`\`, `\textbackslash{}`, "_", `\_`, "%", `\%`, "&", `\&`, "#", `\#`, "$", `\$`, "{", `\{`, "}", `\}`,
	"~", `\textasciitilde{}`, "^", `\textasciicircum{}`, "±", `$\pm$`, "–", "--")

// printLaTeX prints a tabular with the rules of package booktabs.
func printLaTeX(w io.Writer, c *compare.Comparison) error {
	lines := comparisonLines(c, false)
	var b strings.Builder
	fmt.Fprintf(&b, "\\begin{tabular}{%s}\n\\toprule\n", strings.Repeat("l", len(lines[0])))
	for i, line := range lines {
		for k := range line {
			line[k] = latex.Replace(oneLine(line[k]))
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

// printCSV prints all digits, with a column for every axis; unknown values are empty.
func printCSV(w io.Writer, c *compare.Comparison) error {
	digits := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	out := csv.NewWriter(w)
	axes := axesOf(c)
	lines := [][]string{slices.Concat([]string{"run", "filter", "members"}, axes,
		[]string{"metric", "stage", "value", "se", "trials", "trials_ok", "baseline", "baseline_members", "difference", "difference_se", "wins", "pairs", restarts, "status", "published"})}
	for _, r := range c.Rows {
		line, setting := []string{runOf(c, r), r.Filter, fmt.Sprint(r.Size)}, settingOf(r.Run.Axes, r.Group)
		for _, axis := range axes {
			line = append(line, setting[axis])
		}
		line = append(line, c.Name, c.Stage, digits(r.Mean.Value), digits(r.Mean.SE), fmt.Sprint(r.Mean.Trials), fmt.Sprint(r.Mean.OK))
		if d := r.Difference; d != nil {
			line = append(line, d.Partner.Filter, fmt.Sprint(d.Partner.Size), digits(d.Value), digits(d.SE), digits(d.Wins), fmt.Sprint(d.Count))
		} else {
			line = append(line, "", "", "", "", "", "")
		}
		lines = append(lines, append(line, digits(r.Divergences.Value), r.Status(), publishedText(r)))
	}
	return out.WriteAll(lines)
}

// printJSON prints the objects as one array.
func printJSON(w io.Writer, c *compare.Comparison) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(comparisonObjects(c))
}

// comparisonObjects returns the lines of a table as objects for JSON, with all digits;
// unknown values are null.
func comparisonObjects(c *compare.Comparison) []any {
	type paired struct {
		Baseline string            `json:"baseline"`
		Members  int               `json:"baseline_members"`
		Setting  map[string]string `json:"baseline_setting,omitempty"`
		Value    *float64          `json:"value"`
		SE       *float64          `json:"se"`
		Wins     *float64          `json:"wins"`
		Pairs    int               `json:"pairs"`
		Of       string            `json:"of"`
	}
	type line struct {
		Run        string            `json:"run,omitempty"`
		Filter     string            `json:"filter"`
		Members    int               `json:"members,omitempty"`
		Setting    map[string]string `json:"setting,omitempty"`
		Metric     string            `json:"metric"`
		Stage      string            `json:"stage"`
		Value      *float64          `json:"value"`
		SE         *float64          `json:"se"`
		Trials     int               `json:"trials"`
		OK         int               `json:"trials_ok"`
		Restarts   *float64          `json:"divergences,omitempty"`
		Status     string            `json:"status"`
		Published  *float64          `json:"published,omitempty"`
		Difference *paired           `json:"difference,omitempty"`
	}
	lines := []any{}
	for _, r := range c.Rows {
		l := line{runOf(c, r), r.Filter, r.Size, settingOf(r.Run.Axes, r.Group), c.Name, c.Stage,
			finite(r.Mean.Value), finite(r.Mean.SE), r.Mean.Trials, r.Mean.OK, finite(r.Divergences.Value), r.Status(), r.Published, nil}
		if d := r.Difference; d != nil {
			l.Difference = &paired{d.Partner.Filter, d.Partner.Size, settingOf(c.Rows[0].Run.Axes, d.Partner),
				finite(d.Value), finite(d.SE), finite(d.Wins), d.Count, "replicates"}
			if d.Cycles {
				l.Difference.Of = "cycles"
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// finite returns a number for JSON; nil, which is null, if it is not finite.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// finiteOrNull is a number that is null in JSON if it is not finite.
type finiteOrNull float64

// MarshalJSON implements [json.Marshaler].
func (v finiteOrNull) MarshalJSON() ([]byte, error) { return json.Marshal(finite(float64(v))) }
