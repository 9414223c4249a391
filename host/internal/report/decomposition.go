package report

import (
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// partsOfCRPS returns reliability and potential of a setting; NaN if they are not known.
func partsOfCRPS(w *row, stage string) (reliability, potential float64) {
	value := func(name string) float64 {
		if c := w.cells[compare.Metric{Name: name, Stage: stage}]; c.OK > 0 {
			return c.Value
		}
		return math.NaN()
	}
	return value("crps_reliability"), value("crps_potential")
}

// decomposed reports whether the CRPS of any setting is decomposed.
func decomposed(r *Report) bool {
	return slices.ContainsFunc(r.rows, func(w *row) bool {
		return slices.ContainsFunc(stages, func(stage string) bool {
			reliability, potential := partsOfCRPS(w, stage)
			return !math.IsNaN(reliability + potential)
		})
	})
}

// uncertainty returns the CRPS of the climatology of the truth that a setting was run on; NaN if
// it is not known.
func (r *Report) uncertainty(w *row) float64 {
	for _, b := range r.baselines {
		same := func(i, at int) bool { return at < 0 || w.setting[i] < 0 || at == w.setting[i] }
		of := b.run == w.run && strings.HasSuffix(b.Filter, "climatology")
		for i, at := range b.setting {
			of = of && same(i, at)
		}
		if c := b.cells[compare.Metric{Name: "crps", Stage: archive.Analysis}]; of && c.OK > 0 {
			return c.Value
		}
	}
	return math.NaN()
}

// decompositionFigure draws reliability and potential of the settings of trials, one on the other.
func (r *Report) decompositionFigure(trials []*trial) *figure {
	trials = slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool {
		reliability, potential := partsOfCRPS(t.row, archive.Analysis)
		return math.IsNaN(reliability + potential)
	})
	if len(trials) == 0 {
		return nil
	}
	p := panel("reliability (dark), potential (light)", withUnit("CRPS of the analysis", r.scoreUnit("crps")), "")
	ticks := make(plot.ConstantTicks, len(trials))
	for i, t := range trials {
		y, from := float64(len(trials)-1-i), 0.0
		ticks[i] = plot.Tick{Value: y, Label: t.Filter}
		reliability, potential := partsOfCRPS(t.row, archive.Analysis)
		own := r.style(t.Filter).Color
		for part, width := range [2]float64{reliability, potential} {
			c := own
			if part == 1 {
				c = faded(own, 0.35)
			}
			p.Add(filled(c, plotter.XYs{{X: from, Y: y - .32}, {X: from + width, Y: y - .32}, {X: from + width, Y: y + .32}, {X: from, Y: y + .32}}))
			from += width
		}
	}
	p.Y.Tick.Marker = ticks
	p.X.Min, p.Y.Min, p.Y.Max = 0, -0.6, float64(len(trials))-0.4
	return &figure{"crps-decomposition", [][]*plot.Plot{{p}}, columnWidth, vg.Length(2+0.55*float64(len(trials))) * vg.Centimeter}
}
