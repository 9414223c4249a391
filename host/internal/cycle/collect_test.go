package cycle

import (
	"context"
	"math"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// collecting runs a trial of a linear model that makes an analysis in every n-th of nine cycles, of
// which the fifth was not observed. With 2, the last cycle has none.
func collecting(t *testing.T, every, lag int, noise float64, f exact, from *State, each func(s *Step)) {
	t.Helper()
	p, trial, m := windowed(t, noise, nil)
	trial.Every, trial.Smooth, trial.Filter = every, lag, f
	trial.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }
	scenario := simulate(t, p)
	scenario.Observations.Set(4, 0, math.NaN())
	m.runs = 0
	if err := Assimilate(t.Context(), p, trial, scenario, from, func(s *Step) error {
		each(s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := p.Clock.Cycles - from.Completed(); m.runs != want {
		t.Errorf("every %d: the model ran %d times, want %d", every, m.runs, want)
	}
}

// With a linear model without noise, the observations of several cycles, each predicted at its own time, give
// the mean and covariance of a filter that assimilates each when it is made, to rounding: those of the Kalman filter.
func TestCollectingOfLinearModel(t *testing.T) {
	var want []summary
	collecting(t, 1, 0, 0, exact{factor: 1}, nil, func(s *Step) { want = append(want, moments(s.Analysis.Members)) })
	for _, every := range []int{2, 3, 4, 9} {
		collecting(t, every, 0, 0, exact{factor: 1}, nil, func(s *Step) {
			switch off := moments(s.Analysis.Members).off(want[s.Cycle-1]); {
			case s.Cycle%every > 0 && !mat.Equal(s.Analysis.Members, s.Forecast.Members):
				t.Errorf("every %d: there is an analysis in cycle %d", every, s.Cycle)
			case s.Cycle%every > 0 && s.Cycle > 1 && s.Cycle != 5 && off < 1e-3:
				t.Errorf("every %d: the forecast of cycle %d has its observations", every, s.Cycle)
			case s.Cycle%every == 0 && off > 1e-10: // states up to 30, covariances up to 60: 1e4 ulps
				t.Errorf("every %d, cycle %d: off by %g", every, s.Cycle, off)
			}
		})
	}
}

// The call of the filter has the observations of all cycles since the last one, which are fresh.
func TestWhatIsCollected(t *testing.T) {
	var calls []sdk.Problem
	collecting(t, 3, 0, 0.3, exact{1, &calls}, nil, func(s *Step) {
		want := 0
		if s.Cycle%3 == 0 {
			want = 1
		}
		if len(calls) != want {
			t.Fatalf("cycle %d: %d calls, want %d", s.Cycle, len(calls), want)
		}
		if want == 1 {
			observed := map[int]int{3: 3, 6: 2, 9: 3}[s.Cycle]
			if c := calls[0]; len(c.Observation) != observed || c.Seen != 0 || c.Fraction != nil || c.Fresh() == nil {
				t.Errorf("cycle %d: observations %v, %d seen, fractions %v", s.Cycle, c.Observation, c.Seen, c.Fraction)
			}
		}
		calls = nil
	})
}

// A trial that smooths moves the states in between, too: without noise they lead to the analysis.
func TestCollectingSmoothed(t *testing.T) {
	step := mat.NewDense(2, 2, []float64{0.9, -0.6, 0.5, 1.1})
	collecting(t, 3, 5, 0, exact{factor: 1.1}, nil, func(s *Step) {
		if want := min(5, s.Cycle-1); len(s.Past) != want && s.Cycle < 9 {
			t.Errorf("cycle %d: %d past times, want %d", s.Cycle, len(s.Past), want)
		}
		for _, past := range s.Past {
			ahead := mat.DenseCopyOf(past.Members)
			for range s.Cycle - past.Cycle {
				ahead.Mul(ahead, step.T())
			}
			if off := distance(ahead, s.Analysis.Members); off > 1e-10 { // states up to 30
				t.Errorf("cycle %d: the states of cycle %d lead %g past the analysis", s.Cycle, past.Cycle, off)
			}
		}
	})
}

// A trial that is continued has the bytes of one that was never stopped, from any cycle.
func TestCollectingIsContinued(t *testing.T) {
	continuedAnywhere(t, "collecting", func(from *State) (members []*mat.Dense, states [][]byte) {
		collecting(t, 4, 3, 0.3, exact{factor: 1.1}, from, func(s *Step) {
			all, state := noted(t, s)
			members, states = append(members, all), append(states, state)
		})
		return members, states
	})
}

// Members that leave between two analyses are in none of the predictions.
func TestCollectingWithoutLostMembers(t *testing.T) {
	p, trial, m := windowed(t, 0, nil)
	trial.Every, p.MaxFailed = 3, 2
	p.Model = &losing{m, 2}
	rows := map[int]int{}
	if err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
		rows[s.Cycle] = s.Analysis.Members.RawMatrix().Rows
		if mean := ensemble.Mean(nil, s.Analysis.Members, nil); math.IsNaN(mean[0]) {
			t.Errorf("cycle %d: mean %v", s.Cycle, mean)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if rows[1] != 6 || rows[2] != 5 || rows[3] != 5 {
		t.Errorf("members by cycle: %v", rows)
	}
}

// losing loses its second member in a cycle.
type losing struct {
	*turning
	in int
}

func (m *losing) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.turning.Forecast(ctx, r)
	if r.Cycle == m.in {
		res.Failures = []sdk.MemberFailure{{Member: 1, Reason: "lost"}}
		r.Into.Set(1, 0, math.NaN())
	}
	return res, err
}
