package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
)

// inMemory is an executor whose children are servers in the process of the test.
type inMemory struct {
	plugin *sdk.Plugin
	queue  func(context.Context) error // that a child waits in before it starts; nil: there is none

	mu       sync.Mutex
	children []*inMemoryChild
}

// Start implements Executor.
func (e *inMemory) Start(ctx context.Context, _ *Program, env []string) (Child, error) {
	if e.queue != nil {
		if err := e.queue(ctx); err != nil {
			return nil, err
		}
	}
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, plugin.EnvUnixSocketDir+"=") })
	path := filepath.Join(strings.TrimPrefix(env[i], plugin.EnvUnixSocketDir+"="), "plugin")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	c := &inMemoryChild{server: grpc.NewServer(rpc.ServerOptions()...), exit: make(chan Exit, 3)}
	c.stdout, c.stdoutOf = io.Pipe()
	c.stderr, c.stderrOf = io.Pipe()
	rpc.Register(c.server, e.plugin)
	go func() { _ = c.server.Serve(listener) }()
	go func() {
		fmt.Fprintf(c.stdoutOf, "%d|%d|unix|%s|grpc|\n", plugin.CoreProtocolVersion, rpc.ProtocolVersion, path)
		fmt.Fprintln(c.stderrOf, "up and running")
	}()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.children = append(e.children, c)
	return c, nil
}

// last returns the child started last.
func (e *inMemory) last() *inMemoryChild {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.children[len(e.children)-1]
}

type inMemoryChild struct {
	server             *grpc.Server
	stdout, stderr     *io.PipeReader
	stdoutOf, stderrOf *io.PipeWriter
	exit               chan Exit
}

func (c *inMemoryChild) ID() string            { return "a server in memory" }
func (c *inMemoryChild) Stdout() io.ReadCloser { return c.stdout }
func (c *inMemoryChild) Stderr() io.ReadCloser { return c.stderr }
func (c *inMemoryChild) Terminate()            { c.Kill() }
func (c *inMemoryChild) Kill()                 { c.end(Exit{What: "was stopped"}) }

// end ends the child; how says how.
func (c *inMemoryChild) end(how Exit) {
	select {
	case c.exit <- how:
	default: // it has ended
	}
}

// Wait implements Child.
func (c *inMemoryChild) Wait() Exit {
	exit := <-c.exit
	c.server.Stop()
	_ = c.stdoutOf.Close()
	_ = c.stderrOf.Close()
	return exit
}

// lakeModel adds 1 to all values; its first call of cycle 17 waits until it is stopped.
type lakeModel struct {
	waits  atomic.Bool
	called chan struct{} // closed by that call
}

func (*lakeModel) Layout() *sdk.Layout { return lake }

func (m *lakeModel) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.Cycle == 17 && m.waits.CompareAndSwap(false, true) {
		close(m.called)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r.Into.Apply(func(_, _ int, v float64) float64 { return v + 1 }, r.Ensemble)
	return &sdk.ForecastResult{}, nil
}

const lakeManifest = "name = \"lake\"\nversion = \"0.1.0\"\nrole = \"model\"\nsummary = \"One more\"\n"

// newInMemory returns an executor of a lakeModel, and what its first call of cycle 17
// closes.
func newInMemory(t *testing.T) (*inMemory, <-chan struct{}) {
	t.Helper()
	model := &lakeModel{called: make(chan struct{})}
	p, err := sdk.ModelPlugin(lakeManifest, func(sdk.ModelConfig) (sdk.Model, error) { return model, nil })
	if err != nil {
		t.Fatal(err)
	}
	return &inMemory{plugin: p}, model.called
}

// lakeProgram is a program without files: only its executor knows what runs.
func lakeProgram(t *testing.T) *Program {
	t.Helper()
	p, err := newProgram(&Program{Name: "lake", Command: []string{"/lake"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What the pool does with processes it does with what any executor starts: calls,
// replicas, logs, an orderly end.
func TestExecutor(t *testing.T) {
	t.Parallel()
	e, _ := newInMemory(t)
	lines := make(chan string, 10)
	pool := newPool(t, Options{Executor: e, Log: func(r Record) { lines <- r.Plugin + ": " + r.Message }})
	p, err := pool.Plugin(t.Context(), lakeProgram(t), RetryPolicy{Timeout: time.Minute, Replicas: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(4, 3, nil), Into: mat.NewDense(4, 3, nil)}
	if _, err := m.Forecast(t.Context(), r); err != nil || mat.Sum(r.Into) != 12 {
		t.Errorf("got %v, %v", r.Into.RawMatrix().Data, err)
	}
	if len(e.children) != 2 {
		t.Errorf("%d children for 2 replicas", len(e.children))
	}
	if line := <-lines; line != "lake: up and running" {
		t.Errorf("got %q", line)
	}
}

// What an executor knows about the end of a child is in the error of the call, and
// the next child takes its place.
func TestExecutorLosesAChild(t *testing.T) {
	t.Parallel()
	lost := Exit{What: "was lost with node7", Hint: "ask its administrator"}
	for _, retries := range []int{0, 1} {
		e, called := newInMemory(t)
		p, err := newPool(t, Options{Executor: e}).Plugin(t.Context(), lakeProgram(t), RetryPolicy{Timeout: time.Minute, Retries: retries})
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-called
			e.last().end(lost)
		}()
		if err := forecast(t, t.Context(), m, 17); retries == 0 {
			checkError(t, err, sdk.KindCrash, "plugin lake: cycle 17: forecast: the process was lost with node7 during the call; ask its administrator")
			checkExit(t, err, -1, "", []string{"up and running"})
		} else if err != nil || len(e.children) != 2 {
			t.Errorf("with a retry: %d children, %v", len(e.children), err)
		}
	}
}

// A child that misses a deadline is killed by its executor.
func TestExecutorKills(t *testing.T) {
	t.Parallel()
	e, _ := newInMemory(t)
	p, err := newPool(t, Options{Executor: e}).Start(t.Context(), lakeProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	m := configure(t, p, "", 300*time.Millisecond)
	checkError(t, forecast(t, t.Context(), m, 17), sdk.KindDeadline, "plugin lake: cycle 17: forecast: no answer within 300ms")
	checkError(t, forecast(t, t.Context(), m, 18), sdk.KindCrash, "the process is gone: it was ended because it gave no answer within 300ms in cycle 17: forecast")
}

// An executor may refuse a program, or keep it waiting for longer than it may.
func TestExecutorDoesNotStart(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, c := range []struct {
		queue func(context.Context) error
		kind  sdk.Kind
		want  string
	}{
		{func(context.Context) error { return errors.New("the queue is closed") }, sdk.KindPlugin, "plugin lake: did not start: the queue is closed"},
		{func(context.Context) error {
			return sdk.Errorf(sdk.KindResource, "", "there is no account").WithHint("open one")
		}, sdk.KindResource, "plugin lake: there is no account; open one"},
		{wait, sdk.KindDeadline, "plugin lake: was not ready after 200ms"},
	} {
		e, _ := newInMemory(t)
		e.queue = c.queue
		_, err := newPool(t, Options{Executor: e, StartTimeout: 200 * time.Millisecond}).Start(t.Context(), lakeProgram(t))
		checkError(t, err, c.kind, c.want)
	}

	e, _ := newInMemory(t)
	e.queue = wait
	pool := newPool(t, Options{Executor: e})
	failed := make(chan error)
	go func() {
		_, err := pool.Start(t.Context(), lakeProgram(t))
		failed <- err
	}()
	time.Sleep(50 * time.Millisecond) // until it is in the queue
	pool.Kill()
	checkError(t, <-failed, sdk.KindCanceled, "plugin lake: start: stopped")
	if _, err := os.Stat(pool.sockets); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", pool.sockets, err)
	}
}

// undying is an executor of children that take long to end.
type undying struct {
	*inMemory
	longer time.Duration
}

// Start implements Executor.
func (u undying) Start(ctx context.Context, p *Program, env []string) (Child, error) {
	c, err := u.inMemory.Start(ctx, p, env)
	return &undyingChild{c, u.longer}, err
}

type undyingChild struct {
	Child
	longer time.Duration
}

// Wait implements Child.
func (c *undyingChild) Wait() Exit {
	exit := c.Child.Wait()
	time.Sleep(c.longer)
	return exit
}

// A process that was killed and holds gigabytes takes seconds to end; it is waited for. One
// that does not end at all is an error that names it.
func TestSlowDeath(t *testing.T) {
	for name, test := range map[string]struct {
		longer time.Duration
		want   string
	}{
		"slow":  {3 * grace, ""},
		"never": {time.Hour, "plugin lake: a server in memory has not ended, 15s after it was killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executor, _ := newInMemory(t)
			pool, err := NewPool(Options{Executor: undying{executor, test.longer}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pool.Start(t.Context(), lakeProgram(t)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err = pool.Close()
			if got := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if took := time.Since(start); took > 4*grace+deathTime {
				t.Errorf("it took %v", took)
			}
		})
	}
}
