package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// cost returns the seconds that a cycle of a setting takes: the sum of the medians of its
// parts. NaN if they are not known.
func (r *Report) cost(w *row) float64 {
	sum := 0.0
	for _, s := range r.seconds(w) {
		sum += s
	}
	return sum
}

// costFigure draws the opening score of every setting against the wall time of its cycles.
func (r *Report) costFigure() *figure {
	p := panel("", "milliseconds a cycle", withUnit(r.opening, r.scoreUnit(r.opening)))
	var drawn []string
	low, high := math.Inf(1), math.Inf(-1)
	for _, w := range r.rows {
		x, y := 1e3*r.cost(w), w.cells[r.metric(r.opening)]
		if y.OK == 0 || math.IsNaN(x) || x <= 0 || math.IsNaN(y.Value) || math.IsInf(y.Value, 0) {
			continue
		}
		style := r.style(w.Filter)
		p.Add(&plotter.Scatter{XYs: plotter.XYs{{X: x, Y: y.Value}}, GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: vg.Points(2.2), Shape: draw.CircleGlyph{}}})
		if !slices.Contains(drawn, w.Filter) {
			drawn = append(drawn, w.Filter)
			p.Legend.Add(w.Filter, thumb(style))
		}
		low, high = min(low, x), max(high, x)
	}
	if drawn == nil {
		return nil
	}
	if high > 8*low {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks{}
		p.X.Min, p.X.Max = low/1.3, high*1.3
	} else {
		p.X.Min, p.X.Max = 0, high*1.08
	}
	room(p, 0.05, 0.05+0.08*float64(len(drawn))) // for the legend
	return &figure{"cost", [][]*plot.Plot{{p}}, columnWidth, 6.5 * vg.Centimeter}
}

// logTicks puts ticks at 1, 2 and 5 times powers of ten.
type logTicks struct{}

func (logTicks) Ticks(low, high float64) (list []plot.Tick) {
	for power := math.Floor(math.Log10(low)); math.Pow(10, power) <= high; power++ {
		for _, k := range []float64{1, 2, 5} {
			if v := k * math.Pow(10, power); v >= low && v <= high {
				list = append(list, plot.Tick{Value: v, Label: trimmed(v)})
			}
		}
	}
	return list
}
