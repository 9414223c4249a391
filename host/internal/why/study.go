package why

import (
	"cmp"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/score"
)

// study is what the innovations of one trial say, or of several.
type study struct {
	nis      score.Mean
	all      *numbers
	streams  []*numbers
	used     int      // number of innovations after burn-in
	rejected float64  // share of the observations, by the background check
	unmoved  bool     // every analysis is its forecast
	few      []offset // the values whose innovations have a mean, if they are few
	unit     *conversion
	still    *standstill
	extreme  *value // whose innovation is the largest
}

// numbers are what the innovations of a stream, or of all, say. They are divided by their
// expected standard deviations unless the text says otherwise.
type numbers struct {
	name          string
	values        int
	ratio         score.Mean // mean square
	lagged        score.Mean // mean of the products in neighbouring cycles
	bias          score.Mean // mean
	share         float64    // of the observation error in what is expected; NaN: not known
	spread, error float64    // root mean squares, in the unit of the observations
	unexplained   float64    // mean square of all in their unit, divided by the variance of the observations in time
	climate       score.Mean // variance of the forecasts in time, divided by that of the observations without error
	modes         float64    // number of directions in which they vary
}

// asked returns the variances of error and spread that the innovations ask for, in units of
// the variance that is expected of them.
func (n *numbers) asked() (error, spread float64) {
	return n.share*n.ratio.Value - n.lagged.Value, (1-n.share)*n.ratio.Value + n.lagged.Value
}

// deviation returns the standard deviation of a variance that asked returns, in the unit of
// the observations.
func (n *numbers) deviation(asked float64) float64 {
	return math.Hypot(n.spread, n.error) * math.Sqrt(max(0, asked))
}

// culprit is what spread and error do not explain the innovations for.
type culprit int

const (
	both culprit = iota
	theError
	theSpread
)

// blame returns which of the variances is to blame. With the variances R' and P' that the
// innovations ask for, it is the error if
//
//	log |R' - R| / |P' - P| + 1/2 |log R'/R| - 1/2 |log P'/P|
//
// is positive: most is missing from it, or it is further from what it should be. The second
// part counts because a filter with a wrong error has a wrong gain, so that more spread is
// asked for too. A variance that is wrong in the other direction is not to blame, and
// neither is the error for innovations that are larger than the observations vary.
func (n *numbers) blame() culprit {
	error, spread := n.asked()
	larger := math.Copysign(1, n.ratio.Value-1)
	missing, lacking := larger*(error-n.share), larger*(spread-(1-n.share))
	const least = 1e-6 // for logarithms
	further := math.Abs(math.Log(max(error, least)/n.share)) - math.Abs(math.Log(max(spread, least)/max(1-n.share, least)))
	switch {
	case n.ratio.Value < n.share: // the innovations vary less than the error alone
		return theError
	case lacking <= 0 && missing <= 0:
		return both
	case lacking <= 0:
		return theError
	case missing <= 0 || n.unexplained > lost && larger > 0:
		return theSpread
	}
	switch balance := math.Log(missing/lacking) + further/2; {
	case balance > 0.1:
		return theError
	case balance < -0.1:
		return theSpread
	}
	return both
}

// offset is the mean innovation of one value.
type offset struct {
	name string
	mean score.Mean
}

// study studies the trial. cutoff is that of the filter; 0: none.
func (r *record) study(setup Setup, cutoff float64) *study {
	s := &study{}
	r.scale()
	s.unit = r.conversion()
	s.still = r.standstill()
	from := r.scored
	if len(r.cycle)-from < fewest { // it failed early
		from = 0
	}
	r.cycle, r.nis, r.expected, r.innovation, r.observed = r.cycle[from:], r.nis[from:], r.expected[from:], r.innovation[from:], r.observed[from:]
	s.nis = score.TimeMean(slices.DeleteFunc(slices.Clone(r.nis), math.IsNaN))
	if s.nis.Count == 0 { // nothing is expected
		s.nis.Count = len(r.cycle)
	}
	every := make([]int, len(r.values))
	for j := range r.values {
		every[j] = j
	}
	s.all = r.numbers(every)
	for k, of := range setup.Streams {
		columns := slices.DeleteFunc(slices.Clone(every), func(j int) bool { return r.values[j].stream != k })
		if len(columns) > 0 {
			n := r.numbers(columns)
			n.name = of.Label
			s.streams = append(s.streams, n)
		}
	}
	s.all.modes = r.modes(cutoff)
	s.few = r.offsets()
	for _, d := range r.innovation {
		for _, v := range d {
			if !math.IsNaN(v) {
				s.used++
			}
		}
	}
	s.extreme = r.extreme()
	return s
}

// extreme returns the value whose innovation is the largest, if it is very large, those of
// the cycles before and after are not, and there are few such; nil if there is none. A
// filter that loses track has large innovations for some cycles.
func (r *record) extreme() *value {
	const far, many = 8, 3
	var found *value
	large := 0
	for j := range r.values {
		v := &r.values[j]
		for _, d := range r.innovation {
			if math.Abs(d[j]) > far*v.scale() {
				large++
			}
		}
		if math.Abs(v.largest) > far && (found == nil || math.Abs(v.largest) > math.Abs(found.largest)) && r.alone(j) {
			found = v
		}
	}
	if large > many {
		return nil
	}
	return found
}

// alone reports whether the innovations of value j before and after the largest, to which the
// filter has adjusted a little, are much smaller.
func (r *record) alone(j int) bool {
	v := r.values[j]
	usual := math.Abs(v.largest) / 5
	k, there := slices.BinarySearch(r.cycle, int32(v.at))
	for _, i := range []int{k - 1, k + 1} {
		if there && i >= 0 && i < len(r.cycle) && math.Abs(r.innovation[i][j]) > usual*v.scale() {
			return false
		}
	}
	return there
}

// scale makes sure that values have an expected standard deviation. Without one of their own
// it is that of all innovations.
func (r *record) scale() {
	var sum, n float64
	for _, v := range r.expected {
		if !math.IsNaN(v) {
			sum, n = sum+v*v, n+1
		}
	}
	for j := range r.values {
		if v := &r.values[j]; math.IsNaN(v.scale()) {
			v.spread, v.error = math.Sqrt(sum/n), 0
			if n == 0 {
				v.spread = 1
			}
		}
	}
}

// known reports whether spread and error of the values are told apart.
func (r *record) known(columns []int) bool {
	return !slices.ContainsFunc(columns, func(j int) bool { return r.values[j].error == 0 })
}

func (r *record) numbers(columns []int) *numbers {
	n := &numbers{values: len(columns), share: math.NaN(), modes: math.NaN()}
	var squares, products, means []float64
	var last []float64
	for _, d := range r.innovation {
		var square, product, mean tally
		for _, j := range columns {
			z := d[j] / r.values[j].scale()
			square.add(z * z)
			mean.add(z)
			if last != nil {
				product.add(z * last[j] / r.values[j].scale())
			}
		}
		squares, means, products = square.append(squares), mean.append(means), product.append(products)
		last = d
	}
	n.ratio, n.bias, n.lagged = score.TimeMean(squares), slowMean(means), score.TimeMean(products)
	if n.lagged.Count == 0 {
		n.lagged = score.Mean{SE: math.NaN()}
	}
	var share, spread, deviation tally
	for _, j := range columns {
		v := r.values[j]
		share.add(v.error * v.error / (v.scale() * v.scale()))
		spread.add(v.spread * v.spread)
		deviation.add(v.error * v.error)
	}
	if r.known(columns) {
		n.share = share.mean()
	}
	n.spread, n.error = math.Sqrt(spread.mean()), math.Sqrt(deviation.mean())
	n.climatology(r, columns)
	return n
}

// climatology compares the variances in time of innovations, observations and forecasts.
func (n *numbers) climatology(r *record, columns []int) {
	var left tally
	var forecasts, observations []float64
	for _, j := range columns {
		v := r.values[j]
		var y, x, d tally
		for k := range r.innovation {
			if o := r.observed[k]; o != nil && !math.IsNaN(r.innovation[k][j]) {
				y.add(o[j])
				x.add(o[j] - r.innovation[k][j])
				d.add(r.innovation[k][j] * r.innovation[k][j])
			}
		}
		if variance := y.variance(); y.n >= fewest && variance > 0 {
			left.add(d.mean() / variance)
			if of := variance - v.error*v.error; of > 0.2*variance {
				observations, forecasts = append(observations, of), append(forecasts, x.variance()+v.spread*v.spread)
			}
		}
	}
	n.unexplained = left.mean()
	n.climate = score.Mean{Value: math.NaN(), SE: math.NaN()}
	if len(observations) < 5 {
		return
	}
	var ratios []float64 // of neighbouring values alike: the error is that of the values
	for k := range observations {
		ratios = append(ratios, forecasts[k]/observations[k])
	}
	n.climate = score.TimeMean(ratios)
}

// offsets returns the values whose innovations have a mean that is not 0, the largest first,
// if they are at most a quarter of them all.
func (r *record) offsets() []offset {
	var list []offset
	for j, v := range r.values {
		var z []float64
		for _, d := range r.innovation {
			if !math.IsNaN(d[j]) {
				z = append(z, d[j]/v.scale())
			}
		}
		if m := slowMean(z); math.Abs(m.Value) > 6*m.SE && math.Abs(m.Value) > 0.5 {
			list = append(list, offset{v.name, m})
		}
	}
	if 4*len(list) > len(r.values) {
		return nil
	}
	slices.SortFunc(list, func(a, b offset) int { return cmp.Compare(math.Abs(b.mean.Value), math.Abs(a.mean.Value)) })
	return list
}

// slowMean returns the time mean of innovations, which are white noise and a slow part: a
// process of order one does not describe them. The standard error is not less than that of
// the means of ten parts.
func slowMean(z []float64) score.Mean {
	const parts = 10
	m := score.TimeMean(z)
	if n := len(z) / parts; n > 0 {
		var means []float64
		for k := range parts {
			means = append(means, score.TimeMean(z[k*n:(k+1)*n]).Value)
		}
		m.SE = max(m.SE, score.IndependentMean(means).SE)
	}
	return m
}

// modes returns the number of directions in which innovations vary,
//
//	(sum of variances)² / sum of squared covariances,
//
// of all values or, with a cutoff, of those within a third of it around a value, which is
// about the width of the taper: the mean over some values. Source: Bretherton et al. 1999,
// doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2, equation 5.
func (r *record) modes(cutoff float64) float64 {
	const centres, widest = 20, 200
	if cutoff == 0 || len(r.values) == 0 || r.values[0].position == nil {
		var all []int
		for j := range r.values {
			if m := len(r.values); m <= widest || j%(m/widest) == 0 {
				all = append(all, j)
			}
		}
		return r.directions(all)
	}
	var mean tally
	for c := 0; c < len(r.values); c += max(1, len(r.values)/centres) {
		var near []int
		for j := range r.values {
			if distance(&r.values[c], &r.values[j]) <= cutoff/3 && len(near) < widest {
				near = append(near, j)
			}
		}
		mean.add(r.directions(near))
	}
	return mean.mean()
}

func distance(a, b *value) float64 {
	var sum float64
	for i, x := range a.position {
		d := math.Abs(x - b.position[i])
		if p := a.period[i]; p > 0 {
			d = math.Mod(d, p)
			d = min(d, p-d)
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

func (r *record) directions(columns []int) float64 {
	const cycles = 1000 // about, at even distances
	step := 1 + len(r.innovation)/cycles
	var trace, squares float64
	for a, i := range columns {
		for b, j := range columns[:a+1] {
			var product tally
			for k := 0; k < len(r.innovation); k += step {
				d := r.innovation[k]
				product.add(d[i] / r.values[i].scale() * d[j] / r.values[j].scale())
			}
			c := product.mean()
			switch {
			case math.IsNaN(c):
			case a == b:
				trace += c
				squares += c * c
			default:
				squares += 2 * c * c
			}
		}
	}
	return trace * trace / squares
}

// tally is a sum of values that are not NaN.
type tally struct{ n, sum, squares float64 }

func (t *tally) add(v float64) {
	if !math.IsNaN(v) {
		t.n, t.sum, t.squares = t.n+1, t.sum+v, t.squares+v*v
	}
}

func (t *tally) mean() float64 { return t.sum / t.n }

func (t *tally) variance() float64 {
	return max(0, t.squares-t.sum*t.sum/t.n) / (t.n - 1)
}

// append appends the mean, if there is one.
func (t *tally) append(list []float64) []float64 {
	if t.n == 0 {
		return list
	}
	return append(list, t.mean())
}

// pool returns the mean of studies; nil without any.
func pool(list []*study) *study {
	if len(list) == 0 {
		return nil
	}
	all := *list[0]
	all.used = 0
	nis := make([]score.Mean, len(list))
	over := make([]*numbers, len(list))
	for i, s := range list {
		nis[i], over[i] = s.nis, s.all
		all.used += s.used
		all.unit, all.still = cmp.Or(all.unit, s.unit), cmp.Or(all.still, s.still)
		all.unmoved = all.unmoved && s.unmoved
		all.rejected = max(all.rejected, s.rejected)
		if s.extreme != nil && (all.extreme == nil || math.Abs(s.extreme.largest) > math.Abs(all.extreme.largest)) {
			all.extreme = s.extreme
		}
	}
	all.nis, all.all = meanOf(nis), poolNumbers(over)
	all.streams = nil
	for k := range list[0].streams {
		for i, s := range list {
			over[i] = s.streams[min(k, len(s.streams)-1)]
		}
		all.streams = append(all.streams, poolNumbers(over))
	}
	return &all
}

func poolNumbers(list []*numbers) *numbers {
	all := *list[0]
	over := func(of func(*numbers) score.Mean) score.Mean {
		means := make([]score.Mean, len(list))
		for i, n := range list {
			means[i] = of(n)
		}
		return meanOf(means)
	}
	all.ratio = over(func(n *numbers) score.Mean { return n.ratio })
	all.lagged = over(func(n *numbers) score.Mean { return n.lagged })
	all.bias = over(func(n *numbers) score.Mean { return n.bias })
	all.climate = over(func(n *numbers) score.Mean { return n.climate })
	for _, field := range []func(*numbers) *float64{
		func(n *numbers) *float64 { return &n.share }, func(n *numbers) *float64 { return &n.spread }, func(n *numbers) *float64 { return &n.error },
		func(n *numbers) *float64 { return &n.unexplained }, func(n *numbers) *float64 { return &n.modes },
	} {
		var t tally
		for _, n := range list {
			t.add(*field(n))
		}
		*field(&all) = t.mean()
	}
	return &all
}

// meanOf returns the mean of independent means, each with its standard error.
func meanOf(list []score.Mean) score.Mean {
	var value, variance tally
	count := 0
	for _, m := range list {
		value.add(m.Value)
		variance.add(m.SE * m.SE)
		count += m.Count
	}
	return score.Mean{Value: value.mean(), SE: math.Sqrt(variance.mean() / value.n), Count: count}
}
