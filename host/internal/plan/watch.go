package plan

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// watched is the model of the ensemble, without noise. It notes the first forecast that is
// the same for all members although their states differ, as when a program reads another
// file than the one with the state.
type watched struct {
	sdk.Model
	same atomic.Pointer[string]
}

// Forecast implements sdk.Model.
func (m *watched) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.Model.Forecast(ctx, r)
	if err == nil && len(res.Failures) == 0 && (differ(r.Ensemble) || differ(r.Parameters)) && !differ(r.Into) {
		what := fmt.Sprintf("cycle %d: the model gave the same forecast for all of %d different members", r.Cycle, r.Into.RawMatrix().Rows)
		m.same.CompareAndSwap(nil, &what)
	}
	return res, err
}

// differ reports whether the rows of x are not all the same.
func differ(x *mat.Dense) bool {
	if x == nil {
		return false
	}
	for i := range x.RawMatrix().Rows {
		if !slices.Equal(x.RawRowView(i), x.RawRowView(0)) {
			return true
		}
	}
	return false
}

// Warnings returns what makes a run useless or misleading although nothing fails, as far as
// it has been seen: members that followed another truth, ensembles that are not stored, noise that filters do not correct,
// smoothers without scores, and what all forecasts have in common.
func (p *Plan) Warnings() []string {
	var found []string
	if p.strange {
		found = append(found, "ensemble.init: the members are those of a run, and what that run observed is not the truth of this twin experiment: they may start far from it, with a spread that does not show it; "+
			"write around = \"truth\", or set truth.init to the state that they followed")
	}
	if says := p.unstored(); says != "" {
		found = append(found, says)
	}
	if says := p.remembers(); says != "" {
		found = append(found, says)
	}
	for i := range p.Trials {
		if says := p.tooLate(&p.Trials[i]); says != "" {
			found = append(found, says)
		}
	}
	if p.watched == nil {
		return found
	}
	if what := p.watched.same.Load(); what != nil {
		found = append(found, *what+"; either it does not use their states, as a program that reads another file than the one that plume writes, or all states lead to the same")
	}
	return found
}
