package report

import (
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// manyMembers is the number of members, of a trial or of the reference, from which distributions have
// narrow bars.
const manyMembers = 60

// marginalsFigure draws the distribution of the first value over the members of each trial, on that
// of the reference and with the truth, at the cycle at which the page opens.
func (r *Report) marginalsFigure(trials []*trial) *figure {
	const columns = 2
	if len(r.shown) == 0 || r.members.cycles == nil {
		return nil
	}
	at := r.openingCycle()
	of := func(s *snapshots) []float64 {
		if s == nil || s.cycles[at] == nil {
			return nil
		}
		return s.cycles[at].values[0]
	}
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { return of(t.members[archive.Analysis]) == nil })
	var all []float64
	bins := 12
	for _, t := range trials {
		if max(len(of(t.members[archive.Analysis])), len(of(r.members.references[t.Reference]))) >= manyMembers {
			bins = 36
		}
		all = slices.Concat(all, of(t.members[archive.Analysis]), of(r.members.references[t.Reference]), of(r.members.truths[t.truthKey()]))
	}
	low, high := finite(all)
	if low >= high {
		return nil
	}
	var panels []*plot.Plot
	for n, t := range trials {
		p, own, reference := panel(t.Filter+", "+t.sizeText(), "", ""), t.members[archive.Analysis], r.members.references[t.Reference]
		if n%columns == 0 {
			p.Y.Label.Text = "share"
		}
		if n >= len(trials)-columns {
			p.X.Label.Text = withUnit(r.shown[0].label(), r.shown[0].unit)
		}
		if of(reference) != nil {
			p.Add(filled(faded(soft, 0.35), reference.cycles[at].bars(bins, low, high)))
		}
		p.Add(&plotter.Line{XYs: own.cycles[at].bars(bins, low, high), LineStyle: draw.LineStyle{Color: r.style(t.Filter).Color, Width: vg.Points(1.1)}})
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = low, high, 0, 1.05*p.Y.Max
		if truth := of(r.members.truths[t.truthKey()]); truth != nil {
			addLine(p, []float64{truth[0], truth[0]}, []float64{0, p.Y.Max}, draw.LineStyle{Color: ink, Width: vg.Points(.8), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}})
		}
		p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(3)
		panels = append(panels, p)
	}
	return &figure{"marginals", inRows(panels, columns), columnWidth / columns, 3.6 * vg.Centimeter}
}

// bars returns the outline of the histogram of the first value of the members, whose heights are shares
// of their weight, from low to high, with so many bars.
func (c *cloud) bars(bins int, low, high float64) plotter.XYs {
	heights := make([]float64, bins)
	var all float64
	for m, v := range c.values[0] {
		if !(v >= low && v <= high) {
			continue // not finite
		}
		w := 1.0
		if c.weights != nil {
			w = c.weights[m]
		}
		heights[min(bins-1, int((v-low)/(high-low)*float64(bins)))] += w
		all += w
	}
	outline := plotter.XYs{{X: low}}
	for b, h := range heights {
		from, to := low+float64(b)*(high-low)/float64(bins), low+float64(b+1)*(high-low)/float64(bins)
		outline = append(outline, plotter.XY{X: from, Y: h / max(all, 1e-300)}, plotter.XY{X: to, Y: h / max(all, 1e-300)})
	}
	return append(outline, plotter.XY{X: high})
}
