package filterpf

import (
	"context"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// ring puts n values at equal distances around a circle of length n.
func ring(n, length int) *sdk.Layout {
	points := mat.NewDense(n, 1, nil)
	for i := range n {
		points.Set(i, 0, float64(i*length)/float64(n))
	}
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{n}}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{float64(length)}, Points: points},
	}
}

func localFilter(members int, state, space *sdk.Layout, params map[string]any) (sdk.Filter, error) {
	p, err := Plugin()
	if err != nil {
		return nil, err
	}
	all := map[string]any{"scheme": "local"}
	maps.Copy(all, params)
	return p.NewFilter(context.Background(), sdk.FilterConfig{Params: all, Members: members, State: state, Observations: &sdk.ObservationSpace{Layout: space}})
}

// localProblem has the first m of n values of every member observed with an error of
// standard deviation 1.
func localProblem(members, n, m int) *sdk.Problem {
	p := &sdk.Problem{Call: sdk.Call{Cycle: 1, Seed: rng.New(5)}, Ensemble: mat.NewDense(members, n, nil), LogLikelihood: mat.NewDense(members, m, nil),
		Observation: make([]float64, m), Into: mat.NewDense(members, n, nil)}
	for k := range m {
		p.Observation[k] = 0.5
	}
	for i := range members {
		stream := rng.New(6).Member(i)
		for j := range n {
			p.Ensemble.Set(i, j, stream.NormFloat64())
		}
		for k := range m {
			d := p.Observation[k] - p.Ensemble.At(i, k*n/m)
			p.LogLikelihood.Set(i, k, -d*d/2)
		}
	}
	return p
}

func mustAnalyse(t *testing.T, p *sdk.Problem, length int, params map[string]any) *sdk.Analysis {
	t.Helper()
	members, n := p.Ensemble.Dims()
	f, err := localFilter(members, ring(n, length), ring(len(p.Observation), length), params)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Analyse(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Where all observations count in full, the analysis has the mean and the covariance of
// the forecast weighted by its likelihood, as importance sampling has them, with and
// without rotation. The tapers at a distance of 1e-7 cutoffs are 1 - 1e-13.
func TestLocalHasTheWeightedMoments(t *testing.T) {
	const members, n, m = 12, 5, 5
	for _, rotation := range []bool{true, false} {
		p := localProblem(members, n, m)
		a := mustAnalyse(t, p, n, map[string]any{"cutoff": 1e7 * n, "minimum_ess": 0.0, "rotation": rotation})
		logs := make([]float64, members)
		for i := range logs {
			logs[i] = floats.Sum(p.LogLikelihood.RawRowView(i))
		}
		weights, _ := ensemble.Normalise(nil, logs)
		mean := ensemble.Mean(nil, p.Ensemble, weights)
		if got := ensemble.Mean(nil, p.Into, nil); !floats.EqualApprox(got, mean, 1e-11) {
			t.Errorf("rotation %t: mean %.12g, want %.12g", rotation, got, mean)
		}
		if got, want := a.Metrics["weights_ess"], ensemble.ESS(weights, members); math.Abs(got-want) > 1e-9 {
			t.Errorf("effective sample size %g, want %g", got, want)
		}
		for j := range n {
			for k := range n {
				want, got := 0.0, 0.0
				for i, w := range weights {
					want += w * (p.Ensemble.At(i, j) - mean[j]) * (p.Ensemble.At(i, k) - mean[k]) / (1 - floats.Dot(weights, weights))
					got += (p.Into.At(i, j) - mean[j]) * (p.Into.At(i, k) - mean[k]) / (members - 1)
				}
				if math.Abs(got-want) > 1e-10 {
					t.Errorf("rotation %t: covariance of %d and %d is %.12g, want %.12g", rotation, j, k, got, want)
				}
			}
		}
	}
}

// A value with no observation nearby, or a missing one alone, keeps its members.
func TestLocalLeavesFarValuesAlone(t *testing.T) {
	p := localProblem(10, 40, 4) // at 0, 10, 20, 30
	p.Observation[2] = math.NaN()
	mustAnalyse(t, p, 40, map[string]any{"cutoff": 5.0})
	for j := range 40 {
		near := false
		for _, at := range []int{0, 10, 30, 40} {
			near = near || math.Abs(float64(j-at)) < 0.88*5 // where the taper is above 1e-3
		}
		same := slices.Equal(mat.Col(nil, j, p.Into), mat.Col(nil, j, p.Ensemble))
		if same == near {
			t.Errorf("value %d: observed nearby is %t, unchanged is %t", j, near, same)
		}
	}
}

// However accurate observations are, and log-likelihoods large, weights keep the effective sample size asked for
// and say the same: the power goes with the inverse of the log-likelihoods.
func TestLocalTemperingOfAccurateObservations(t *testing.T) {
	const members, n = 10, 6
	params := map[string]any{"cutoff": 1e7, "minimum_ess": 0.4, "rotation": false}
	var want *mat.Dense
	for _, factor := range []float64{1e2, 1e6, 1e12, 1e24, 1e100} {
		p := localProblem(members, n, n)
		p.LogLikelihood.Scale(factor, p.LogLikelihood)
		a := mustAnalyse(t, p, n, params)
		if want == nil {
			want = p.Into
		}
		if got := a.Metrics["weights_ess"]; math.Abs(got-4) > 1e-2 || !mat.EqualApprox(p.Into, want, 1e-2) {
			t.Errorf("log-likelihoods times %g: effective sample size %g with tempering %g, want 4 of 10 and the same analysis", factor, got, a.Metrics["tempering"])
		}
	}
}

// Weights keep the effective sample size asked for, and jitter widens by sqrt(1 + h²).
func TestLocalTemperingAndJitter(t *testing.T) {
	const members, n = 10, 6
	p := localProblem(members, n, n)
	p.LogLikelihood.Scale(50, p.LogLikelihood)
	params := map[string]any{"cutoff": 1e7, "minimum_ess": 0.4, "rotation": false}
	a := mustAnalyse(t, p, n, params)
	if got := a.Metrics["weights_ess"]; math.Abs(got-4) > 1e-6 || !(a.Metrics["tempering"] < 1) {
		t.Errorf("effective sample size %g with tempering %g, want 4 of 10", got, a.Metrics["tempering"])
	}
	narrow := mat.DenseCopyOf(p.Into)
	params["jitter"] = 2.0
	mustAnalyse(t, p, n, params)
	h := 2 * math.Pow(members, -1.0/(n+4))
	mean := ensemble.Mean(nil, narrow, nil)
	for i := range members {
		for j := range n {
			if want := mean[j] + math.Sqrt(1+h*h)*(narrow.At(i, j)-mean[j]); math.Abs(p.Into.At(i, j)-want) > 1e-12 {
				t.Fatalf("member %d, value %d: %g, want %g", i, j, p.Into.At(i, j), want)
			}
		}
	}
}

func TestLocalDoesNotDependOnProcessors(t *testing.T) {
	p := localProblem(8, 100, 50)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	mustAnalyse(t, p, 100, map[string]any{"cutoff": 6.0})
	alone := mat.DenseCopyOf(p.Into)
	runtime.GOMAXPROCS(4)
	mustAnalyse(t, p, 100, map[string]any{"cutoff": 6.0})
	if !mat.Equal(alone, p.Into) {
		t.Error("the analysis depends on the number of processors")
	}
}

// What a call allocates does not grow with the decompositions, one for each location.
func TestLocalReusesMemory(t *testing.T) {
	const members, n = 20, 4000
	p := localProblem(members, n, n)
	f, err := localFilter(members, ring(n, n), ring(n, n), map[string]any{"cutoff": 4.0, "rotation": false})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := f.Analyse(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(8*members*n); got > most {
		t.Errorf("%d bytes were allocated, want at most those of an ensemble, %d", got, most)
	}
}

func TestLocalRefusals(t *testing.T) {
	state := ring(4, 4)
	for _, tt := range []struct {
		state  *sdk.Layout
		params map[string]any
		want   string
	}{
		{state, map[string]any{"scheme": "sir", "cutoff": 2.0}, `cutoff: applies only with scheme = "local", but scheme is "sir"`},
		{state, nil, `scheme = "local" needs one`},
		{&sdk.Layout{Variables: state.Variables}, map[string]any{"cutoff": 2.0}, "no coordinates"},
	} {
		if _, err := localFilter(5, tt.state, state, tt.params); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.params, err, tt.want)
		}
	}
	f, err := localFilter(4, state, state, map[string]any{"cutoff": 2.0})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*sdk.Problem)
		want   string
	}{
		"weights": {func(p *sdk.Problem) {
			p.LogWeights = []float64{math.Log(0.7), math.Log(0.1), math.Log(0.1), math.Log(0.1)}
		}, "member 0 has weight 0.7"},
		"NaN": {func(p *sdk.Problem) { p.LogLikelihood.Set(2, 1, math.NaN()) }, "log-likelihood of member 2: component 1"},
		"impossible": {func(p *sdk.Problem) {
			for i := range 3 {
				p.LogLikelihood.Set(i, 0, math.Inf(-1))
			}
		}, "weights at state value 0: the observations nearby are impossible"},
	} {
		p := localProblem(4, 4, 4)
		tt.change(p)
		if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// Where observations all but exclude some members, with weights of 1e-149 and 1e-188, an analysis has the
// weighted covariance as well: it is not far from its forecast.
func TestLocalWithWeightsOfEverySize(t *testing.T) {
	const members, n = 20, 3
	weights := []float64{3.224534111308572e-06, 4.697685725743475e-149, 1.0718555980736285e-188, 0.05637671772084597, 0.16369808866348523, 0.051278023414289525,
		1.4036254836033737e-15, 4.971916808350514e-05, 0.08562648876468712, 0.03363756345965121, 0.10965273574337178, 0.02229466198453625, 0.13877102672541033,
		0.0756595683432763, 2.0766528965924078e-66, 0.11138334044575525, 0.004230252829978481, 0.04367271750246138, 0.0811968868917479, 0.022468983808307197}
	p := localProblem(members, n, n)
	for i, w := range weights {
		for k := range n {
			p.LogLikelihood.Set(i, k, math.Log(w)/n)
		}
	}
	mustAnalyse(t, p, n, map[string]any{"cutoff": 1e7 * n, "minimum_ess": 0.0, "rotation": false})
	mean := ensemble.Mean(nil, p.Ensemble, weights)
	for j := range n {
		want, got := 0.0, 0.0
		for i, w := range weights {
			want += w * math.Pow(p.Ensemble.At(i, j)-mean[j], 2) / (1 - floats.Dot(weights, weights))
			got += math.Pow(p.Into.At(i, j)-mean[j], 2) / (members - 1)
		}
		if !(math.Abs(got-want) <= 1e-10) {
			t.Errorf("variance of value %d is %g, want %g", j, got, want)
		}
	}
}
