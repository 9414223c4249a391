package cycle

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// FailedError is the error of members that could not be forecast and may not be
// dropped.
type FailedError struct {
	Cycle   int
	Members []sdk.MemberFailure // at least one; by number
	Err     *sdk.Error
}

func (e *FailedError) Error() string { return e.Err.Error() }

func (e *FailedError) Unwrap() error { return e.Err }

// failed returns the error of failures, by the numbers of the members, among rows members; why
// says why the members may not be dropped, and hint what to do.
func failed(call sdk.Call, rows int, failures []sdk.MemberFailure, why, hint string) error {
	first := failures[0]
	return &FailedError{call.Cycle, failures, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("cycle %d: forecast", call.Cycle),
		"%d of %d members failed%s; member %d: %s", len(failures), rows, why, first.Member, first.Reason).WithHint("%s", hint)}
}

// hintToDrop says how a trial goes on where members may not be dropped, if enough are left for it.
func hintToDrop(left int) string {
	if left < 2 {
		return ""
	}
	return `to continue without them, write on_failure = "drop_member" and max_failed in [model]`
}

// numbered returns failures, which are by the rows of a call, by the numbers of the members.
func numbered(failures []sdk.MemberFailure, call sdk.Call) []sdk.MemberFailure {
	named := slices.Clone(failures)
	for i, f := range failures {
		named[i].Member = call.Member(f.Member)
	}
	return named
}

// drop removes members from all times of the window, and from the rest of the trial: the
// rows after them move up, the weights of the others are normalised, and the filter is
// configured for the members that are left, which keep their numbers. Nothing replaces a
// member: filter and scores would count a copy of another member twice.
func (a *assimilation) drop(ctx context.Context, call sdk.Call, failures []sdk.MemberFailure) error {
	rows, _ := a.next.members.Dims()
	named := numbered(failures, call)
	dropped, left, most := a.dropped+len(failures), rows-len(failures), a.plan.MaxFailed
	switch {
	case most == 0:
		return failed(call, rows, named, "", hintToDrop(left))
	case dropped > most:
		return failed(call, rows, named, fmt.Sprintf(", %d in the trial so far, but at most max_failed = %d may fail", dropped, most), "")
	case left < 2:
		return failed(call, rows, named, fmt.Sprintf(", which leaves %d; an ensemble needs at least 2", left), "")
	}
	filter, err := a.trial.Resize(ctx, left, plan.Extent{Cycles: 1})
	if err != nil {
		return fmt.Errorf("cycle %d: with %d members left: %w", call.Cycle, left, err)
	}
	a.dropped = dropped
	ahead := a.next // of the forecast of a new cycle, or nothing
	a.allot(filter, left)
	kept := without(rows, failures)
	a.next = ahead.of(kept)
	for _, p := range a.points {
		p.states = p.of(kept)
		a.prepare(p)
	}
	for i, p := range a.past {
		a.past[i].members = rowsOf(p.members, kept)
	}
	a.numbers, a.logWeights = descended(a.numbers, kept), itemsOf(a.logWeights, kept)
	return reweigh(a.logWeights, call, rows, named)
}

// of returns the states of some members.
func (s *states) of(rows []int) states {
	some := func(m *mat.Dense) *mat.Dense {
		if m == nil {
			return nil
		}
		return rowsOf(m, rows)
	}
	return states{some(s.members), some(s.noise), some(s.shocks), itemsOf(s.carries, rows)}
}

// without returns the rows of an ensemble of so many that have not failed.
func without(rows int, failures []sdk.MemberFailure) []int {
	gone := make([]bool, rows)
	for _, f := range failures {
		gone[f.Member] = true
	}
	kept := make([]int, 0, rows-len(failures))
	for i := range rows {
		if !gone[i] {
			kept = append(kept, i)
		}
	}
	return kept
}

// reweigh normalises w, the logarithms of the weights of the members that are left; nil if all are equal.
func reweigh(w []float64, call sdk.Call, rows int, named []sdk.MemberFailure) error {
	if w == nil {
		return nil
	}
	_, sum := ensemble.Normalise(nil, w)
	if math.IsInf(sum, -1) {
		return failed(call, rows, named, ", which had all of the weight", "")
	}
	for i := range w {
		w[i] -= sum
	}
	return nil
}
