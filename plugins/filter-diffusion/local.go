package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// analyseLocally is [filter.analyseJoint] place by place. For the values in one place
// the error variance of a component of the observation is divided by its taper, as in
// the local ensemble transform Kalman filter (Hunt, Kostelich and Szunyogh 2007,
// doi:10.1016/j.physd.2006.11.008), and bandwidth, weights and finite-size scale are
// made of what lies near. The mixture that results lives in the space of the members,
// see [place]; they are moved as little as possible to its mean and covariance, which is
// alike in places near each other, so that members stay smooth. Nothing is drawn.
//
// Without a component nearby a value stays as it is. Cost: for every place a search,
// N² for every neighbour and two decompositions of N³; all in parallel, linear in n.
func (f *filter) analyseLocally(p *sdk.Problem, observed []int) (*sdk.Analysis, error) {
	members, n := p.Ensemble.Dims()
	if err := checkEqualWeights(p.LogWeights); err != nil {
		return nil, err
	}
	prior := equalWeights(members)
	mean, sd := moments(p.Ensemble, prior)
	if err := checkSpread(sd); err != nil {
		return nil, err
	}
	s := &surroundings{Localization: f.localization, filter: f, prior: prior, excess: excessKurtosis(p.Ensemble, mean, sd, prior)}
	s.observe(p, observed)
	order, found := f.localization.Order(), make([]placed, n)
	ensemble.InBlocks(n, 16, func() func(from, to int) {
		here := newPlace(s)
		anomalies := make([]float64, members)
		return func(from, to int) {
			for q := from; q < to; q++ {
				j := order[q]
				if q == from || !f.localization.SamePlace(order[q-1], j) {
					here.moveTo(j)
				}
				for i := range anomalies {
					anomalies[i] = p.Ensemble.At(i, j) - mean[j]
				}
				growth := here.transform(anomalies)
				for i, a := range anomalies {
					p.Into.Set(i, j, mean[j]+growth+a)
				}
				found[j] = here.placed
			}
		}
	})
	metrics, err := summary(found)
	if err != nil {
		return nil, err
	}
	return &sdk.Analysis{Metrics: metrics}, checkFinite("analysis ensemble", p.Into, allOf(n))
}

// checkEqualWeights refuses the weights that another filter has left.
func checkEqualWeights(logWeights []float64) error {
	if i, weight, found := ensemble.Unequal(logWeights); found {
		return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, but with a cutoff all have to be equal", i, weight).
			WithHint("let the filter before resample in every cycle, or leave the cutoff out")
	}
	return nil
}

// surroundings is what all places share.
type surroundings struct {
	*taper.Localization
	*filter
	prior      []float64
	excess     []float64  // kurtosis of every state value
	predicted  *mat.Dense // anomalies in units of the error's standard deviation, a row a component that is not missing
	innovation []float64  // in the same units
	row        []int      // of a component; -1 where it is missing
}

func (s *surroundings) observe(p *sdk.Problem, observed []int) {
	members, _ := p.Predicted.Dims()
	s.predicted, s.innovation = mat.NewDense(len(observed), members, nil), make([]float64, len(observed))
	s.row = make([]int, len(p.Observation))
	for k := range s.row {
		s.row[k] = -1
	}
	for k, j := range observed {
		s.row[j] = k
		row, unit := s.predicted.RawRowView(k), 1/math.Sqrt(p.ErrorVariance[j])
		mat.Col(row, j, p.Predicted)
		mean := floats.Sum(row) / float64(members)
		floats.AddConst(-mean, row)
		floats.Scale(unit, row)
		s.innovation[k] = (p.Observation[j] - mean) * unit
	}
}

// placed is what was found in a place.
type placed struct {
	observed                         bool
	bandwidth, tempering, scale, ess float64
	err                              error
}

// summary returns the means over all values that were observed, or the first error.
func summary(found []placed) (map[string]float64, error) {
	sum, count := placed{}, 0.0
	for _, f := range found {
		if f.err != nil {
			return nil, f.err
		}
		if f.observed {
			count++
			sum.bandwidth += f.bandwidth
			sum.tempering += f.tempering
			sum.scale += f.scale
			sum.ess += f.ess
		}
	}
	if count == 0 {
		return nil, nil
	}
	return map[string]float64{"bandwidth": sum.bandwidth / count, "tempering": sum.tempering / count,
		"inflation": sum.scale / count, "weights_ess": sum.ess / count}, nil
}

// place is the analysis in one place, in the space of the members: a state there is
// mean + A' v with the anomalies A, member i is v = e_i - 1/N, and the forecast has
// mean 0 and covariance (I - 11'/N) / (N - 1). With the local predicted anomalies Y,
// each component times the square root of its taper, the innovation d,
//
//	S = Y Y' / (N - 1) = U L U',   z = Y d,   G = (b² S + I)^-1,   a = sqrt(1 - b²),
//
// the kernels of [filter.analyseJoint] have
//
//	mu_i = G (a (e_i - 1/N) + b² z / (N - 1)),   P = b² G / (N - 1),
//	log w_i = gamma (a z_i - a² (N - 1) S_ii / 2 + b² q_i' G q_i / (2 (N - 1))),   q_i = z - a (N - 1) S e_i,
//
// up to what all weights share, and the mixture has the mean m = G (a w + b² z / (N - 1))
// and, without the bias of a finite sample, the covariance
//
//	C = P + a² G (diag(w) - w w') G / (1 - w' w).
//
// Since the forecast is white here, the map that moves members the least is
// sqrt(N - 1) C^(1/2). All is kept in the basis U. b = 1 is the local ensemble
// transform Kalman filter.
//
// One goroutine uses one.
type place struct {
	*surroundings
	placed

	near, around   []taper.Neighbour
	rows, u        *mat.Dense
	gram           *mat.SymDense
	values         []float64  // L
	z              []float64  // U' z
	weights        []float64  // w, and
	logWeights     []float64  // their logarithms
	mean           []float64  // U' m
	root           *mat.Dense // sqrt(N - 1) C^(1/2)
	before, turned []float64
	scatter        *mat.Dense
}

func newPlace(s *surroundings) *place {
	members := len(s.prior)
	vector := func() []float64 { return make([]float64, members) }
	return &place{surroundings: s, gram: mat.NewSymDense(members, nil), rows: new(mat.Dense),
		z: vector(), weights: vector(), logWeights: vector(), mean: vector(), before: vector(), turned: vector(),
		scatter: mat.NewDense(members, members, nil)}
}

// moveTo prepares the analysis of state value j and those in its place.
func (p *place) moveTo(j int) {
	p.placed = placed{}
	p.near = p.NearValue(p.near, j)
	kept := p.near[:0]
	for _, o := range p.near {
		if o.Index = p.row[o.Index]; o.Index >= 0 {
			kept = append(kept, o)
		}
	}
	if p.near = kept; len(kept) == 0 {
		return
	}
	p.observed = true
	if p.err = p.project(); p.err != nil {
		return
	}
	p.scale = 1
	if p.FiniteSize {
		p.inflate()
	}
	excess, count, r := p.extent(j)
	if p.bandwidth = p.Bandwidth; sdk.IsAuto(p.bandwidth) {
		p.bandwidth = bandwidthRule(withinModes(excess), len(p.prior), min(r, float64(len(p.prior)-1)))
	}
	p.weigh()
	p.tempering = temper(p.weights, p.logWeights, p.prior, temperingRule(excess, len(p.prior), count), p.Tempering)
	p.ess = ensemble.ESS(p.weights, len(p.weights))
	p.err = p.mix()
}

// project gathers what is near and decomposes S.
func (p *place) project() error {
	members := len(p.prior)
	p.rows.Reset()
	p.rows.ReuseAs(len(p.near), members)
	innovation := make([]float64, len(p.near))
	for k, o := range p.near {
		root := math.Sqrt(o.Weight)
		floats.ScaleTo(p.rows.RawRowView(k), root, p.predicted.RawRowView(o.Index))
		innovation[k] = root * p.innovation[o.Index]
	}
	p.gram.SymOuterK(1/float64(members-1), p.rows.T())
	values, vectors, err := eigen(p.gram)
	if err != nil {
		return err
	}
	p.values, p.u = values, vectors
	for k, v := range values {
		values[k] = max(0, v)
	}
	z := mat.NewVecDense(members, nil)
	z.MulVec(p.rows.T(), mat.NewVecDense(len(innovation), innovation))
	mat.NewVecDense(members, p.z).MulVec(vectors.T(), z)
	return nil
}

// largestLocalScale bounds the finite-size scale in a place: an estimate from few
// components is uncertain.
const largestLocalScale = 2

// inflate multiplies the forecast anomalies by the finite-size scale of the place.
func (p *place) inflate() {
	members := float64(len(p.prior))
	var innovation, variance []float64
	for k, v := range p.values {
		if v > roundOff*p.values[len(p.values)-1] {
			innovation, variance = append(innovation, p.z[k]/math.Sqrt(v*(members-1))), append(variance, v)
		}
	}
	p.scale = min(largestLocalScale, ensemble.FiniteSizeScale(innovation, variance, members))
	floats.Scale(p.scale*p.scale, p.values)
	floats.Scale(p.scale, p.z)
}

// extent returns, by their tapers, the mean kurtosis of the state values near value j that
// have one, how many these are, and how many there are near.
func (p *place) extent(j int) (excess, count, r float64) {
	p.around = p.ValuesNear(p.around, j)
	for _, v := range p.around {
		r += v.Weight
		if x := p.excess[v.Index]; !math.IsNaN(x) {
			excess += v.Weight * x
			count += v.Weight
		}
	}
	if count > 0 {
		excess /= count
	}
	return excess, count, r
}

// kernel returns diagonal element k of G.
func (p *place) kernel(k int) float64 { return 1 / (p.bandwidth*p.bandwidth*p.values[k] + 1) }

// weigh sets the logarithms of the weights for gamma = 1.
func (p *place) weigh() {
	degrees := float64(len(p.prior) - 1)
	b2 := p.bandwidth * p.bandwidth
	a := math.Sqrt(1 - b2)
	for i := range p.logWeights {
		sum := 0.0
		for k, u := range p.u.RawRowView(i) {
			q := p.z[k] - a*degrees*p.values[k]*u
			sum += a*u*p.z[k] - a*a*degrees*p.values[k]*u*u/2 + b2*q*q*p.kernel(k)/(2*degrees)
		}
		p.logWeights[i] = math.Log(p.prior[i]) + sum
	}
}

// mix sets the moments of the mixture.
func (p *place) mix() error {
	members := len(p.prior)
	degrees := float64(members - 1)
	b2 := p.bandwidth * p.bandwidth
	a := math.Sqrt(1 - b2)
	centre := make([]float64, members) // U' w
	mat.NewVecDense(members, centre).MulVec(p.u.T(), mat.NewVecDense(members, p.weights))
	for k, c := range centre {
		p.mean[k] = p.kernel(k) * (a*c + b2*p.z[k]/degrees)
	}
	for i, root := range rootWeights(p.weights) {
		row := p.scatter.RawRowView(i)
		floats.SubTo(row, p.u.RawRowView(i), centre)
		floats.Scale(root, row)
	}
	covariance := mat.NewSymDense(members, nil)
	covariance.SymOuterK(degrees, p.scatter.T())
	for k := range members {
		for l := k; l < members; l++ {
			covariance.SetSym(k, l, a*a*p.kernel(k)*p.kernel(l)*covariance.At(k, l))
		}
		covariance.SetSym(k, k, covariance.At(k, k)+b2*p.kernel(k))
	}
	var err error
	p.root, err = root(covariance)
	return err
}

// transform replaces the anomalies of a value, N of them, by those of the analysis
// and returns what the mean grows by. Cost: 3 N².
func (p *place) transform(anomalies []float64) (growth float64) {
	if !p.observed || p.err != nil {
		return 0
	}
	members := len(anomalies)
	before, turned := mat.NewVecDense(members, p.before), mat.NewVecDense(members, p.turned)
	after := mat.NewVecDense(members, anomalies)
	before.MulVec(p.u.T(), after)
	before.ScaleVec(p.scale, before)
	turned.MulVec(p.root, before)
	after.MulVec(p.u, turned)
	return floats.Dot(p.before, p.mean)
}
