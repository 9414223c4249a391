package scaffold

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// guess is what is written about a file of observations.
type guess struct {
	data    Data
	File    string // as the workflow names it
	sheet   *sheet
	clock   *clock
	columns []*column // that are assimilated
}

// Name returns a name of the experiment.
func (g *guess) Name() string {
	return identifier(strings.TrimSuffix(filepath.Base(g.File), filepath.Ext(g.File)), 0)
}

// Time returns the content of [time].
func (g *guess) Time() string {
	var b strings.Builder
	c := g.clock
	if !c.dated {
		fmt.Fprintf(&b, "start = %s   # guessed: one step before the first row, in the unit of the column\n", c.start)
		return b.String()
	}
	fmt.Fprintf(&b, "start = %s   # model time 0; guessed: one step before the first row\nunit  = %q\n", c.start, c.unit)
	if c.every != "" {
		fmt.Fprintf(&b, "# guessed; without it, cycles are at the times of the rows\ninterval = %q\n", c.every)
	}
	return b.String()
}

// Dynamics returns the content of [model].
func (g *guess) Dynamics() string {
	if g.data.Model != "" {
		return fmt.Sprintf("plugin = %q   # plume plugins describe %s shows its parameters\n", g.data.Model, g.data.Model)
	}
	units := of(g.columns, func(c *column) string { return strconv.Quote(c.Unit) })
	steps := of(g.columns, func(c *column) string { return short(c.Step / math.Sqrt(g.clock.step)) })
	text := fmt.Sprintf("plugin = \"linear\"   # guessed: random walks; plume plugins list shows others\nparams = { variables = [%s]", g.variables())
	if slices.ContainsFunc(g.columns, func(c *column) bool { return c.Unit != "" }) {
		text += fmt.Sprintf(", units = [%s]", units)
	}
	return text + fmt.Sprintf(" }\n# guessed: the changes from row to row\nnoise  = { sd = [%s], per = \"sqrt_time\" }\n", steps)
}

// Observed returns the rest of [observations].
func (g *guess) Observed() string {
	var b strings.Builder
	if g.data.Model != "" {
		fmt.Fprintf(&b, "params = { variables = [%s] }\n", g.variables())
	}
	fmt.Fprintf(&b, "# guessed: half of the changes from row to row; write what the instrument has\nerror  = { sd = [%s] }\n", of(g.columns, func(c *column) string { return short(c.Step / 2) }))
	fmt.Fprintf(&b, "file   = %q\n", filepath.ToSlash(g.File))
	d := g.sheet.dialect
	for _, key := range []struct{ name, value string }{{"delimiter", d.Delimiter}, {"decimal", d.Decimal}, {"comment", d.Comment}} {
		if key.value != "" && (key.name != "delimiter" || key.value != ",") {
			fmt.Fprintf(&b, "%s = %q   # guessed\n", key.name, key.value)
		}
	}
	b.WriteString(g.when())
	b.WriteString(g.missing())
	b.WriteString("map = [\n")
	for _, c := range g.columns {
		remark := fmt.Sprintf("   # from %s to %s", short(c.Low), short(c.High))
		if g.data.Model != "" && identifier(c.Name, 0) != strings.ToLower(c.Variable) {
			remark = "   # guessed: the next variable of the model"
		}
		fmt.Fprintf(&b, "  { column = %q, variable = %q },%s\n", c.Name, c.Variable, remark)
	}
	b.WriteString("]\n")
	b.WriteString(g.left())
	b.WriteString("hold_out = { every = 10 }   # not assimilated: filters are scored by it\n")
	qc := "background = 4"
	if g.clock.twice {
		qc += `, duplicates = "mean"`
	}
	fmt.Fprintf(&b, "qc = { %s }   # rejects values that are 4 standard deviations off\n", qc)
	return b.String()
}

// when returns the key time.
func (g *guess) when() string {
	c := g.clock
	names := of(c.columns, func(i int) string { return strconv.Quote(g.sheet.names[i]) })
	text := fmt.Sprintf("time = { column = %s", names)
	if len(c.columns) > 1 {
		text = fmt.Sprintf("time = { columns = [%s]", names)
	}
	if c.format != "" {
		text += fmt.Sprintf(", format = %q", c.format)
	}
	text += " }\n"
	if c.other != "" {
		text = fmt.Sprintf("# guessed: the dates could also be %q\n", c.other) + text
	}
	if c.dated && !c.zoned {
		text = "# guessed: in UTC; otherwise add timezone = \"Europe/Oslo\" or another\n" + text
	}
	return text
}

// missing returns the key missing; empty if it is not needed.
func (g *guess) missing() string {
	var codes []string
	for _, c := range g.columns {
		codes = append(codes, c.Missing...)
	}
	slices.Sort(codes)
	if codes = slices.Compact(codes); len(codes) == 0 {
		return ""
	}
	return fmt.Sprintf("missing = [%s]   # guessed\n", of(append(slices.Clone(always), codes...), strconv.Quote))
}

// left returns remarks on the columns that are not used.
func (g *guess) left() string {
	var b strings.Builder
	for i, name := range g.sheet.names {
		used := slices.Contains(g.clock.columns, i) || slices.ContainsFunc(g.columns, func(c *column) bool { return c.Name == name })
		switch {
		case used:
		case errName.MatchString(name):
			fmt.Fprintf(&b, "# %q may have the standard deviations of errors: sd = %q in its map\n", name, name)
		case skipName.MatchString(name):
			fmt.Fprintf(&b, "# %q may have flags: qc.flag = { column = %q, accept = [...] }\n", name, name)
		default:
			fmt.Fprintf(&b, "# %q is not used\n", name)
		}
	}
	return b.String()
}

// Start returns the rest of [ensemble].
func (g *guess) Start() string {
	means, sds := of(g.columns, func(c *column) string { return short(c.Mean) }), of(g.columns, func(c *column) string { return short(c.SD) })
	if g.data.Model != "" {
		value := func(of func(*column) float64, other float64) func(string) string {
			return func(v string) string {
				if i := slices.IndexFunc(g.columns, func(c *column) bool { return c.Variable == v }); i >= 0 {
					return short(of(g.columns[i]))
				}
				return short(other)
			}
		}
		means = of(g.data.Variables, value(func(c *column) float64 { return c.Mean }, 0))
		sds = of(g.data.Variables, value(func(c *column) float64 { return c.SD }, 1))
	}
	return fmt.Sprintf("# guessed: mean and standard deviation of each column\ninit = { dist = \"normal\", mean = [%s], sd = [%s] }\n", means, sds)
}

func (g *guess) variables() string {
	return of(g.columns, func(c *column) string { return strconv.Quote(c.Variable) })
}

// of returns texts for all items, with commas between them.
func of[T any](items []T, text func(T) string) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = text(item)
	}
	return strings.Join(texts, ", ")
}

// short returns v with three digits.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
