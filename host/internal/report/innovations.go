package report

import (
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Innovations are divided by the standard deviation that members and observation error give
// them, so that those of a calibrated filter have a standard normal distribution and, because
// the filter has used all earlier observations, no autocorrelation.
const (
	innovationBins  = 24 // of the histogram, from -innovationReach to it
	innovationReach = 4.0
	innovationLags  = 12
)

// residuals is the normalised innovations of one observed variable after burn-in.
type residuals struct {
	counts      [innovationBins]float64 // the first and last bin also count what is beyond
	n           float64
	sum, square float64
	lagged      [innovationLags]float64   // sums of products with the value so many cycles before
	pairs       [innovationLags]float64   // and their number
	expected    []float64                 // standard deviations by observed value; NaN if not known
	last        [][innovationLags]float64 // by observed value, the newest first; NaN if missing
	independent float64                   // number of cycles
}

func newResiduals(size int) *residuals {
	s := &residuals{expected: slices.Repeat([]float64{math.NaN()}, size), last: make([][innovationLags]float64, size)}
	for i := range s.last {
		for l := range s.last[i] {
			s.last[i][l] = math.NaN()
		}
	}
	return s
}

// add adds the innovations of the next cycle.
func (s *residuals) add(values []float64) {
	s.independent++
	for i, v := range values {
		if i >= len(s.expected) {
			return // of another number of observations
		}
		z := v / s.expected[i]
		for l, before := range s.last[i] {
			if !math.IsNaN(z * before) {
				s.lagged[l], s.pairs[l] = s.lagged[l]+z*before, s.pairs[l]+1
			}
		}
		copy(s.last[i][1:], s.last[i][:innovationLags-1])
		s.last[i][0] = z
		if math.IsNaN(z) || math.IsInf(z, 0) {
			continue
		}
		bin := int(math.Floor((z + innovationReach) / (2 * innovationReach) * innovationBins))
		s.counts[min(max(bin, 0), innovationBins-1)]++
		s.n, s.sum, s.square = s.n+1, s.sum+z, s.square+z*z
	}
}

// density returns the heights of the histogram, whose area is 1.
func (s *residuals) density() []float64 {
	heights := make([]float64, innovationBins)
	for i, c := range s.counts {
		heights[i] = c / s.n / (2 * innovationReach / innovationBins)
	}
	return heights
}

// autocorrelation returns the autocorrelation at lags from 1 on.
func (s *residuals) autocorrelation() []float64 {
	values := make([]float64, innovationLags)
	for l := range values {
		values[l] = s.lagged[l] / s.pairs[l] / (s.square / s.n)
	}
	return values
}

// moments returns mean and standard deviation, which are 0 and 1 for a calibrated filter.
func (s *residuals) moments() (mean, sd float64) {
	mean = s.sum / s.n
	return mean, math.Sqrt(max(0, s.square/s.n-mean*mean))
}

// readObserved reads how large innovations are expected to be: of the trials that have ended.
func (r *Report) readObserved() error {
	for b, err := range r.reader.Observed() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			t := r.trial(number)
			if t == nil {
				continue
			}
			if t.residuals == nil {
				t.residuals = map[string]*residuals{}
			}
			s := t.residuals[b.Variable[i]]
			if s == nil {
				s = newResiduals(0)
				t.residuals[b.Variable[i]] = s
			}
			if more := int(b.Index[i]) + 1 - len(s.expected); more > 0 {
				grown := newResiduals(more)
				s.expected, s.last = append(s.expected, grown.expected...), append(s.last, grown.last...)
			}
			s.expected[b.Index[i]] = math.Hypot(b.Spread[i], b.Error[i])
		}
	}
	return nil
}

// readInnovations stores the root mean square of the innovations of every cycle, its
// expected value, and the normalised square. Trials may observe different variables.
func (r *Report) readInnovations() error {
	cycles := map[int32]*archive.CycleIndex{}
	for key, of := range r.cycles {
		if key.Stage == archive.Forecast {
			cycles[key.Trial] = of // as a rule those with scores have innovations
		}
	}
	if as, err := r.addInnovations(cycles); as || err != nil {
		return err
	}
	index, err := r.reader.Index("innovations")
	if err != nil {
		return err
	}
	clear(cycles)
	for key, of := range index {
		cycles[key.Trial] = of
	}
	for _, t := range r.trials {
		t.innovations, t.observed, t.residuals = nil, 0, nil
	}
	if err := r.readObserved(); err != nil {
		return err
	}
	_, err = r.addInnovations(cycles)
	return err
}

// addInnovations reads the innovations of trials in the given cycles. It returns false if they are of others.
func (r *Report) addInnovations(cycles map[int32]*archive.CycleIndex) (as bool, err error) {
	next := map[int32]int{} // index of the next cycle by trial
	for b, err := range r.reader.Innovations() {
		if err != nil {
			return false, err
		}
		for i, number := range b.Trial {
			t, of := r.trial(number), cycles[number]
			if t == nil || of == nil || b.Cycle[i] > of.Last() {
				continue // written after the cycles were counted
			}
			at, ok := of.Of(b.Cycle[i])
			if !ok || at != next[number] {
				return false, nil
			}
			next[number]++
			r.addInnovation(t, b, i, at, of.N)
		}
	}
	for number, of := range cycles {
		if t := r.trial(number); t != nil && next[number] < of.N-r.lacking() {
			return false, nil
		}
	}
	for _, t := range r.trials {
		for name, s := range t.residuals {
			if s.n == 0 || s.square == 0 {
				delete(t.residuals, name)
			}
		}
	}
	return true, nil
}

// addInnovation adds a row of a trial, of cycle at of n.
func (r *Report) addInnovation(t *trial, b *archive.Innovations, row, at, n int) {
	if t.innovations == nil {
		t.innovations = newSampled(n, mostPoints)
	}
	mean, count := rms(b.Fields, row)
	t.innovations.tick(at, b.Time[row])
	t.innovations.column("rms").add(at, mean)
	t.innovations.column("expected").add(at, b.Expected[row])
	t.innovations.column("nis").add(at, b.NIS[row])
	t.observed = max(t.observed, count)
	if int(b.Cycle[row]) <= r.setup.BurnIn {
		return
	}
	for _, f := range b.Fields {
		if s := t.residuals[f.Name]; s != nil {
			s.add(f.Row(row))
		}
	}
}

// rms returns the root mean square of the values of a row that are not missing, and their
// number.
func rms(fields []archive.Field, row int) (mean float64, count int) {
	sum := 0.0
	for _, f := range fields {
		for _, v := range f.Row(row) {
			if !math.IsNaN(v) {
				sum, count = sum+v*v, count+1
			}
		}
	}
	return math.Sqrt(sum / float64(count)), count // NaN when nothing was observed
}

// dataResiduals is what the page shows of [residuals].
type dataResiduals struct {
	Density     numbers `json:"density"`
	Correlation numbers `json:"correlation"`
	Mean        number  `json:"mean"`
	SD          number  `json:"sd"`
	Band        number  `json:"band"` // 95 % of the autocorrelations of independent cycles are below it
}

func (s *residuals) data() *dataResiduals {
	mean, sd := s.moments()
	return &dataResiduals{s.density(), s.autocorrelation(), number(mean), number(sd), number(s.band())}
}

// band returns what 95 % of the autocorrelations stay below if cycles are independent: of
// several values of a variable each cycle counts once, because they are not.
func (s *residuals) band() float64 { return 1.96 / math.Sqrt(s.independent) }

// normal returns the density of the standard normal distribution.
func normal(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }

// innovationsFigure draws histogram and autocorrelation of the innovations of a trial, one row
// a variable.
func (r *Report) innovationsFigure(t *trial) *figure {
	const mostVariables = 4
	var panels [][]*plot.Plot
	for _, name := range slices.Sorted(maps.Keys(t.residuals)) {
		if len(panels) == mostVariables {
			break
		}
		s := t.residuals[name]
		h, a := panel(t.Filter+", "+name, "normalised innovation", "density"), panel("", "lag in cycles", "autocorrelation")
		own := faded(r.style(t.Filter).Color, 0.75)
		const width = 2 * innovationReach / innovationBins
		for i, y := range s.density() {
			left := -innovationReach + float64(i)*width
			h.Add(filled(own, plotter.XYs{{X: left, Y: 0}, {X: left + 0.94*width, Y: 0}, {X: left + 0.94*width, Y: y}, {X: left, Y: y}}))
		}
		var zs, ys []float64
		for z := -innovationReach; z <= innovationReach; z += 0.1 {
			zs, ys = append(zs, z), append(ys, normal(z))
		}
		addLine(h, zs, ys, draw.LineStyle{Color: ink, Width: vg.Points(.8)})
		h.X.Min, h.X.Max, h.Y.Min = -innovationReach, innovationReach, 0
		edge, end := s.band(), float64(innovationLags)+0.5
		a.Add(filled(pale, plotter.XYs{{X: 0.5, Y: -edge}, {X: end, Y: -edge}, {X: end, Y: edge}, {X: 0.5, Y: edge}}))
		for l, v := range s.autocorrelation() {
			x := float64(l + 1)
			a.Add(filled(own, plotter.XYs{{X: x - .3, Y: 0}, {X: x + .3, Y: 0}, {X: x + .3, Y: v}, {X: x - .3, Y: v}}))
		}
		addLine(a, []float64{0.5, end}, []float64{0, 0}, draw.LineStyle{Color: soft, Width: vg.Points(.5)})
		a.X.Min, a.X.Max = 0.5, end
		a.Y.Min, a.Y.Max = min(a.Y.Min, -0.5), max(a.Y.Max, 0.5)
		h.X.Tick.Marker, a.X.Tick.Marker, h.Y.Tick.Marker, a.Y.Tick.Marker = roundTicks(4), roundTicks(4), roundTicks(4), roundTicks(4)
		panels = append(panels, []*plot.Plot{h, a})
	}
	if panels == nil {
		return nil
	}
	return &figure{"innovations-" + fileName(t.Filter), panels, columnWidth / 2, 4 * vg.Centimeter}
}
