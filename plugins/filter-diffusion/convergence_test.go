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
// from the first cycle on, though few members are near the observation, and for any number of members.
// The mean square over 60 replicates has a standard error of a few percent.
func TestJointHasTheSpreadOfTheKalmanFilter(t *testing.T) {
	const sd, cycles, replicates = 0.1, 5, 60
	same := func(x float64) float64 { return x }
	for _, members := range []int{50, 200, 800} {
		ratio := make([]float64, cycles)
		for s := range replicates {
			r := rng.New(int64(s)).Rand()
			truth, observations := r.NormFloat64(), normals(cycles, r)
			for c := range observations {
				observations[c] = truth + sd*observations[c]
			}
			filtered(t, normals(members, r), observations, sd, same, same, func(c int, x []float64) {
				exact := 1 / (1 + float64(c+1)/(sd*sd))
				ratio[c] += variances(mat.NewDense(members, 1, x))[0] / exact / replicates
			})
		}
		for c, v := range ratio {
			if v := math.Sqrt(v); !(v > 0.9 && v < 1.15) {
				t.Errorf("N = %d, cycle %d: spread is %.2f times the exact one", members, c+1, v)
			}
		}
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
