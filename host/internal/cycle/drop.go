package cycle

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
)

// FailedError is the error of members that could not be forecast and may not be
// dropped.
type FailedError struct {
	Cycle   int
	Members []sdk.MemberFailure // at least one; by number
	err     *sdk.Error
}

func (e *FailedError) Error() string { return e.err.Error() }

func (e *FailedError) Unwrap() error { return e.err }

// failed returns the error of failures among rows members; why says why the members may
// not be dropped, and hint what to do.
func failed(call sdk.Call, rows int, failures []sdk.MemberFailure, why, hint string) error {
	first := failures[0]
	return &FailedError{call.Cycle, failures, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("cycle %d: forecast", call.Cycle),
		"%d of %d members failed%s; member %d: %s", len(failures), rows, why, call.First+first.Member, first.Reason).WithHint("%s", hint)}
}

// numbered returns failures, which are by the rows of e, by the numbers of the members.
func numbered(failures []sdk.MemberFailure, e Ensemble) []sdk.MemberFailure {
	named := slices.Clone(failures)
	for i, f := range failures {
		named[i].Member = e.Number(f.Member)
	}
	return named
}

// drop removes members from the forecast, and from the rest of the trial: the rows
// after them move up, the weights of the others are normalised, and the filter is
// configured for the members that are left, which keep their numbers. Nothing replaces a member: filter and scores
// would count a copy of another member twice.
func (a *assimilation) drop(ctx context.Context, call sdk.Call, failures []sdk.MemberFailure) error {
	rows, _ := a.ahead.Dims()
	named := numbered(failures, a.state)
	a.dropped += len(failures)
	left := rows - len(failures)
	most := a.plan.MaxFailed
	switch {
	case most == 0:
		return failed(call, rows, named, "", `to continue without them, write on_failure = "drop_member" and max_failed in [model]`)
	case a.dropped > most:
		return failed(call, rows, named, fmt.Sprintf(", %d in the trial so far, but at most max_failed = %d may fail", a.dropped, most), "")
	case left < 2:
		return failed(call, rows, named, fmt.Sprintf(", which leaves %d; an ensemble needs at least 2", left), "")
	}
	gone := make([]bool, rows)
	for _, f := range failures {
		gone[f.Member] = true
	}
	before, weights, noise := a.ahead, a.state.LogWeights, a.noise
	var err error
	if a.filter, err = a.trial.Resize(ctx, left); err != nil {
		return fmt.Errorf("cycle %d: with %d members left: %w", call.Cycle, left, err)
	}
	a.allot(left)
	if weights != nil {
		a.state.LogWeights = make([]float64, 0, left)
	}
	numbers := make([]int, 0, left)
	for i := range rows {
		if gone[i] {
			continue
		}
		if noise != nil {
			a.noise.SetRow(len(numbers), noise.RawRowView(i))
		}
		a.ahead.SetRow(len(numbers), before.RawRowView(i))
		numbers = append(numbers, a.state.Number(i))
		if weights != nil {
			a.state.LogWeights = append(a.state.LogWeights, weights[i])
		}
	}
	a.state.Numbers = numbers
	return a.reweigh(call, rows, named)
}

// reweigh normalises the weights of the members that are left.
func (a *assimilation) reweigh(call sdk.Call, rows int, named []sdk.MemberFailure) error {
	w := a.state.LogWeights
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
