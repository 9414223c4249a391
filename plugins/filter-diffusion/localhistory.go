package filterdiffusion

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// history is what the local form carries from cycle to cycle.
type history struct {
	innovations innovations
	reach       *reach // nil unless the cutoff is chosen
}

const historyVersion = 4

// remember returns the record of the cycles before, and of this one what the forecast shows.
func (f *filter) remember(p *sdk.Problem) (*history, error) {
	r, size := &history{}, innovationValues
	if f.rings != nil {
		members, _ := p.Ensemble.Dims()
		r.reach = newReach(members, f.rings.Distances())
		size += len(r.reach.values())
	}
	if len(p.Carry) > 0 {
		v, err := sdk.DecodeCarry(p.Carry, historyVersion, size)
		if err != nil {
			return nil, err
		}
		if r.innovations, err = innovationsOf(v); err != nil {
			return nil, err
		}
		if r.reach != nil {
			if err := r.reach.set(v[innovationValues:]); err != nil {
				return nil, err
			}
		}
	}
	if r.reach != nil && (r.reach.weight == 0 || p.Fresh() != nil) { // else this is a later call with the same observations
		r.reach.correlate(f.rings.Correlations(p.Ensemble))
	}
	return r, nil
}

// carry returns what is to be carried over, nothing where nothing is learnt.
func (r *history) carry(f *filter) []byte {
	if !f.AdaptiveInflation && r.reach == nil {
		return nil
	}
	v := r.innovations.values()
	if r.reach != nil {
		v = append(v, r.reach.values()...)
	}
	return sdk.EncodeCarry(historyVersion, v...)
}

// components are those of an observation that are not missing, in units of their errors.
type components struct {
	predicted  *mat.Dense // anomalies, a row a component
	innovation []float64
	row        []int // of a component; -1 where it is missing
}

// largestSquares bounds the sums of squares of anomalies and innovations, so that products of them do not overflow.
const largestSquares = 1e150

// componentsOf returns those of p. Innovations are bounded as [bound] does, each by the median of those near it: a forecast may have
// lost the truth in some places and not in others. Cost: N m, and a search for those that are large.
func componentsOf(p *sdk.Problem, observed []int, l *taper.Localization) (*components, error) {
	members, _ := p.Ensemble.Dims()
	c := &components{mat.NewDense(len(observed), members, nil), make([]float64, len(observed)), slices.Repeat([]int{-1}, len(p.Observation))}
	sizes := make([]float64, len(observed)) // relative to the standard deviation of prediction and error together
	for k, j := range observed {
		c.row[j] = k
		row, unit := c.predicted.RawRowView(k), 1/math.Sqrt(p.ErrorVariance[j])
		mat.Col(row, j, p.Predicted)
		mean := floats.Sum(row) / float64(members)
		floats.AddConst(-mean, row)
		floats.Scale(unit, row)
		c.innovation[k] = (p.Observation[j] - mean) * unit
		if size := floats.Dot(row, row) + c.innovation[k]*c.innovation[k]; !(size < largestSquares) {
			return nil, errFar()
		}
		sizes[k] = math.Abs(c.innovation[k]) / math.Sqrt(1+c.variance(k))
	}
	var near []taper.Neighbour
	for k, j := range observed {
		if sizes[k] > largestInnovation {
			near = l.NearObservation(near, j)
			c.innovation[k] *= min(1, largestInnovation*max(1, c.median(sizes, near)/medianNormal)/sizes[k])
		}
	}
	return c, nil
}

// variance returns that of the predictions in a row.
func (c *components) variance(k int) float64 {
	row := c.predicted.RawRowView(k)
	return floats.Dot(row, row) / float64(len(row)-1)
}

// median returns that of the sizes that are near.
func (c *components) median(sizes []float64, near []taper.Neighbour) float64 {
	var some []float64
	for _, o := range near {
		if k := c.row[o.Index]; k >= 0 {
			some = append(some, sizes[k])
		}
	}
	slices.Sort(some)
	return some[len(some)/2]
}

// widen multiplies the spread of the predictions by what the last analysis took from it, and sets how much wider the innovations
// so far ask each place to be, see [surroundings.widening], and what the spread of the analysis is to be multiplied by, as [filter.widen] does.
func (s *surroundings) widen(r *history) error {
	fresh := s.problem.Fresh()
	if !s.AdaptiveInflation || fresh == nil {
		return nil
	}
	c := s.components
	if fresh != s.problem {
		var err error
		if c, err = componentsOf(fresh, present(fresh.Observation), s.Localization); err != nil {
			return err
		}
	}
	s.kept = 1 / r.innovations.calibration(tightestOfFew)
	typical := c.typical(s.kept)
	r.innovations = r.innovations.with(c.evidence(s.kept, typical))
	all, scale := r.innovations.all, r.innovations.scale()
	s.calibration, s.lacking = r.innovations.calibration(tightestOfFew), scale*scale-1
	s.counting = 1 - all.share/(all.variance/2) // half of the variance is the number of components
	s.shares = slices.Repeat([]float64{math.NaN()}, len(s.innovation))
	for j, k := range s.row {
		if k >= 0 && c.row[j] >= 0 {
			v := s.kept * s.kept * c.variance(c.row[j])
			s.shares[k] = v / (1 + v) / (typical / (1 + typical))
		}
	}
	s.predicted.Scale(s.kept, s.predicted)
	return nil
}

// widening returns by how much more the spread of the forecast is multiplied in the place that these components are near.
// Analyses are too narrow where observations say much, and hardly where they say little. So the variance that forecasts lack is taken to be in proportion to the share that they
// have in the variance of the innovations near by, and what innovations show is how much that is where the share is typical. It counts
// for the part of an innovation's variance that is the error of the observation: where the forecast is most of it, the analysis hardly
// depends on the spread, and a wider one for all because a few places have lost the truth follows errors in the others.
// The share is that of fresh components; others near by, as of earlier cycles of a window, say nothing of it.
func (s *surroundings) widening(near []taper.Neighbour) float64 {
	if s.shares == nil {
		return 1
	}
	share, weights := 0.0, 0.0
	for _, o := range near {
		if of := s.shares[o.Index]; !math.IsNaN(of) {
			share += o.Weight * of
			weights += o.Weight
		}
	}
	if weights == 0 {
		return 1
	}
	return 1 + s.counting*(min(largestScaleAtOnce, math.Sqrt(1+s.lacking*share/weights))-1)
}

// squaresBounded is the mean of the square of a standard normal number that counts for [largestInnovation] at most.
const squaresBounded = 0.97756

// evidence returns what [innovations.with] takes, for predictions that spread kept times as much, all with the variance that
// is typical, see [components.typical]. Innovations count for [largestInnovation] at most, and their squares then for what they are on average where they are normal and as large as expected:
// where the forecast is a small part of their variance, the two percent that the bound takes would be a large part of the forecast's.
func (c *components) evidence(kept, typical float64) *observedSpace {
	o := &observedSpace{variance: slices.Repeat([]float64{typical}, len(c.innovation)), innovation: make([]float64, len(c.innovation))}
	for k := range o.innovation {
		size := math.Abs(c.innovation[k]) / math.Sqrt(1+kept*kept*c.variance(k))
		o.innovation[k] = min(largestInnovation, size) * math.Sqrt((1+typical)/squaresBounded)
	}
	return o
}

// typical returns the variance s² of predictions that spread kept times as much whose share s² / (1 + s²) in the variance of an
// innovation is the mean of that of all, weighted with itself: excesses that are in proportion to the share tell most where it is large.
func (c *components) typical(kept float64) float64 {
	share, rest := 0.0, 0.0 // of forecast and error, weighted with the former
	for k := range c.innovation {
		v := kept * kept * c.variance(k)
		share += v / (1 + v) * (v / (1 + v))
		rest += v / (1 + v) / (1 + v)
	}
	if rest == 0 {
		return 0
	}
	return share / rest
}
