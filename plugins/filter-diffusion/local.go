package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
)

// analyseLocally is [filter.analyseJoint] place by place. For the values in one place
// the error variance of a component of the observation is divided by its taper, as in
// the local ensemble transform Kalman filter (Hunt, Kostelich and Szunyogh 2007,
// doi:10.1016/j.physd.2006.11.008), and bandwidth, weights and finite-size scale are
// made of what lies near. The mixture that results lives in the space of the members,
// see [place]; they are moved as little as possible to its mean and covariance, which is
// alike in places near each other, so that members stay smooth. Nothing is drawn.
//
// Without a component nearby a value stays as it is. Cost: for every place two searches, and what
// [quartet] needs; all in parallel, linear in n.
func (f *filter) analyseLocally(p *sdk.Problem, observed []int) (*sdk.Analysis, error) {
	n := f.layout.Size()
	r, err := f.remember(p.Now(f.past))
	if err != nil {
		return nil, err
	}
	s, err := f.surround(p, observed, r)
	if err != nil {
		return nil, err
	}
	p.Into.Copy(p.Ensemble)
	order := s.Order()
	ensemble.InBlocks(n, 32, func() func(from, to int) {
		q := newQuartet(s)
		return func(from, to int) {
			for first := from; first < to; {
				last := first + 1
				for last < to && s.SamePlace(order[first], order[last]) {
					last++
				}
				q.add(order[first:last])
				first = last
			}
			q.finish()
		}
	})
	mean, err := summary(s.found)
	if err != nil {
		return nil, err
	}
	a := &sdk.Analysis{}
	if mean.observed {
		a.Metrics = map[string]float64{
			"bandwidth": mean.bandwidth, "tempering": mean.tempering, "inflation": s.kept * mean.widening * mean.scale,
			"calibration": s.calibration, "weights_ess": mean.ess,
		}
		if r.reach != nil {
			a.Metrics["cutoff"] = r.reach.cutoff()
			if !s.seen {
				r.reach.pay(mean.scale)
			}
		}
	}
	a.Carry = r.carry(f)
	return a, checkFinite(p.Call, "analysis ensemble", p.Into, allOf(len(s.mean)))
}

// checkEqualWeights refuses the weights that another filter has left.
func checkEqualWeights(p *sdk.Problem) error {
	if i, weight, found := ensemble.Unequal(p.LogWeights); found {
		return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, but with a cutoff all have to be equal", p.Member(i), weight).
			WithHint("let the filter before resample in every cycle, or leave the cutoff out")
	}
	return nil
}

// surroundings is what all places share.
type surroundings struct {
	*taper.Localization
	*filter
	problem        *sdk.Problem
	mean, farthest []float64 // of the state, also at earlier times, and how far the analysis may move it, see [filter.farthest]
	prior          []float64 // weights, all equal
	kurtosis       []float64 // the excess of every state value, see [excessKurtosis]
	found          []placed  // by state values
	seen           bool      // whether nothing is fresh; see [sdk.Problem.Fresh]

	*components                 // with the spread as it is kept
	kept, calibration float64   // what the spread of the forecast, and then that of the analysis, is multiplied by, in addition to scales
	lacking, counting float64   // the variance that forecasts lack, relative to what they have, and what part of it counts; see [surroundings.widening]
	shares            []float64 // of the forecast in the variance of each innovation, relative to the typical one, NaN where it is not fresh; nil if nothing is to be widened
}

func (f *filter) surround(p *sdk.Problem, observed []int, r *history) (*surroundings, error) {
	members, _ := p.Ensemble.Dims()
	if err := checkEqualWeights(p); err != nil {
		return nil, err
	}
	prior := equalWeights(members)
	mean, sd := moments(p.Ensemble, prior)
	if err := checkSpread(sd); err != nil {
		return nil, err
	}
	s := &surroundings{
		Localization: f.localization, filter: f, problem: p, mean: mean, farthest: f.farthest(sd),
		prior: prior, kurtosis: excessKurtosis(p.Ensemble, mean, sd, prior),
		found: make([]placed, f.layout.Size()), seen: p.Fresh() == nil, kept: 1, calibration: 1,
	}
	if r.reach != nil {
		s.Localization = f.localization.Within(r.reach.cutoff())
	}
	var err error
	if s.components, err = componentsOf(p, observed, s.Localization); err != nil {
		return nil, err
	}
	return s, s.widen(r)
}

// largestMove bounds how far the analysis moves the mean of a value, in typical spreads of its variable,
// and largestOwnMove in its own. Where an operator saturates, all members may predict nearly the same for an
// observation far away; their regression is a quotient of small numbers then, and moves beyond what
// the model can integrate. Ten typical spreads still let members that have lost the truth find it again.
const largestMove, largestOwnMove = 10, 3

// farthest returns how far the mean of each value may move: [largestMove] times the root mean square of the
// spreads of its variable, or [largestOwnMove] times its own spread where that is more.
func (f *filter) farthest(sd []float64) []float64 {
	limits := make([]float64, 0, len(sd))
	for range 1 + f.past {
		for _, v := range f.layout.Variables {
			own := sd[len(limits):][:v.Size()]
			typical := floats.Norm(own, 2) / math.Sqrt(float64(len(own)))
			for _, s := range own {
				limits = append(limits, max(largestMove*typical, largestOwnMove*s))
			}
		}
	}
	return limits
}

// nearValue returns the rows of the components near state value j, without those that are missing.
func (s *surroundings) nearValue(dst []taper.Neighbour, j int) []taper.Neighbour {
	near := s.NearValue(dst, j)
	kept := near[:0]
	for _, o := range near {
		if o.Index = s.row[o.Index]; o.Index >= 0 {
			kept = append(kept, o)
		}
	}
	return kept
}

// placed is what was found in a place.
type placed struct {
	observed                                   bool
	bandwidth, tempering, widening, scale, ess float64
	err                                        error
}

// summary returns the means over all values that were observed, if any was, or the first error.
func summary(found []placed) (mean placed, err error) {
	count := 0.0
	for _, f := range found {
		if f.err != nil {
			return placed{}, f.err
		}
		if f.observed {
			count++
			mean.bandwidth += f.bandwidth
			mean.tempering += f.tempering
			mean.widening += f.widening
			mean.scale += f.scale
			mean.ess += f.ess
		}
	}
	if count > 0 {
		mean = placed{true, mean.bandwidth / count, mean.tempering / count, mean.widening / count, mean.scale / count, mean.ess / count, nil}
	}
	return mean, nil
}
