package report

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// profile is the error of the mean and the spread of the values of the field after burn-in:
// sums of squares by described value.
type profile struct {
	error, spread []float64
	cycles        int // in which the first value was described
}

// add adds value k of the field in one cycle.
func (p *profile) add(k int, error, spread float64) {
	if k == 0 {
		p.cycles++
	}
	p.error[k] += error * error
	p.spread[k] += spread * spread
}

// rms returns root mean squares over cycles: of the error, and of the spread.
func (p *profile) rms() (error, spread []float64) {
	for k := range p.error {
		error = append(error, math.Sqrt(p.error[k]/float64(p.cycles)))
		spread = append(spread, math.Sqrt(p.spread[k]/float64(p.cycles)))
	}
	return error, spread
}

// dataProfile is what the page shows of a profile.
type dataProfile struct {
	Error  numbers `json:"error"`
	Spread numbers `json:"spread"`
}

// profileFigure draws error and spread by place.
func (r *Report) profileFigure(trials []*trial) *figure {
	if r.field == nil {
		return nil
	}
	var places []float64
	for _, k := range r.field.rows {
		places = append(places, float64(k))
	}
	p := panel("", r.field.dim, withUnit("RMSE (solid), spread (dashed)", r.field.unit))
	drawn := 0
	for _, t := range trials {
		s := t.profiles[archive.Analysis]
		if s == nil || s.cycles == 0 {
			continue
		}
		drawn++
		error, spread := s.rms()
		style := r.style(t.Filter)
		addLine(p, places, error, style)
		dashed := style
		dashed.Width, dashed.Dashes = vg.Points(.6), []vg.Length{vg.Points(2), vg.Points(1.5)}
		addLine(p, places, spread, dashed)
		p.Legend.Add(t.Filter, thumb(style))
	}
	if drawn == 0 {
		return nil
	}
	room(p, 0.03, 0.08*float64(drawn)) // for the legend
	return &figure{"profile", [][]*plot.Plot{{p}}, columnWidth, 6 * vg.Centimeter}
}

// grid is a variable of two dimensions that is shown as maps.
type grid struct {
	Name string    `json:"name"`
	Unit string    `json:"unit"`
	Dims [2]string `json:"dims"`
	Rows int       `json:"rows"`
	Cols int       `json:"cols"`
}

// mostCells is the number of values from which on a variable has no maps.
const mostCells = 1 << 16

// chooseGrids chooses the variables of two dimensions that are shown as maps, and fewer cycles
// if the maps of so many trials would not fit into the page.
func (r *Report) chooseGrids(trials int) {
	cells := 0
	for _, name := range slices.Sorted(maps.Keys(r.state)) {
		f := r.state[name]
		if stored := r.reader.Info.Only; len(f.Shape) != 2 || stored != nil && !slices.Contains(stored, name) {
			continue
		}
		if size := f.Shape[0] * f.Shape[1]; size > mostCells {
			r.omitted = append(r.omitted, fmt.Sprintf("Maps of %s are not shown: it has %d values, want at most %d.", f.Name, size, mostCells))
			continue
		}
		g := grid{Name: f.Name, Unit: f.Unit, Rows: f.Shape[0], Cols: f.Shape[1], Dims: [2]string{"row", "column"}}
		if len(f.Dims) == 2 {
			g.Dims = [2]string(f.Dims)
		}
		r.members.grids = append(r.members.grids, g)
		cells += g.Rows * g.Cols
	}
	const kinds, stages = 4, 2 // mean, spread, error, member
	if most := cellBudget / max(1, kinds*stages*cells*trials); cells > 0 && most < len(r.members.cycles) {
		r.members.cycles = spaced(int(r.members.cycles[len(r.members.cycles)-1]), max(1, most))
	}
}

// fieldSums is what maps of a variable at a cycle are made of.
type fieldSums struct {
	members        int
	weight, double float64 // sums of the weights and of their squares
	sum, square    []float64
	first          []float64 // the first member
}

// addMap adds the values of a grid of a member to the map of a cycle.
func (s *snapshots) addMap(grid, at int, values []float64, weight float64) {
	f := s.maps[grid][at]
	if f == nil {
		f = &fieldSums{sum: make([]float64, len(values)), square: make([]float64, len(values)), first: slices.Clone(values)}
		s.maps[grid][at] = f
	}
	f.members, f.weight, f.double = f.members+1, f.weight+weight, f.double+weight*weight
	for j, v := range values {
		d := v - f.first[j] // so that squares of large values do not cancel
		f.sum[j], f.square[j] = f.sum[j]+weight*d, f.square[j]+weight*d*d
	}
}

// moments returns mean and spread of the members; the spread is NaN if only one of them has weight.
func (f *fieldSums) moments() (mean, spread []float64) {
	unbiased := 1 - f.double/f.weight/f.weight // (N - 1) / N for equal weights
	if !(unbiased > 1e-12) {
		unbiased = math.NaN() // zero, rounded
	}
	for j := range f.sum {
		d := f.sum[j] / f.weight
		mean, spread = append(mean, f.first[j]+d), append(spread, math.Sqrt(max(0, f.square[j]/f.weight-d*d)/unbiased))
	}
	return mean, spread
}

// dataMap is a map in 255 steps between low and high, one byte per value, row by row; the byte
// 255 means a value that is not finite.
type dataMap struct {
	Low  number `json:"low"`
	High number `json:"high"`
	Data string `json:"data"`
}

func mapOf(values []float64) *dataMap {
	low, high, text := coded(values)
	return &dataMap{number(low), number(high), base64.StdEncoding.EncodeToString(text)}
}

// dataMaps is the maps of one variable by cycle; nil where there are none.
type dataMaps struct {
	Mean   []*dataMap `json:"mean"`
	Spread []*dataMap `json:"spread,omitempty"`
	Error  []*dataMap `json:"error,omitempty"`
	Member []*dataMap `json:"member,omitempty"`
}

// mapsData returns the maps for the page, with the error if the truth is known. Those of a
// truth itself, which has no spread, are its values alone.
func (s *snapshots) mapsData(truth *snapshots) []*dataMaps {
	var list []*dataMaps
	for k, cycles := range s.maps {
		d := &dataMaps{}
		for at, f := range cycles {
			if f == nil {
				d.Mean = append(d.Mean, nil)
				d.Spread, d.Error, d.Member = append(d.Spread, nil), append(d.Error, nil), append(d.Member, nil)
				continue
			}
			mean, spread := f.moments()
			d.Mean = append(d.Mean, mapOf(mean))
			if f.members == 1 {
				continue
			}
			var spreads *dataMap
			if low, high := finite(spread); low <= high {
				spreads = mapOf(spread)
			}
			d.Spread, d.Member = append(d.Spread, spreads), append(d.Member, mapOf(f.first))
			var errors *dataMap
			if truth != nil && truth.maps[k][at] != nil {
				for j, x := range truth.maps[k][at].first {
					mean[j] -= x
				}
				errors = mapOf(mean)
			}
			d.Error = append(d.Error, errors)
		}
		list = append(list, d)
	}
	return list
}

// mapsFigure draws the maps of a trial at the last cycle that is shown: mean and spread and, if
// the truth is known, truth and error of the mean.
func (r *Report) mapsFigure(t *trial) *figure {
	s := t.members[archive.Analysis]
	if s == nil || len(r.members.grids) == 0 {
		return nil
	}
	at := len(r.members.cycles) - 1
	g, f := r.members.grids[0], s.maps[0][at]
	if f == nil {
		return nil
	}
	mean, spread := f.moments()
	low, high := finite(mean)
	if low > high {
		return nil // no value of the members is finite
	}
	var truth []float64
	if of := r.members.truths[t.truthKey()]; of != nil && of.maps[0][at] != nil {
		truth = of.maps[0][at].first
		a, b := finite(truth)
		low, high = min(low, a), max(high, b)
	}
	draws := func(title string, values []float64, low, high float64, ramp []colour) *plot.Plot {
		p := panel(title, "", "")
		turned := make([]float64, len(values)) // columns follow one another in an image
		for k := range g.Rows {
			for i := range g.Cols {
				turned[i*g.Rows+k] = values[k*g.Cols+i]
			}
		}
		p.Add(imageOf(&heat{values: turned, rows: g.Rows, cols: g.Cols}, low, high, ramp, 0, 0, float64(g.Cols), float64(g.Rows)))
		p.X.Label.Text, p.Y.Label.Text = g.Dims[1], g.Dims[0]
		p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks(4), roundTicks(4)
		return p
	}
	panels := []*plot.Plot{draws(fmt.Sprintf("mean of %s, %.3g to %.3g", withUnit(g.Name, g.Unit), low, high), mean, low, high, sequential)}
	if _, most := finite(spread); most >= 0 { // there are several members
		panels = append(panels, draws(fmt.Sprintf("spread, 0 to %.3g", most), spread, 0, most, sequential))
	}
	if truth != nil {
		for j, x := range truth {
			mean[j] -= x
		}
		a, b := finite(mean)
		reach := max(math.Abs(a), math.Abs(b))
		panels = append([]*plot.Plot{draws("truth, same colours", truth, low, high, sequential)}, panels...)
		panels = append(panels, draws(fmt.Sprintf("mean minus truth, ±%.3g", reach), mean, -reach, reach, diverging))
	}
	return &figure{"maps-" + fileName(t.Filter), inRows(panels, 2), columnWidth / 2, 4.4 * vg.Centimeter}
}
