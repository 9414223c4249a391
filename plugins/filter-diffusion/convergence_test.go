package filterdiffusion

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// filtered returns what scheme joint with defaults makes of members of one value observed through h with error sd, cycle by
// cycle: move is the model, and see is told of every analysis.
func filtered(t *testing.T, x []float64, observations []float64, sd float64, h, move func(float64) float64, see func(cycle int, analysis []float64)) {
	t.Helper()
	f, members := configure(t, joint(nil)), len(x)
	var carry []byte
	for c, y := range observations {
		p := &sdk.Problem{
			Call: sdk.Call{Cycle: c + 1, Seed: rng.New(int64(c))}, Carry: carry,
			Ensemble: mat.NewDense(members, 1, nil), Predicted: mat.NewDense(members, 1, nil), Into: mat.NewDense(members, 1, nil),
			Observation: []float64{y}, ErrorVariance: []float64{sd * sd},
		}
		for i, v := range x {
			v = move(v)
			p.Ensemble.Set(i, 0, v)
			p.Predicted.Set(i, 0, h(v))
		}
		carry = analyse(t, f, p).Carry
		x = mat.Col(nil, 0, p.Into)
		see(c, x)
	}
}

func normals(n int, r *rand.Rand) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// With a normal prior a hundred times as wide as the posterior in variance, and a linear operator, spreads are those of the Kalman filter:
// from the first cycle on, though few members are near the observation, for any number of members, and for as long as there are cycles, though
// the spread becomes so small a part of an innovation that chance asks for any inflation.
// The mean square over 60 replicates has a standard error of a few percent.
func TestJointHasTheSpreadOfTheKalmanFilter(t *testing.T) {
	const sd, replicates = 0.1, 60
	same := func(x float64) float64 { return x }
	for _, tt := range []struct{ members, cycles int }{{50, 100}, {200, 5}, {800, 5}} {
		ratio := make([]float64, tt.cycles)
		for s := range replicates {
			r := rng.New(int64(s)).Rand()
			truth, observations := r.NormFloat64(), normals(tt.cycles, r)
			for c := range observations {
				observations[c] = truth + sd*observations[c]
			}
			filtered(t, normals(tt.members, r), observations, sd, same, same, func(c int, x []float64) {
				exact := 1 / (1 + float64(c+1)/(sd*sd))
				ratio[c] += variances(mat.NewDense(tt.members, 1, x))[0] / exact / replicates
			})
		}
		for c, v := range ratio {
			if v := math.Sqrt(v); !(v > 0.9 && v < 1.15) {
				t.Errorf("N = %d, cycle %d: spread is %.2f times the exact one", tt.members, c+1, v)
			}
		}
	}
}

// A random walk whose steps have a variance of 1, observed with an error of variance 1, and a model that believes in steps of variance 1/4. Without
// inflation the gain is 0.39 where that of the Kalman filter that knows better is 0.62, and the mean square error 1.35 times as large. In time the innovations show
// it: the mean square error is at most 1.25 times as large. The ratio of two means over 4000 cycles with the same observations has a standard error of less than 2 %.
func TestJointWithAWrongModelIsWidenedInTime(t *testing.T) {
	const cycles, burnIn, members, believed = 5000, 1000, 20, 0.5
	r := rng.New(7).Rand()
	truth, observations := make([]float64, cycles), make([]float64, cycles)
	for c := range truth {
		if c > 0 {
			truth[c] = truth[c-1]
		}
		truth[c] += r.NormFloat64()
		observations[c] = truth[c] + r.NormFloat64()
	}
	best, mean, gain := 0.0, 0.0, 2/(1+math.Sqrt(5))
	for c, y := range observations {
		mean += gain * (y - mean)
		if c >= burnIn {
			best += (mean - truth[c]) * (mean - truth[c])
		}
	}
	got := 0.0
	move := func(x float64) float64 { return x + believed*r.NormFloat64() }
	filtered(t, normals(members, r), observations, 1, func(x float64) float64 { return x }, move, func(c int, x []float64) {
		if d := floats.Sum(x)/members - truth[c]; c >= burnIn {
			got += d * d
		}
	})
	if got > 1.25*best {
		t.Errorf("mean square error is %.3f times that of the Kalman filter", got/best)
	}
}

// A static model, and observations that move by the standard deviation of their error in every cycle. The spread of the Kalman filter falls
// and its distance to the observations grows, to 20 standard deviations after 40 cycles. Innovations show within ten cycles that the forecast has
// lost the truth, and from then on the analysis follows: over the cycles 21 to 40 it is 4 standard deviations away at most on average, and not narrower than the Kalman filter.
func TestJointFollowsWhatDrifts(t *testing.T) {
	const sd, cycles, members, replicates = 0.1, 40, 50, 20
	same := func(x float64) float64 { return x }
	distance, ratio := 0.0, 0.0
	for s := range replicates {
		r := rng.New(int64(s)).Rand()
		observations := normals(cycles, r)
		for c := range observations {
			observations[c] = sd * (observations[c] + float64(c))
		}
		filtered(t, normals(members, r), observations, sd, same, same, func(c int, x []float64) {
			if c >= cycles/2 {
				distance += math.Abs(float64(c)-floats.Sum(x)/members/sd) / (replicates * cycles / 2)
				ratio += variances(mat.NewDense(members, 1, x))[0] * (1 + float64(c+1)/(sd*sd)) / (replicates * cycles / 2)
			}
		})
	}
	if !(distance < 4 && ratio > 1) {
		t.Errorf("%.1f standard deviations away with %.2f times the spread of the Kalman filter, want at most 4 and at least 1", distance, math.Sqrt(ratio))
	}
}

// An AR(1) process seen through its square has two modes that no observation distinguishes. As members are added, the
// mean of |x| approaches that of the exact posterior, which comes from a grid.
func TestJointConvergesInsideModes(t *testing.T) {
	const sd, cycles, memory = 0.3, 300, 0.9
	noise := math.Sqrt(1 - memory*memory)
	square := func(x float64) float64 { return x * x }
	r := rng.New(5).Rand()
	truth, observations := r.NormFloat64(), make([]float64, cycles)
	for c := range observations {
		truth = memory*truth + noise*r.NormFloat64()
		observations[c] = truth*truth + sd*r.NormFloat64()
	}
	exact := exactMeans(observations, sd, memory, noise)
	distance := func(members int) float64 {
		sum := 0.0
		move := func(x float64) float64 { return memory*x + noise*r.NormFloat64() }
		filtered(t, normals(members, r), observations, sd, square, move, func(c int, x []float64) {
			mean := 0.0
			for _, v := range x {
				mean += math.Abs(v) / float64(members)
			}
			sum += (mean - exact[c]) * (mean - exact[c]) / cycles
		})
		return math.Sqrt(sum)
	}
	few, many := distance(50), distance(800)
	if !(few < 0.12 && many < few/3) {
		t.Errorf("distance to the exact mean of |x|: %.3f with 50 members and %.3f with 800, want a third at most", few, many)
	}
}

// exactMeans returns the mean of |x| after each observation of x² for the process x' = memory x + noise, on a grid.
func exactMeans(observations []float64, sd, memory, noise float64) []float64 {
	const points, end = 321, 4.0
	grid, density := make([]float64, points), make([]float64, points)
	floats.Span(grid, -end, end)
	transition := mat.NewDense(points, points, nil)
	for i, to := range grid {
		density[i] = math.Exp(-to * to / 2)
		for j, from := range grid {
			d := (to - memory*from) / noise
			transition.Set(i, j, math.Exp(-d*d/2))
		}
	}
	means := make([]float64, len(observations))
	for c, y := range observations {
		var moved mat.VecDense
		moved.MulVec(transition, mat.NewVecDense(points, density))
		for i, x := range grid {
			d := (y - x*x) / sd
			density[i] = moved.AtVec(i) * math.Exp(-d*d/2)
		}
		floats.Scale(1/floats.Sum(density), density)
		for i, x := range grid {
			means[c] += density[i] * math.Abs(x)
		}
	}
	return means
}
