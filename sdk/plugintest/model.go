package plugintest

import (
	"fmt"
	"strings"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

func (s *suite) checkModel() {
	model, err := s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: s.params()})
	if err != nil {
		s.fault("configure", "%v", err)
		return
	}
	s.checkRefusals(func(p sdk.Params) error {
		_, err := s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: p})
		return err
	})
	if s.plugin.Manifest.Step == 0 {
		if _, err := s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: s.params(), Step: 0.1}); err == nil {
			s.fault("refusals", "a time step is accepted, but the manifest has none")
		}
	}
	if err := model.Layout().CheckState(); err != nil {
		s.fault("layout", "%v", err)
		return
	}
	start, err := s.start(model.Layout())
	if err != nil {
		s.fault("manifest", "%v", err)
		return
	}
	a := forecastCall{s, model, ensembleAround(start, 1), rowsFrom(0, members)}
	b := forecastCall{s, model, ensembleAround(start, 2), rowsFrom(0, members-5)}
	if s.checkPure("forecast", a.run, b.run, s.plugin.Manifest.Threading.ConcurrentCalls) {
		s.checkSplit(a)
		s.checkDiagnostics(a)
		s.checkSingle(a)
		s.checkParameters(start)
		s.checkCarry(start)
	}
}

// start returns the example's state, or zeros, with diagnostics of 0.
func (s *suite) start(l *sdk.Layout) ([]float64, error) {
	state, n := make([]float64, l.Size()), l.Prognostic().Size()
	example := s.plugin.Manifest.Example.State
	switch len(example) {
	case 0:
	case 1:
		for i := range n {
			state[i] = example[0]
		}
	case n:
		copy(state, example)
	default:
		return nil, fmt.Errorf("example.state holds %d values; want 1 or %d", len(example), n)
	}
	return state, nil
}

// forecastCall forecasts some rows of ensemble as members of one experiment, which
// they are the numbers of.
type forecastCall struct {
	s        *suite
	model    sdk.Model
	ensemble *mat.Dense
	rows     []int
}

func (c forecastCall) run() (answer, error) {
	_, n := c.ensemble.Dims()
	in := rowsOf(c.ensemble, c.rows)
	r := &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(3)}.Of(c.rows),
		From: 1, To: 1 + c.s.interval(),
		Ensemble: mat.DenseCopyOf(in), Into: unwritten(len(c.rows), n),
	}
	res, err := c.model.Forecast(c.s.ctx, r)
	if err != nil {
		return answer{}, err
	}
	failed := map[int]bool{}
	for _, f := range res.Failures {
		failed[f.Member] = true
		for j := range n {
			r.Into.Set(f.Member, j, 0)
		}
	}
	if len(failed) == len(c.rows) {
		c.s.fault("forecast", "every member failed: %s; give the manifest an example.state the model can start from", res.Failures[0].Reason)
	}
	c.s.checkFinite("forecast", "the ensemble", r.Into, failed, false)
	return answer{matrices: map[string]*mat.Dense{"ensemble": r.Into}, other: fmt.Sprint(res.Failures)},
		unchanged("ensemble", r.Ensemble, in)
}

// interval returns the length of a forecast.
func (s *suite) interval() float64 {
	switch m := s.plugin.Manifest; {
	case m.Example.Interval != 0:
		return m.Example.Interval
	case m.Step != 0:
		return m.Step
	}
	return 1
}

// checkSplit forecasts the ensemble in two calls; the rows must be the same.
func (s *suite) checkSplit(whole forecastCall) {
	if !s.plugin.Manifest.Threading.IndependentMembers {
		return
	}
	want, err := whole.run()
	if err != nil {
		return // reported by checkPure
	}
	for _, part := range parts {
		got, err := whole.part(part)
		if err != nil {
			s.fault("split", "members %s alone: %v", named(part), err)
			continue
		}
		d := matrixDifference(rowsOf(want.matrices["ensemble"], part), got)
		if d == "" {
			continue
		}
		if row, member, ok := misplaced(want.matrices["ensemble"], whole.alone); ok {
			s.fault("order", "row %d of the answer is the answer for member %d by itself; a row of the answer must belong to the same row of the request", row, member)
			return
		}
		s.fault("split", "members %s by themselves give a different answer: %s; %s, or set threading.independent_members = false",
			named(part), d, hintStreams)
	}
}

// checkDiagnostics forecasts members whose diagnostics, which a forecast does not depend on, have other values.
func (s *suite) checkDiagnostics(a forecastCall) {
	l := a.model.Layout()
	first := l.Prognostic().Size()
	if first == l.Size() {
		return
	}
	want, err := a.run()
	if err != nil {
		return // reported by checkPure
	}
	b := a
	b.ensemble = mat.DenseCopyOf(a.ensemble)
	for i := range members {
		clear(b.ensemble.RawRowView(i)[first:])
	}
	got, err := b.run()
	if err != nil {
		s.fault("diagnostics", "members whose diagnostics are 0: %v", err)
	} else if d := difference(want, got); d != "" {
		s.fault("diagnostics", "the forecast depends on the diagnostics of the request, which are 0 in a run: %s; what a model needs to go on is part of its state", d)
	}
}

// checkSingle forecasts states that are float32 numbers on their way as float64 and as float32,
// which must not make a difference but for the rounding of the answer.
func (s *suite) checkSingle(double forecastCall) {
	single := double
	single.ensemble = mat.DenseCopyOf(double.ensemble)
	toSingle(single.ensemble)
	double.ensemble = single.ensemble
	want, err := double.run()
	if err == nil {
		single.model, err = s.plugin.NewModel(s.ctx, sdk.ModelConfig{Params: s.params(), Single: true})
	}
	var got answer
	if err == nil {
		got, err = single.run()
	}
	if err != nil {
		s.fault("float32", "%v", err)
		return
	}
	toSingle(want.matrices["ensemble"])
	toSingle(got.matrices["ensemble"])
	if d := difference(want, got); d != "" {
		s.fault("float32", "the forecast depends on whether states travel as float64 or as float32: %s; what a model computes must not depend on it", d)
	}
}

// toSingle rounds the values of m to float32.
func toSingle(m *mat.Dense) {
	m.Apply(func(_, _ int, v float64) float64 { return float64(float32(v)) }, m)
}

// part forecasts some members by themselves.
func (c forecastCall) part(rows []int) (*mat.Dense, error) {
	c.rows = rows
	got, err := c.run()
	return got.matrices["ensemble"], err
}

// alone forecasts one member by itself; nil if that fails.
func (c forecastCall) alone(i int) []float64 {
	if m, err := c.part([]int{i}); err == nil {
		return m.RawRowView(0)
	}
	return nil
}

// cut is the first member of the second part of those that are called in two parts.
const cut = 5

// parts are the members of calls for some of them: neighbours, and those that are left where others
// have been dropped.
var parts = [][]int{rowsFrom(0, cut), rowsFrom(cut, members), {0, 2, 3, 7, members - 1}}

// rowsFrom returns the numbers in [from, to).
func rowsFrom(from, to int) []int {
	rows := make([]int, to-from)
	for i := range rows {
		rows[i] = from + i
	}
	return rows
}

// named returns what the members in rows are called in a fault.
func named(rows []int) string {
	if last := rows[len(rows)-1]; last-rows[0] == len(rows)-1 {
		return fmt.Sprintf("%d to %d", rows[0], last)
	}
	return strings.Trim(fmt.Sprint(rows), "[]")
}

// rowsOf returns a matrix of some rows of m.
func rowsOf(m *mat.Dense, rows []int) *mat.Dense {
	_, n := m.Dims()
	of := mat.NewDense(len(rows), n, nil)
	for i, row := range rows {
		of.SetRow(i, m.RawRowView(row))
	}
	return of
}
