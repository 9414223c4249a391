package filterdiffusion

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
)

// quartet is the analysis in four places at a time, each in a lane of its own, in the space of the
// members: a state there is mean + A' v with the anomalies A, member i is v = e_i - 1/N, and the forecast
// has mean 0 and covariance (I - 11'/N) / (N - 1). With the predicted anomalies near by S, N x k, over
// sqrt(N - 1) and each component times the square root of its taper, the innovation d, a = sqrt(1 - b²)
// and
//
//	C = S'S,   L L' = I + b² C,   V = L^-1 S',   W = b V,   e = L^-1 d,   G = I - W'W,
//
// the kernels of [filter.analyseJoint] have
//
//	mu_i = a G (e_i - 1/N) + W'e b / sqrt(N - 1),   P = b² G / (N - 1),
//	log w_i = gamma v_i'(e - v_i/2),   v_i = a sqrt(N - 1) V e_i,
//
// up to what all weights share, and the mixture has, without the bias of a finite sample,
//
//	mean        m = a G w + W'e b / sqrt(N - 1),
//	covariance  M / (N - 1),   M = b² G + c G (diag(w) - w w') G,   c = a² (N - 1) / (1 - w'w).
//
// Since the forecast is white here, the map that moves members the least is M^(1/2). b = 1 is the
// local ensemble transform Kalman filter.
//
// A place with fewer components near by than another has some more that all members predict as they were
// observed, which changes nothing. One goroutine uses one.
type quartet struct {
	*surroundings
	members int
	places  [lanes]place
	count   int

	bandwidth, scale, factor linalg.Four     // b, the finite-size scale of S, and c
	least                    linalg.Four     // no eigenvalue of M is smaller
	rows                     [][]linalg.Four // S', V and W in turn, with d and then e after the members
	spectrum                 tridiagonal     // of C
	few                      bool            // whether M has
	updated                  updated         // this form, or that of the next, made by [quartet.mix]
	moments                  tridiagonal
	centre                   []linalg.Four // m
	growth                   linalg.Four   // of the mean of a value
	x                        []linalg.Four // logarithms of weights, then weights, then the anomalies of a value

	gram, cholesky, m triangle        // C and below it d, or products; I + b² C and then L; M
	low               [][]linalg.Four // F of [quartet.mix]
	products, column  []linalg.Four
	terms             [][]linalg.Four
}

const lanes = len(linalg.Four{})

// membersOfFew is how many members there are for each component where [updated] takes less time than a matrix.
const membersOfFew = 8

var ones, oneHalf = linalg.Four{1, 1, 1, 1}, linalg.Four{0.5, 0.5, 0.5, 0.5}

// place is a lane of a [quartet].
type place struct {
	placed
	values               []int // of the state, there, and then those of earlier times
	near, around         []taper.Neighbour
	weights, likelihoods []float64 // the latter as logarithms
	zeros                []float64 // as offsets of the likelihoods
	limit, least         float64   // of the power of the likelihoods, and of the effective sample size
}

func newQuartet(s *surroundings) *quartet {
	members := len(s.prior)
	vector := func(n int) []linalg.Four { return make([]linalg.Four, n) }
	q := &quartet{
		surroundings: s, members: members, m: triangle(nil).ofOrder(members),
		centre: vector(members), x: vector(members), products: vector(members + 1),
	}
	for l := range q.places {
		p := &q.places[l]
		p.weights, p.likelihoods, p.zeros = make([]float64, members), make([]float64, members), make([]float64, members)
	}
	return q
}

// add moves the given values, which are in one place, when there are four of them.
func (q *quartet) add(values []int) {
	p := &q.places[q.count]
	if p.near = q.nearValue(p.near, values[0]); len(p.near) == 0 {
		return
	}
	p.values = p.values[:0]
	for k := range 1 + q.past {
		for _, j := range values {
			p.values = append(p.values, j+k*len(q.found))
		}
	}
	p.placed = placed{observed: true, widening: q.widening(p.near)}
	q.setRules(p)
	if q.count++; q.count == lanes {
		q.finish()
	}
}

// setRules sets what follows from the state values near by: by their tapers, their mean kurtosis, of
// those that have one, and how many there are.
func (q *quartet) setRules(p *place) {
	excess, count, r := 0.0, 0.0, 0.0
	p.around = q.ValuesNear(p.around, p.values[0])
	for _, v := range p.around {
		r += v.Weight
		if x := q.kurtosis[v.Index]; !math.IsNaN(x) {
			excess += v.Weight * x
			count += v.Weight
		}
	}
	if count > 0 {
		excess /= count
	}
	if p.bandwidth = q.Bandwidth; sdk.IsAuto(p.bandwidth) {
		p.bandwidth = bandwidthRule(withinModes(excess), q.members, min(r, float64(q.members-1)))
	}
	p.limit, p.least = temperingRule(excess, q.members, count), leastESS(q.members, r)
}

// finish moves the values of the places that were added, and forgets them.
func (q *quartet) finish() {
	if q.count == 0 {
		return
	}
	q.gather()
	q.compress()
	q.decompose()
	q.solve()
	q.weigh()
	q.average()
	if q.few {
		q.updated.prepare(&q.bandwidth, &q.scale, &q.factor, q.x, &q.least)
	} else {
		q.mix()
	}
	for more, r := true, 0; more; r++ {
		more = q.transform(r)
	}
	q.count = 0
}

// gather fills the rows.
func (q *quartet) gather() {
	k := 0
	q.bandwidth, q.scale = ones, ones
	for l, p := range q.places[:q.count] {
		k, q.bandwidth[l] = max(k, len(p.near)), p.bandwidth
	}
	q.rows = table(q.rows, k, q.members+1)
	for _, row := range q.rows {
		clear(row)
	}
	unit := 1 / math.Sqrt(float64(q.members-1))
	for l := range q.count {
		p := &q.places[l]
		for r, o := range p.near {
			row, root := q.rows[r], math.Sqrt(o.Weight)
			of := unit * p.widening * root
			for i, v := range q.predicted.RawRowView(o.Index) {
				row[i][l] = of * v
			}
			row[q.members][l] = root * q.innovation[o.Index]
		}
	}
}

// compress turns more rows than the members have degrees of freedom into as many, by reflections, which leave
// S S', S d and what S explains of d as they are. Cost: 2 N² k.
func (q *quartet) compress() {
	degrees := q.members - 1
	if len(q.rows) <= degrees {
		return
	}
	q.column = resized(q.column, len(q.rows))
	for j := range degrees {
		u, rest := q.column[:len(q.rows)-j], q.products[:q.members-j]
		for i := range u {
			u[i] = q.rows[j+i][j]
		}
		var scale linalg.Four
		reflector(u, 0, &q.rows[j][j], &scale)
		clear(rest)
		for i := range u {
			linalg.AddScaled(rest, &u[i], q.rows[j+i][j+1:])
		}
		for l := range scale {
			scale[l] = -scale[l]
		}
		linalg.Scale(rest, &scale)
		for i := range u {
			linalg.AddScaled(q.rows[j+i][j+1:], &u[i], rest)
		}
		for _, row := range q.rows[j+1:] {
			row[j] = linalg.Four{}
		}
	}
	q.rows = q.rows[:degrees] // anomalies sum to 0, and so do the rows
}

// decompose sets C and, with finite_size, the scale of the forecast.
func (q *quartet) decompose() {
	k, members := len(q.rows), q.members
	q.gram, q.cholesky = q.gram.ofOrder(k+1), q.cholesky.ofOrder(k)
	clear(q.gram)
	for i, row := range q.rows {
		for j := range i + 1 {
			linalg.AddDot(&q.gram.row(i)[j], row[:members], q.rows[j])
		}
		q.gram.row(k)[i] = row[members]
	}
	copy(q.cholesky, q.gram)
	if q.few = membersOfFew*k <= members; q.few {
		q.updated.keep(q.rows, q.gram, members)
	}
	q.spectrum.reduce(q.gram, k+1)
	if q.FiniteSize && !q.seen {
		q.inflate()
	}
	for l, largest := range q.spectrum.largest(k) {
		b := q.bandwidth[l]
		q.least[l] = b * b / (1 + b*b*q.scale[l]*q.scale[l]*largest)
	}
}

// solve turns the rows from S' and d into V and e. Cost: N k².
func (q *quartet) solve() {
	var square linalg.Four
	for l, b := range q.bandwidth {
		square[l] = b * q.scale[l] * b * q.scale[l]
	}
	linalg.Scale(q.cholesky, &square)
	for i, solved := range q.rows {
		row, sum := q.cholesky.row(i), &q.products[0]
		for j := range i + 1 {
			before := q.cholesky.row(j)
			*sum = linalg.Four{}
			linalg.AddDot(sum, row[:j], before)
			for l, s := range sum {
				if j < i {
					row[j][l] = (row[j][l] - s) * before[j][l]
				} else {
					row[i][l] = 1 / math.Sqrt(max(1, 1+row[i][l]-s))
				}
			}
		}
		linalg.SubtractAll(solved, row[:i], q.rows)
		linalg.Scale(solved, &row[i])
	}
	for _, row := range q.rows {
		linalg.Scale(row[:q.members], &q.scale)
	}
}

// weigh sets the weights of all places, and c.
func (q *quartet) weigh() {
	degrees := float64(q.members - 1)
	var unit linalg.Four
	for l, b := range q.bandwidth {
		unit[l] = math.Sqrt((1 - b*b) * degrees)
	}
	clear(q.x)
	for _, row := range q.rows {
		e := &row[q.members]
		for i := range q.x {
			v, x := &row[i], &q.x[i]
			for l := range x {
				d := unit[l] * v[l]
				x[l] += d * (e[l] - d/2)
			}
		}
	}
	for l := range q.places {
		p, weights := &q.places[l], q.prior
		if l < q.count {
			for i, log := range q.x {
				p.likelihoods[i] = log[l]
			}
			p.scale = q.scale[l]
			p.tempering = largestPower(p.temper, p.least, p.limit, q.Tempering)
			weights = p.weights
		}
		q.factor[l] = 0
		if b := q.bandwidth[l]; b < 1 {
			q.factor[l] = (1 - b*b) * degrees / (1 - floats.Dot(weights, weights))
		}
		if math.IsNaN(q.factor[l]) || math.IsInf(q.factor[l], 0) {
			p.err = errFar()
			weights, q.factor[l] = q.prior, 0
		}
		for i, w := range weights {
			q.x[i][l] = w
		}
	}
}

// temper sets the weights with the likelihoods to the power gamma, and returns the effective sample size.
func (p *place) temper(gamma float64) float64 {
	copy(p.weights, p.likelihoods)
	sum := linalg.ExpRelative(p.weights, gamma, p.zeros)
	floats.Scale(1/sum, p.weights)
	p.ess = ensemble.ESS(p.weights, len(p.weights))
	return p.ess
}

// average turns V into W and sets m, and g = G w, which goes into one more row.
func (q *quartet) average() {
	k, members := len(q.rows), q.members
	var a linalg.Four
	for l, b := range q.bandwidth {
		a[l] = math.Sqrt(1 - b*b)
	}
	for _, row := range q.rows {
		linalg.Scale(row[:members], &q.bandwidth)
	}
	q.rows = table(q.rows, k+1, members+1)
	g := q.rows[k][:members]
	copy(g, q.x)
	q.explain(g, k)
	copy(q.centre, g)
	linalg.Scale(q.centre, &a)
	for r, row := range q.rows[:k] {
		for l, b := range q.bandwidth {
			q.products[r][l] = -b / math.Sqrt(float64(members-1)) * row[members][l]
		}
	}
	linalg.SubtractAll(q.centre, q.products[:k], q.rows)
}

// mix decomposes, with X = W diag(w),
//
//	M = b² G + c (G diag(w) G - g g') = b² I + c diag(w) - c g g' - W'F - F'W,
//	F = c (X - X W'W / 2) + b² W / 2.
//
// Cost: 2 N k (N + k) and 4/3 N³.
func (q *quartet) mix() {
	last := len(q.rows) - 1
	rows, g := q.rows[:last], q.rows[last][:q.members]
	q.low = table(q.low, len(q.rows), q.members)
	z := q.gram.ofOrder(len(rows)) // X W' / 2, which is symmetric
	clear(z)
	for r, x := range q.low[:last] {
		linalg.Multiply(x, q.x, rows[r])
		for s := range r + 1 {
			linalg.AddDot(&z.row(r)[s], x, rows[s])
		}
	}
	linalg.Scale(z, &oneHalf)
	var square, half, outer linalg.Four
	for l, b := range q.bandwidth {
		square[l], half[l], outer[l] = b*b, b*b/2, q.factor[l]/2
	}
	for r, f := range q.low[:last] {
		for s := range rows {
			q.products[s] = z.row(max(r, s))[min(r, s)]
		}
		linalg.SubtractAll(f, q.products[:last], rows)
		linalg.Scale(f, &q.factor)
		linalg.AddScaled(f, &half, rows[r])
	}
	copy(q.low[last], g)
	linalg.Scale(q.low[last], &outer)
	clear(q.m)
	k := len(q.rows)
	terms := append(append(q.terms[:0], q.rows...), q.low...)
	q.terms = terms
	q.column = resized(q.column, 2*k)
	for i, w := range q.x {
		row := q.m.row(i)
		for r := range k {
			q.column[r], q.column[k+r] = q.low[r][i], q.rows[r][i]
		}
		linalg.SubtractAll(row, q.column, terms)
		for l, c := range q.factor {
			row[i][l] += square[l] + c*w[l]
		}
	}
	q.moments.reduce(q.m, q.members)
	q.moments.lift(&q.least)
}

// transform moves value r of every place, and tells whether there was one.
func (q *quartet) transform(r int) (more bool) {
	clear(q.x)
	e, into := q.problem.Ensemble.RawMatrix(), q.problem.Into.RawMatrix()
	for l, p := range q.places[:q.count] {
		if r < len(p.values) {
			more = true
			j, scale := p.values[r], 1.0 // of earlier times, which are not inflated
			if j < len(q.found) {
				q.found[j], scale = p.placed, q.kept*p.widening*q.scale[l]
			}
			mean := q.mean[j]
			for i := range q.x {
				q.x[i][l] = scale * (e.Data[i*e.Stride+j] - mean)
			}
		}
	}
	if !more {
		return false
	}
	q.growth = linalg.Four{}
	linalg.AddDot(&q.growth, q.x, q.centre)
	q.root(q.x)
	for l, p := range q.places[:q.count] {
		if r < len(p.values) {
			j, calibration := p.values[r], 1.0
			if j < len(q.found) {
				calibration = q.calibration
			}
			centre := q.mean[j] + max(-q.farthest[j], min(q.growth[l], q.farthest[j]))
			for i := range q.x {
				into.Data[i*into.Stride+j] = centre + calibration*q.x[i][l]
			}
		}
	}
	return true
}

// root replaces x by M^(1/2) x.
func (q *quartet) root(x []linalg.Four) {
	if !q.few {
		q.moments.root(x, q.least)
		return
	}
	q.updated.inverseRoot(x)
	q.multiply(x)
}

// multiply replaces x by M x = b² G x + G v - v'1 g with v = c diag(w) G x. Cost: 8 k N a lane.
func (q *quartet) multiply(x []linalg.Four) {
	k := len(q.rows) - 1
	q.column = resized(q.column, q.members)
	v, sum := q.column, linalg.Four{}
	q.explain(x, k)
	linalg.Multiply(v, q.updated.weighted, x)
	for _, e := range v {
		for l := range sum {
			sum[l] -= e[l]
		}
	}
	q.explain(v, k)
	linalg.AddScaled(v, &sum, q.rows[k])
	var square linalg.Four
	for l, b := range q.bandwidth {
		square[l] = b * b
	}
	linalg.Scale(x, &square)
	linalg.AddScaled(x, &ones, v)
}

// explain replaces x by G x, with W in the first k rows.
func (q *quartet) explain(x []linalg.Four, k int) {
	clear(q.products[:k])
	for r, row := range q.rows[:k] {
		linalg.AddDot(&q.products[r], x, row)
	}
	linalg.SubtractAll(x, q.products[:k], q.rows)
}

// table returns the first rows of t, and makes those that it lacks.
func table(t [][]linalg.Four, rows, width int) [][]linalg.Four {
	t = slices.Grow(t, max(0, rows-len(t)))[:rows]
	for i, row := range t {
		if row == nil {
			t[i] = make([]linalg.Four, width)
		}
	}
	return t
}
