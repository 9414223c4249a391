package plugintest

import (
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// checkParameters tests parameters by member: the values of the configuration, given for
// each member, change nothing; other values give the same forecast as a model configured
// with them; and members do not affect each other.
func (s *suite) checkParameters(start []float64) {
	var names []string
	var values, others []float64
	resolved, err := s.plugin.Manifest.Resolve(s.params())
	if err != nil {
		return // reported elsewhere
	}
	for i := range s.plugin.Manifest.Params {
		p := &s.plugin.Manifest.Params[i]
		v, ok := resolved[p.Name].(float64)
		if !p.PerMember || !ok {
			continue
		}
		other := v + 0.01*max(1, v)
		if _, err := p.Check(other); err != nil {
			other = v - 0.01*max(1, v)
		}
		if _, err := p.Check(other); err != nil {
			other = v
		}
		names, values, others = append(names, p.Name), append(values, v), append(others, other)
	}
	if len(names) == 0 {
		return
	}
	s.refusesPerMember()
	plain := s.newModel(s.params(), nil)
	moved := s.params()
	for j, name := range names {
		moved[name] = others[j]
	}
	shifted := s.newModel(moved, nil)
	by := s.newModel(s.params(), names)
	if plain == nil || shifted == nil || by == nil {
		return
	}
	e := ensembleAround(start, 1)
	given := mat.NewDense(members, len(names), nil)
	for i := range members { // every third member has the other values
		row := values
		if i%3 == 2 {
			row = others
		}
		given.SetRow(i, row)
	}
	want, other, got := s.forecastWith(plain, e, nil, rowsFrom(0, members)), s.forecastWith(shifted, e, nil, rowsFrom(0, members)), s.forecastWith(by, e, given, rowsFrom(0, members))
	if want == nil || other == nil || got == nil {
		return
	}
	for i := range members {
		if i%3 == 2 {
			want.SetRow(i, other.RawRowView(i))
		}
	}
	if d := matrixDifference(want, got); d != "" {
		s.fault("parameters", "%v by member give a different forecast than in the configuration: %s", names, d)
	}
	for _, rows := range parts[1:] {
		if !s.plugin.Manifest.Threading.IndependentMembers {
			return
		}
		part := s.forecastWith(by, rowsOf(e, rows), rowsOf(given, rows), rows)
		if part != nil {
			if d := matrixDifference(rowsOf(got, rows), part); d != "" {
				s.fault("parameters", "members %s by themselves give a different answer: %s", named(rows), d)
			}
		}
	}
}

// refusesPerMember checks that the model refuses a parameter that may not differ by member
// and one that does not exist.
func (s *suite) refusesPerMember() {
	refused := []string{"no-such-parameter"}
	for _, p := range s.plugin.Manifest.Params {
		if !p.PerMember {
			refused = append(refused, p.Name)
			break
		}
	}
	for _, name := range refused {
		if _, err := s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: s.params(), PerMember: []string{name}}); err == nil {
			s.fault("refusals", "%s is accepted as a parameter by member, but the manifest does not allow it", name)
		}
	}
}

func (s *suite) newModel(params sdk.Params, perMember []string) sdk.Model {
	m, err := s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: params, PerMember: perMember})
	if err != nil {
		s.fault("parameters", "by member %v: %v", perMember, err)
		return nil
	}
	return m
}

// forecastWith returns the forecast of e, whose members have these numbers, with zeros for failed members; nil after a
// fault.
func (s *suite) forecastWith(m sdk.Model, e, parameters *mat.Dense, numbers []int) *mat.Dense {
	rows, n := e.Dims()
	r := &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(3)}.Of(numbers),
		From: 1, To: 1 + s.interval(), Ensemble: e, Into: unwritten(rows, n), Parameters: parameters,
	}
	res, err := m.Forecast(s.ctx, r)
	if err != nil {
		s.fault("parameters", "%v", err)
		return nil
	}
	for _, f := range res.Failures {
		r.Into.SetRow(f.Member, make([]float64, n))
	}
	return r.Into
}
