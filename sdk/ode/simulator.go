package ode

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Simulator forecasts ensembles of a model that is an ordinary differential
// equation with additive noise. It is safe for concurrent use if Tendency is.
type Simulator struct {
	Tendency   Tendency
	NewStepper func(n int) Stepper // for rows of n values
	Step       float64             // length of a time step
	Noise      Noise

	// With returns the tendency for parameters by member, a row of
	// sdk.ForecastRequest.Parameters; nil for a model without such parameters.
	With func(parameters []float64) Tendency

	together bool      // rows that are next to each other can be one state for a stepper
	steppers sync.Pool // of *sized, which no call uses
}

// sized is a stepper for n values.
type sized struct {
	Stepper
	n int
}

// Noise is additive, normal and independent in every value.
type Noise struct {
	SD float64
	// If PerTime, the noise of a forecast over an interval T has variance SD² T; otherwise
	// it has variance SD² for every forecast.
	PerTime bool
}

// Options are the parameters that models built on a Simulator share. A model
// embeds them and declares them in its plugin.toml.
type Options struct {
	Integrator string  `param:"integrator"` // rk4 or euler
	NoiseSD    float64 `param:"noise_sd"`
	NoisePer   string  `param:"noise_per"` // cycle or sqrt_time
}

// NewSimulator returns a simulator of f with time step step.
func NewSimulator(f Tendency, step float64, o Options) *Simulator {
	s := &Simulator{Tendency: f, Step: step, Noise: Noise{SD: o.NoiseSD, PerTime: o.NoisePer == "sqrt_time"}, together: true}
	s.NewStepper = func(n int) Stepper { return NewRK4(n) }
	if o.Integrator == "euler" {
		s.NewStepper = func(n int) Stepper { return NewEuler(n) }
	}
	return s
}

// Forecast answers r for a model: every row of r.Ensemble is integrated from
// r.From to r.To, then noise is added. A row that is not finite afterwards is
// listed as failed. The noise of member i of the experiment comes from
// r.Seed.Member(i). Rows are distributed over all cores; the answer does not depend
// on the distribution. It returns an error if ctx is done or the interval is not a
// whole number of steps.
func (s *Simulator) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.To < r.From {
		return nil, sdk.Errorf(sdk.KindConfig, "time", "got a forecast from %g back to %g, want one forward in time", r.From, r.To)
	}
	steps, err := Steps(r.To-r.From, s.Step)
	if err != nil {
		return nil, err
	}
	rows, n := r.Ensemble.Dims()
	failed := make([]bool, rows)
	ensemble.InBlocks(rows, blockWidth(rows, rows*n*(steps+1)), func() func(from, to int) {
		return func(from, to int) {
			width := s.rowsTogether(r.Into)
			stepper := s.stepper(width * n)
			defer s.steppers.Put(stepper)
			for i := from; i < to && ctx.Err() == nil; i += width {
				next := min(i+width, to)
				for k := i; k < next; k++ {
					copy(r.Into.RawRowView(k), r.Ensemble.RawRowView(k))
				}
				state, tendency := r.Into.RawMatrix().Data[i*r.Into.RawMatrix().Stride:][:(next-i)*n], s.tendencyOf(r, i, next)
				for k := range steps {
					stepper.Step(tendency, r.From+float64(k)*s.Step, s.Step, state)
				}
				for k := i; k < next; k++ {
					row := r.Into.RawRowView(k)
					s.Noise.add(row, r, k, steps)
					failed[k] = !finite(row)
				}
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	res := &sdk.ForecastResult{}
	for i, bad := range failed {
		if bad {
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Kind: sdk.KindDiverged,
				Reason: fmt.Sprintf("left the range of numbers between time %.10g and %.10g; the time step of %g is too long for this state", r.From, r.To, s.Step)})
		}
	}
	return res, nil
}

// fewValues is up to how many values rows are integrated together. A processor computes the next row while it waits for
// a number of this one, on which the next operation depends; rows with more values have enough to do.
const fewValues = 24

// rowsTogether returns how many rows of m are one state for a stepper.
func (s *Simulator) rowsTogether(m *mat.Dense) int {
	raw := m.RawMatrix()
	if !s.together || raw.Stride != raw.Cols {
		return 1
	}
	return max(1, fewValues/raw.Cols)
}

// tendencyOf returns the tendency of rows from from to before to, next to each other.
func (s *Simulator) tendencyOf(r *sdk.ForecastRequest, from, to int) Tendency {
	_, n := r.Into.Dims()
	of := func(int) Tendency { return s.Tendency }
	if r.Parameters != nil {
		each := make([]Tendency, to-from)
		for k := range each {
			each[k] = s.With(r.Parameters.RawRowView(from + k))
		}
		of = func(k int) Tendency { return each[k] }
	}
	if to-from == 1 {
		return of(0)
	}
	return func(dst []float64, t float64, x []float64) {
		for k := 0; len(x) > 0; k++ {
			of(k)(dst[:n], t, x[:n])
			dst, x = dst[n:], x[n:]
		}
	}
}

// stepper returns a stepper for n values: one that an earlier block of rows has used, if
// there is one, because its memory may be that of several states.
func (s *Simulator) stepper(n int) *sized {
	if used, _ := s.steppers.Get().(*sized); used != nil && used.n == n {
		return used
	}
	return &sized{s.NewStepper(n), n}
}

// add draws the noise of row i. A forecast of length 0 has none.
func (v Noise) add(row []float64, r *sdk.ForecastRequest, i, steps int) {
	if v.SD == 0 || steps == 0 {
		return
	}
	sd := v.SD
	if v.PerTime {
		sd *= math.Sqrt(r.To - r.From)
	}
	stream := r.Seed.Member(r.Member(i))
	for j := range row {
		row[j] += sd * stream.NormFloat64()
	}
}

func finite(x []float64) bool {
	zero := 0.0
	for _, v := range x {
		zero += v * 0 // NaN for every value that is not finite
	}
	return zero == 0
}

// blockWidth returns the number of rows to give to a processor at a time for an amount of
// work in value updates: all of them if the work is too small for a goroutine.
func blockWidth(rows, work int) int {
	const worthwhile = 20_000 // about 50 microseconds
	blocks := min(rows, 1+work/worthwhile)
	return (rows + blocks - 1) / blocks
}
