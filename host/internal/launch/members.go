package launch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/plume-da/plume/sdk"
)

// models is a model in several processes.
type models struct {
	replicas
	sessions []*session[sdk.Model]
	layout   *sdk.Layout
}

func (m *models) Layout() *sdk.Layout { return m.layout }

// Forecast implements [sdk.Model]. Members that fail for a transient reason are
// forecast again; those that still fail are listed.
func (m *models) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if m.queued() {
		return m.away(ctx, r)
	}
	rows := r.Ensemble.RawMatrix().Rows
	whole, carry := &sdk.ForecastResult{}, make([][]byte, rows)
	var mu sync.Mutex
	err := m.eachPiece(r.Call, rows, func(i int, b block) error {
		f := &forecasting{ctx: ctx, models: m, session: m.sessions[i], request: r, carry: carry}
		err := f.block(b, 0)
		mu.Lock()
		defer mu.Unlock()
		whole.Failures = append(whole.Failures, f.failures...)
		if b == (block{0, rows}) {
			whole.Metrics = f.metrics // those of a part are not those of the whole
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return joined(whole, carry), nil
}

// joined returns whole with its failures by member and with what the members carry, if any does.
func joined(whole *sdk.ForecastResult, carry [][]byte) *sdk.ForecastResult {
	slices.SortFunc(whole.Failures, func(a, b sdk.MemberFailure) int { return a.Member - b.Member })
	if slices.ContainsFunc(carry, func(b []byte) bool { return len(b) > 0 }) {
		whole.Carry = carry
	}
	return whole
}

// away is Forecast by replicas that come late and are lost: see [replicas.distribute].
func (m *models) away(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows := r.Ensemble.RawMatrix().Rows
	whole, carry := &sdk.ForecastResult{}, make([][]byte, rows)
	var mu sync.Mutex
	add := func(failures ...sdk.MemberFailure) {
		mu.Lock()
		defer mu.Unlock()
		whole.Failures = append(whole.Failures, failures...)
	}
	var givenUp atomic.Int64
	err := m.distribute(ctx, rows, func(ctx context.Context, i int, t task) ([]task, error) {
		f := &forecasting{ctx: ctx, models: m, session: m.sessions[i], request: r, carry: carry}
		res, err := f.call(t.block, attempts{made: t.made, most: t.made + 1})
		if err == nil {
			err = f.again(t.block, res.Failures)
		}
		if err == nil {
			if add(f.failures...); t.block == (block{0, rows}) {
				whole.Metrics = res.Metrics // those of a part are not those of the whole
			}
			return nil, nil
		}
		again, left := m.replicas.again(ctx, t, repeatOf(r.Call, "forecast", t.block), err)
		if left != nil && t.to-t.from == 1 && isTransient(err) && ctx.Err() == nil && givenUp.Add(1) <= int64(m.policy.MaxFailed) {
			add(sdk.MemberFailure{Member: t.from, Reason: what(err)})
			return nil, nil
		}
		return again, left
	})
	if err != nil {
		return nil, err
	}
	return joined(whole, carry), nil
}

// forecasting is the forecast of one piece of an ensemble by one replica.
type forecasting struct {
	ctx      context.Context
	models   *models
	session  *session[sdk.Model]
	request  *sdk.ForecastRequest // of the whole ensemble
	carry    [][]byte             // of the whole ensemble, of which each piece writes its rows
	failures []sdk.MemberFailure  // by row of the whole ensemble
	metrics  map[string]float64
	isolated int // members given up because the process dies of them
}

// block forecasts the rows of b, which have been tried made times before.
func (f *forecasting) block(b block, made int) error {
	most := 1 + f.models.policy.Retries
	if made > 0 {
		most = made + 1 // the member that ends the process is being looked for
	}
	res, err := f.call(b, attempts{made: made, most: most})
	switch {
	case err == nil:
		f.metrics = res.Metrics
		return f.again(b, res.Failures)
	case !isTransient(err) || f.ctx.Err() != nil || f.models.policy.MaxFailed == 0:
		return err
	case b.to-b.from == 1:
		f.isolated++
		if f.isolated > f.models.policy.MaxFailed {
			return concerning(repeatOf(f.request.Call, "forecast", b), err)
		}
		f.failures = append(f.failures, sdk.MemberFailure{Member: b.from, Reason: what(err)})
		return nil
	}
	middle := (b.from + b.to) / 2
	for _, half := range []block{{b.from, middle}, {middle, b.to}} {
		if err := f.block(half, 1); err != nil {
			return err
		}
	}
	return nil
}

func (f *forecasting) call(b block, a attempts) (*sdk.ForecastResult, error) {
	a.event = repeatOf(f.request.Call, "forecast", b)
	part := *f.request
	part.Call = f.request.Rows(b.from, b.to)
	part.Ensemble, part.Into, part.Parameters = rowsOf(f.request.Ensemble, b), rowsOf(f.request.Into, b), rowsOf(f.request.Parameters, b)
	if part.Carry != nil {
		part.Carry = part.Carry[b.from:b.to]
	}
	res, err := retry(f.ctx, f.session, a, func(ctx context.Context, role sdk.Model) (*sdk.ForecastResult, error) {
		return role.Forecast(ctx, &part)
	})
	if err != nil {
		return nil, err
	}
	copy(f.carry[b.from:b.to], res.Carry)
	for i := range res.Failures {
		res.Failures[i].Member += b.from
	}
	return res, nil
}

// again repeats the forecast of those failed members of b that may then succeed,
// neighbours together, or of all of b when members depend on each other. It keeps the
// failures that remain.
func (f *forecasting) again(b block, failures []sdk.MemberFailure) error {
	for n := range f.models.policy.Retries {
		var remain []sdk.MemberFailure
		for _, group := range f.groups(b, failures) {
			if !group.retryable {
				remain = append(remain, group.failures...)
				continue
			}
			event := repeatOf(f.request.Call, "forecast", group.block)
			event.Reason = group.failures[0].Reason
			f.session.slot.reportRepeat(f.ctx, event)
			if err := pause(f.ctx, n); err != nil {
				return stopped("plugin "+f.session.slot.program.Name+": "+inCycle(f.request.Call, "forecast"), f.ctx)
			}
			res, err := f.call(group.block, attempts{made: 1, most: 1 + f.models.policy.Retries})
			if err != nil {
				return err
			}
			remain = append(remain, res.Failures...)
		}
		failures = remain
	}
	f.failures = append(f.failures, failures...)
	return nil
}

// group is failed members that are treated alike.
type group struct {
	block
	failures  []sdk.MemberFailure
	retryable bool
}

// groups joins neighbours among the failed members of b if either both may succeed when
// repeated or neither.
func (f *forecasting) groups(b block, failures []sdk.MemberFailure) []group {
	if !f.models.threading.IndependentMembers && slices.ContainsFunc(failures, func(m sdk.MemberFailure) bool { return m.Retryable }) {
		return []group{{b, failures, true}}
	}
	failures = slices.SortedFunc(slices.Values(failures), func(a, b sdk.MemberFailure) int { return a.Member - b.Member })
	var groups []group
	for _, m := range failures {
		last := len(groups) - 1
		if last >= 0 && groups[last].to == m.Member && groups[last].retryable == m.Retryable {
			groups[last].to++
			groups[last].failures = append(groups[last].failures, m)
			continue
		}
		groups = append(groups, group{block{m.Member, m.Member + 1}, []sdk.MemberFailure{m}, m.Retryable})
	}
	return groups
}
