package filterpf

import (
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// analyseLocally is the local nonlinear ensemble transform filter (Toedter,
// Kirchgessner, Nerger and Ahrens 2016, doi:10.1175/MWR-D-15-0073.1): at every location
// the members have weights of their own, from the observations nearby,
//
//	log w_i = gamma sum_k taper_k log p(y_k | x_i),
//
// and are moved so that they have the mean and the covariance of the weighted forecast:
// with the forecast's anomalies A,
//
//	mean + A' w,   anomalies sqrt(N - 1) T A,   T = C^(1/2),   C = (diag(w) - w w') / (1 - w' w).
//
// The root is the symmetric one, which moves members the least and similarly at nearby
// locations: nothing is resampled, and members stay smooth in space. gamma is the largest
// power, at most 1, with an effective sample size of at least minimum_ess N. jitter widens
// the anomalies as kernels of that width would, by sqrt(1 + h²), and with rotation a single
// random rotation of the members, which preserves their mean, mixes the anomalies at all
// locations.
//
// Randomness: the rotation, see [ensemble.Rotate]. Cost: for every location a search, N for
// every neighbour and a decomposition of N³; for every value N², with rotation twice that.
// Locations are processed in parallel; the cost is linear in n.
func (f *filter) analyseLocally(p *sdk.Problem) (*sdk.Analysis, error) {
	if err := checkEqualWeights(p); err != nil {
		return nil, err
	}
	_, n := p.Now(f.past).Ensemble.Dims()
	order, found := f.localization.Order(), make([]placed, n)
	ensemble.InBlocks(n, 16, func() func(from, to int) {
		here := newPlace(f, p)
		return func(from, to int) {
			for q := from; q < to; q++ {
				j := order[q]
				if q == from || !f.localization.SamePlace(order[q-1], j) {
					here.moveTo(j)
				}
				for k := range 1 + f.past {
					here.update(j + k*n)
				}
				found[j] = here.placed
			}
		}
	})
	metrics, err := summary(found)
	if err != nil {
		return nil, err
	}
	if f.Rotation && p.Fresh() != nil {
		same := unobservedOf(p.Into, found)
		now, before := p.Parts(f.past)
		ensemble.Rotate(now.Into, p.Seed.Child("rotation", 0))
		if before != nil {
			ensemble.Rotate(before.Into, p.Seed.Child("rotation", 0))
		}
		same.restore(p.Into)
	}
	return &sdk.Analysis{Metrics: metrics}, nil
}

// unobserved is the values with no observation nearby, which stay as they are.
type unobserved struct {
	columns []int
	values  *mat.Dense // one column each; nil without any
}

// unobservedOf returns those of e.
func unobservedOf(e *mat.Dense, found []placed) *unobserved {
	members, n := e.Dims()
	u := &unobserved{}
	for j := range n {
		if !found[j%len(found)].observed {
			u.columns = append(u.columns, j)
		}
	}
	if len(u.columns) > 0 {
		u.values = mat.NewDense(members, len(u.columns), nil)
	}
	for k, j := range u.columns {
		for i := range members {
			u.values.Set(i, k, e.At(i, j))
		}
	}
	return u
}

// restore writes the values into e.
func (u *unobserved) restore(e *mat.Dense) {
	members, _ := e.Dims()
	for k, j := range u.columns {
		for i := range members {
			e.Set(i, j, u.values.At(i, k))
		}
	}
}

// checkEqualWeights returns an error if another filter has left unequal weights.
func checkEqualWeights(p *sdk.Problem) error {
	if i, weight, found := ensemble.Unequal(p.LogWeights); found {
		return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, but scheme = \"local\" needs equal weights", p.Member(i), weight).
			WithHint("make the previous filter resample in every cycle")
	}
	return nil
}

// placed holds the diagnostics of one location.
type placed struct {
	observed   bool
	ess, gamma float64
	err        error
}

// summary returns means over the values that were observed, or the first error.
func summary(found []placed) (map[string]float64, error) {
	ess, gamma, count := 0.0, 0.0, 0.0
	for _, f := range found {
		if f.err != nil {
			return nil, f.err
		}
		if f.observed {
			ess += f.ess
			gamma += f.gamma
			count++
		}
	}
	if count == 0 {
		return nil, nil
	}
	return map[string]float64{"weights_ess": ess / count, "tempering": gamma / count}, nil
}

// place is the analysis at one location. It is used by one goroutine.
type place struct {
	*filter
	problem *sdk.Problem
	placed

	near             []taper.Neighbour
	logWeights       []float64
	weights          []float64
	tempered         []float64  // log-weights
	root             *mat.Dense // sqrt(N - 1) C^(1/2)
	widening         float64    // of the anomalies, by jitter
	anomalies, moved *mat.VecDense

	// For the decompositions of (N - 1) C, one after the other.
	covariance *mat.SymDense
	eigen      linalg.Eigen
	scaled     *mat.Dense
}

func newPlace(f *filter, p *sdk.Problem) *place {
	members, n := p.Now(f.past).Ensemble.Dims()
	h := f.bandwidth(members, n)
	square := func() *mat.Dense { return mat.NewDense(members, members, nil) }
	return &place{filter: f, problem: p, logWeights: make([]float64, members), weights: make([]float64, members), tempered: make([]float64, members),
		root: square(), widening: math.Sqrt(1 + h*h*share(p)), anomalies: mat.NewVecDense(members, nil), moved: mat.NewVecDense(members, nil),
		covariance: mat.NewSymDense(members, nil), scaled: square()}
}

// moveTo prepares the analysis of state value j and the others at its location.
func (p *place) moveTo(j int) {
	p.placed = placed{}
	clear(p.logWeights)
	p.near = p.localization.NearValue(p.near, j)
	for _, o := range p.near {
		if math.IsNaN(p.problem.Observation[o.Index]) {
			continue
		}
		p.observed = true
		for i := range p.logWeights {
			p.logWeights[i] += o.Weight * p.problem.LogLikelihood.At(i, o.Index)
		}
	}
	if !p.observed {
		return
	}
	if p.err = p.temper(j); p.err == nil {
		p.err = p.transform()
	}
}

// update writes the analysis of state value j, which is the forecast where nothing is observed
// nearby. Cost: N².
func (p *place) update(j int) {
	if p.err != nil {
		return
	}
	column := mat.Col(p.anomalies.RawVector().Data, j, p.problem.Ensemble)
	if !p.observed {
		p.problem.Into.SetCol(j, column)
		return
	}
	mean := floats.Sum(column) / float64(len(column))
	floats.AddConst(-mean, column)
	mean += floats.Dot(p.weights, column)
	p.moved.MulVec(p.root, p.anomalies)
	for i := range column {
		p.problem.Into.Set(i, j, mean+p.widening*p.moved.AtVec(i))
	}
}

// gamma is found by halving, in usualHalvings steps and more until it is known to this part of itself: observations
// may be so accurate that it is 1e-24. 1 can be halved mostHalvings times.
const (
	usualHalvings, mostHalvings = 40, 1075

	closeEnough = 0x1p-10
)

// temper sets weights, gamma and the effective sample size.
func (p *place) temper(j int) error {
	try := func(gamma float64) float64 {
		for i, l := range p.logWeights {
			if p.tempered[i] = l; !math.IsInf(l, -1) { // impossible members stay impossible
				p.tempered[i] = gamma * l
			}
		}
		if _, logSum := ensemble.Normalise(p.weights, p.tempered); math.IsInf(logSum, -1) {
			return 0
		}
		return ensemble.ESS(p.weights, len(p.weights))
	}
	least := max(p.MinimumESS*float64(len(p.weights)), 1+1e-6) // a single member has no covariance
	p.gamma = 1
	if p.ess = try(1); p.ess < least {
		low, high := 0.0, 1.0
		for step := range mostHalvings {
			if step >= usualHalvings && high-low <= closeEnough*high {
				break
			}
			if p.gamma = (low + high) / 2; try(p.gamma) < least {
				high = p.gamma
			} else {
				low = p.gamma
			}
		}
		p.gamma = low
		if p.ess = try(low); p.ess < least {
			return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("weights at state value %d", j), "the observations nearby are impossible for too many of the %d members: the effective sample size is %.3g, want %.3g", len(p.weights), p.ess, least).
				WithHint("use more members, a smaller cutoff or a wider observation error")
		}
	}
	return nil
}

// transform sets the root. The matrix is singular with the null vector 1; eigenvalues that
// rounding makes negative count as zero.
func (p *place) transform() error {
	members := len(p.weights)
	scale := float64(members-1) / (1 - floats.Dot(p.weights, p.weights))
	c := p.covariance
	for i, w := range p.weights {
		for l := i; l < members; l++ {
			c.SetSym(i, l, -scale*w*p.weights[l])
		}
		c.SetSym(i, i, c.At(i, i)+scale*w)
	}
	if !p.eigen.Factorize(c) {
		return sdk.Errorf(sdk.KindDiverged, "weights", "the eigenvalues of their matrix cannot be computed in float64")
	}
	p.scaled.Apply(func(_, k int, v float64) float64 { return v * math.Sqrt(max(0, p.eigen.Values[k])) }, p.eigen.Vectors)
	p.root.Mul(p.scaled, p.eigen.Vectors.T())
	return nil
}
