package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Plugin returns program as a plugin that runs in policy.Replicas processes, which it
// starts unless they have been started before. Rows of a model's or operator's ensemble
// are distributed over them in consecutive blocks of nearly equal length; since a
// member's numbers depend only on its own row and its index, the answer is the same for
// any number of replicas. A process that dies is started and configured again, and its
// members are computed again, as often as policy allows.
//
// Processes on other machines come late and are lost with their machines: Plugin waits for
// the first, and those that are there take small blocks from a queue, see [queue].
//
// Errors are those of [Process.Plugin]. They name the members if the call was for some
// of them only; of several errors that of the first member is returned.
func (p *Pool) Plugin(ctx context.Context, program *Program, policy RetryPolicy) (*sdk.Plugin, error) {
	if program.linked != nil {
		policy.Replicas = 1 // more would be the same process
	}
	if program.attached {
		policy.Replicas, policy.Timeout = 1, unhurried
	}
	slots := p.slotsOf(program, max(1, policy.Replicas))
	first, err := startAll(ctx, slots, program.away(), false)
	if err != nil { // of the same program: one says it all
		return nil, err
	}
	out := &sdk.Plugin{Manifest: first.Manifest()}
	c := replicas{slots: slots, policy: policy, threading: out.Manifest.Threading}
	switch out.Manifest.Role {
	case sdk.RoleModel:
		out.NewModel = c.newModel
	case sdk.RoleOperator:
		out.NewOperator = c.newOperator
	case sdk.RoleFilter:
		out.NewFilter = c.newFilter
	}
	return out, nil
}

// startAll starts a process in every slot, also in place of those that are gone if again,
// and returns one of them: when all have started, or if one is enough when one has.
func startAll(ctx context.Context, slots []*slot, one, again bool) (*Process, error) {
	if i := firstUp(slots); one && slots[i].up() {
		return slots[i].process(ctx, false)
	}
	type result struct {
		process *Process
		err     error
	}
	results := make(chan result, len(slots))
	for _, slot := range slots {
		go func() {
			p, err := slot.process(ctx, again)
			results <- result{p, err}
		}()
	}
	var first, failed *result
	for range slots {
		r := <-results
		switch {
		case r.err != nil && failed == nil:
			failed = &r
		case r.err == nil && first == nil:
			first = &r
		}
		if one && first != nil {
			return first.process, nil
		}
	}
	if failed != nil {
		return nil, failed.err
	}
	return first.process, nil
}

// firstUp returns the number of the first slot that has a process now; 0 if none has.
func firstUp(slots []*slot) int { return max(0, slices.IndexFunc(slots, (*slot).up)) }

// replicas are the slots of a program, and how calls are made in them.
type replicas struct {
	slots     []*slot
	policy    RetryPolicy
	threading sdk.Threading
	values    int // of a member
}

// sessionsOf returns a session in every slot, and the role of the first, which is
// configured here, with the retries of a call. The others are when they are first called.
// If calls are queued, the first slot that is up counts.
func sessionsOf[S any](ctx context.Context, c replicas, queued bool, configure func(context.Context, *sdk.Plugin) (S, error)) ([]*session[S], S, error) {
	sessions := make([]*session[S], len(c.slots))
	for i, slot := range c.slots {
		sessions[i] = &session[S]{slot: slot, policy: c.policy, configure: configure, queued: queued}
	}
	same := func(_ context.Context, role S) (S, error) { return role, nil }
	if !queued {
		role, err := retry(ctx, sessions[0], attempts{most: 1 + c.policy.Retries}, same)
		return sessions, role, err
	}
	for n := 0; ; n++ {
		if _, err := startAll(ctx, c.slots, true, n > 0); err != nil {
			var none S
			return nil, none, err
		}
		role, err := retry(ctx, sessions[firstUp(c.slots)], attempts{made: n, most: n + 1}, same)
		if err == nil || n >= c.policy.Retries || !isTransient(err) || ctx.Err() != nil {
			return sessions, role, err
		}
	}
}

func (r replicas) newModel(ctx context.Context, config sdk.ModelConfig) (sdk.Model, error) {
	sessions, first, err := sessionsOf(ctx, r, r.queued(), func(ctx context.Context, p *sdk.Plugin) (sdk.Model, error) { return p.NewModel(ctx, config) })
	if err != nil {
		return nil, err
	}
	r.values = first.Layout().Size()
	return &models{replicas: r, sessions: sessions, layout: first.Layout()}, nil
}

func (r replicas) newOperator(ctx context.Context, config sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	sessions, first, err := sessionsOf(ctx, r, r.queued(), func(ctx context.Context, p *sdk.Plugin) (sdk.ObservationOperator, error) {
		return p.NewOperator(ctx, config)
	})
	if err != nil {
		return nil, err
	}
	r.values = max(config.State.Size(), first.Space().Layout.Size())
	return &operators{replicas: r, sessions: sessions, space: first.Space()}, nil
}

func (r replicas) newFilter(ctx context.Context, config sdk.FilterConfig) (sdk.Filter, error) {
	sessions, first, err := sessionsOf(ctx, r, false, func(ctx context.Context, p *sdk.Plugin) (sdk.Filter, error) { return p.NewFilter(ctx, config) })
	if err != nil {
		return nil, err
	}
	return &restartingFilter{session: sessions[0], needs: first.Needs()}, nil
}

// block is consecutive rows of a request, without row to.
type block struct{ from, to int }

// shard returns one block of rows for every replica, some of them empty, or one block
// of all rows when members depend on each other.
func (r replicas) shard(rows int) []block {
	k := len(r.slots)
	if !r.threading.IndependentMembers {
		k = 1
	}
	blocks := make([]block, k)
	for i := range blocks {
		blocks[i] = block{(i*rows + k - 1) / k, ((i+1)*rows + k - 1) / k}
	}
	return blocks
}

// pieces cuts b into as few pieces as the plugin takes in one call; see [sdk.Threading.MembersPerCall].
func (r replicas) pieces(b block) []block {
	most := r.threading.MembersPerCall(r.values, runtime.NumCPU())
	if most == 0 {
		most = max(1, b.to-b.from)
	}
	var pieces []block
	for from := b.from; from < b.to; from += most {
		pieces = append(pieces, block{from, min(b.to, from+most)})
	}
	return pieces
}

// eachPiece calls do for all pieces of all blocks, the blocks at the same time, and
// returns the error of the first piece that has one, by its members.
func (r replicas) eachPiece(call sdk.Call, rows int, do func(session int, b block) error) error {
	blocks := r.shard(rows)
	errs := make([]error, len(blocks))
	inBlock := func(i int) {
		for _, piece := range r.pieces(blocks[i]) {
			if errs[i] = do(i, piece); errs[i] != nil {
				if piece != (block{0, rows}) {
					errs[i] = concerning(repeatOf(call, "", piece), errs[i])
				}
				return
			}
		}
	}
	var others sync.WaitGroup
	for i := 1; i < len(blocks); i++ {
		others.Go(func() { inBlock(i) })
	}
	inBlock(0)
	others.Wait()
	return cmp.Or(errs...)
}

// concerning adds to an error which members it is about: those of r.
func concerning(r Repeat, err error) error {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Where = fmt.Sprintf("members %d to %d: %s", r.First, r.Last, e.Where)
	if r.Members == 1 {
		named.Where = fmt.Sprintf("member %d: %s", r.First, e.Where)
	}
	return &named
}

// rowsOf returns the rows of m in b, which share their memory with m; nil for nil.
func rowsOf(m *mat.Dense, b block) *mat.Dense {
	if m == nil {
		return nil
	}
	_, n := m.Dims()
	return m.Slice(b.from, b.to, 0, n).(*mat.Dense)
}

// operators is an observation operator in several processes.
type operators struct {
	replicas
	sessions []*session[sdk.ObservationOperator]
	space    *sdk.ObservationSpace
}

func (o *operators) Space() *sdk.ObservationSpace { return o.space }

// Observe implements [sdk.ObservationOperator].
func (o *operators) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	var mu sync.Mutex
	var answers []*sdk.ObserveResult
	rows := r.Ensemble.RawMatrix().Rows
	observe := func(ctx context.Context, i int, b block, attempts attempts) error {
		part := *r
		part.Call = r.Rows(b.from, b.to)
		part.Ensemble, part.Predicted, part.Simulated = rowsOf(r.Ensemble, b), rowsOf(r.Predicted, b), rowsOf(r.Simulated, b)
		part.LogLikelihood, part.Gradient = rowsOf(r.LogLikelihood, b), rowsOf(r.Gradient, b)
		answer, err := retry(ctx, o.sessions[i], attempts, func(ctx context.Context, role sdk.ObservationOperator) (*sdk.ObserveResult, error) {
			return role.Observe(ctx, &part)
		})
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			answers = append(answers, answer)
		}
		return err
	}
	if err := o.each(ctx, r.Call, rows, observe); err != nil {
		return nil, err
	}
	return o.join(r.Call, answers)
}

// each calls do for blocks of all rows of a call of an operator, several at the same time.
func (r replicas) each(ctx context.Context, call sdk.Call, rows int, do func(ctx context.Context, replica int, b block, attempts attempts) error) error {
	at := func(b block) Repeat { return repeatOf(call, "observe", b) }
	if !r.queued() {
		return r.eachPiece(call, rows, func(i int, b block) error { return do(ctx, i, b, attempts{most: 1 + r.policy.Retries, event: at(b)}) })
	}
	return r.distribute(ctx, rows, func(ctx context.Context, i int, t task) ([]task, error) {
		if err := do(ctx, i, t.block, attempts{made: t.made, most: t.made + 1}); err != nil {
			return r.again(ctx, t, at(t.block), err)
		}
		return nil, nil
	})
}

// join returns the answer that all parts agree on, without metrics: those of parts are
// not those of the whole.
func (o *operators) join(call sdk.Call, answers []*sdk.ObserveResult) (*sdk.ObserveResult, error) {
	if len(answers) == 1 {
		return answers[0], nil
	}
	for _, a := range answers {
		if !slices.Equal(a.ErrorVariance, answers[0].ErrorVariance) {
			return nil, sdk.Errorf(sdk.KindContract, "plugin "+o.slots[0].program.Name+": "+inCycle(call, "observe"),
				"the error variance depends on the members: one part of the ensemble gave another than the rest")
		}
	}
	return &sdk.ObserveResult{ErrorVariance: answers[0].ErrorVariance}, nil
}

// restartingFilter is a filter whose process is replaced if it dies.
type restartingFilter struct {
	session *session[sdk.Filter]
	needs   []sdk.Capability
}

func (f *restartingFilter) Needs() []sdk.Capability { return f.needs }

// Analyse implements [sdk.Filter].
func (f *restartingFilter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows := p.Ensemble.RawMatrix().Rows
	attempts := attempts{most: 1 + f.session.policy.Retries, event: repeatOf(p.Call, "analyse", block{0, rows})}
	begun := time.Now()
	defer func() { f.session.slot.count(begun, false) }()
	return retry(ctx, f.session, attempts, func(ctx context.Context, role sdk.Filter) (*sdk.Analysis, error) { return role.Analyse(ctx, p) })
}
