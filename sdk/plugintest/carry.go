package plugintest

import (
	"bytes"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// checkCarry tests a model that keeps something of each member: forecasts that go on from
// what it has returned are the same in another configuration, which knows nothing of the calls
// before, after other calls, and for some of the members alone. What is carried may differ in
// its bytes if the forecasts do not.
func (s *suite) checkCarry(start []float64) {
	if !s.plugin.Manifest.Carries {
		return
	}
	model, other := s.newModel(s.params(), nil), s.newModel(s.params(), nil)
	if model == nil || other == nil {
		return
	}
	e, split := ensembleAround(start, 1), s.plugin.Manifest.Threading.IndependentMembers
	begun := s.lap(model, e, nil, 1, rowsFrom(0, members))
	if begun == nil {
		return
	}
	if begun.carry != nil && len(begun.carry) != members {
		s.fault("carry", "got %d items, want one for each of the %d members", len(begun.carry), members)
		return
	}
	want := s.laps(model, begun, rowsFrom(0, members))
	disturbed := s.lap(model, ensembleAround(start, 2), nil, 2, rowsFrom(0, members))
	if want == nil || disturbed == nil {
		return
	}
	if got := s.laps(model, begun, rowsFrom(0, members)); got != nil {
		if d := matrixDifference(want, got); d != "" {
			s.fault("carry", "a forecast that goes on from what was carried is another one after other calls: %s; the model must depend on nothing else that it remembers", d)
			return
		}
	}
	if got := s.laps(other, begun, rowsFrom(0, members)); got != nil {
		if d := matrixDifference(want, got); d != "" {
			s.fault("carry", "a forecast that goes on from what was carried differs in another configuration: %s; all that the model remembers must be in what it returns", d)
			return
		}
	}
	for _, part := range parts[1:] {
		if got := s.laps(other, begun, part); split && got != nil {
			if d := matrixDifference(rowsOf(want, part), got); d != "" {
				s.fault("carry", "members %s by themselves go on differently: %s; item i belongs to row i", named(part), d)
				return
			}
		}
	}
}

// lap is the result of a forecast.
type lap struct {
	states *mat.Dense
	carry  [][]byte
}

// laps returns the states of some members two forecasts after begun.
func (s *suite) laps(m sdk.Model, begun *lap, rows []int) *mat.Dense {
	now := &lap{states: rowsOf(begun.states, rows)}
	for _, i := range rows {
		if begun.carry != nil {
			now.carry = append(now.carry, begun.carry[i])
		}
	}
	for cycle := 2; cycle <= 3 && now != nil; cycle++ {
		now = s.lap(m, now.states, now.carry, cycle, rows)
	}
	if now == nil {
		return nil
	}
	return now.states
}

// lap makes one forecast of members with these numbers, after which failed ones are where they were; nil after a fault.
func (s *suite) lap(m sdk.Model, e *mat.Dense, carry [][]byte, cycle int, numbers []int) *lap {
	rows, n := e.Dims()
	interval := s.interval()
	given := slices.Clone(carry)
	for i := range given {
		given[i] = slices.Clone(given[i])
	}
	r := &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: cycle, Seed: rng.New(3).Child("forecast", cycle)}.Of(numbers),
		From: float64(cycle) * interval, To: float64(cycle+1) * interval, Ensemble: e, Into: unwritten(rows, n), Carry: given,
	}
	res, err := m.Forecast(s.ctx, r)
	if err != nil {
		s.fault("carry", "%v", err)
		return nil
	}
	for i := range given {
		if !bytes.Equal(given[i], carry[i]) {
			s.fault("carry", "a forecast modifies what it is given")
			return nil
		}
	}
	for _, f := range res.Failures {
		r.Into.SetRow(f.Member, e.RawRowView(f.Member))
	}
	return &lap{r.Into, res.Carry}
}
