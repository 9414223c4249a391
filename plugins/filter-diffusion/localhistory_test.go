package filterdiffusion

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// A single bad value counts for what the bound leaves of it, however bad it is, and one that is in the middle of others like it for
// all of it: there the truth is lost, which is another matter.
func TestLocalBoundsSingleValues(t *testing.T) {
	const members, n, at = 10, 30, 12
	moved := func(y float64, around int) float64 {
		p := twinProblem(members, n, n)
		mean, _ := moments(p.Ensemble, equalWeights(members))
		p.Predicted = p.Ensemble
		for k := range n {
			p.Observation[k] = mean[k] + 0.3*math.Sin(float64(k))
			if k >= at-around && k <= at+around {
				p.Observation[k] = mean[k] + y
			}
		}
		analyse(t, mustLocal(t, map[string]any{"cutoff": 4.0}, p, n), p)
		after, _ := moments(p.Into, equalWeights(members))
		return after[at] - mean[at]
	}
	if once, more := moved(30, 0), moved(3000, 0); math.Abs(more-once) > 1e-9 {
		t.Errorf("a value 30 units away moves the mean by %g, one 3000 away by %g, want the same", once, more)
	}
	if alone, among := moved(10, 0), moved(10, 4); !(among > 2*alone) {
		t.Errorf("a value alone moves the mean by %g, among others like it by %g, want more than twice that", alone, among)
	}
}

// The spread of forecasts follows the errors that innovations show, one factor for all places: near 1 where errors are what the spread
// says, also where that is a small part of an innovation, and larger where errors are twice that. The analysis is then
// as wide as its error. Tolerance: what chance does in 19 cycles of 90 components, of which some four err alike.
func TestLocalRecordFollowsErrors(t *testing.T) {
	const members, n, cycles = 20, 90, 40
	for _, tt := range []struct{ spread, errors, low, high float64 }{{0.3, 1, 0.97, 1.05}, {1, 1, 0.97, 1.08}, {0.5, 2, 1.15, 1.3}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			var carry []byte
			sum := 0.0
			for c := range cycles {
				e := waves(members, n, 4, rng.New(int64(100+c)))
				e.Scale(tt.spread/1.58, e) // waves has a variance of 2.5
				truth := waves(1, n, 4, rng.New(int64(5000+c))).RawRowView(0)
				p := &sdk.Problem{Ensemble: e, Predicted: e, Observation: make([]float64, n), ErrorVariance: slices.Repeat([]float64{1}, n), Into: mat.NewDense(members, n, nil), Carry: carry}
				noise := rng.New(int64(9000 + c)).Rand()
				for k := range n {
					p.Observation[k] = tt.errors*tt.spread/1.58*truth[k] + noise.NormFloat64()
				}
				a := analyse(t, mustLocal(t, map[string]any{"cutoff": 12.0, "finite_size": false}, p, n), p)
				carry = a.Carry
				if c >= cycles/2 {
					sum += a.Metrics["inflation"] * a.Metrics["calibration"] / (cycles / 2)
				}
			}
			if !(sum >= tt.low && sum <= tt.high) {
				t.Errorf("the spread is multiplied by %.3f, want %g to %g", sum, tt.low, tt.high)
			}
		})
	}
}

// Normal innovations that are as large as expected are no evidence, although some are bounded. Tolerance: five standard errors.
func TestBoundedInnovationsAreNoEvidence(t *testing.T) {
	const m, spread = 400_000, 0.2
	c := &components{predicted: mat.NewDense(m, 2, nil), innovation: make([]float64, m)}
	r := rng.New(8).Rand()
	for k := range m {
		c.predicted.SetRow(k, []float64{spread / math.Sqrt2, -spread / math.Sqrt2})
		c.innovation[k] = math.Sqrt(1+spread*spread) * r.NormFloat64()
	}
	if e := (evidence{}).with(c.evidence(1, c.typical(1)), 1, largestOfAll); math.Abs(e.excess) > 5*math.Sqrt(e.variance) {
		t.Errorf("excess %.0f, want 0 ± %.0f", e.excess, math.Sqrt(e.variance))
	}
}

// A later call of a cycle learns nothing and widens nothing, and one with a fraction of the likelihood learns by the error in full.
func TestLocalRecordLearnsOnce(t *testing.T) {
	const members, n = 12, 30
	p := twinProblem(members, n, n)
	for k := range n {
		p.Observation[k] += 4 * math.Sin(float64(k))
	}
	f := mustLocal(t, map[string]any{"cutoff": 6.0, "finite_size": false}, p, n)
	whole := analyse(t, f, p)
	if whole.Metrics["inflation"] <= 1 {
		t.Fatalf("inflation %g, want more than 1", whole.Metrics["inflation"])
	}
	half := *p
	half.Fraction, half.ErrorVariance = slices.Repeat([]float64{0.5}, n), slices.Repeat([]float64{2 * p.ErrorVariance[0]}, n)
	if a := analyse(t, f, &half); a.Metrics["inflation"] != whole.Metrics["inflation"] || !slices.Equal(a.Carry, whole.Carry) {
		t.Errorf("a fraction inflates by %g and carries %x, want %g and %x", a.Metrics["inflation"], a.Carry, whole.Metrics["inflation"], whole.Carry)
	}
	half.Seen, half.Carry = n, whole.Carry
	if a := analyse(t, f, &half); a.Metrics["inflation"] != 1 || !slices.Equal(a.Carry, whole.Carry) {
		t.Errorf("a later call inflates by %g, want 1, and carries %x, want %x", a.Metrics["inflation"], a.Carry, whole.Carry)
	}
}

// Fresh components widen a place as much as they do without those of earlier cycles near by, which an earlier call has used.
func TestLocalWideningFollowsFreshComponents(t *testing.T) {
	const members, n, at = 20, 40, 20
	p := twinProblem(members, n, n)
	p.Predicted = p.Ensemble
	for k := range n {
		p.Observation[k] += 4 * math.Sin(float64(k))
	}
	widened := func(p *sdk.Problem, space *sdk.Layout) float64 {
		f, err := configureLocal(map[string]any{"cutoff": 6.0}, members, ring(n, n), space)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.surround(p, present(p.Observation), &history{})
		if err != nil {
			t.Fatal(err)
		}
		return s.widening(s.nearValue(nil, at))
	}
	alone := widened(p, ring(n, n))
	if alone <= 1.05 {
		t.Fatalf("widened by %g, want more than 1.05", alone)
	}
	both := *p // the same sites a cycle before, and now
	space := ring(2*n, 2*n)
	var predicted, points mat.Dense
	predicted.Augment(p.Predicted, p.Predicted)
	points.Stack(ring(n, n).Coordinates.Points, ring(n, n).Coordinates.Points)
	space.Coordinates.Points, space.Coordinates.Period = &points, []float64{n}
	both.Predicted, both.Seen = &predicted, n
	both.Observation, both.ErrorVariance = slices.Repeat(p.Observation, 2), slices.Repeat(p.ErrorVariance, 2)
	if got := widened(&both, space); math.Abs(got-alone) > 1e-12 {
		t.Errorf("with components of a cycle before widened by %g, want %g", got, alone)
	}
}

// Places where observations say much are widened, and those where they say little hardly, and none differently where all are alike. Half of
// the sites are seen with an error as large as the spread, the others with ten times that, and all innovations are twice as large as expected.
func TestLocalWideningFollowsWhatObservationsSay(t *testing.T) {
	const members, n, well, badly = 20, 80, 20, 60
	widened := func(error2 float64) (atWell, atBadly float64) {
		p := twinProblem(members, n, n)
		p.Predicted = p.Ensemble
		mean, sd := moments(p.Ensemble, equalWeights(members))
		for k := range n {
			p.ErrorVariance[k] = sd[k] * sd[k]
			if k >= n/2 {
				p.ErrorVariance[k] *= error2
			}
			p.Observation[k] = mean[k] + 2*math.Sqrt(sd[k]*sd[k]+p.ErrorVariance[k])
		}
		s, err := mustLocal(t, map[string]any{"cutoff": 8.0}, p, n).surround(p, allOf(n), &history{})
		if err != nil {
			t.Fatal(err)
		}
		return s.widening(s.nearValue(nil, well)), s.widening(s.nearValue(nil, badly))
	}
	if a, b := widened(1); !(a > 1.05 && math.Abs(a-b) < 1e-9) {
		t.Errorf("with equal errors places are widened by %g and %g, want the same and more than 1.05", a, b)
	}
	if a, b := widened(100); !(a > 1.05 && b-1 < 0.05*(a-1)) {
		t.Errorf("where observations are good and bad places are widened by %g and %g, want more than 1.05 and a twentieth of that at most", a, b)
	}
}
