package rpc

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
)

// left are the numbers of members that are left of more.
var left = []int{1, 2, 4, 8, 9}

// A plugin gets the numbers of members that do not follow each other in one call. One that would
// take them for first_member + row gets calls in which they are, and the answer is the same.
func TestNumbersOfMembers(t *testing.T) {
	text := strings.Replace(manifest, "step =", "carries = true\nstep =", 1)
	for name, options := range map[string][]grpc.ServerOption{"known": nil, "not known": {noFeatures}} {
		var calls []string
		var mu sync.Mutex
		p, err := sdk.ModelPlugin(text, func(c sdk.ModelConfig) (sdk.Model, error) {
			m := &grow{}
			m.trouble = func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
				rows, _ := r.Ensemble.Dims()
				res, numbers := &sdk.ForecastResult{}, []int{}
				for i := range rows {
					numbers = append(numbers, r.Member(i))
					res.Carry = append(res.Carry, fmt.Append(nil, r.Member(i)))
					if r.Carry != nil && string(r.Carry[i]) != fmt.Sprint(r.Member(i)) {
						t.Errorf("%s: member %d got what %s carries", name, r.Member(i), r.Carry[i])
					}
					if r.Member(i) == 8 {
						res.Failures = []sdk.MemberFailure{{Member: i, Reason: "burst"}}
					}
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, fmt.Sprint(numbers))
				return res, nil
			}
			c.Params.Decode(m)
			return m, nil
		})
		m, err := over(t, p, err, options...).NewModel(t.Context(), sdk.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		r, want := request(m, len(left)), request(m, len(left))
		r.Call, want.Call = r.Of(left), r.Of(left)
		if _, err := (&grow{Rate: 1, Width: 4}).Forecast(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			res, err := m.Forecast(t.Context(), r)
			if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 3 {
				t.Fatalf("%s: %+v, %v; want a failure of row 3", name, res, err)
			}
			r.Carry = res.Carry
			r.Carry[3] = []byte("8")
		}
		want.Into.SetRow(3, r.Into.RawRowView(3))
		if !mat.Equal(r.Into, want.Into) {
			t.Errorf("%s: the answer is not that of the members", name)
		}
		mu.Lock()
		once := map[bool][]string{true: {"[1 2 4 8 9]"}, false: {"[1 2]", "[4]", "[8 9]"}}[options == nil]
		if !slices.Equal(calls, slices.Concat(once, once)) {
			t.Errorf("%s: calls for %v, want %v twice", name, calls, once)
		}
		mu.Unlock()
	}
}

// byNumber predicts the number of each member, with an error variance that may be another one for some.
type byNumber struct {
	uneven    bool
	dependent bool // its members are not to be parted
}

func (byNumber) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: single("y", 1), Offers: []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}}
}

func (o byNumber) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	for i := range r.Ensemble.RawMatrix().Rows {
		r.Predicted.Set(i, 0, float64(r.Member(i)))
	}
	if o.uneven {
		return &sdk.ObserveResult{ErrorVariance: []float64{float64(1 + r.Member(0))}}, nil
	}
	return &sdk.ObserveResult{ErrorVariance: []float64{4}}, nil
}

func TestNumbersOfObservedMembers(t *testing.T) {
	observe := func(o byNumber, options ...grpc.ServerOption) (*mat.Dense, *sdk.ObserveResult, error) {
		text := "name = \"number\"\nversion = \"1\"\nrole = \"operator\"\nsummary = \"numbers\"\nerrors = [\"normal\"]\n"
		if o.dependent {
			text += "[threading]\nindependent_members = false\n"
		}
		p, err := sdk.OperatorPlugin(text,
			func(sdk.OperatorConfig) (sdk.ObservationOperator, error) { return o, nil })
		op, err := over(t, p, err, options...).NewOperator(t.Context(), sdk.OperatorConfig{State: single("x", 2), Error: sdk.ErrorModel{Dist: "normal", SD: []float64{1}}})
		if err != nil {
			t.Fatal(err)
		}
		r := &sdk.ObserveRequest{Call: sdk.Call{}.Of(left), Ensemble: mat.NewDense(len(left), 2, nil), Predicted: mat.NewDense(len(left), 1, nil)}
		res, err := op.Observe(t.Context(), r)
		return r.Predicted, res, err
	}
	for name, options := range map[string][]grpc.ServerOption{"known": nil, "not known": {noFeatures}} {
		h, res, err := observe(byNumber{}, options...)
		if err != nil || !slices.Equal(h.RawMatrix().Data, []float64{1, 2, 4, 8, 9}) || !slices.Equal(res.ErrorVariance, []float64{4}) {
			t.Errorf("%s: got %v, %+v, %v", name, h, res, err)
		}
	}
	if _, _, err := observe(byNumber{dependent: true}); err != nil {
		t.Error(err)
	}
	if _, _, err := observe(byNumber{dependent: true}, noFeatures); sdk.KindOf(err) != sdk.KindPlugin || !strings.Contains(err.Error(), "takes member 4 for another") {
		t.Errorf("got %v; want an error, since each row would have the number of another member", err)
	}
	if _, _, err := observe(byNumber{uneven: true}, noFeatures); sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), "members 4 to 4 have another one") {
		t.Errorf("got %v", err)
	}
}

// A value that is not finite is that of the member with the right number, also where others have failed.
func TestFaultsNameMembers(t *testing.T) {
	for _, fails := range []bool{false, true} {
		m := configure(t, func(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
			r.Into.Set(3, 0, math.NaN())
			res := &sdk.ForecastResult{}
			if fails {
				res.Failures = []sdk.MemberFailure{{Member: 1, Reason: "burst"}}
			}
			return res, nil
		}, nil)
		r := request(m, len(left))
		r.Call = r.Of(left)
		if _, err := m.Forecast(t.Context(), r); err == nil || !strings.Contains(err.Error(), "member 8, level is NaN") {
			t.Errorf("got %v, want member 8", err)
		}
	}
}
