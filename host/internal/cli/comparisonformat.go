package cli

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// comparisonFormats are the ways to print a comparison.
var comparisonFormats = map[string]func(w io.Writer, c *comparison) error{
	"text": printText, "markdown": printMarkdown, "latex": printLaTeX, "csv": printCSV, "json": printJSON,
}

// cells returns the lines of a table for people, its head first, with short names of axes
// or long ones. Columns that say nothing are left out.
func (c *comparison) cells(short bool) [][]string {
	lines := [][]string{{"run", "filter", "members", "setting", c.metric, "difference", "wins", "status"}}
	for _, r := range c.rows {
		line := []string{r.run, r.filter, "", r.settingText(short), r.meanText(), "", "", r.status}
		if r.size > 0 {
			line[2] = fmt.Sprint(r.size)
		}
		if d := r.difference; d != nil {
			line[5], line[6] = withError("%+.4g", d.mean), d.winsText()
		}
		lines = append(lines, line)
	}
	for k := len(lines[0]) - 1; k >= 0; k-- {
		empty := !slices.ContainsFunc(lines[1:], func(line []string) bool { return line[k] != "" })
		if name := lines[0][k]; empty && (name == "run" || name == "setting") {
			for i := range lines {
				lines[i] = slices.Delete(lines[i], k, k+1)
			}
		}
	}
	return lines
}

// settingText is the values of the axes by the ends of their keys.
func (r *comparedRow) settingText(short bool) string {
	axes := slices.Sorted(maps.Keys(r.setting))
	values := make([]string, len(axes))
	for k, axis := range axes {
		values[k] = r.setting[axis]
	}
	return settingText(r.filter, axes, values, short)
}

// meanText never hides how many trials a mean leaves out.
func (r *comparedRow) meanText() string {
	switch {
	case r.trials == 1 && r.mean.Count == 0:
		return ""
	case r.ok == r.trials || r.trials == 1:
		return withError("%.4g", r.mean)
	case r.ok == 0:
		return fmt.Sprintf("- (0/%d)", r.trials)
	}
	return fmt.Sprintf("%s (%d/%d)", withError("%.4g", r.mean), r.ok, r.trials)
}

func (d *difference) winsText() string {
	switch {
	case math.IsNaN(d.wins):
		return ""
	case d.times:
		return fmt.Sprintf("%.0f %%", 100*d.wins/float64(d.mean.Count))
	}
	return fmt.Sprintf("%g/%d", d.wins, d.mean.Count)
}

func withError(verb string, m score.Mean) string {
	if math.IsNaN(m.SE) {
		return fmt.Sprintf(verb, m.Value)
	}
	return fmt.Sprintf(verb+" ± %.2g", m.Value, m.SE)
}

func printText(w io.Writer, c *comparison) error {
	lines := c.cells(widthOf(w) > 0)
	columns := make([]column, len(lines[0]))
	for k, head := range lines[0] {
		columns[k] = column{head: head, fold: head == "setting"}
		switch {
		case head == "status" && !slices.ContainsFunc(lines[1:], func(line []string) bool { return line[k] != string(archive.OK) }):
			columns[k].drop = 1
		case head == "wins":
			columns[k].drop = 2
		}
	}
	return printTable(w, columns, lines[1:])
}

func printMarkdown(w io.Writer, c *comparison) error {
	var err error
	for i, line := range c.cells(false) {
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
func printLaTeX(w io.Writer, c *comparison) error {
	lines := c.cells(false)
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

// printCSV prints all digits, with a column for every axis; what is not known is empty.
func printCSV(w io.Writer, c *comparison) error {
	digits := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	out := csv.NewWriter(w)
	lines := [][]string{slices.Concat([]string{"run", "filter", "members"}, c.axes,
		[]string{"metric", "value", "se", "trials", "trials_ok", "baseline", "difference", "difference_se", "wins", "pairs", "status"})}
	for _, r := range c.rows {
		line := []string{r.run, r.filter, fmt.Sprint(r.size)}
		for _, axis := range c.axes {
			line = append(line, r.setting[axis])
		}
		line = append(line, c.metric, digits(r.mean.Value), digits(r.mean.SE), fmt.Sprint(r.trials), fmt.Sprint(r.ok), r.baseline)
		if d := r.difference; d != nil {
			line = append(line, digits(d.mean.Value), digits(d.mean.SE), digits(d.wins), fmt.Sprint(d.mean.Count))
		} else {
			line = append(line, "", "", "", "")
		}
		lines = append(lines, append(line, r.status))
	}
	return out.WriteAll(lines)
}

// printJSON prints the objects as one array.
func printJSON(w io.Writer, c *comparison) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c.objects())
}

// objects returns the lines of a table for machines, with all digits; what is not known is
// null.
func (c *comparison) objects() []any {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	type paired struct {
		Baseline string   `json:"baseline"`
		Value    *float64 `json:"value"`
		SE       *float64 `json:"se"`
		Wins     *float64 `json:"wins"`
		Pairs    int      `json:"pairs"`
		Of       string   `json:"of"`
	}
	type line struct {
		Run        string            `json:"run,omitempty"`
		Filter     string            `json:"filter"`
		Members    int32             `json:"members,omitempty"`
		Setting    map[string]string `json:"setting,omitempty"`
		Metric     string            `json:"metric"`
		Value      *float64          `json:"value"`
		SE         *float64          `json:"se"`
		Trials     int               `json:"trials"`
		OK         int               `json:"trials_ok"`
		Status     string            `json:"status"`
		Difference *paired           `json:"difference,omitempty"`
	}
	lines := []any{}
	for _, r := range c.rows {
		l := line{r.run, r.filter, r.size, r.setting, c.metric, number(r.mean.Value), number(r.mean.SE), r.trials, r.ok, r.status, nil}
		if d := r.difference; d != nil {
			l.Difference = &paired{r.baseline, number(d.mean.Value), number(d.mean.SE), number(d.wins), d.mean.Count, "replicates"}
			if d.times {
				l.Difference.Of = "cycles"
			}
		}
		lines = append(lines, l)
	}
	return lines
}
