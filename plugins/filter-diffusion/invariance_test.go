package filterdiffusion

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// smooth are parameters whose result is a smooth function of the problem: no
// step is accepted or refused by a hair.
var smooth = map[string]any{"sampler": "heun", "steps": 40}

// The flow stretches rounding errors where modes part, by a factor of less than
// 1e4 here: 1e-16 becomes 1e-12 at most. 1e-9 leaves room.
const rounding = 1e-9

func TestOrderOfMembersDoesNotMatter(t *testing.T) {
	p, q := twinProblem(40, 3, 2), twinProblem(40, 3, 2)
	for i := range 40 {
		for to, from := range map[*mat.Dense]*mat.Dense{q.Ensemble: p.Ensemble, q.Simulated: p.Simulated} {
			to.SetRow(i, from.RawRowView((i*7+3)%40))
		}
	}
	f := configure(t, smooth)
	analyse(t, f, p)
	analyse(t, f, q)
	if d := largestDifference(p.Into, q.Into); d > rounding {
		t.Errorf("the analysis changes by %g", d)
	}
}

// In units of the spread nobody can tell metres from feet.
func TestUnitsDoNotMatterInSpread(t *testing.T) {
	p, q := twinProblem(40, 3, 2), twinProblem(40, 3, 2)
	scale, shift := []float64{1000, 0.3048, 1.8}, []float64{-5, 0, 32}
	convert := func(to, from *mat.Dense) {
		to.Apply(func(_, j int, v float64) float64 { return scale[j]*v + shift[j] }, from)
	}
	convert(q.Ensemble, p.Ensemble)
	q.Simulated.Scale(0.01, p.Simulated)
	for k := range q.Observation {
		q.Observation[k] *= 0.01
	}
	f := configure(t, smooth)
	analyse(t, f, p)
	analyse(t, f, q)
	convert(p.Into, p.Into)
	if d := largestDifference(p.Into, q.Into); d > 1000*rounding {
		t.Errorf("the analysis changes by %g", d)
	}
}

// Raw kernels on an ensemble already divided by its spread are spread kernels.
func TestRawEqualsSpreadUnderScaling(t *testing.T) {
	p, q := twinProblem(40, 3, 2), twinProblem(40, 3, 2)
	_, sd := moments(p.Ensemble, nil)
	_, sdY := moments(p.Simulated, nil)
	q.Ensemble.Apply(func(_, j int, v float64) float64 { return v / sd[j] }, p.Ensemble)
	q.Simulated.Apply(func(_, j int, v float64) float64 { return v / sdY[j] }, p.Simulated)
	for k := range q.Observation {
		q.Observation[k] /= sdY[k]
	}
	fixed := with(with(smooth, "bandwidth_x", 0.3), "bandwidth_y", 0.6)
	analyse(t, configure(t, with(fixed, "units", "spread")), p)
	analyse(t, configure(t, with(fixed, "units", "raw")), q)
	p.Into.Apply(func(_, j int, v float64) float64 { return v / sd[j] }, p.Into)
	if d := largestDifference(p.Into, q.Into); d > rounding {
		t.Errorf("the analysis changes by %g", d)
	}
}

// A simulator without noise and a wider kernel is the prediction with its error.
func TestSimulatedAgreesWithPredicted(t *testing.T) {
	p, q := twinProblem(40, 3, 2), twinProblem(40, 3, 2)
	p.Simulated.Copy(p.Predicted)
	fixed := with(with(smooth, "units", "raw"), "bandwidth_x", 0.3)
	analyse(t, configure(t, with(fixed, "bandwidth_y", math.Sqrt(0.25+0.36))), p)
	analyse(t, configure(t, with(with(fixed, "bandwidth_y", 0.6), "observations", "predicted")), q)
	if d := largestDifference(p.Into, q.Into); d > rounding {
		t.Errorf("the analysis differs by %g", d)
	}
}

// A member that holds twice the weight counts as two members.
func TestLogWeightsCountMembers(t *testing.T) {
	p := twinProblem(30, 3, 2)
	p.LogWeights = make([]float64, 30)
	double := &sdk.Problem{
		Call: p.Call, Observation: p.Observation, Ensemble: mat.NewDense(40, 3, nil),
		Simulated: mat.NewDense(40, 2, nil), Into: mat.NewDense(30, 3, nil),
	}
	for i := range 40 {
		from := i % 30
		double.Ensemble.SetRow(i, p.Ensemble.RawRowView(from))
		double.Simulated.SetRow(i, p.Simulated.RawRowView(from))
		p.LogWeights[from] = math.Log(float64(1+(39-from)/30) / 40)
	}
	fixed := with(with(with(smooth, "bandwidth_x", 0.3), "bandwidth_y", 0.6), "units", "raw")
	f := configure(t, with(fixed, "sigma_max", 50.0))
	analyse(t, f, p)
	analyse(t, f, double)
	if d := largestDifference(p.Into, double.Into); d > rounding {
		t.Errorf("the analysis changes by %g", d)
	}
}

// The two schedules are one path: variance preserving noise with the integral B
// is exploding noise of sqrt(exp(B) - 1). Both integrate to 1e-9 a step.
func TestSchedulesShareTheirPath(t *testing.T) {
	p, q := twinProblem(20, 3, 2), twinProblem(20, 3, 2)
	analyse(t, configure(t, with(with(tight, "schedule", "vp"), "beta_total", 8.0)), p)
	analyse(t, configure(t, with(tight, "sigma_max", math.Sqrt(math.Expm1(8)))), q)
	if d := largestDifference(p.Into, q.Into); d > 1e-5 {
		t.Errorf("the analysis differs by %g", d)
	}
}

// The number of processors and the split of an experiment's members must not
// change a bit: each row's noise belongs to its member.
func TestProcessorsDoNotMatter(t *testing.T) {
	for _, sampler := range []string{"ode", "heun", "sde", "exact"} {
		f := configure(t, map[string]any{"sampler": sampler})
		p, q := twinProblem(50, 3, 2), twinProblem(50, 3, 2)
		before := runtime.GOMAXPROCS(1)
		analyse(t, f, p)
		runtime.GOMAXPROCS(3)
		analyse(t, f, q)
		runtime.GOMAXPROCS(before)
		if !mat.Equal(p.Into, q.Into) {
			t.Errorf("%s: the analysis changes by %g", sampler, largestDifference(p.Into, q.Into))
		}
	}
}

// The vectors that the processor has must not change a bit. The kind is chosen when a
// program starts, so this one is started for each, with what GODEBUG hides.
func TestVectorsDoNotMatter(t *testing.T) {
	const asked = "FILTER_DIFFUSION_DIGEST"
	if os.Getenv(asked) != "" {
		digest := sha256.New()
		add := func(f *filter, p *sdk.Problem) {
			analyse(t, f, p)
			if err := binary.Write(digest, binary.LittleEndian, p.Into.RawMatrix().Data); err != nil {
				t.Fatal(err)
			}
		}
		for _, size := range [][3]int{{50, 3, 2}, {20, 300, 7}, {40, 40, 40}} {
			for _, scheme := range []string{"kde", "joint"} {
				add(configure(t, map[string]any{"scheme": scheme}), twinProblem(size[0], size[1], size[2]))
			}
			p := twinProblem(size[0], size[1], size[2])
			add(mustLocal(t, map[string]any{"cutoff": 5.0}, p, 40), p)
		}
		fmt.Printf("digest %x\n", digest.Sum(nil))
		return
	}
	digests := map[string]string{}
	for _, hidden := range []string{"none=1", "cpu.avx512f=off", "cpu.avx512f=off,cpu.avx2=off"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestVectorsDoNotMatter$")
		cmd.Env = append(os.Environ(), asked+"=1", "GODEBUG="+hidden)
		out, err := cmd.CombinedOutput()
		digest := regexp.MustCompile("digest [0-9a-f]{64}").Find(out)
		if err != nil || digest == nil {
			t.Fatalf("GODEBUG=%s: %v: %s", hidden, err, out)
		}
		digests[string(digest)] = hidden
	}
	if len(digests) > 1 {
		t.Errorf("analyses differ: %v", digests)
	}
}

// A component that is missing is a component that is not there; without any the
// analysis is the forecast.
func TestMissingObservations(t *testing.T) {
	f := configure(t, smooth)
	p, q, none := twinProblem(40, 3, 2), twinProblem(40, 3, 1), twinProblem(40, 3, 2)
	p.Observation[1] = math.NaN()
	for i := range 40 {
		p.Simulated.Set(i, 1, math.NaN())
	}
	q.Ensemble, q.Simulated = p.Ensemble, mat.DenseCopyOf(p.Simulated.Slice(0, 40, 0, 1))
	analyse(t, f, p)
	analyse(t, f, q)
	if !mat.Equal(p.Into, q.Into) {
		t.Errorf("a missing component changes the analysis by %g", largestDifference(p.Into, q.Into))
	}
	none.Observation = []float64{math.NaN(), math.NaN()}
	none.LogWeights = slices.Repeat([]float64{-math.Log(40)}, 40)
	if a := analyse(t, f, none); !mat.Equal(none.Into, none.Ensemble) || !slices.Equal(a.LogWeights, none.LogWeights) {
		t.Error("without observations the analysis is not the forecast")
	}
}

// Systematic draws take every kernel as often as its weight says, to within one.
func TestExactDrawsReportAncestors(t *testing.T) {
	p := twinProblem(60, 3, 2)
	f := configure(t, map[string]any{"sampler": "exact"})
	a := analyse(t, f, p)
	d, err := f.estimate(p, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range d.weights() {
		count := 0
		for _, ancestor := range a.Ancestors {
			if ancestor == i {
				count++
			}
		}
		if math.Abs(float64(count)-60*w) >= 1 {
			t.Errorf("kernel %d with weight %.4f is drawn %d times of 60", i, w, count)
		}
	}
	if got := analyse(t, configure(t, smooth), p).Ancestors; got != nil {
		t.Errorf("a sampler that moves latents reports ancestors %v", got)
	}
}

// A value in which all members agree says nothing, whatever it is: that their mean is rounded gives it no spread, and the
// density no dimension.
func TestConstantsDoNotMatter(t *testing.T) {
	for _, params := range []map[string]any{joint(nil), joint(map[string]any{"sampler": "ode"}), joint(map[string]any{"cutoff": 3.0})} {
		var want *mat.Dense
		for _, constant := range []float64{0, 1, 0.1, 1.1, 273.15, 101325.7} {
			p := twinProblem(20, 5, 2)
			setColumn(p.Ensemble, 4, constant)
			f := mustLocal(t, params, p, 10)
			analyse(t, f, p)
			setColumn(p.Into, 4, 0)
			if want == nil {
				want = p.Into
			}
			if d := largestDifference(p.Into, want); d > rounding {
				t.Errorf("%v: with the constant %g the analysis changes by %g", params, constant, d)
			}
		}
	}
}
