package filterenkf

import (
	"slices"

	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// locals is the observed side for schemes that update one state value at a time: S' and d,
// and the rows that are near a value. With a nil localization all rows are near every
// value, with weight 1.
type locals struct {
	*taper.Localization
	anomalies  *mat.Dense // S', m x N
	innovation []float64
	row        []int             // of an observation component; -1 if it is missing
	all        []taper.Neighbour // without localization
}

func newLocals(o *observed, components int, l *taper.Localization) *locals {
	s := &locals{Localization: l, anomalies: o.anomalies, innovation: o.innovation}
	if l == nil {
		for k := range o.present {
			s.all = append(s.all, taper.Neighbour{Index: k, Weight: 1})
		}
		return s
	}
	s.row = slices.Repeat([]int{-1}, components)
	for k, j := range o.present {
		s.row[j] = k
	}
	return s
}

// nearValue returns the rows near state value j, in the order of the observation. With
// localization the result fills dst.
func (s *locals) nearValue(dst []taper.Neighbour, j int) []taper.Neighbour {
	if s.Localization == nil {
		return s.all
	}
	return s.present(s.NearValue(dst, j))
}

// nearObservation returns the same for an observation component.
func (s *locals) nearObservation(dst []taper.Neighbour, component int) []taper.Neighbour {
	if s.Localization == nil {
		return s.all
	}
	return s.present(s.NearObservation(dst, component))
}

// present removes missing components and replaces the others by their rows.
func (s *locals) present(near []taper.Neighbour) []taper.Neighbour {
	kept := near[:0]
	for _, p := range near {
		if p.Index = s.row[p.Index]; p.Index >= 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// sweep updates state values for a local scheme. It is used by one goroutine.
type sweep interface {
	// place sets the observations for the next updates.
	place(near []taper.Neighbour)

	// update replaces the N anomalies of one value by those of the analysis and returns the
	// increment of the mean.
	update(anomalies []float64) float64
}

// localUpdate is an analysis value by value.
type localUpdate struct {
	*locals
	newSweep func() sweep
	past     int // earlier times

	// Of the state now, not of earlier times:
	prior      float64 // multiplies the forecast anomalies
	relaxation float64 // share of the forecast in the analysis anomalies
	inflation  float64 // multiplies the analysis anomalies
}

// apply writes the analysis of e into into, which may be e. State values are processed in blocks, in
// parallel; every value is computed by one goroutine in one order. Values at the same
// position, also those of earlier times, share their observations. Cost: a search for every position, and the cost of
// the scheme for every value.
func (u *localUpdate) apply(into, e *mat.Dense) {
	const width = 32
	members, columns := e.Dims()
	n := columns / (1 + u.past)
	order := numbers(columns)
	if u.Localization != nil {
		order = withPast(u.Order(), n, u.past)
	}
	ensemble.InBlocks(columns, width, func() func(from, to int) {
		scheme := u.newSweep()
		anomalies, forecast := mat.NewDense(width, members, nil), make([]float64, members)
		mean := make([]float64, width)
		var near []taper.Neighbour
		return func(from, to int) {
			values := order[from:to]
			gather(anomalies, mean, e, values)
			for q, j := range values {
				if q == 0 || u.moved(values[q-1]%n, j%n) {
					near = u.nearValue(near, j%n)
					scheme.place(near)
				}
				a := anomalies.RawRowView(q)
				if j >= n {
					mean[q] += scheme.update(a)
					continue
				}
				floats.Scale(u.prior, a)
				copy(forecast, a)
				mean[q] += scheme.update(a)
				floats.Scale(1-u.relaxation, a)
				floats.AddScaled(a, u.relaxation, forecast)
				floats.Scale(u.inflation, a)
			}
			for i := range members {
				row := into.RawRowView(i)
				for q, j := range values {
					row[j] = mean[q] + anomalies.At(q, i)
				}
			}
		}
	})
}

// withPast returns order, of n values, with each of them followed by itself at past earlier times.
func withPast(order []int, n, past int) []int {
	if past == 0 {
		return order
	}
	all := make([]int, 0, n*(1+past))
	for _, j := range order {
		for k := range 1 + past {
			all = append(all, j+k*n)
		}
	}
	return all
}

// gather stores means and anomalies of state values, one row per value.
func gather(anomalies *mat.Dense, mean []float64, e *mat.Dense, values []int) {
	members, _ := e.Dims()
	clear(mean)
	for i := range members {
		row := e.RawRowView(i)
		for q, j := range values {
			mean[q] += row[j]
			anomalies.Set(q, i, row[j])
		}
	}
	for q := range values {
		mean[q] /= float64(members)
		a := anomalies.RawRowView(q)
		floats.AddConst(-mean[q], a)
	}
}

func (u *localUpdate) moved(i, j int) bool {
	return u.Localization != nil && !u.SamePlace(i, j)
}
