package report

import (
	"fmt"
	"image/color"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Limits on the members that are shown.
const (
	memberCycles  = 12        // at so many cycles
	latestCycles  = 60        // and at the last so many, for their way over time
	mostMembers   = 400       // of an ensemble or a reference; of more, those at even distances
	latestMembers = 100       // over time
	latestBudget  = 400_000   // values over time
	memberBytes   = 256 << 20 // larger tables are not read for them
)

// members is the members of the ensembles of the first replicate, with its truths and
// references, at a few cycles and in the values whose trajectories are shown.
type members struct {
	cycles     []int32   // at even distances
	latest     []int32   // the last ones
	at, times  []float64 // model times of both
	keep       int       // members over time
	grids      []grid
	truths     map[truthKey]*snapshots // of one member each
	references map[int]*snapshots      // by number
}

// snapshots are the members of an ensemble, a reference or, as one member, a truth, by cycle;
// nil where there are none.
type snapshots struct {
	cycles, latest clouds
	maps           [][]*fieldSums // by grid and cycle
}

// clouds are the members of an ensemble by cycle.
type clouds []*cloud

// cloud is members of one cycle.
type cloud struct {
	values  [][]float64 // of every shown value, by member
	weights []float64   // of members, on a common scale
}

// readMembers reads the members, unless there are very many.
func (r *Report) readMembers() error {
	size, err := r.reader.Size("ensemble")
	if err != nil || size == 0 || len(r.shown) == 0 {
		return err
	}
	first, count, last := r.trials[0].Trial.Replicate, 0, 0
	for _, t := range r.trials {
		if t.Replicate == first {
			count, last = count+1, max(last, t.Cycles)
		}
	}
	if size > memberBytes || count > manyTrials {
		r.omitted = append(r.omitted, fmt.Sprintf("Members are not shown: %d trials of a replicate with %d MB of ensembles, want at most %d and %d MB.",
			count, size>>20, manyTrials, memberBytes>>20))
		return nil
	}
	if lacking := r.notStored(); lacking != "" {
		r.omitted = append(r.omitted, fmt.Sprintf("Members are not shown: the ensembles do not have the values of %s, see output.ensemble_variables.", lacking))
		return nil
	}
	m := &r.members
	every := max(1, r.reader.Info.Every)
	stored := last / every
	if stored == 0 {
		return nil
	}
	m.cycles, m.times = spaced(stored, memberCycles), make([]float64, min(stored, latestCycles))
	m.at = make([]float64, len(m.cycles))
	for k := range m.cycles {
		m.cycles[k] *= int32(every)
	}
	for k := range m.times {
		m.latest = append(m.latest, int32((stored-len(m.times)+k+1)*every))
	}
	if most := r.reader.Info.Members; most > 0 && slices.ContainsFunc(r.trials, func(t *trial) bool { return t.Size > most }) {
		r.omitted = append(r.omitted, fmt.Sprintf("Charts of members, and the means and spreads of maps, are of at most %s of each ensemble, those that are stored: see output.ensemble_members.", diag.Plural(most, "member")))
	}
	m.keep = min(latestMembers, max(10, latestBudget/(count*max(1, len(m.latest))*len(r.shown))))
	r.chooseGrids(count)
	tables, err := r.reader.Tables()
	if err != nil {
		return err
	}
	m.truths, m.references = map[truthKey]*snapshots{}, map[int]*snapshots{}
	for _, name := range tables {
		name = strings.TrimSuffix(name, ".arrow")
		var number, part int
		switch {
		case scanned(name, "ensemble/trial=%d/part-%d", &number, &part):
			if t := r.trial(int32(number)); t != nil && t.Replicate == first {
				t.members, err = r.readSnapshots(name)
				t.stored = r.reader.Info.Members
				r.weigh(t)
			}
		case scanned(name, "truth/replicate=%d/part-%d", &number, &part) && number == first:
			m.truths[truthKey{replicate: number, truth: part}], err = r.readStage(name)
		case scanned(name, "reference/replicate=%d/part-%d", &number, &part) && number == first:
			m.references[part], err = r.readStage(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notStored returns the shown variables that the stored ensembles do not have; empty if there are none.
func (r *Report) notStored() string {
	var lacking []string
	if stored := r.reader.Info.Only; stored != nil {
		for _, c := range r.shown {
			if !slices.Contains(stored, c.variable) && !slices.Contains(lacking, c.variable) {
				lacking = append(lacking, c.variable)
			}
		}
	}
	return strings.Join(lacking, ", ")
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
func (r *Report) readStage(table string) (*snapshots, error) {
	stages, err := r.readSnapshots(table)
	for _, s := range stages {
		return s, err
	}
	return nil, err
}

// readSnapshots reads the members of a table of states, by stage.
func (r *Report) readSnapshots(table string) (map[string]*snapshots, error) {
	m, stages := &r.members, map[string]*snapshots{}
	for b, err := range r.reader.States(table) {
		if err != nil {
			return nil, err
		}
		for i, cycle := range b.Cycle {
			at, wanted := slices.BinarySearch(m.cycles, cycle)
			late, last := slices.BinarySearch(m.latest, cycle)
			if !wanted && !last {
				continue
			}
			stage, weight := "", 1.0
			if b.Stage != nil {
				stage = b.Stage[i]
			}
			if b.LogWeight != nil {
				weight = math.Exp(b.LogWeight[i])
			}
			s := stages[stage]
			if s == nil {
				s = &snapshots{cycles: make(clouds, len(m.cycles)), latest: make(clouds, len(m.latest))}
				for range m.grids {
					s.maps = append(s.maps, make([]*fieldSums, len(m.cycles)))
				}
				stages[stage] = s
			}
			values := r.valuesOf(b.Fields, i)
			if wanted {
				m.at[at] = b.Time[i]
				s.cycles.add(at, values, weight)
				for k, g := range m.grids {
					if of := slices.IndexFunc(b.Fields, func(f archive.Field) bool { return f.Name == g.Name }); of >= 0 {
						s.addMap(k, at, b.Fields[of].Row(i), weight)
					}
				}
			}
			if last {
				s.latest.add(late, values, weight)
				m.times[late] = b.Time[i]
			}
		}
	}
	for _, s := range stages {
		for _, c := range s.cycles {
			c.thin(mostMembers)
		}
		for _, c := range s.latest {
			c.thin(m.keep)
		}
	}
	return stages, nil
}

// weigh leaves out the members of a trial in the cycles in which those that are shown have no weight
// together: that of the ensemble is with others.
func (r *Report) weigh(t *trial) {
	var none []int32 // cycles
	for _, stage := range slices.Sorted(maps.Keys(t.members)) {
		s := t.members[stage]
		none = slices.Concat(none, s.cycles.weigh(r.members.cycles), s.latest.weigh(r.members.latest))
		kept := slices.ContainsFunc(slices.Concat(s.cycles, s.latest), func(c *cloud) bool { return c != nil })
		for _, list := range s.maps {
			for at, f := range list {
				if f != nil && !(f.weight > 0) {
					list[at], none = nil, append(none, r.members.cycles[at])
				}
				kept = kept || list[at] != nil
			}
		}
		if !kept {
			delete(t.members, stage)
		}
	}
	if len(t.members) == 0 {
		t.members = nil
	}
	if len(none) > 0 {
		slices.Sort(none)
		why := "those of them that the page takes have no weight"
		if t.stored > 0 && t.stored < t.Size {
			why = "the members that are stored have no weight; store more: output.ensemble_members"
		}
		r.omitted = append(r.omitted, fmt.Sprintf("Members of trial %d, %s, are not shown at %s, the first of them %d: %s.",
			t.Trial.Trial, t.Filter, diag.Plural(len(slices.Compact(none)), "cycle"), none[0], why))
	}
}

// weigh removes the clouds without weight, and returns their cycles.
func (list clouds) weigh(cycles []int32) (none []int32) {
	for at, c := range list {
		if c != nil && !slices.ContainsFunc(c.weights, func(w float64) bool { return w > 0 }) {
			list[at], none = nil, append(none, cycles[at])
		}
	}
	return none
}

// sizeText says how many members a trial has, and how many of them are stored if these are fewer.
func (t *trial) sizeText() string {
	if t.stored > 0 && t.stored < t.Size {
		return fmt.Sprintf("%d of N = %d", t.stored, t.Size)
	}
	return fmt.Sprintf("N = %d", t.Size)
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

// openingCycle returns the index of the cycle that charts of members show first: the one in which
// the reference has the largest spread, where modes are far apart, or the last.
func (r *Report) openingCycle() int {
	best, most := len(r.members.cycles)-1, 0.0
	reference := r.members.references[0]
	if reference == nil || len(r.shown) == 0 {
		return best
	}
	for at, c := range reference.cycles {
		if c == nil {
			continue
		}
		if spread := c.spread(0); spread > most {
			best, most = at, spread
		}
	}
	return best
}

// spread returns the standard deviation of a value of the members.
func (c *cloud) spread(value int) float64 {
	var sum, square, n float64
	for m, v := range c.values[value] {
		w := c.weights[m]
		sum, square, n = sum+w*v, square+w*v*v, n+w
	}
	return math.Sqrt(max(0, square/n-sum/n*sum/n))
}

// membersData returns the members for the page; nil if none are shown.
func (r *Report) membersData() *dataMembers {
	m := &r.members
	if m.cycles == nil {
		return nil
	}
	d := &dataMembers{Cycles: m.cycles, At: m.at, Latest: m.latest, Times: m.times, Opening: r.openingCycle(), Grids: m.grids,
		Truths: map[string]*dataSnapshots{}, References: map[int]*dataSnapshots{}}
	for key, s := range m.truths {
		d.Truths[key.String()] = s.data(nil)
	}
	for number, s := range m.references {
		d.References[number] = s.data(nil)
	}
	return d
}

func (s *snapshots) data(truth *snapshots) *dataSnapshots {
	if s == nil {
		return nil
	}
	return &dataSnapshots{s.cycles.data(), s.latest.data(), s.mapsData(truth)}
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

// membersFigure draws the members of each trial in the plane of the first two values, at the cycle
// at which the page opens.
func (r *Report) membersFigure(trials []*trial) *figure {
	const columns = 2
	if len(r.shown) < 2 || r.members.cycles == nil {
		return nil
	}
	at := r.openingCycle()
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { s := t.members[archive.Analysis]; return s == nil || s.cycles[at] == nil })
	if len(trials) == 0 {
		return nil
	}
	var panels []*plot.Plot
	for n, t := range trials {
		p := panel(t.Filter+", "+t.sizeText(), "", "")
		if n%columns == 0 {
			p.Y.Label.Text = withUnit(r.shown[1].label(), r.shown[1].unit)
		}
		if n >= len(trials)-columns {
			p.X.Label.Text = withUnit(r.shown[0].label(), r.shown[0].unit)
		}
		for _, layer := range []struct {
			of     *snapshots
			radius vg.Length
			style  draw.GlyphStyle
		}{
			{r.members.references[t.Reference], 0.9, draw.GlyphStyle{Color: faded(soft, 0.45), Shape: draw.CircleGlyph{}}},
			{t.members[archive.Analysis], 1.4, draw.GlyphStyle{Color: r.style(t.Filter).Color, Shape: draw.CircleGlyph{}}},
			{r.members.truths[t.truthKey()], 4, draw.GlyphStyle{Color: ink, Shape: draw.CrossGlyph{}}},
		} {
			if layer.of != nil && layer.of.cycles[at] != nil {
				p.Add(layer.of.cycles[at].dots(0, 1, vg.Points(float64(layer.radius)), layer.style))
			}
		}
		p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(4)
		panels = append(panels, p)
	}
	common(panels)
	return &figure{"members", inRows(panels, columns), columnWidth / columns, 4.2 * vg.Centimeter}
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

// figureMembers is about how many members of a cycle a figure over time shows.
const figureMembers = 40

// specks are small marks that are drawn as one path: a figure of thousands stays small.
type specks struct {
	plotter.XYs
	sizes []vg.Length
	color color.Color
}

// Plot draws the marks as short thick lines.
func (s *specks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path vg.Path
	for i, at := range s.XYs {
		half := s.sizes[i] / 2
		path.Move(vg.Point{X: x(at.X) - half, Y: y(at.Y)})
		path.Line(vg.Point{X: x(at.X) + half, Y: y(at.Y)})
	}
	c.SetLineStyle(draw.LineStyle{Color: s.color, Width: vg.Points(1.4)})
	c.Stroke(path)
}

// DataRange returns the range of the marks.
func (s *specks) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(s.XYs) }

// latestFigure draws the members of the reference and of each trial over the last cycles, in the
// first value: two bands of members are two modes.
func (r *Report) latestFigure(trials []*trial) *figure {
	if len(r.shown) == 0 || r.members.latest == nil {
		return nil
	}
	var panels [][]*plot.Plot
	add := func(title string, s *snapshots, c color.Color, truth truthKey) {
		if !slices.ContainsFunc(s.latest, func(c *cloud) bool { return c != nil }) {
			title += ": none in these cycles"
		}
		p, marks := panel(title, "", withUnit(r.shown[0].label(), r.shown[0].unit)), &specks{color: c}
		for k, cloud := range s.latest {
			if cloud == nil {
				continue
			}
			most, step := slices.Max(cloud.weights), max(1, len(cloud.weights)/figureMembers)
			for m := 0; m < len(cloud.weights); m += step {
				marks.XYs = append(marks.XYs, plotter.XY{X: r.members.times[k], Y: cloud.values[0][m]})
				marks.sizes = append(marks.sizes, vg.Points(1.5*math.Sqrt(cloud.weights[m]/most)))
			}
		}
		if len(marks.XYs) > 0 {
			p.Add(marks)
		}
		if t := r.members.truths[truth]; t != nil {
			var values []float64
			for _, cloud := range t.latest {
				if cloud == nil {
					values = append(values, math.NaN())
				} else {
					values = append(values, cloud.values[0][0])
				}
			}
			addLine(p, r.members.times, values, draw.LineStyle{Color: ink, Width: vg.Points(.7)})
		}
		p.Y.Tick.Marker = roundTicks(3)
		panels = append(panels, []*plot.Plot{p})
	}
	shown := map[int]bool{}
	for _, t := range trials {
		s := t.members[archive.Analysis]
		if s == nil {
			continue
		}
		if reference := r.members.references[t.Reference]; reference != nil && !shown[t.Reference] {
			shown[t.Reference] = true
			add("reference", reference, faded(soft, 0.6), t.truthKey())
		}
		add(t.Filter+", "+t.sizeText(), s, r.style(t.Filter).Color, t.truthKey())
	}
	if panels == nil {
		return nil
	}
	var all []*plot.Plot
	for _, row := range panels {
		all = append(all, row[0])
	}
	common(all)
	r.timeAxes(panels)
	return &figure{"members-over-time", panels, columnWidth, 2.6 * vg.Centimeter}
}

// varies reports whether two of the values are different.
func varies(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
}
