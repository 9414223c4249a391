package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/mat"
)

// Plugin returns program as a plugin that runs in policy.Replicas processes, which it
// starts unless they have been started before. Rows of a model's or operator's ensemble
// are distributed over them in consecutive blocks of nearly equal length; since a
// member's numbers depend only on its own row and its index, the answer is the same for
// any number of replicas. A process that dies is started and configured again, and its
// members are computed again, as often as policy allows.
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
	started := make([]*Process, len(slots))
	var starts errgroup.Group
	for i, slot := range slots {
		starts.Go(func() (err error) {
			started[i], err = slot.process(ctx, false)
			return err
		})
	}
	if err := starts.Wait(); err != nil { // of the same program: one says it all
		return nil, err
	}
	out := &sdk.Plugin{Manifest: started[0].Manifest()}
	c := replicas{slots, policy, out.Manifest.Threading}
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

// replicas are the slots of a program, and how calls are made in them.
type replicas struct {
	slots     []*slot
	policy    RetryPolicy
	threading sdk.Threading
}

// sessionsOf returns a session in every slot, and the role of the first, which is
// configured here, with the retries of a call. The others are when they are first called.
func sessionsOf[S any](ctx context.Context, c replicas, configure func(context.Context, *sdk.Plugin) (S, error)) ([]*session[S], S, error) {
	sessions := make([]*session[S], len(c.slots))
	for i, slot := range c.slots {
		sessions[i] = &session[S]{slot: slot, policy: c.policy, configure: configure}
	}
	role, err := retry(ctx, sessions[0], attempts{most: 1 + c.policy.Retries}, func(_ context.Context, role S) (S, error) { return role, nil })
	return sessions, role, err
}

func (r replicas) newModel(ctx context.Context, config sdk.ModelConfig) (sdk.Model, error) {
	sessions, first, err := sessionsOf(ctx, r, func(ctx context.Context, p *sdk.Plugin) (sdk.Model, error) { return p.NewModel(ctx, config) })
	if err != nil {
		return nil, err
	}
	return &models{replicas: r, sessions: sessions, layout: first.Layout()}, nil
}

func (r replicas) newOperator(ctx context.Context, config sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	sessions, first, err := sessionsOf(ctx, r, func(ctx context.Context, p *sdk.Plugin) (sdk.ObservationOperator, error) {
		return p.NewOperator(ctx, config)
	})
	if err != nil {
		return nil, err
	}
	return &operators{replicas: r, sessions: sessions, space: first.Space()}, nil
}

func (r replicas) newFilter(ctx context.Context, config sdk.FilterConfig) (sdk.Filter, error) {
	sessions, first, err := sessionsOf(ctx, r, func(ctx context.Context, p *sdk.Plugin) (sdk.Filter, error) { return p.NewFilter(ctx, config) })
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

// pieces cuts b into as few pieces as the plugin takes in one call.
func (r replicas) pieces(b block) []block {
	most := r.threading.MaxMembersPerCall
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
func (r replicas) eachPiece(rows int, do func(session int, b block) error) error {
	blocks := r.shard(rows)
	errs := make([]error, len(blocks))
	inBlock := func(i int) {
		for _, piece := range r.pieces(blocks[i]) {
			if errs[i] = do(i, piece); errs[i] != nil {
				if piece != (block{0, rows}) {
					errs[i] = concerning(piece, errs[i])
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

// concerning adds to an error which rows it is about.
func concerning(b block, err error) error {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Where = fmt.Sprintf("members %d to %d: %s", b.from, b.to-1, e.Where)
	if b.to-b.from == 1 {
		named.Where = fmt.Sprintf("member %d: %s", b.from, e.Where)
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
	err := o.eachPiece(rows, func(i int, b block) error {
		part := *r
		part.First += b.from
		part.Ensemble, part.Predicted, part.Simulated = rowsOf(r.Ensemble, b), rowsOf(r.Predicted, b), rowsOf(r.Simulated, b)
		part.LogLikelihood, part.Gradient = rowsOf(r.LogLikelihood, b), rowsOf(r.Gradient, b)
		attempts := attempts{most: 1 + o.policy.Retries, event: repeatOf(r.Call, "observe", b)}
		answer, err := retry(ctx, o.sessions[i], attempts, func(ctx context.Context, role sdk.ObservationOperator) (*sdk.ObserveResult, error) {
			return role.Observe(ctx, &part)
		})
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, answer)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o.join(r.Call, answers)
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
	return retry(ctx, f.session, attempts, func(ctx context.Context, role sdk.Filter) (*sdk.Analysis, error) { return role.Analyse(ctx, p) })
}
