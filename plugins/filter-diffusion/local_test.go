package filterdiffusion

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// ring puts n values around a circle of the given length.
func ring(n int, length float64) *sdk.Layout {
	points := mat.NewDense(n, 1, nil)
	for i := range n {
		points.Set(i, 0, length*float64(i)/float64(n))
	}
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{n}}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{length}, Points: points},
	}
}

// distances on a ring, and what they weigh.
func ringTaper(a, b *sdk.Layout, i, k int, cutoff float64) float64 {
	length := a.Coordinates.Period[0]
	d := math.Abs(a.Coordinates.Points.At(i, 0) - b.Coordinates.Points.At(k, 0))
	if w := taper.GaspariCohn(min(d, length-d), cutoff); w >= 1e-3 {
		return w
	}
	return 0
}

func configureLocal(params map[string]any, members int, state, space *sdk.Layout) (*filter, error) {
	p, err := Plugin()
	if err != nil {
		return nil, err
	}
	f, err := p.NewFilter(context.Background(), sdk.FilterConfig{Params: params, Members: members, State: state, Observations: &sdk.ObservationSpace{Layout: space}})
	if err != nil {
		return nil, err
	}
	return f.(*filter), nil
}

func mustLocal(t testing.TB, params map[string]any, p *sdk.Problem, length float64) *filter {
	t.Helper()
	members, n := p.Ensemble.Dims()
	f, err := configureLocal(params, members, ring(n, length), ring(len(p.Observation), length))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Value by value the analysis is the joint scheme in the space of the members with error variances divided
// by their tapers, here with the formulas as they are written, in the space of the observations and with
// inverses: with few components near by and more than members, with given parameters and by the rules, with
// several values in a place, and far from what was predicted. Tolerance: rounding, times the condition of the
// matrices, below 1e4, and what a weight's logarithm is, below 100, with room for sums.
func TestLocalIsJointWithTaperedObservations(t *testing.T) {
	given := map[string]any{"bandwidth": 0.6, "tempering": 0.7, "finite_size": false}
	for _, tt := range []struct {
		members, n, m int
		cutoff, far   float64
		modes         bool // two of them
		params        map[string]any
	}{
		{7, 24, 12, 9, 0, false, given},
		{7, 24, 12, 9, 0, false, map[string]any{"bandwidth": 1.0, "tempering": 1.0, "finite_size": false}},
		{7, 24, 12, 9, 0, false, nil},
		{7, 24, 12, 9, 0, false, map[string]any{"finite_size": false}},
		{5, 24, 24, 20, 0, false, nil}, // more components near by than members
		{5, 24, 24, 20, 0, false, given},
		{2, 6, 6, 4, 0, false, nil},
		{12, 24, 24, 9, 8, false, nil}, // tempered and inflated
		{12, 24, 3, 5, 0, true, nil},   // tempered by the rule
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			p := twinProblem(tt.members, tt.n, tt.m)
			for k := range p.Observation {
				p.Observation[k] += tt.far * math.Sin(float64(k))
			}
			if tt.m > 3 {
				p.Observation[3] = math.NaN()
			}
			if tt.modes {
				for i := 0; i < tt.members; i += 2 {
					floats.AddConst(3, p.Ensemble.RawRowView(i))
				}
			}
			length := float64(tt.n)
			state, space := ring(tt.n, length), ring(tt.m, length)
			state.Coordinates.Points.(*mat.Dense).Set(1, 0, 0) // in the place of value 0
			f, err := configureLocal(merged(tt.params, map[string]any{"cutoff": tt.cutoff, "adaptive_inflation": false}), tt.members, state, space)
			if err != nil {
				t.Fatal(err)
			}
			a := analyse(t, f, p)
			var rules placed
			for j := range tt.n {
				want, used := localReference(t, f, p, state, space, j)
				rules.scale += used.scale / float64(tt.n)
				rules.tempering += used.tempering / float64(tt.n)
				for i, w := range want {
					if got := p.Into.At(i, j); math.Abs(got-w) > 1e-10 {
						t.Fatalf("member %d, value %d: %.14g, want %.14g", i, j, got, w)
					}
				}
			}
			for name, want := range map[string]float64{"inflation": rules.scale, "tempering": rules.tempering} {
				if got := a.Metrics[name]; math.Abs(got-want) > 1e-8 { // what a power is found to
					t.Errorf("%s %v, want %v", name, got, want)
				}
			}
		})
	}
}

// localReference returns the members' analyses of value j, which some component is near.
func localReference(t *testing.T, f *filter, p *sdk.Problem, state, space *sdk.Layout, j int) ([]float64, placed) {
	t.Helper()
	members, n := p.Ensemble.Dims()
	prior := equalWeights(members)
	xm, ym := ensemble.Mean(nil, p.Ensemble, nil), ensemble.Mean(nil, p.Predicted, nil)
	var columns, d []float64
	for k, innovation := range boundedReference(p, space, f.Cutoff) {
		if w := ringTaper(state, space, j, k, f.Cutoff); w > 0 && !math.IsNaN(innovation) {
			unit := math.Sqrt(w / p.ErrorVariance[k])
			for i := range members {
				columns = append(columns, unit*(p.Predicted.At(i, k)-ym[k]))
			}
			d = append(d, unit*innovation)
		}
	}
	y := mat.DenseCopyOf(mat.NewDense(len(d), members, columns).T())
	used := placed{scale: 1}
	if f.FiniteSize {
		used.scale = min(largestLocalScale, finiteSizeReference(t, y, d))
		y.Scale(used.scale, y)
	}
	mean, sd := moments(p.Ensemble, prior)
	kurtosis := excessKurtosis(p.Ensemble, mean, sd, prior)
	r, excess := 0.0, 0.0
	for k := range n {
		w := ringTaper(state, state, j, k, f.Cutoff)
		r += w
		excess += w * kurtosis[k]
	}
	excess /= r
	b := f.Bandwidth
	if sdk.IsAuto(b) {
		b = bandwidthRule(withinModes(excess), members, min(r, float64(members-1)))
	}
	m, covariance, gamma := mixtureOfMembers(t, y, d, b, temperingRule(excess, members, r), f.Tempering)
	used.tempering = gamma
	root, _, err := roots(covariance)
	if err != nil {
		t.Fatal(err)
	}
	anomalies := mat.Col(nil, j, p.Ensemble)
	floats.AddConst(-xm[j], anomalies)
	floats.Scale(used.scale, anomalies)
	var moved mat.VecDense
	moved.MulVec(root, mat.NewVecDense(members, anomalies))
	moved.ScaleVec(math.Sqrt(float64(members-1)), &moved)
	floats.AddConst(xm[j]+floats.Dot(m, anomalies), moved.RawVector().Data)
	return moved.RawVector().Data, used
}

// boundedReference returns innovations of 2.5 standard deviations at most, or as many times that as the median of those within
// the cutoff is larger than it should be; NaN where missing.
func boundedReference(p *sdk.Problem, space *sdk.Layout, cutoff float64) []float64 {
	members, m := p.Predicted.Dims()
	mean, sd := moments(p.Predicted, equalWeights(members))
	bounded, sizes := make([]float64, m), make([]float64, m)
	for k, y := range p.Observation {
		sd[k] = math.Sqrt(sd[k]*sd[k] + p.ErrorVariance[k])
		bounded[k] = y - mean[k]
		sizes[k] = math.Abs(bounded[k]) / sd[k]
	}
	for k, size := range sizes {
		var near []float64
		for l, other := range sizes {
			if ringTaper(space, space, k, l, cutoff) > 0 && !math.IsNaN(other) {
				near = append(near, other)
			}
		}
		if slices.Sort(near); !math.IsNaN(size) {
			limit := 2.5 * max(1, near[len(near)/2]/0.6745)
			bounded[k] = math.Copysign(min(size, limit)*sd[k], bounded[k])
		}
	}
	return bounded
}

// finiteSizeReference returns the scale for the singular values of the anomalies.
func finiteSizeReference(t *testing.T, y *mat.Dense, d []float64) float64 {
	t.Helper()
	members, k := y.Dims()
	var svd mat.SVD
	if !svd.Factorize(y, mat.SVDThin) {
		t.Fatal("no singular values")
	}
	var v mat.Dense
	svd.VTo(&v)
	var innovation, variance []float64
	for c, s := range svd.Values(nil) {
		if s > 1e-7 {
			innovation = append(innovation, mat.Dot(v.ColView(c), mat.NewVecDense(k, d)))
			variance = append(variance, s*s/float64(members-1))
		}
	}
	return ensemble.FiniteSizeScale(innovation, variance, float64(members))
}

// mixtureOfMembers returns the moments of the mixture in the space of the members, and the power
// of the weights.
func mixtureOfMembers(t *testing.T, y *mat.Dense, d []float64, b, limit, given float64) ([]float64, *mat.SymDense, float64) {
	t.Helper()
	members, k := y.Dims()
	a := math.Sqrt(1 - b*b)
	forecast := mat.NewDense(members, members, nil)
	forecast.Apply(func(i, l int, _ float64) float64 {
		v := -1 / float64(members)
		if i == l {
			v++
		}
		return v * b * b / float64(members-1)
	}, forecast)
	var cross, s, inverse, gain mat.Dense
	cross.Mul(forecast, y)
	s.Mul(y.T(), &cross)
	for i := range k {
		s.Set(i, i, s.At(i, i)+1)
	}
	if err := inverse.Inverse(&s); err != nil {
		t.Fatal(err)
	}
	gain.Mul(&cross, &inverse)
	centres, logs := mat.NewDense(members, members, nil), make([]float64, members)
	for i := range members {
		row := centres.RawRowView(i)
		for l := range row {
			row[l] = -a / float64(members)
		}
		row[i] += a
		innovation := mat.NewVecDense(k, nil)
		for q := range k {
			innovation.SetVec(q, d[q]-a*y.At(i, q))
		}
		logs[i] = -mat.Inner(innovation, &inverse, innovation) / 2
		var shift mat.VecDense
		shift.MulVec(&gain, innovation)
		floats.Add(row, shift.RawVector().Data)
	}
	weights := make([]float64, members)
	gamma := temper(weights, logs, make([]float64, members), leastESS(members, float64(members-1)), limit, given)
	mean := ensemble.Mean(nil, centres, weights)
	covariance := mat.NewSymDense(members, nil)
	for i := range members {
		centre := mat.NewVecDense(members, nil)
		centre.SubVec(centres.RowView(i), mat.NewVecDense(members, mean))
		covariance.SymRankOne(covariance, weights[i]/(1-floats.Dot(weights, weights)), centre)
	}
	var known mat.Dense
	known.Mul(&gain, cross.T())
	known.Sub(forecast, &known)
	covariance.AddSym(covariance, symmetric(&known))
	return mean, covariance, gamma
}

// A value that no observation is near keeps its members to the last bit, as does one
// whose only neighbour is missing; the others move.
func TestLocalLeavesFarValuesAlone(t *testing.T) {
	const n, length = 40, 40.0
	p := twinProblem(8, n, 4) // observed at 0, 10, 20, 30
	p.Observation[2] = math.NaN()
	analyse(t, mustLocal(t, map[string]any{"cutoff": 5.0}, p, length), p)
	for j := range n {
		near := 0.0
		for k := range 4 {
			if k != 2 {
				near += ringTaper(ring(n, length), ring(4, length), j, k, 5)
			}
		}
		same := slices.Equal(mat.Col(nil, j, p.Into), mat.Col(nil, j, p.Ensemble))
		if same != (near == 0) {
			t.Errorf("value %d: unchanged is %t, but the tapers sum to %g", j, same, near)
		}
	}
}

// Predictions that hardly differ and an observation that is far from them move no mean farther than the bounds,
// in the units of each variable; the distances of members from their mean are not bounded.
func TestLocalMoveIsBounded(t *testing.T) {
	const members, n, cutoff, unit = 8, 20, 6.0, 1000.0
	p := twinProblem(members, n, n)
	for k := range n { // saturated
		for i := range members {
			p.Predicted.Set(i, k, 1+1e-3*p.Predicted.At(i, k))
		}
		p.Observation[k], p.ErrorVariance[k] = -1, 1e-6
	}
	for i := range members { // a second variable in another unit, and a value that is better known than the others
		for j := n / 2; j < n; j++ {
			p.Ensemble.Set(i, j, unit*p.Ensemble.At(i, j))
		}
		p.Ensemble.Set(i, 3, 1e-3*p.Ensemble.At(i, 3))
	}
	state := ring(n, n)
	state.Variables = []sdk.Variable{{Name: "a", Shape: []int{n / 2}}, {Name: "b", Shape: []int{n / 2}}}
	f, err := configureLocal(map[string]any{"cutoff": cutoff}, members, state, ring(n, n))
	if err != nil {
		t.Fatal(err)
	}
	analyse(t, f, p)
	before, sd := moments(p.Ensemble, equalWeights(members))
	after, _ := moments(p.Into, equalWeights(members))
	bounded := map[bool]int{}
	for j := range n {
		own := sd[:n/2]
		if j >= n/2 {
			own = sd[n/2:]
		}
		typical := floats.Norm(own, 2) / math.Sqrt(n/2)
		limit := max(10*typical, 3*sd[j])
		move := math.Abs(after[j] - before[j])
		if move > limit*(1+1e-12) {
			t.Errorf("value %d moves by %g, more than %g", j, move, limit)
		}
		if move > limit*(1-1e-12) {
			bounded[j < n/2]++
		}
	}
	if bounded[true] == 0 || bounded[false] == 0 {
		t.Errorf("%d and %d values of the variables reach the bound, want some", bounded[true], bounded[false])
	}
}

// Far beyond the size of the domain all tapers are 1 to (length / cutoff)², and every
// value is moved by one matrix: the analysis of two domains side by side, and of each
// alone, are the same then when both see all observations. So is the one of all
// values in another order.
func TestLocalWideCutoffIsGlobal(t *testing.T) {
	const members, n, m, length = 9, 10, 4, 10.0
	params := map[string]any{"cutoff": 1e6 * length, "bandwidth": 0.5}
	p := twinProblem(members, n, m)
	analyse(t, mustLocal(t, params, p, length), p)
	// One matrix moves all values: regress the analysis on the forecast's anomalies.
	mean, analysis := ensemble.Mean(nil, p.Ensemble, nil), ensemble.Mean(nil, p.Into, nil)
	before, after := ensemble.Anomalies(nil, p.Ensemble, mean), ensemble.Anomalies(nil, p.Into, analysis)
	var svd mat.SVD
	if !svd.Factorize(before, mat.SVDThin) {
		t.Fatal("no singular values")
	}
	var inverse, transform, again mat.Dense
	svd.SolveTo(&inverse, mat.NewDiagDense(members, slices.Repeat([]float64{1}, members)), rankOf(svd.Values(nil), 1e-10))
	transform.Mul(after, &inverse)
	again.Mul(&transform, before)
	if diff := largestDifference(&again, after); diff > 1e-8 { // 1 - taper is 1e-12 here; the inverse multiplies it by up to 1e3
		t.Errorf("values are moved differently: by up to %g", diff)
	}
}

// Bandwidth, weights and scale follow from what is near, as for the whole domain.
func TestLocalRule(t *testing.T) {
	const members, n, m, length, cutoff = 12, 20, 20, 20.0, 6.0
	p := twinProblem(members, n, m)
	a := analyse(t, mustLocal(t, map[string]any{"cutoff": cutoff}, p, length), p)
	mean, sd := moments(p.Ensemble, equalWeights(members))
	excess := excessKurtosis(p.Ensemble, mean, sd, equalWeights(members))
	want, state := 0.0, ring(n, length)
	for j := range n {
		total, sum := 0.0, 0.0
		for k := range n {
			w := ringTaper(state, state, j, k, cutoff)
			total += w
			sum += w * excess[k]
		}
		want += bandwidthRule(withinModes(sum/total), members, min(total, members-1)) / n
	}
	if got := a.Metrics["bandwidth"]; math.Abs(got-want) > 1e-12 {
		t.Errorf("bandwidth %.15g, want %.15g", got, want)
	}
	if scale := a.Metrics["inflation"]; !(scale > 0.5 && scale <= largestLocalScale) {
		t.Errorf("inflation %g", scale)
	}
	if ess := a.Metrics["weights_ess"]; !(ess >= leastESS(members, float64(members-1)) && ess <= members) {
		t.Errorf("effective sample size %g", ess)
	}
}

func TestLocalDoesNotDependOnProcessors(t *testing.T) {
	p := twinProblem(10, 100, 50)
	f := mustLocal(t, map[string]any{"cutoff": 7.0}, p, 100)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	analyse(t, f, p)
	alone := mat.DenseCopyOf(p.Into)
	runtime.GOMAXPROCS(4)
	analyse(t, f, p)
	if !mat.Equal(alone, p.Into) {
		t.Error("the analysis depends on the number of processors")
	}
}

// Turning the ring turns the analysis: no place is special. Sums run in another
// order then, which the decompositions may amplify by their condition, below 1e6.
func TestLocalTurnsWithTheRing(t *testing.T) {
	const members, n, by = 8, 16, 5
	p := twinProblem(members, n, n)
	turned := twinProblem(members, n, n)
	for j := range n {
		to := (j + by) % n
		turned.Ensemble.SetCol(to, mat.Col(nil, j, p.Ensemble))
		turned.Predicted.SetCol(to, mat.Col(nil, j, p.Predicted))
		p.Observation[j] = 3 + float64(j%3)
		turned.Observation[to] = p.Observation[j]
	}
	f := mustLocal(t, map[string]any{"cutoff": 5.0}, p, n)
	analyse(t, f, p)
	analyse(t, f, turned)
	for j := range n {
		if got, want := mat.Col(nil, (j+by)%n, turned.Into), mat.Col(nil, j, p.Into); !floats.EqualApprox(got, want, 1e-9) {
			t.Errorf("value %d: %v, want %v", j, got, want)
		}
	}
}

func TestLocalRefusals(t *testing.T) {
	placeless := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{4}}}}
	for _, tt := range []struct {
		params map[string]any
		state  *sdk.Layout
		want   string
	}{
		{map[string]any{"scheme": "kde"}, ring(4, 4), `cutoff: applies only with scheme = "joint", but scheme is "kde"; leave it at its default, 0, or set scheme = "joint"`},
		{map[string]any{"observations": "simulated"}, ring(4, 4), `cutoff: applies only with observations = "predicted"`},
		{map[string]any{"sampler": "ode"}, ring(4, 4), `cutoff: applies only with sampler = "exact"`},
		{map[string]any{"second_order": false}, ring(4, 4), `second_order: is false, but with a cutoff`},
		{nil, placeless, `have no coordinates`},
		{nil, ring(4, 5), `want the same`},
	} {
		params := maps.Clone(tt.params)
		if params == nil {
			params = map[string]any{}
		}
		params["cutoff"] = 2.0
		_, err := configureLocal(params, 5, tt.state, ring(4, 4))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.params, err, tt.want)
		}
	}
}

// Weights left by another filter, members without spread and observations out of
// range have outcomes of their own.
func TestLocalBadInput(t *testing.T) {
	const members = 5
	p := twinProblem(members, 6, 6)
	f := mustLocal(t, map[string]any{"cutoff": 3.0}, p, 6)
	p.LogWeights = []float64{math.Log(0.6), math.Log(0.1), math.Log(0.1), math.Log(0.1), math.Log(0.1)}
	if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), "forecast weights: member 0 has weight 0.6") {
		t.Errorf("unequal weights: %v", err)
	}
	p.LogWeights = nil
	for i := range members {
		p.Ensemble.SetRow(i, make([]float64, 6))
	}
	if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), "no finite spread") {
		t.Errorf("no spread: %v", err)
	}
	p = twinProblem(members, 6, 6)
	for j := range 6 {
		stream := rng.New(9).Member(j)
		p.Observation[j] = 1e8 * stream.NormFloat64()
	}
	analyse(t, f, p) // far outliers are no reason to stop: the analysis is checked to be finite
	p.Observation = slices.Repeat([]float64{math.NaN()}, 6)
	analyse(t, f, p)
	if !mat.Equal(p.Into, p.Ensemble) {
		t.Error("without observations the analysis is not the forecast")
	}
}

// However accurate observations are, members agree in what they see to the error, or to a millionth of the spread.
func TestLocalSpreadOfAccurateObservations(t *testing.T) {
	for _, members := range []int{2, 3} {
		for _, params := range []map[string]any{{"cutoff": 2.0}, {"cutoff": 2.0, "bandwidth": 1.0}, {"cutoff": 8.0, "bandwidth": 0.5}} {
			for seed := range 20 {
				for _, sd := range []float64{1e-4, 1e-6, 1e-8, 1e-10, 1e-15} {
					p := twinProblem(members, 4, 4)
					for i := range members {
						rng.Normals(rng.New(int64(seed)).Member(i), p.Ensemble.RawRowView(i))
					}
					p.Predicted.Copy(p.Ensemble)
					for k := range p.ErrorVariance {
						p.ErrorVariance[k] = sd * sd
					}
					analyse(t, mustLocal(t, joint(params), p, 8), p)
					if got := math.Sqrt(slices.Max(variances(p.Into))); got > 1.1*sd+1e-6 {
						t.Fatalf("%d members, %v, seed %d: a spread of %g with an error of %g", members, params, seed, got, sd)
					}
				}
			}
		}
	}
}
