package launch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"gonum.org/v1/gonum/mat"
)

// Plugin returns the process as a plugin each of whose calls may take as long as
// timeout; 0: as [RetryPolicy] says. The errors of its calls are of type *sdk.Error and
// name plugin, cycle and role; if the process is to blame they are of kind crash
// or deadline, with the last lines of its standard error. A call that misses its
// deadline ends the process.
//
// An error about the configuration is returned as the plugin gave it: its place is
// a parameter.
func (p *Process) Plugin(timeout time.Duration) *sdk.Plugin {
	g := &guard{p, timeout}
	out := &sdk.Plugin{Manifest: p.plugin.Manifest}
	switch in := p.plugin; {
	case in.NewModel != nil:
		out.NewModel = func(ctx context.Context, c sdk.ModelConfig) (sdk.Model, error) {
			m, err := call(ctx, g, "configure", size{}, func(ctx context.Context) (sdk.Model, error) { return in.NewModel(ctx, c) })
			if err != nil {
				return nil, err
			}
			return &model{m, g, c.Step}, nil
		}
	case in.NewOperator != nil:
		out.NewOperator = func(ctx context.Context, c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
			o, err := call(ctx, g, "configure", size{}, func(ctx context.Context) (sdk.ObservationOperator, error) { return in.NewOperator(ctx, c) })
			if err != nil {
				return nil, err
			}
			return &operator{o, g}, nil
		}
	case in.NewFilter != nil:
		out.NewFilter = func(ctx context.Context, c sdk.FilterConfig) (sdk.Filter, error) {
			f, err := call(ctx, g, "configure", size{}, func(ctx context.Context) (sdk.Filter, error) { return in.NewFilter(ctx, c) })
			if err != nil {
				return nil, err
			}
			return &filter{f, g}, nil
		}
	}
	return out
}

type model struct {
	sdk.Model
	guard *guard
	step  float64 // 0: the model has none, or none that is known
}

func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return call(ctx, m.guard, inCycle(r.Call, "forecast"), size{valuesOf(r.Ensemble), m.steps(r.To - r.From)}, func(ctx context.Context) (*sdk.ForecastResult, error) {
		return m.Model.Forecast(ctx, r)
	})
}

// steps returns the number of time steps over an interval; 0 if it is not known.
func (m *model) steps(interval float64) float64 {
	if m.step == 0 {
		return 0
	}
	return math.Abs(interval) / m.step
}

func (m *model) release() { rpc.Release(m.Model) }

type operator struct {
	sdk.ObservationOperator
	guard *guard
}

func (o *operator) release() { rpc.Release(o.ObservationOperator) }

func (o *operator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	return call(ctx, o.guard, inCycle(r.Call, "observe"), size{values: valuesOf(r.Ensemble)}, func(ctx context.Context) (*sdk.ObserveResult, error) {
		return o.ObservationOperator.Observe(ctx, r)
	})
}

type filter struct {
	sdk.Filter
	guard *guard
}

func (f *filter) release() { rpc.Release(f.Filter) }

func (f *filter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	return call(ctx, f.guard, inCycle(p.Call, "analyse"), size{values: valuesOf(p.Ensemble)}, func(ctx context.Context) (*sdk.Analysis, error) {
		return f.Filter.Analyse(ctx, p)
	})
}

func valuesOf(ensemble *mat.Dense) int {
	rows, n := ensemble.Dims()
	return rows * n
}

func inCycle(c sdk.Call, what string) string { return fmt.Sprintf("cycle %d: %s", c.Cycle, what) }

// guard gives the calls of one process a deadline, and explains their errors.
type guard struct {
	process *Process
	timeout time.Duration
}

// timeoutOf names the key of the workflow that limits the calls of a plugin.
var timeoutOf = map[sdk.Role]string{
	sdk.RoleModel: "timeout in [model]", sdk.RoleOperator: "timeout in [observations]", sdk.RoleFilter: "timeout in its [[filter]]",
}

// size is how much a call has to compute.
type size struct {
	values int     // of the ensemble
	steps  float64 // of the model; 0: not known
}

// A call without a stated time limit may take usualTimeout for up to usualValues, and for up to
// usualSteps of one value, and in proportion longer for more of either, up to longestTimeout.
const (
	usualTimeout   = time.Minute
	longestTimeout = 1000 * time.Hour
	usualValues    = 1_000_000
	usualSteps     = 100 * usualValues
)

// limit returns how long a call of size s may take.
func (g *guard) limit(s size) time.Duration {
	if g.timeout > 0 {
		return g.timeout
	}
	values := float64(s.values)
	return min(longestTimeout, sdk.Seconds(usualTimeout.Seconds()*max(1, values/usualValues, values*s.steps/usualSteps)))
}

// call makes one call of size s with the deadline of g. It waits for the call before it if calls
// must not overlap.
func call[T any](ctx context.Context, g *guard, what string, s size, do func(context.Context) (T, error)) (T, error) {
	var none T
	if mutex := g.process.mutex; mutex != nil {
		select {
		case mutex <- struct{}{}:
			defer func() { <-mutex }()
		case <-ctx.Done():
			return none, stopped(g.where(what), ctx)
		}
	}
	limit := g.limit(s)
	limited, cancel := within(ctx, limit)
	defer cancel()
	result, err := do(limited)
	if err != nil {
		return none, g.explain(ctx, limited, limit, what, err)
	}
	return result, nil
}

func (g *guard) where(what string) string { return "plugin " + g.process.program.Name + ": " + what }

// explain turns the error of a call into one that says who must act.
func (g *guard) explain(ctx, limited context.Context, limit time.Duration, what string, err error) error {
	p, where := g.process, g.where(what)
	late := missed(limited, err)
	if !late {
		p.awaitExit(err)
	}
	var e *sdk.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return stopped(where, ctx)
	case p.exitReason.Load() != nil:
		return p.crash(where, "the process is gone: "+*p.exitReason.Load())
	case p.runner.died():
		why := fmt.Sprintf("it %s in %s", p.runner.exit.What, what)
		p.exitReason.CompareAndSwap(nil, &why)
		return p.crash(where, "the process "+p.runner.exit.What+" during the call")
	case late:
		fate := "the process was ended"
		if p.program.linked != nil {
			fate = "it still runs in this process, but is not called again"
		}
		remedy := "raise %s if it is only slow; %s"
		if g.timeout == 0 {
			remedy = "set %s if it is only slow; if it is omitted the limit follows from the number of values and time steps; %s"
		}
		e = sdk.Errorf(sdk.KindDeadline, where, "no answer within %v", limit).WithHint(remedy, timeoutOf[p.plugin.Manifest.Role], fate)
		p.kill(fmt.Sprintf("it was ended because it gave no answer within %v in %s", limit, what))
	case errors.As(err, &e):
		if what == "configure" && (e.Kind == sdk.KindConfig || e.Kind == sdk.KindShape) {
			return e
		}
		e = named(where, e)
		if e.Stderr == "" && (e.Kind == sdk.KindBug || e.Kind == sdk.KindContract) {
			e.Stderr = p.runner.tail.String()
		}
		return e
	default:
		return &sdk.Error{Kind: sdk.KindOf(err), Where: where, What: err.Error(), Cause: err}
	}
	e.Stderr = p.runner.tail.String()
	return e
}

// missed reports whether a call ended because of its deadline. The plugin watches the
// deadline too, and may give up a moment before the host's clock gets there.
func missed(limited context.Context, err error) bool {
	if limited.Err() != nil {
		return true
	}
	deadline, _ := limited.Deadline()
	return sdk.KindOf(err) == sdk.KindDeadline && time.Until(deadline) < 100*time.Millisecond
}

// named returns a copy of e whose place begins with where.
func named(where string, e *sdk.Error) *sdk.Error {
	c := *e
	c.Where = where
	if e.Where != "" {
		c.Where += ": " + e.Where
	}
	return &c
}

// stopped returns the error of something that ended because ctx did.
func stopped(where string, ctx context.Context) *sdk.Error {
	kind := sdk.KindCanceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = sdk.KindDeadline
	}
	e := sdk.Errorf(kind, where, "stopped: %v", context.Cause(ctx))
	e.Cause = context.Cause(ctx)
	return e
}
