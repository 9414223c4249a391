package filterdiffusion

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// whitened is a forecast in coordinates, one for each dimension that its members
// span, in which its weighted mean is 0 and its weighted covariance I. They do not
// depend on the units of the state. They are the principal components of the values in
// units of their standard deviations, the one with most variance first.
type whitened struct {
	mean, sd []float64  // of the state
	scores   *mat.Dense // N x r, one member a row
}

func (w *whitened) rank() int { _, r := w.scores.Dims(); return r }

// whiten returns the scores of e. Dimensions in which the members spread less than
// rankTolerance of the most, in units of each value's standard deviation, count as
// rounding. Cost: O(N n min(N, n)).
func whiten(e *mat.Dense, weights []float64) (*whitened, error) {
	w := &whitened{}
	w.mean, w.sd = moments(e, weights)
	err := checkSpread(w.sd)
	if err != nil {
		return nil, err
	}
	if members, n := e.Dims(); n < members {
		err = w.scoreDirectly(e, weights)
	} else {
		err = w.scoreByGram(e, weights)
	}
	return w, err
}

// checkSpread refuses members that are all alike, or so far apart that their variance
// overflows.
func checkSpread(sd []float64) error {
	if largest := floats.Max(sd); largest > 0 && !math.IsInf(largest, 1) {
		return nil
	}
	return sdk.Errorf(sdk.KindDiverged, "forecast ensemble", "its members have no finite spread, but a density needs some").
		WithHint("spread the members, or add process noise to the model")
}

// rankTolerance is what squaring leaves of a direction, sqrt(2^-52), with room for
// the rounding of sums.
const rankTolerance = 1e-7

// scoreDirectly decomposes the anomalies themselves: with D A = U S V', D the roots
// of the weights, the scores are A V / S.
func (w *whitened) scoreDirectly(e *mat.Dense, weights []float64) error {
	members, n := e.Dims()
	anomalies := mat.NewDense(members, n, nil)
	w.standardise(anomalies, e, 0)
	var svd mat.SVD
	if !svd.Factorize(rootWeightedRows(anomalies, weights), mat.SVDThin) {
		return errEigen()
	}
	var axes mat.Dense
	svd.VTo(&axes)
	values := svd.Values(nil)
	r := rankOf(values, rankTolerance)
	for k := range r {
		for j := range n {
			axes.Set(j, k, axes.At(j, k)/values[k])
		}
	}
	w.scores = mat.NewDense(members, r, nil)
	linalg.Mul(w.scores, anomalies, axes.Slice(0, n, 0, r))
	return nil
}

// scoreByGram decomposes the inner products of the members: with D A A' D = U L U'
// the scores are A A' D U / L. Memory: a stripe of the state for every processor.
func (w *whitened) scoreByGram(e *mat.Dense, weights []float64) error {
	root := rootWeights(weights)
	members, n := e.Dims()
	gram := innerProducts(members, n, func() columnsOf {
		scratch := new(mat.Dense)
		return func(from, to int) (a, b mat.Matrix) {
			scratch.Reset()
			scratch.ReuseAs(members, to-from)
			w.standardise(scratch, e, from)
			return scratch, scratch
		}
	})
	weighted := mat.NewSymDense(members, nil)
	for i := range members {
		for j := i; j < members; j++ {
			weighted.SetSym(i, j, root[i]*root[j]*gram.At(i, j))
		}
	}
	values, vectors, err := eigen(weighted)
	if err != nil {
		return err
	}
	slices.Reverse(values)
	r := min(members-1, rankOf(values, rankTolerance*rankTolerance))
	basis := mat.NewDense(members, r, nil)
	for k := range r {
		for i := range members {
			basis.Set(i, k, root[i]*vectors.At(i, members-1-k)/values[k])
		}
	}
	w.scores = mat.NewDense(members, r, nil)
	linalg.Mul(w.scores, gram, basis)
	return nil
}

// rankOf counts the values, in descending order, above tolerance times the first.
func rankOf(values []float64, tolerance float64) int {
	r := 0
	for r < len(values) && values[r] > tolerance*values[0] {
		r++
	}
	return r
}

// standardise writes the columns of e that begin with from, as many as dst has,
// minus their mean and in units of their standard deviation, into dst. Values
// without spread are 0.
func (w *whitened) standardise(dst, e *mat.Dense, from int) {
	rows, width := dst.Dims()
	for i := range rows {
		row := dst.RawRowView(i)
		floats.SubTo(row, e.RawRowView(i)[from:from+width], w.mean[from:from+width])
		for j := range row {
			if sd := w.sd[from+j]; sd > 0 {
				row[j] /= sd
			} else {
				row[j] = 0 // not the rounding of the mean
			}
		}
	}
}

// toState writes the states with whitened coordinates x, inflation times as far
// from the mean, into into:
//
//	into = 1 mean' + inflation x Cov(xi, state)
//
// Cost: 4 N r n with r < N/2, else 2 N² n. Memory: two blocks of the state for
// every processor.
func (w *whitened) toState(into, e, x *mat.Dense, inflation float64, weights []float64) {
	members, n := e.Dims()
	left, right := mat.DenseCopyOf(x), mat.DenseCopyOf(weightedRows(w.scores, weights).T())
	left.Scale(inflation, left)
	if 2*w.rank() >= members {
		whole := mat.NewDense(members, members, nil)
		linalg.Mul(whole, left, right)
		left, right = whole, nil
	}
	width := min(n, max(32, 1<<15/members))
	ensemble.InBlocks(n, width, func() func(from, to int) {
		anomalies, products := mat.NewDense(members, width, nil), new(mat.Dense)
		return func(from, to int) {
			a := anomalies.Slice(0, members, 0, to-from).(*mat.Dense)
			for i := range members {
				floats.SubTo(a.RawRowView(i), e.RawRowView(i)[from:to], w.mean[from:to])
			}
			if right != nil {
				products.Reset()
				linalg.Mul(products, right, a)
				a = products
			}
			out := into.Slice(0, members, from, to).(*mat.Dense)
			linalg.Mul(out, left, a)
			for i := range members {
				floats.Add(out.RawRowView(i), w.mean[from:to])
			}
		}
	})
}

// follow writes the states of earlier times of members that have moved to whitened coordinates x, with
// these ancestors: those of the ancestor, moved by regression on how far the member is from it,
//
//	into = e_a + (x - xi_a) Cov(xi, state).
//
// They are not inflated, which would be done again in every cycle.
// Where the forecast is normal that is the ensemble smoother, by its equivalence with the smoother of
// Rauch, Tung and Striebel (Raanes 2016, doi:10.1002/qj.2728); where a member is a copy of its ancestor it
// has that one's past. Cost: as of [whitened.toState].
func (w *whitened) follow(p *sdk.Problem, past int, x *mat.Dense, ancestors []int, weights []float64) {
	if past == 0 {
		return
	}
	_, all := p.Parts(past)
	before, into := all.Ensemble, all.Into
	moved := mat.NewDense(len(ancestors), w.rank(), nil)
	for i, a := range ancestors {
		floats.SubTo(moved.RawRowView(i), x.RawRowView(i), w.scores.RawRowView(a))
	}
	of := &whitened{mean: ensemble.Mean(nil, before, weights), scores: w.scores}
	of.toState(into, before, moved, 1, weights)
	for i, a := range ancestors {
		row := into.RawRowView(i)
		floats.Sub(row, of.mean)
		floats.Add(row, before.RawRowView(a))
	}
}

// observedSpace is what the members predict of the components observed, in units
// of the observation error's standard deviation and along the principal axes of
// the predictions, so that their covariance is diagonal. What no member predicts
// is left out: it gives all members the same weight.
//
// For a black box, whose error is in the simulated observations alone, the unit is
// their own standard deviation, and ridge is added to the diagonal of their
// correlation matrix to make it well conditioned. It is added, not averaged in: few
// members fit their own simulated observations too well, and a matrix with smaller
// eigenvalues would leave the analysis without variance.
type observedSpace struct {
	anomalies  *mat.Dense // N x k
	variance   []float64  // of the anomalies, k values
	innovation []float64  // k values
	ridge      float64    // 0 where the error variance is known
	blackBox   bool

	// lost is how certain it is from the innovations of the last cycles that the forecast has lost the truth, from 0 to 1: see
	// [evidence.believed]. Then the kernels are this much of the widest. Weights would choose the members that are least wrong, and leave
	// less spread in every cycle.
	lost float64
}

// floor returns the part of the variance of an innovation that does not depend on
// the direction: the error variance, or for a black box the ridge.
func (o *observedSpace) floor(b float64) float64 {
	if o.blackBox {
		return b * b * o.ridge
	}
	return 1
}

// precision returns the inverse of b² Cyy + R, which is diagonal here.
func (o *observedSpace) precision(b float64) []float64 {
	precision := make([]float64, len(o.variance))
	for j, s2 := range o.variance {
		precision[j] = 1 / (b*b*s2 + o.floor(b))
	}
	return precision
}

// logWeights returns the logarithms of the weights of kernels of width b, up to a constant.
func (o *observedSpace) logWeights(b float64, prior []float64) []float64 {
	a, precision, logs := math.Sqrt(1-b*b), o.precision(b), logarithms(prior)
	for i := range logs {
		for j, y := range o.anomalies.RawRowView(i) {
			d := o.innovation[j] - a*y
			logs[i] -= d * d * precision[j] / 2
		}
	}
	return logs
}

// wideEnough returns the smallest width of the kernels, from b to widest, that leaves an effective sample size of
// least, or widest if none does. Wider kernels take up more of the observation by the gain and less of it by
// the weights: all of it is used, unlike by weights that are tempered. Where the forecast is normal the analysis
// is right for every width. Cost: 30 N k.
func (o *observedSpace) wideEnough(b, widest, least float64, prior []float64) float64 {
	weights := make([]float64, len(prior))
	enough := func(b float64) bool {
		ensemble.Normalise(weights, o.logWeights(b, prior))
		return ensemble.ESS(weights, len(weights)) >= least
	}
	if b >= widest || enough(b) {
		return b
	}
	low, high := b, widest
	for range 30 {
		if middle := (low + high) / 2; enough(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// largestUnexplained bounds the variance of what a kernel predicts and its gain does not explain, relative to that of the error.
const largestUnexplained = 0.1

// widest returns how wide [observedSpace.wideEnough] may make kernels: no wider than the share of the variance within
// modes, nor than [largestUnexplained] allows. cross is the covariance of the whitened state and the predictions. Cost: r k.
func (o *observedSpace) widest(within float64, cross *mat.Dense) float64 {
	largest := 0.0 // unexplained variance
	r, _ := cross.Dims()
	for k, v := range o.variance {
		for i := range r {
			v -= cross.At(i, k) * cross.At(i, k)
		}
		largest = max(largest, v)
	}
	return min(within, math.Sqrt(largestUnexplained/largest))
}

// scale multiplies the anomalies by factor.
func (o *observedSpace) scale(factor float64) {
	o.anomalies.Scale(factor, o.anomalies)
	floats.Scale(factor*factor, o.variance)
}

// observe gathers the observed space. Cost: N m min(N, m).
func (f *filter) observe(p *sdk.Problem, observed []int, weights []float64) (*observedSpace, error) {
	name, all := f.kernels(p)
	y := columns(all, observed)
	mean, sd := moments(y, weights)
	o := &observedSpace{blackBox: f.Observations == "simulated"}
	unit, innovation := sd, make([]float64, len(observed))
	for k, j := range observed {
		if !o.blackBox {
			unit[k] = math.Sqrt(p.ErrorVariance[j])
		} else if !(sd[k] > roundOff*math.Abs(mean[k])) {
			return nil, sdk.Errorf(sdk.KindDiverged, name, "component %d has no spread (standard deviation %.3g), which scheme = \"joint\" divides by", j, sd[k]).
				WithHint("a black box has to simulate its error; or set observations = \"predicted\"")
		}
		innovation[k] = (p.Observation[j] - mean[k]) / unit[k]
	}
	anomalies := ensemble.Anomalies(nil, y, mean)
	members, _ := anomalies.Dims()
	for i := range members {
		floats.Div(anomalies.RawRowView(i), unit)
	}
	if o.blackBox {
		o.ridge = ridge(anomalies, weights)
	} else {
		bound(innovation, anomalies, weights)
	}
	var svd mat.SVD
	size := floats.Dot(innovation, innovation)
	if _, _, overflow := ensemble.NonFinite(anomalies); overflow || math.IsInf(size, 0) ||
		!svd.Factorize(rootWeightedRows(anomalies, weights), mat.SVDThin) {
		return nil, errFar()
	}
	var axes mat.Dense
	svd.VTo(&axes)
	values := svd.Values(nil)
	k := max(1, rankOf(values, rankTolerance)) // the other axes are rounding and may point anywhere
	predicted := axes.Slice(0, len(observed), 0, k)
	o.variance = values[:k]
	floats.Mul(o.variance, o.variance)
	o.anomalies = mat.NewDense(members, k, nil)
	linalg.Mul(o.anomalies, anomalies, predicted)
	o.innovation = make([]float64, k)
	mat.NewVecDense(k, o.innovation).MulVec(predicted.T(), mat.NewVecDense(len(innovation), innovation))
	return o, nil
}

// largestInnovation is how many standard deviations an innovation may count for, those of prediction and
// error together. Of normal ones one in eighty is larger, so that the bound costs next to nothing, while an error
// with heavy tails neither moves all that the component is correlated with nor inflates the forecast.
const largestInnovation = 2.5

// medianNormal is the median of the absolute value of a standard normal number.
const medianNormal = 0.6745

// bound limits innovations, in units of the error, to [largestInnovation]. Where the median is larger than that
// of normal ones it is the forecast that is wrong, not a few values observed: the limit grows in proportion, so that one or two
// components are never limited. Cost: N m + m log m.
func bound(innovation []float64, anomalies *mat.Dense, weights []float64) {
	sd := slices.Repeat([]float64{1}, len(innovation))
	for i, r := range rootWeights(weights) {
		for k, a := range anomalies.RawRowView(i) {
			sd[k] += r * r * a * a
		}
	}
	sizes := make([]float64, len(sd))
	for k, d := range innovation {
		sd[k] = math.Sqrt(sd[k])
		sizes[k] = math.Abs(d) / sd[k]
	}
	slices.Sort(sizes)
	limit := largestInnovation * max(1, sizes[len(sizes)/2]/medianNormal)
	for k, d := range innovation {
		innovation[k] = max(-limit*sd[k], min(d, limit*sd[k]))
	}
}

// ridge returns how badly a correlation matrix is known from standardised
// anomalies, the intensity of shrinkage
//
//	sum_jk Var(r_jk) / sum_jk r_jk²   over j != k
//
// (Schaefer and Strimmer 2005, doi:10.2202/1544-6115.1175, section 2.4), within
// [1/N, 1]. Cost: N m².
func ridge(anomalies *mat.Dense, weights []float64) float64 {
	members, m := anomalies.Dims()
	scatter, squares := 0.0, 0.0
	for j := range m {
		for k := range j {
			mean, second := 0.0, 0.0
			for i, w := range weights {
				v := anomalies.At(i, j) * anomalies.At(i, k)
				mean += w * v
				second += w * v * v
			}
			scatter += (second - mean*mean) / float64(members-1)
			squares += mean * mean
		}
	}
	least := 1 / float64(members)
	if scatter == 0 { // a single component has no correlations
		return least
	}
	return max(least, min(1, scatter/squares))
}

func equalWeights(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1 / float64(n)
	}
	return w
}

func logarithms(weights []float64) []float64 {
	logs := make([]float64, len(weights))
	for i, w := range weights {
		logs[i] = math.Log(w)
	}
	return logs
}

// rootWeights returns sqrt(w_i / (1 - sum w²)), the factors of anomalies whose
// squares sum to the unbiased variance.
func rootWeights(weights []float64) []float64 {
	root := make([]float64, len(weights))
	unbiased := 1 - floats.Dot(weights, weights)
	if unbiased < 0x1p-20 { // mostly rounding
		unbiased = ensemble.Unbiased(weights, len(weights))
	}
	for i, w := range weights {
		root[i] = math.Sqrt(w / unbiased)
	}
	return root
}

// rootWeightedRows returns the rows of a times [rootWeights].
func rootWeightedRows(a *mat.Dense, weights []float64) *mat.Dense {
	out := mat.DenseCopyOf(a)
	for i, r := range rootWeights(weights) {
		floats.Scale(r, out.RawRowView(i))
	}
	return out
}

// weightedRows returns the rows of a times the squares of [rootWeights].
func weightedRows(a *mat.Dense, weights []float64) *mat.Dense {
	out := mat.DenseCopyOf(a)
	for i, r := range rootWeights(weights) {
		floats.Scale(r*r, out.RawRowView(i))
	}
	return out
}
