package cycle

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// span is a forecast from a time to another.
type span struct{ from, to float64 }

// diary is a random walk whose members carry their numbers, one for each call.
type diary struct {
	layout *sdk.Layout
	fails  map[span][]int // numbers of the members that fail
	calls  map[span]string
}

func (m diary) Layout() *sdk.Layout { return m.layout }

func (m diary) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	res, call := &sdk.ForecastResult{Carry: make([][]byte, rows)}, span{r.From, r.To}
	for i := range rows {
		number := r.Member(i)
		random := r.Seed.Member(number)
		for j := range n {
			r.Into.Set(i, j, r.Ensemble.At(i, j)+random.NormFloat64())
		}
		if r.Carry != nil {
			res.Carry[i] = slices.Clone(r.Carry[i])
		}
		res.Carry[i] = append(res.Carry[i], fmt.Sprint(number)...)
		if slices.Contains(m.fails[call], number) {
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Reason: "burst"})
			r.Into.SetRow(i, slices.Repeat([]float64{math.NaN()}, n))
		}
	}
	m.calls[call] = fmt.Sprintf("%s", res.Carry)
	return res, nil
}

// weighing leaves members where they are, and gives row i a weight in proportion to 1 + i.
type weighing struct{}

func (weighing) Needs() []sdk.Capability { return nil }

func (weighing) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	p.Into.Copy(p.Ensemble)
	rows, _ := p.Ensemble.Dims()
	a := &sdk.Analysis{}
	for i := range rows {
		a.LogWeights = append(a.LogWeights, math.Log(float64(1+i)/float64(rows*(rows+1)/2)))
	}
	return a, nil
}

// offering is the operator first, and says what that offers.
type offering struct{ space *sdk.ObservationSpace }

func (o offering) Space() *sdk.ObservationSpace { return o.space }

func (o offering) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	return first{}.Observe(ctx, r)
}

// told is what is said of a member: a value, an observation and its weight; 0: all are equal.
type told struct{ state, simulated, weight float64 }

// freely runs a trial of 6 members over 4 cycles, and in cycle 3 a free forecast over two lead times of two calls each. It returns what
// that says of each member by lead time and number, the members of the last analysis by number, and the carry of all calls.
func freely(t *testing.T, drawn, mayFail int, fails map[span][]int) (leads []map[int]told, last map[int]float64, calls map[span]string, err error) {
	t.Helper()
	p := newPlan()
	scenario := simulate(t, p)
	calls = map[span]string{}
	p.Model, p.MaxFailed = diary{p.State, fails, calls}, mayFail
	p.Ahead = &plan.Ahead{Leads: 2, Step: 1, Calls: 2, Every: 1, Members: drawn,
		Operator: offering{&sdk.ObservationSpace{Layout: p.Space.Layout, Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated}}}}
	trial := &plan.Trial{Filter: weighing{}, Size: 6, Resize: func(context.Context, int, plan.Extent) (sdk.Filter, error) { return weighing{}, nil }}
	err = Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
		last = map[int]float64{}
		for i := range s.Analysis.Members.RawMatrix().Rows {
			last[s.Analysis.Number(i)] = s.Analysis.Members.At(i, 0)
		}
		if s.Cycle != 3 {
			return nil
		}
		return s.Ahead(t.Context(), func(l *Lead) error {
			of := map[int]told{}
			rows, _ := l.Members.Dims()
			for i := range rows {
				says := told{l.Members.At(i, 0), l.Predicted.Simulated.At(i, 0), 0}
				if l.LogWeights != nil {
					says.weight = math.Exp(l.LogWeights[i])
				}
				of[l.Ensemble.Number(i)] = says
			}
			leads = append(leads, of)
			return nil
		})
	})
	return leads, last, calls, err
}

// Members that are lost, in the trial or in a free forecast, leave the others what they were: their numbers, what random numbers they
// get, and what the model keeps of them; and their weights in proportion. The trial goes on with those that only the forecast has lost.
func TestFreeForecastsWithLostMembers(t *testing.T) {
	inTrial, lead1, lead2 := span{11, 12}, span{13, 13.5}, span{14.5, 15}
	whole, _, _, err := freely(t, 0, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, want, _, err := freely(t, 0, 3, map[span][]int{inTrial: {1}})
	if err != nil {
		t.Fatal(err)
	}
	got, last, calls, err := freely(t, 0, 3, map[span][]int{inTrial: {1}, lead1: {4}, lead2: {0}})
	if err != nil {
		t.Fatal(err)
	}
	for k, numbers := range [][]int{{0, 2, 3, 5}, {2, 3, 5}} {
		if len(got[k]) != len(numbers) {
			t.Fatalf("lead %d: got %v, want members %v", k+1, got[k], numbers)
		}
		sum, ranks := 0.0, map[int]float64{0: 1, 2: 2, 3: 3, 5: 5} // rows from 1 in the analysis, of 0 2 3 4 5
		for _, n := range numbers {
			sum += ranks[n]
		}
		for _, n := range numbers {
			is, was := got[k][n], whole[k][n]
			if is.state != was.state || is.simulated != was.simulated {
				t.Errorf("lead %d, member %d: got %v, without losses %v", k+1, n, is, was)
			}
			if math.Abs(is.weight-ranks[n]/sum) > 1e-15 {
				t.Errorf("lead %d, member %d: the weight is %v, want %v", k+1, n, is.weight, ranks[n]/sum)
			}
		}
	}
	for call, carry := range map[span]string{
		lead1:      "[0000 2222 3333 4444 5555]",
		{14, 14.5}: "[000000 222222 333333 555555]",
		lead2:      "[0000000 2222222 3333333 5555555]",
		{13, 14}:   "[0000 2222 3333 4444 5555]", // the next cycle
	} {
		if calls[call] != carry {
			t.Errorf("%v: members carry %s, want %s", call, calls[call], carry)
		}
	}
	if len(last) != 5 || len(want) != 5 {
		t.Fatalf("the trial ends with %v and %v, want five members", last, want)
	}
	for n, x := range want {
		if last[n] != x {
			t.Errorf("member %d of the last analysis: got %v, without losses in the forecast %v", n, last[n], x)
		}
	}
}

// Members that are drawn are an ensemble of their own, numbered in the order of the draw, also where the trial has lost some.
func TestDrawnForecastsWithLostMembers(t *testing.T) {
	lead1 := span{13, 13.5}
	whole, _, _, err := freely(t, 4, 3, map[span][]int{{11, 12}: {1}})
	if err != nil {
		t.Fatal(err)
	}
	got, _, calls, err := freely(t, 4, 3, map[span][]int{{11, 12}: {1}, lead1: {2}})
	if err != nil {
		t.Fatal(err)
	}
	for k := range got {
		if len(got[k]) != 3 || len(whole[k]) != 4 {
			t.Fatalf("lead %d: got %v and %v, want three and four members", k+1, got[k], whole[k])
		}
		for n, is := range got[k] {
			if is != whole[k][n] || is.weight != 0 {
				t.Errorf("lead %d, member %d: got %v, without losses %v", k+1, n, is, whole[k][n])
			}
		}
	}
	// Each begins with what its ancestor has left in three cycles.
	began, went := strings.Fields(strings.Trim(calls[lead1], "[]")), strings.Fields(strings.Trim(calls[span{13.5, 14}], "[]"))
	if len(began) != 4 || len(went) != 3 {
		t.Fatalf("%v and %v are carried, want four and three", began, went)
	}
	for i, n := range []int{0, 1, 3} {
		ancestor := began[n][:1]
		if want := strings.Repeat(ancestor, 3) + strings.Repeat(fmt.Sprint(n), 2); ancestor == "1" || went[i] != want {
			t.Errorf("member %d carries %s, want %s", n, went[i], want)
		}
	}
}

// What cannot be lost ends the trial, and the error names the member by its number.
func TestFreeForecastsThatFail(t *testing.T) {
	for _, c := range []struct {
		mayFail int
		fails   map[span][]int
		want    string
		members []int
	}{
		{0, map[span][]int{{13, 13.5}: {4}}, "1 of 6 members failed in a free forecast; member 4: burst; to continue without them, write on_failure = \"drop_member\"", []int{4}},
		{0, map[span][]int{{13, 13.5}: {0, 1, 2, 3, 4, 5}}, "6 of 6 members failed in a free forecast; member 0: burst", []int{0, 1, 2, 3, 4, 5}},
		{3, map[span][]int{{11, 12}: {1}, {13.5, 14}: {0, 2, 4, 5}}, "4 of 5 members failed in a free forecast, which leaves 1; an ensemble needs at least 2; member 0: burst", []int{0, 2, 4, 5}},
	} {
		_, _, _, err := freely(t, 0, c.mayFail, c.fails)
		var failed *FailedError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "continue") != strings.Contains(c.want, "continue") || failed.Cycle != 3 {
			t.Errorf("got %v, want %s", err, c.want)
			continue
		}
		for i, m := range failed.Members {
			if m.Member != c.members[i] {
				t.Errorf("got %v, want members %v", failed.Members, c.members)
			}
		}
	}
}
