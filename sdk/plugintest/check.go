// Package plugintest defines what a correct plugin is.
//
// [Check] tests the promises of package sdk on a plugin and returns one error that lists
// every broken promise. It tests a plugin that is linked into the test and a plugin
// behind a socket, in any language, in the same way.
package plugintest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// The size of every ensemble of the suite: enough to split in uneven parts.
const members = 12

// Check returns nil if p keeps the promises of package sdk, and otherwise an error with
// one line for every broken promise. If err is not nil it returns err, so that a test
// needs only one expression:
//
//	plugintest.Check(sdk.ModelPlugin(manifest, newModel))
//
// The plugin is configured and called a few dozen times with small ensembles
// drawn from fixed seeds; its manifest's example says where they start.
func Check(p *sdk.Plugin, err error) error {
	if err != nil {
		return err
	}
	return CheckContext(context.Background(), p)
}

// CheckContext is [Check] for calls that need a context.
func CheckContext(ctx context.Context, p *sdk.Plugin) error {
	s := &suite{ctx: ctx, plugin: p}
	s.checkManifest()
	switch p.Manifest.Role {
	case sdk.RoleModel:
		s.checkModel()
	case sdk.RoleOperator:
		s.checkOperator()
	case sdk.RoleFilter:
		s.checkFilter()
	}
	return errors.Join(s.faults...)
}

type suite struct {
	ctx    context.Context
	plugin *sdk.Plugin

	mu     sync.Mutex
	faults []error
}

// fault records a broken promise. Calls are repeated, so a broken promise may be found
// more than once; it is listed once.
func (s *suite) fault(check, format string, args ...any) {
	f := fmt.Errorf("%s: %s", check, fmt.Sprintf(format, args...))
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.faults, func(other error) bool { return other.Error() == f.Error() }) {
		s.faults = append(s.faults, f)
	}
}

func (s *suite) checkManifest() {
	again, err := sdk.ParseManifest(s.plugin.Manifest.Text)
	if err != nil {
		s.fault("manifest", "%v", err)
		return
	}
	if again.Name != s.plugin.Manifest.Name {
		s.fault("manifest", "its text names the plugin %q, but it calls itself %q", again.Name, s.plugin.Manifest.Name)
	}
	if _, err := s.plugin.Manifest.Resolve(s.params()); err != nil {
		s.fault("manifest", "the example's parameters do not pass: %v", err)
	}
}

// params returns a copy of the parameters the suite configures with.
func (s *suite) params() map[string]any {
	out := map[string]any{}
	for k, v := range s.plugin.Manifest.Example.Params {
		out[k] = v
	}
	return out
}

// checkRefusals configures with one bad parameter at a time; configure must
// answer each with KindConfig.
func (s *suite) checkRefusals(configure func(sdk.Params) error) {
	refuseWith := func(params map[string]any, what, name string, value any) {
		params[name] = value
		err := configure(params)
		switch {
		case err == nil:
			s.fault("refusals", "%s is accepted: %s = %v", what, name, value)
		case sdk.KindOf(err) != sdk.KindConfig:
			s.fault("refusals", "%s is answered with kind %q, want %q: %v", what, sdk.KindOf(err), sdk.KindConfig, err)
		}
	}
	refuse := func(what, name string, value any) { refuseWith(s.params(), what, name, value) }
	refuse("an unknown parameter", "no_such_parameter", 1.0)
	for _, p := range s.plugin.Manifest.Params {
		refuse("a value of the wrong type", p.Name, wrongType(p.Type))
		if p.Type == sdk.String && len(p.Choices) > 0 {
			refuse("a value that is not one of the choices", p.Name, "no such choice")
		}
		if v, ok := outOfRange(&p); ok {
			refuse("a value out of range", p.Name, v)
		}
		value, ok := notDefault(&p)
		for name, choices := range p.When {
			for _, other := range s.plugin.Manifest.Param(name).Choices {
				if ok && !slices.Contains(choices, other) {
					params := s.params()
					params[name] = other
					refuseWith(params, fmt.Sprintf("a parameter that does not apply with %s = %q", name, other), p.Name, value)
				}
			}
		}
	}
}

// notDefault returns a value that p accepts and that is not its default.
func notDefault(p *sdk.Param) (any, bool) {
	values := []any{true, false, 0.5, 1.0, 2.0, "other", []any{1.0}, []any{"other"}}
	for _, c := range p.Choices {
		values = append(values, c, []any{c})
	}
	for _, limit := range []*float64{p.Min, p.Max} {
		if limit != nil {
			values = append(values, *limit)
		}
	}
	for _, value := range values {
		if v, err := p.Check(value); err == nil && !reflect.DeepEqual(v, p.Default) {
			return value, true
		}
	}
	return nil, false
}

func wrongType(t sdk.ParamType) any {
	if t == sdk.Bool {
		return "yes"
	}
	return true
}

func outOfRange(p *sdk.Param) (float64, bool) {
	if p.Type != sdk.Float && p.Type != sdk.Int {
		return 0, false
	}
	switch {
	case p.Min != nil:
		return *p.Min - 1, true
	case p.Above != nil:
		return *p.Above, p.Type == sdk.Float
	case p.Max != nil:
		return *p.Max + 1, true
	case p.Below != nil:
		return *p.Below, p.Type == sdk.Float
	}
	return 0, false
}

// answer is everything that a call returned, for comparison bit by bit.
type answer struct {
	matrices map[string]*mat.Dense
	other    string
}

// call is one request that can be made again: run makes it with fresh answer
// matrices and reports whether it changed its input.
type call func() (answer, error)

// checkPure makes the calls a and b in turn and concurrently; every answer to a must be
// the same, bit by bit. It returns false if the answers differ even for calls in turn:
// other checks would then find differences for that reason alone.
func (s *suite) checkPure(role string, a, b call, concurrent bool) bool {
	first, err := a()
	if err != nil {
		s.fault(role, "%v", err)
		return false
	}
	if _, err := b(); err != nil {
		s.fault(role, "a call with other numbers: %v", err)
	}
	again, err := a()
	if err != nil {
		s.fault(role, "the same call a second time: %v", err)
		return false
	} else if d := difference(first, again); d != "" {
		s.fault(role, "the same call gives a different answer the second time: %s; every random draw must come from the seed of the request, and nothing may be kept between calls", d)
		return false
	}
	if concurrent {
		s.checkConcurrent(role, a, b, first)
	}
	return true
}

func (s *suite) checkConcurrent(role string, a, b call, want answer) {
	const calls = 4
	answers, errs := make([]answer, calls), make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			if i%2 == 1 {
				_, errs[i] = b()
				return
			}
			answers[i], errs[i] = a()
		})
	}
	wg.Wait()
	for i := range calls {
		if errs[i] != nil {
			s.fault(role, "%d calls at once: %v", calls, errs[i])
			return
		}
		if i%2 == 1 {
			continue
		}
		if d := difference(want, answers[i]); d != "" {
			s.fault(role, "%d calls at once change the answer: %s; keep no state between calls, or set threading.concurrent_calls = false", calls, d)
			return
		}
	}
}

// difference describes the first value in which two answers differ, or "".
func difference(a, b answer) string {
	for _, name := range slices.Sorted(keys(a.matrices)) {
		if d := matrixDifference(a.matrices[name], b.matrices[name]); d != "" {
			return name + " " + d
		}
	}
	if a.other != b.other {
		return fmt.Sprintf("got %s, then %s", a.other, b.other)
	}
	return ""
}

func keys(m map[string]*mat.Dense) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func matrixDifference(a, b *mat.Dense) string {
	rows, cols := a.Dims()
	for i := range rows {
		for j := range cols {
			if x, y := a.At(i, j), b.At(i, j); math.Float64bits(x) != math.Float64bits(y) {
				return fmt.Sprintf("row %d, value %d: %v and %v", i, j, x, y)
			}
		}
	}
	return ""
}

// unwritten returns a matrix of a NaN that no plugin returns, to detect values that a plugin
// does not fill.
func unwritten(rows, cols int) *mat.Dense {
	m := mat.NewDense(rows, cols, nil)
	data := m.RawMatrix().Data
	for i := range data {
		data[i] = math.Float64frombits(0x7ff8dead0000beef)
	}
	return m
}

// checkFinite reports the first value of m that is not finite, except rows
// listed in skip, and except -Inf when impossible is set.
func (s *suite) checkFinite(role, name string, m *mat.Dense, skip map[int]bool, impossible bool) {
	rows, cols := m.Dims()
	for i := range rows {
		for j := range cols {
			v := m.At(i, j)
			finite := !math.IsNaN(v) && !math.IsInf(v, 0) || impossible && math.IsInf(v, -1)
			if !finite && !skip[i] {
				s.fault(role, "%s: member %d, value %d is %v; want a finite number", name, i, j, v)
				return
			}
		}
	}
}

// unchanged returns an error when m no longer equals copied.
func unchanged(name string, m, copied *mat.Dense) error {
	if d := matrixDifference(copied, m); d != "" {
		return fmt.Errorf("the call modifies its input %s: %s; a request is read-only", name, d)
	}
	return nil
}

// ensembleAround draws members around centre, sd 0.1, from a fixed seed.
func ensembleAround(centre []float64, stream int) *mat.Dense {
	e := mat.NewDense(members, len(centre), nil)
	seed := rng.New(2).Child("plugintest", stream)
	for i := range members {
		row := e.RawRowView(i)
		rng.Normals(seed.Member(i), row)
		for j := range row {
			row[j] = centre[j] + 0.1*row[j]
		}
	}
	return e
}

// hintStreams says how to draw the numbers of a member, with the names of both kits.
const hintStreams = "draw the numbers of the member in row i from its own stream: r.Seed.Member(r.Member(i)) in Go, rng.member(i) in Python"

// misplaced returns a member whose answer is in the wrong row of whole, and that row, if
// there is one; alone returns the answer for a member by itself.
func misplaced(whole *mat.Dense, alone func(i int) []float64) (row, member int, ok bool) {
	rows, _ := whole.Dims()
	answers := make([][]float64, rows)
	for i := range answers {
		answers[i] = alone(i)
	}
	for i := range rows {
		if j := slices.IndexFunc(answers, func(a []float64) bool { return slices.Equal(a, whole.RawRowView(i)) }); j >= 0 && j != i &&
			!slices.Equal(answers[i], whole.RawRowView(i)) {
			return i, j, true
		}
	}
	return 0, 0, false
}
