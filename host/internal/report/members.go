package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Limits on the members that are shown.
const (
	memberCycles = 12        // at so many cycles
	mostMembers  = 400       // of an ensemble or a reference; of more, those at even distances
	memberBytes  = 256 << 20 // larger tables are not read for them
)

// members is the members of the ensembles of the first replicate, with its truths and
// references, at a few cycles and in the values whose trajectories are shown.
type members struct {
	cycles     []int32
	truths     map[truthKey]clouds // of one member each
	references map[int]clouds      // by number
}

// clouds are the members of an ensemble, by cycle; nil where there are none.
type clouds []*cloud

// cloud is members of one cycle.
type cloud struct {
	values  [][]float64 // of every shown value, by member
	weights []float64   // of members, on a common scale
}

// readMembers reads the members, unless there are very many.
func (r *Report) readMembers() error {
	size, err := r.reader.Size("ensemble")
	if err != nil || size == 0 || size > memberBytes || len(r.shown) < 2 {
		return err
	}
	first, count, last := r.trials[0].Trial.Replicate, 0, 0
	for _, t := range r.trials {
		if t.Replicate == first {
			count, last = count+1, max(last, t.Cycles)
		}
	}
	if count > manyTrials {
		return nil
	}
	r.members.cycles = spaced(last, memberCycles)
	tables, err := r.reader.Tables()
	if err != nil {
		return err
	}
	r.members.truths, r.members.references = map[truthKey]clouds{}, map[int]clouds{}
	for _, name := range tables {
		name = strings.TrimSuffix(name, ".arrow")
		var number, part int
		switch {
		case scanned(name, "ensemble/trial=%d/part-%d", &number, &part):
			if t := r.trial(int32(number)); t != nil && t.Replicate == first {
				t.members, err = r.readClouds(name)
			}
		case scanned(name, "truth/replicate=%d/part-%d", &number, &part) && number == first:
			r.members.truths[truthKey{number, part}], err = r.readStage(name)
		case scanned(name, "reference/replicate=%d/part-%d", &number, &part) && number == first:
			r.members.references[part], err = r.readStage(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func scanned(name, format string, numbers ...any) bool {
	n, err := fmt.Sscanf(name, format, numbers...)
	return err == nil && n == len(numbers)
}

// spaced returns at most so many numbers at even distances, of which last is the last.
func spaced(last, most int) (list []int32) {
	for k := range min(last, most) {
		list = append(list, int32((k+1)*last/min(last, most)))
	}
	return list
}

// readStage reads the members of a table that has one stage.
func (r *Report) readStage(table string) (clouds, error) {
	stages, err := r.readClouds(table)
	for _, c := range stages {
		return c, err
	}
	return nil, err
}

// readClouds reads the members of a table of states, by stage.
func (r *Report) readClouds(table string) (map[string]clouds, error) {
	stages := map[string]clouds{}
	for b, err := range r.reader.States(table) {
		if err != nil {
			return nil, err
		}
		for i, cycle := range b.Cycle {
			at, wanted := slices.BinarySearch(r.members.cycles, cycle)
			if !wanted {
				continue
			}
			stage, weight := "", 1.0
			if b.Stage != nil {
				stage = b.Stage[i]
			}
			if b.LogWeight != nil {
				weight = math.Exp(b.LogWeight[i])
			}
			if stages[stage] == nil {
				stages[stage] = make(clouds, len(r.members.cycles))
			}
			stages[stage].add(at, r.valuesOf(b.Fields, i), weight)
		}
	}
	for _, list := range stages {
		for _, c := range list {
			c.thin(mostMembers)
		}
	}
	return stages, nil
}

// valuesOf returns the values that are shown of a row.
func (r *Report) valuesOf(fields []archive.Field, row int) []float64 {
	values := make([]float64, len(r.shown))
	for k, c := range r.shown {
		values[k] = math.NaN()
		if at := slices.IndexFunc(fields, func(f archive.Field) bool { return f.Name == c.variable }); at >= 0 {
			values[k] = fields[at].Row(row)[c.index]
		}
	}
	return values
}

func (list clouds) add(at int, values []float64, weight float64) {
	if list[at] == nil {
		list[at] = &cloud{values: make([][]float64, len(values))}
	}
	c := list[at]
	for k, v := range values {
		c.values[k] = append(c.values[k], v)
	}
	c.weights = append(c.weights, weight)
}

// thin keeps so many members, at even distances.
func (c *cloud) thin(most int) {
	if c == nil || len(c.weights) <= most {
		return
	}
	keep := func(values []float64) (kept []float64) {
		for k := range most {
			kept = append(kept, values[k*len(values)/most])
		}
		return kept
	}
	for k := range c.values {
		c.values[k] = keep(c.values[k])
	}
	c.weights = keep(c.weights)
}

// data returns the members for the page; nil if none are shown.
func (m *members) data() *dataMembers {
	if m.cycles == nil {
		return nil
	}
	d := &dataMembers{Cycles: m.cycles, Truths: map[string][]*dataCloud{}, References: map[int][]*dataCloud{}}
	for key, list := range m.truths {
		d.Truths[key.String()] = list.data()
	}
	for number, list := range m.references {
		d.References[number] = list.data()
	}
	return d
}

func (list clouds) data() []*dataCloud {
	out := make([]*dataCloud, len(list))
	for i, c := range list {
		if c == nil {
			continue
		}
		out[i] = &dataCloud{}
		for _, v := range c.values {
			out[i].Values = append(out[i].Values, v)
		}
		if varies(c.weights) {
			out[i].Weights = c.weights
		}
	}
	return out
}

// dots returns the members in the plane of two values, and the radius of each: its area
// is as its weight.
func (c *cloud) dots(i, k int, radius vg.Length, shape draw.GlyphStyle) *plotter.Scatter {
	most := slices.Max(c.weights)
	s := &plotter.Scatter{}
	for m := range c.weights {
		s.XYs = append(s.XYs, plotter.XY{X: c.values[i][m], Y: c.values[k][m]})
	}
	s.GlyphStyleFunc = func(m int) draw.GlyphStyle {
		shape.Radius = radius * vg.Length(math.Sqrt(c.weights[m]/most))
		return shape
	}
	return s
}

// membersFigure draws the members of each trial at the last cycle that is shown, in the
// plane of the first two values.
func (r *Report) membersFigure(trials []*trial) *figure {
	const columns = 4
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { c := t.members[archive.Analysis]; return c == nil || c[len(c)-1] == nil })
	if len(trials) == 0 {
		return nil
	}
	var panels []*plot.Plot
	for n, t := range trials {
		p := panel(fmt.Sprintf("%s, N = %d", t.Filter, t.Size), "", "")
		if n%columns == 0 {
			p.Y.Label.Text = withUnit(r.shown[1].label(), r.shown[1].unit)
		}
		if n >= len(trials)-columns {
			p.X.Label.Text = withUnit(r.shown[0].label(), r.shown[0].unit)
		}
		for _, layer := range []struct {
			list   clouds
			radius vg.Length
			style  draw.GlyphStyle
		}{
			{r.members.references[t.Reference], 1, draw.GlyphStyle{Color: faded(soft, 0.45), Shape: draw.CircleGlyph{}}},
			{t.members[archive.Analysis], 1.6, draw.GlyphStyle{Color: r.style(t.Filter).Color, Shape: draw.CircleGlyph{}}},
			{r.members.truths[t.truthKey()], 4, draw.GlyphStyle{Color: ink, Shape: draw.CrossGlyph{}}},
		} {
			if layer.list != nil && layer.list[len(layer.list)-1] != nil {
				p.Add(layer.list[len(layer.list)-1].dots(0, 1, vg.Points(float64(layer.radius)), layer.style))
			}
		}
		p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(4)
		panels = append(panels, p)
	}
	common(panels)
	return &figure{"members", inRows(panels, columns), 5.2 * vg.Centimeter, 5 * vg.Centimeter}
}

// common gives plots the same axes.
func common(plots []*plot.Plot) {
	for _, axis := range []func(*plot.Plot) *plot.Axis{func(p *plot.Plot) *plot.Axis { return &p.X }, func(p *plot.Plot) *plot.Axis { return &p.Y }} {
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range plots {
			low, high = min(low, axis(p).Min), max(high, axis(p).Max)
		}
		room := 0.04 * (high - low)
		for _, p := range plots {
			axis(p).Min, axis(p).Max = low-room, high+room
		}
	}
}
