package report

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/compare"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// byLag is a score of the smoothed states of a setting by lag, from that of the analysis on, and
// its standard errors.
type byLag struct{ mean, se []float64 }

// lagsOf returns a score of a group by lag; without values unless its filter smooths.
func lagsOf(run *compare.Run, g *compare.Group, name string) (of byLag, err error) {
	for lag := 0; ; lag++ {
		mean, err := run.Mean(g, compare.Metric{Name: name, Stage: compare.LagStage(lag)})
		if err != nil || mean.OK == 0 {
			return of, err
		}
		of.mean, of.se = append(of.mean, mean.Value), append(of.se, mean.SE)
	}
}

// smooths reports whether a filter gives states of earlier times.
func smooths(r *Report) bool { return slices.ContainsFunc(r.rows, (*row).smooths) }

func (w *row) smooths() bool { return len(w.lags["spread"].mean) > 1 }

// dataLags is what the page shows of the smoothed states of a setting: by score its values by lag.
type dataLags struct {
	Filter  int                `json:"filter"`
	Setting []int              `json:"setting"`
	Scores  map[string]numbers `json:"scores"`
}

func (r *Report) lagsData() (list []dataLags) {
	for _, w := range r.rows {
		if !w.smooths() {
			continue
		}
		d := dataLags{slices.Index(r.filters, w.Filter), w.setting, map[string]numbers{}}
		for name, of := range w.lags {
			d.Scores[name], d.Scores[name+"_se"] = of.mean, of.se
		}
		list = append(list, d)
	}
	return list
}

// points returns values by lag for a figure.
func (b byLag) points() (e errorPoints) {
	for lag, v := range b.mean {
		se := b.se[lag]
		if math.IsNaN(se) {
			se = 0
		}
		e.XYs = append(e.XYs, plotter.XY{X: float64(lag), Y: v})
		e.YErrors = append(e.YErrors, struct{ Low, High float64 }{se, se})
	}
	return e
}

// lagsFigure draws error and spread of smoothed states by lag; axes have their first values.
func (r *Report) lagsFigure() *figure {
	label := "RMSE (solid), spread (dashed)"
	if !r.truthful() {
		label = "spread"
	}
	p, drawn := panel("", "lag, cycles of later observations", withUnit(label, r.scoreUnit("spread"))), 0
	for _, w := range r.rows {
		if !w.smooths() || slices.ContainsFunc(w.setting, func(v int) bool { return v > 0 }) {
			continue
		}
		style, spread := r.style(w.Filter), w.lags["spread"].points()
		p.Legend.Add(w.Filter, thumb(style))
		if rmse := w.lags["rmse"].points(); rmse.XYs != nil {
			rmse.draw(p, style)
			style.Width, style.Dashes = vg.Points(.6), []vg.Length{vg.Points(2), vg.Points(1.5)}
		}
		p.Add(&plotter.Line{XYs: spread.XYs, LineStyle: style})
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	p.Y.Min = 0
	room(p, 0, 0.07*float64(drawn)) // for the legend
	return &figure{"lags", [][]*plot.Plot{{p}}, columnWidth, 6.5 * vg.Centimeter}
}
