package filterpf

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

func configured(t testing.TB, members int, params map[string]any) sdk.Filter {
	t.Helper()
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func analyse(t testing.TB, f sdk.Filter, p *sdk.Problem) *sdk.Analysis {
	t.Helper()
	a, err := f.Analyse(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The distribution of the tests: x ~ N(0.5, 1), y = |x| + e, e ~ N(0, 0.3²), y = 1.2. Its
// posterior has a mode on either side of zero.
const priorMean, errorSD, observed = 0.5, 0.3, 1.2

func logLikelihood(x float64) float64 {
	r := (observed - math.Abs(x)) / errorSD
	return -0.5 * r * r
}

// problem draws N members of the prior.
func problem(rows, n int, seed int64) *sdk.Problem {
	p := &sdk.Problem{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(seed)}, Ensemble: mat.NewDense(rows, n, nil), Observation: []float64{observed},
		LogLikelihood: mat.NewDense(rows, 1, nil), Into: mat.NewDense(rows, n, nil),
	}
	for i := range rows {
		row := p.Ensemble.RawRowView(i)
		rng.Normals(rng.New(seed).Child("prior", 0).Member(i), row)
		for j := range row {
			row[j] += priorMean
		}
		p.LogLikelihood.Set(i, 0, logLikelihood(row[0]))
	}
	return p
}

// posterior integrates f over the exact posterior by the trapezoidal rule, whose
// error is far below the sampling error.
func posterior(f func(x float64) float64) float64 {
	var sum, norm float64
	for i := -6000; i <= 6000; i++ {
		x := float64(i) / 1000
		w := math.Exp(logLikelihood(x) - 0.5*(x-priorMean)*(x-priorMean))
		sum, norm = sum+w*f(x), norm+w
	}
	return sum / norm
}

// Weighted means over the analysis are those of the exact posterior. Importance
// sampling with N draws of ESS N_e has standard error sqrt(var/N_e), resampling
// adds at most var/N to the variance; 4.5 standard errors.
func TestBimodalPosterior(t *testing.T) {
	const rows = 40000
	statistics := map[string]func(x float64) float64{
		"mean":             func(x float64) float64 { return x },
		"second moment":    func(x float64) float64 { return x * x },
		"mass left of 0":   func(x float64) float64 { return step(x < 0) },
		"mass below -1.2":  func(x float64) float64 { return step(x < -1.2) },
		"mass below 1.2":   func(x float64) float64 { return step(x < 1.2) },
		"mass near 0":      func(x float64) float64 { return step(math.Abs(x) < 0.6) },
		"fourth moment/10": func(x float64) float64 { return x * x * x * x / 10 },
	}
	if left := posterior(statistics["mass left of 0"]); left < 0.15 || left > 0.4 {
		t.Fatalf("the posterior is not bimodal: %v", left)
	}
	for _, params := range []map[string]any{
		{"resampling": "systematic", "threshold": 1.0}, {"resampling": "stratified", "threshold": 1.0},
		{"resampling": "residual", "threshold": 1.0}, {"resampling": "multinomial", "threshold": 1.0}, {"threshold": 0.0},
	} {
		p := problem(rows, 1, 3)
		a := analyse(t, configured(t, rows, params), p)
		var weights []float64
		if a.LogWeights != nil {
			weights, _ = ensemble.Normalise(nil, a.LogWeights)
		}
		for name, f := range statistics {
			mean := posterior(f)
			variance := posterior(func(x float64) float64 { return (f(x) - mean) * (f(x) - mean) })
			se := math.Sqrt(variance/a.Metrics["weights_ess"] + variance/rows)
			got := 0.0
			for i := range rows {
				w := 1.0 / rows
				if weights != nil {
					w = weights[i]
				}
				got += w * f(p.Into.At(i, 0))
			}
			if math.Abs(got-mean) > 4.5*se {
				t.Errorf("%v: %s is %.4f, want %.4f (se %.4f)", params, name, got, mean, se)
			}
		}
	}
}

func step(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Weights that are carried over count like likelihoods: two observations one
// after the other give the weights of both at once.
func TestWeightsCarryOver(t *testing.T) {
	f := configured(t, 50, map[string]any{"threshold": 0.0})
	p := problem(50, 2, 4)
	first := analyse(t, f, p)
	p.LogWeights = first.LogWeights
	second := analyse(t, f, p)
	p.LogWeights = nil
	p.LogLikelihood.Scale(2, p.LogLikelihood)
	both := analyse(t, f, p)
	for i := range 50 {
		if math.Abs(second.LogWeights[i]-both.LogWeights[i]) > 1e-12*(1+math.Abs(both.LogWeights[i])) {
			t.Fatalf("member %d: %v and %v", i, second.LogWeights[i], both.LogWeights[i])
		}
	}
}

func TestThreshold(t *testing.T) {
	p := problem(200, 1, 5)
	ess := analyse(t, configured(t, 200, map[string]any{"threshold": 0.0}), p).Metrics["weights_ess"]
	for _, tt := range []struct {
		threshold float64
		resampled bool
	}{{ess/200 - 0.01, false}, {ess/200 + 0.01, true}, {1, true}} {
		a := analyse(t, configured(t, 200, map[string]any{"threshold": tt.threshold}), p)
		if (a.Ancestors != nil) != tt.resampled || (a.LogWeights == nil) != tt.resampled {
			t.Errorf("threshold %.3f with ESS %.1f of 200: ancestors %v", tt.threshold, ess, a.Ancestors != nil)
		}
	}
}

// Jitter on all members adds h² C to the covariance: for N members the sample
// covariance of the added noise has relative standard error sqrt(2/N).
func TestJitterCovariance(t *testing.T) {
	const rows = 20000
	plain, jittered := problem(rows, 2, 6), problem(rows, 2, 6)
	analyse(t, configured(t, rows, map[string]any{"threshold": 1.0}), plain)
	a := analyse(t, configured(t, rows, map[string]any{"threshold": 1.0, "jitter": 2.0, "jitter_target": "all"}), jittered)
	weights, _ := ensemble.Normalise(nil, slices.Clone(jittered.LogLikelihood.RawMatrix().Data))
	want := ensemble.Variance(nil, jittered.Ensemble, ensemble.Mean(nil, jittered.Ensemble, weights), weights)
	h := 2 * math.Pow(rows, -1.0/6)
	for j := range 2 {
		var sum float64
		for i := range rows {
			d := jittered.Into.At(i, j) - plain.Into.At(i, j)
			sum += d * d / rows
		}
		if math.Abs(sum/(h*h*want[j])-1) > 4.5*math.Sqrt(2.0/rows) {
			t.Errorf("value %d: variance %.5f, want %.5f", j, sum, h*h*want[j])
		}
	}
	if a.Ancestors == nil {
		t.Error("no ancestors")
	}
}

func TestJitterTarget(t *testing.T) {
	for _, n := range []int{1, 60} { // more and fewer members than values
		for _, target := range []string{"duplicates", "copies", "all"} {
			p := problem(40, n, 7)
			a := analyse(t, configured(t, 40, map[string]any{"threshold": 1.0, "jitter": 1.0, "jitter_target": target}), p)
			for i, from := range a.Ancestors {
				copied := slices.Contains(a.Ancestors[:i], from)
				want := map[string]bool{"copies": copied, "duplicates": copied || slices.Contains(a.Ancestors[i+1:], from), "all": true}[target]
				if moved := !slices.Equal(p.Into.RawRowView(i), p.Ensemble.RawRowView(from)); moved != want {
					t.Errorf("%s, n = %d, member %d: moved %v, want %v", target, n, i, moved, want)
				}
			}
		}
	}
}

// Without spread in one direction the jitter stays in the others.
func TestJitterStaysInTheSpan(t *testing.T) {
	p := problem(30, 3, 8)
	for i := range 30 {
		p.Ensemble.Set(i, 2, 5)
	}
	analyse(t, configured(t, 30, map[string]any{"threshold": 1.0, "jitter": 1.0, "jitter_target": "all"}), p)
	for i := range 30 {
		if v := p.Into.At(i, 2); math.Abs(v-5) > 1e-14*5 {
			t.Fatalf("member %d left the plane: %v", i, v)
		}
	}
}

// Covariances of every rank are met by the jitter's factor, L'L = C: plain, of
// states in units 1e12 apart, with two values equal, and with fewer members than
// values. Elements in units of the standard deviations, to rounding.
func TestCovarianceFactor(t *testing.T) {
	for name, tt := range map[string]struct {
		rows, n int
		spoil   func(row []float64)
	}{
		"plain":       {50, 4, func([]float64) {}},
		"units":       {50, 4, func(row []float64) { row[1] *= 1e-12 }},
		"singular":    {50, 4, func(row []float64) { row[3] = row[0] }},
		"few members": {5, 9, func([]float64) {}},
	} {
		p := problem(tt.rows, tt.n, 11)
		logWeights := make([]float64, tt.rows)
		for i := range tt.rows {
			tt.spoil(p.Ensemble.RawRowView(i))
			logWeights[i] = float64(i%5) / 2
		}
		weights, _ := ensemble.Normalise(nil, logWeights)
		l := covarianceFactor(p.Ensemble, weights)
		a := ensemble.Anomalies(nil, p.Ensemble, ensemble.Mean(nil, p.Ensemble, weights))
		var got mat.Dense
		got.Mul(l.T(), l)
		sd := ensemble.Variance(nil, p.Ensemble, ensemble.Mean(nil, p.Ensemble, weights), weights)
		for j := range tt.n {
			for k := range tt.n {
				want := 0.0
				for i, w := range weights {
					want += w * a.At(i, j) * a.At(i, k) / (1 - 1/ensemble.ESS(weights, 0))
				}
				if d := math.Abs(got.At(j, k) - want); d > 1e-13*math.Sqrt(sd[j]*sd[k]) {
					t.Errorf("%s: element %d, %d is %v, want %v", name, j, k, got.At(j, k), want)
				}
			}
		}
	}
}

// When one member has all the weight, jitter parts its copies again, by the
// forecast's spread: 39 squares of normal draws of variance h² C have a relative
// standard error of sqrt(2/39).
func TestJitterAfterCollapse(t *testing.T) {
	const rows = 40
	p := problem(rows, 1, 12)
	p.LogLikelihood.Zero()
	p.LogLikelihood.Set(7, 0, 1e4)
	analyse(t, configured(t, rows, map[string]any{"jitter": 1.0}), p)
	variance := func(e *mat.Dense) float64 { return ensemble.Variance(nil, e, ensemble.Mean(nil, e, nil), nil)[0] }
	want := math.Pow(rows, -2.0/5) * variance(p.Ensemble)
	if got := variance(p.Into); math.Abs(got/want-1) > 4.5*math.Sqrt(2.0/(rows-1)) {
		t.Errorf("variance %v, want %v", got, want)
	}
}

// Without observations nothing is resampled or moved, whatever the threshold.
func TestNothingObserved(t *testing.T) {
	p := problem(30, 2, 13)
	p.Observation[0] = math.NaN()
	p.LogLikelihood.Zero()
	a := analyse(t, configured(t, 30, map[string]any{"threshold": 1.0, "resampling": "multinomial", "jitter": 1.0}), p)
	if !mat.Equal(p.Into, p.Ensemble) || a.Ancestors != nil || a.Metrics["resampled"] != 0 {
		t.Errorf("ancestors %v, metrics %v", a.Ancestors, a.Metrics)
	}
}

// The number of processors does not matter, to the last bit.
func TestProcessorsDoNotMatter(t *testing.T) {
	for _, size := range [][2]int{{5000, 3}, {50, 500}} { // members pass in blocks of 910 and of 1
		members, n := size[0], size[1]
		f := configured(t, members, map[string]any{"threshold": 1.0, "jitter": 1.0, "jitter_target": "all"})
		one, many := problem(members, n, 14), problem(members, n, 14)
		before := runtime.GOMAXPROCS(1)
		analyse(t, f, one)
		runtime.GOMAXPROCS(4)
		analyse(t, f, many)
		runtime.GOMAXPROCS(before)
		if !mat.Equal(one.Into, many.Into) {
			t.Errorf("%d members of %d values: the analysis differs", members, n)
		}
	}
}

func TestOutliers(t *testing.T) {
	f := configured(t, 20, map[string]any{"threshold": 1.0, "jitter": 1.0})
	far := problem(20, 1, 9)
	for i := range 20 { // so far off that every likelihood underflows
		far.LogLikelihood.Set(i, 0, -1e6-1e5*float64(i))
	}
	a := analyse(t, f, far)
	if a.Metrics["weights_ess"] != 1 || a.Metrics["unique_ancestors"] != 1 || a.Ancestors[19] != 0 {
		t.Errorf("got %v, ancestors %v", a.Metrics, a.Ancestors)
	}
	for i := range 20 {
		far.LogLikelihood.Set(i, 0, math.Inf(-1))
	}
	if _, err := f.Analyse(t.Context(), far); sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), "impossible for all 20 members") {
		t.Errorf("got %v", err)
	}
	far.LogLikelihood.Set(3, 0, -1)
	if a := analyse(t, f, far); a.Ancestors[0] != 3 {
		t.Errorf("ancestors %v", a.Ancestors)
	}
	far.LogLikelihood.Set(3, 0, math.NaN())
	if _, err := f.Analyse(t.Context(), far); err == nil || !strings.Contains(err.Error(), "log-likelihood of member 3: component 0 is NaN") {
		t.Errorf("got %v", err)
	}
}

// Members that agree stay where they are, with jitter too, which has no covariance to draw
// from but the rounding of the mean, 20 times 2^-53 of it; one value in which they agree leaves the others their jitter. Numbers that are not
// finite and fewer than two members are refused.
func TestBadInput(t *testing.T) {
	f := configured(t, 20, map[string]any{"threshold": 1.0, "jitter": 1.0, "jitter_target": "all"})
	p := problem(20, 2, 15)
	for i := range 20 {
		p.Ensemble.Set(i, 0, 7)
	}
	analyse(t, f, p)
	if got := p.Into.At(5, 0); math.Abs(got-7) > 20*7*0x1p-53 || p.Into.At(5, 1) == p.Ensemble.At(5, 1) {
		t.Errorf("member 5 is %v, want 7 and a value with jitter", p.Into.RawRowView(5))
	}
	for i := range 20 {
		p.Ensemble.Set(i, 1, -7)
	}
	analyse(t, f, p)
	if !mat.EqualApprox(p.Into, p.Ensemble, 20*7*0x1p-53) {
		t.Errorf("an ensemble without spread becomes %v", mat.Formatted(p.Into))
	}
	p.Ensemble.Set(3, 1, math.Inf(1))
	if _, err := f.Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), "forecast member 3: value 1 is +Inf") {
		t.Errorf("got %v", err)
	}
	plugin, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.NewFilter(t.Context(), sdk.FilterConfig{Members: 1}); sdk.KindOf(err) != sdk.KindConfig {
		t.Errorf("one member: got %v, want a configuration error", err)
	}
}

// A component that is missing has log-likelihood 0: the analysis is that of the others.
func TestMissingIsLeftOut(t *testing.T) {
	f := configured(t, 20, map[string]any{"threshold": 1.0})
	p, q := problem(20, 2, 16), problem(20, 2, 16)
	p.Observation = []float64{observed, math.NaN()}
	p.LogLikelihood = mat.NewDense(20, 2, nil)
	for i := range 20 {
		p.LogLikelihood.Set(i, 0, q.LogLikelihood.At(i, 0))
	}
	analyse(t, f, p)
	analyse(t, f, q)
	if !mat.Equal(p.Into, q.Into) {
		t.Error("a missing component changes the analysis")
	}
}

func BenchmarkAnalyse100x3(b *testing.B) { benchmark(b, 100, 3, nil) }
func BenchmarkAnalyse1e5x3(b *testing.B) { benchmark(b, 100_000, 3, map[string]any{"threshold": 1.0}) }
func BenchmarkJitter1e5x3(b *testing.B) {
	benchmark(b, 100_000, 3, map[string]any{"threshold": 1.0, "jitter": 1.0, "jitter_target": "all"})
}

func benchmark(b *testing.B, rows, n int, params map[string]any) {
	p, f := problem(rows, n, 1), configured(b, rows, params)
	for b.Loop() {
		analyse(b, f, p)
	}
}
