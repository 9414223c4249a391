package report

import (
	"fmt"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// matching is what a trial over the whole record has found.
type matching struct {
	passes   []float64
	misfit   []float64
	unknowns []*unknown
	observed map[string]*predictions // by stage
}

// unknown is a value at the start, by pass.
type unknown struct {
	label, unit           string
	truth                 float64 // NaN: not known
	mean, low, high       []float64
	parameter, everMoving bool
}

// predictions are observed values and what is predicted of them.
type predictions struct{ value, mean []float64 }

const (
	mostUnknowns = 24  // shown of a trial
	mostFitted   = 600 // points of a stage, at even distances
)

// readRecord reads what trials over whole records have found.
func (r *Report) readRecord() error {
	for b, err := range r.reader.Passes() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			if t := r.trial(number); t != nil {
				if t.matching == nil {
					t.matching = &matching{observed: map[string]*predictions{}}
				}
				t.matching.passes, t.matching.misfit = append(t.matching.passes, float64(b.Pass[i])), append(t.matching.misfit, b.Misfit.Values[i])
			}
		}
	}
	for b, err := range r.reader.Starts() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			t := r.trial(number)
			if t == nil || t.matching == nil {
				continue
			}
			u := t.matching.unknown(b.Variable[i], b.Index[i], b.Pass[i], slices.Contains(r.setup.Parameters, b.Variable[i]))
			u.unit = r.unit(b.Variable[i])
			u.truth, u.everMoving = b.Truth[i], u.everMoving || b.Spread[i] > 0
			u.mean, u.low, u.high = append(u.mean, b.Mean[i]), append(u.low, b.Q05[i]), append(u.high, b.Q95[i])
		}
	}
	for b, err := range r.reader.Fits() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			t := r.trial(number)
			if t == nil || t.matching == nil {
				continue
			}
			p := t.matching.observed[b.Stage[i]]
			if p == nil {
				p = &predictions{}
				t.matching.observed[b.Stage[i]] = p
			}
			p.value, p.mean = append(p.value, b.Value[i]), append(p.mean, b.Mean[i])
		}
	}
	for _, t := range r.trials {
		if t.matching != nil {
			t.matching.shorten()
		}
	}
	return nil
}

// unknown returns the value of a variable, of which there is a row by pass.
func (m *matching) unknown(variable string, index, pass int32, parameter bool) *unknown {
	label := variable
	if index > 0 || slices.ContainsFunc(m.unknowns, func(u *unknown) bool { return u.label == variable+"[0]" }) {
		label = fmt.Sprintf("%s[%d]", variable, index)
	}
	if index == 1 && pass == 0 { // the first one has others next to it
		m.unknowns[len(m.unknowns)-1].label = variable + "[0]"
	}
	if k := slices.IndexFunc(m.unknowns, func(u *unknown) bool { return u.label == label }); k >= 0 {
		return m.unknowns[k]
	}
	u := &unknown{label: label, parameter: parameter}
	m.unknowns = append(m.unknowns, u)
	return u
}

// shorten removes what was known from the start, and then all but the first unknowns, parameters
// first.
func (m *matching) shorten() {
	m.unknowns = slices.DeleteFunc(m.unknowns, func(u *unknown) bool { return !u.everMoving })
	slices.SortStableFunc(m.unknowns, func(a, b *unknown) int {
		switch {
		case a.parameter == b.parameter:
			return 0
		case a.parameter:
			return -1
		}
		return 1
	})
	m.unknowns = m.unknowns[:min(len(m.unknowns), mostUnknowns)]
	for _, p := range m.observed {
		if n := len(p.value); n > mostFitted {
			for k := range mostFitted {
				p.value[k], p.mean[k] = p.value[k*n/mostFitted], p.mean[k*n/mostFitted]
			}
			p.value, p.mean = p.value[:mostFitted], p.mean[:mostFitted]
		}
	}
}

// matches reports whether a trial is over the whole record.
func matches(r *Report) bool {
	return slices.ContainsFunc(r.trials, func(t *trial) bool { return t.matching != nil })
}

// dataMatching is what the page shows of a [matching].
type dataMatching struct {
	Passes   numbers               `json:"passes"`
	Misfit   numbers               `json:"misfit"`
	Unknowns []dataUnknown         `json:"unknowns"`
	Fit      map[string][2]numbers `json:"fit"` // by stage: observed, predicted
}

type dataUnknown struct {
	Label string  `json:"label"`
	Unit  string  `json:"unit"`
	Truth number  `json:"truth"`
	Mean  numbers `json:"mean"`
	Low   numbers `json:"low"`
	High  numbers `json:"high"`
}

func (m *matching) data() *dataMatching {
	if m == nil {
		return nil
	}
	d := &dataMatching{Passes: m.passes, Misfit: m.misfit, Unknowns: []dataUnknown{}, Fit: map[string][2]numbers{}}
	for _, u := range m.unknowns {
		d.Unknowns = append(d.Unknowns, dataUnknown{u.label, u.unit, number(u.truth), u.mean, u.low, u.high})
	}
	for stage, p := range m.observed {
		d.Fit[stage] = [2]numbers{p.value, p.mean}
	}
	return d
}

// recordFigure draws the misfit by pass, what is predicted next to what was observed, and the first
// unknowns by pass, from the prior to the posterior.
func (r *Report) recordFigure(t *trial) *figure {
	const mostPanels = 6
	m := t.matching
	if m == nil {
		return nil
	}
	own := r.style(t.Filter)
	misfit, fit := panel(t.Filter, "pass", "misfit"), panel("", withUnit("observed", r.scoreUnit("innovation_rms")), "predicted")
	addLine(misfit, m.passes, m.misfit, own)
	addLine(misfit, []float64{0, m.passes[len(m.passes)-1]}, []float64{1, 1}, draw.LineStyle{Color: soft, Width: vg.Points(.5)})
	misfit.X.Tick.Marker = roundTicks(4)
	if low, high := finite(append(slices.Clone(m.misfit), 1)); low > 0 {
		misfit.Y.Scale, misfit.Y.Tick.Marker = plot.LogScale{}, logTicks{}
		misfit.Y.Min, misfit.Y.Max = low/1.3, high*1.3
	}
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		p := m.observed[stage]
		if p == nil {
			return nil
		}
		c := own.Color
		if stage == archive.Forecast {
			c = pale
		}
		points := make(plotter.XYs, len(p.value))
		for i := range points {
			points[i] = plotter.XY{X: p.value[i], Y: p.mean[i]}
		}
		fit.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: c, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}}})
	}
	first, last := finite(m.observed[archive.Analysis].value)
	addLine(fit, []float64{first, last}, []float64{first, last}, draw.LineStyle{Color: ink, Width: vg.Points(.6)})
	fit.X.Tick.Marker, fit.Y.Tick.Marker = roundTicks(4), roundTicks(4)
	panels := []*plot.Plot{misfit, fit}
	for _, u := range m.unknowns[:min(len(m.unknowns), mostPanels)] {
		p := panel("", "pass", withUnit(u.label, u.unit))
		band(p, m.passes, u.low, u.high, faded(own.Color, 0.25))
		addLine(p, m.passes, u.mean, own)
		addLine(p, []float64{0, m.passes[len(m.passes)-1]}, []float64{u.truth, u.truth}, draw.LineStyle{Color: ink, Width: vg.Points(.8)})
		p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(4)
		panels = append(panels, p)
	}
	return &figure{"record-" + fileName(t.Filter), inRows(panels, 2), columnWidth / 2, 4 * vg.Centimeter}
}
