package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// members is how many members the tests of this file forecast.
const members = 10

// replicatedModel returns a model of the plugin faulty under policy, and the pool it runs in.
func replicatedModel(t *testing.T, policy RetryPolicy, params sdk.Params) (sdk.Model, *Pool) {
	t.Helper()
	if policy.Timeout == 0 {
		policy.Timeout = time.Minute
	}
	pool := newPool(t, Options{})
	p, err := pool.Plugin(t.Context(), faulty(t), policy)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	return m, pool
}

// walk forecasts cycles 16 to 18 and returns the ensemble after them, the failures of
// cycle 17 and what was made again.
func walk(t *testing.T, m sdk.Model) (*mat.Dense, []sdk.MemberFailure, []Repeat, error) {
	t.Helper()
	var mu sync.Mutex
	var repeats []Repeat
	ctx := OnRepeat(t.Context(), func(r Repeat) {
		mu.Lock()
		defer mu.Unlock()
		repeats = append(repeats, r)
	})
	state, next := mat.NewDense(members, 3, nil), mat.NewDense(members, 3, nil)
	var failures []sdk.MemberFailure
	var carry [][]byte
	for cycle := 16; cycle <= 18; cycle++ {
		res, err := m.Forecast(ctx, &sdk.ForecastRequest{Call: sdk.Call{Cycle: cycle, Seed: rng.New(1).Child("forecast", cycle)}, To: 1, Ensemble: state, Into: next, Carry: carry})
		if err != nil {
			return nil, nil, repeats, err
		}
		if carry = res.Carry; len(carry) != members {
			t.Errorf("cycle %d: %d members carry something, want %d", cycle, len(carry), members)
		}
		for _, f := range res.Failures {
			if len(carry[f.Member]) > 0 {
				t.Errorf("cycle %d: member %d has failed, but carries something", cycle, f.Member)
			}
			carry[f.Member] = make([]byte, 8)
		}
		failures = append(failures, res.Failures...)
		state, next = next, state
	}
	return state, failures, repeats, nil
}

// undisturbed is the walk of one process that does not misbehave.
func undisturbed(t *testing.T) *mat.Dense {
	t.Helper()
	m, _ := replicatedModel(t, RetryPolicy{}, nil)
	want, failures, _, err := walk(t, m)
	if err != nil || len(failures) > 0 {
		t.Fatal(failures, err)
	}
	return want
}

func marker(t *testing.T) string { return filepath.Join(t.TempDir(), "marker") }

// A random walk is the same, bit by bit, in any number of processes.
func TestReplicasDoNotChangeResults(t *testing.T) {
	t.Parallel()
	want := undisturbed(t)
	for _, k := range []int{1, 2, 3, members + 2} {
		m, pool := replicatedModel(t, RetryPolicy{Replicas: k}, nil)
		got, _, _, err := walk(t, m)
		if err != nil {
			t.Fatalf("%d replicas: %v", k, err)
		}
		if !mat.Equal(got, want) {
			t.Errorf("%d replicas change the result", k)
		}
		if n := len(pool.slotsOf(faulty(t), k)); n != k {
			t.Errorf("%d slots for %d replicas", n, k)
		}
	}
}

// Rows go to replicas in consecutive blocks whose lengths differ by one at most, and no
// row is left out.
func TestShard(t *testing.T) {
	for k := 1; k <= 7; k++ {
		for rows := 1; rows <= 20; rows++ {
			c := replicas{slots: make([]*slot, k), threading: sdk.Threading{IndependentMembers: true}}
			next := 0
			for _, b := range c.shard(rows) {
				if b.from != next || b.to-b.from < rows/k || b.to-b.from > rows/k+1 {
					t.Errorf("%d rows to %d replicas: %v", rows, k, c.shard(rows))
				}
				next = b.to
			}
			if first := c.shard(rows)[0]; next != rows || first.to == 0 {
				t.Errorf("%d rows to %d replicas: %v", rows, k, c.shard(rows))
			}
		}
	}
	c := replicas{slots: make([]*slot, 3), threading: sdk.Threading{IndependentMembers: true, MaxMembersPerCall: 2}}
	if got, want := fmt.Sprint(c.pieces(block{3, 8})), "[{3 5} {5 7} {7 8}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for values, want := range map[int]string{1 << 20: "[{0 4} {4 8} {8 9}]", 1 << 10: "[{0 9}]", 1 << 30: fmt.Sprintf("[{0 %d}", min(9, runtime.NumCPU()))} {
		large := replicas{slots: make([]*slot, 1), threading: sdk.Threading{IndependentMembers: true}, values: values}
		if runtime.NumCPU() > 4 && values == 1<<20 { // a call has a member for every core
			continue
		}
		if got := fmt.Sprint(large.pieces(block{0, 9})); !strings.HasPrefix(got, want) {
			t.Errorf("members of %d values: got %s, want %s", values, got, want)
		}
	}
	if got := c.pieces(block{3, 3}); got != nil {
		t.Errorf("an empty block has the pieces %v", got)
	}
	c.threading = sdk.Threading{}
	if got := fmt.Sprint(c.shard(5)); got != "[{0 5}]" {
		t.Errorf("members that depend on each other are sharded as %v", got)
	}
}

// A real process is killed in the middle of a forecast: it is started again, and
// nothing is lost.
func TestKilledReplicaIsReplaced(t *testing.T) {
	t.Parallel()
	mark := marker(t)
	m, pool := replicatedModel(t, RetryPolicy{Replicas: 3, Retries: 1}, sdk.Params{"fault": "hang-once", "member": 5, "marker": mark})
	second := pool.slotsOf(faulty(t), 3)[1]
	pid := pidOf(second.now.process)
	go func() {
		for _, err := os.Stat(mark); err != nil; _, err = os.Stat(mark) {
			time.Sleep(10 * time.Millisecond)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}()
	got, failures, repeats, err := walk(t, m)
	if err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(got, undisturbed(t)) || len(failures) > 0 {
		t.Errorf("the result is another one; failures %v", failures)
	}
	want := Repeat{"faulty", "forecast", 17, 4, 6, 3, "the process was ended by signal 9 (killed) during the call"}
	if len(repeats) != 1 || repeats[0] != want {
		t.Errorf("got %+v, want %+v", repeats, want)
	}
	if now := pidOf(second.now.process); now == pid {
		t.Error("it is the same process")
	}
	waitGone(t, pid)
}

// A fault that passes when a call or a member is repeated leaves no trace in the result.
func TestTransientFaults(t *testing.T) {
	want := undisturbed(t)
	for _, c := range []struct {
		fault    string
		replicas int
		retries  int
		repeats  []string // reasons
	}{
		{"kill-once", 1, 1, []string{"the process was ended by signal 9 (killed) during the call"}},
		{"kill-once", 3, 2, []string{"the process was ended by signal 9 (killed) during the call"}},
		{"transient-once", 2, 1, []string{"none is free"}},
		{"dry-once", 3, 1, []string{"the lake ran dry"}},
		{"dry-twice", 1, 2, []string{"the lake ran dry", "the lake ran dry"}},
	} {
		t.Run(fmt.Sprint(c.fault, c.replicas), func(t *testing.T) {
			t.Parallel()
			m, _ := replicatedModel(t, RetryPolicy{Replicas: c.replicas, Retries: c.retries}, sdk.Params{"fault": c.fault, "marker": marker(t)})
			got, failures, repeats, err := walk(t, m)
			if err != nil || len(failures) > 0 {
				t.Fatal(failures, err)
			}
			if !mat.Equal(got, want) {
				t.Error("the result is another one")
			}
			var reasons []string
			for _, r := range repeats {
				reasons = append(reasons, r.Reason)
			}
			if !slices.Equal(reasons, c.repeats) {
				t.Errorf("got %q, want %q", reasons, c.repeats)
			}
		})
	}
}

// A fault that does not pass is an error, or a list of members with reasons.
func TestPermanentFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy RetryPolicy
		params sdk.Params
		err    []string // none: members are listed
		listed string
		again  int // repeats
	}{
		{name: "no retries", policy: RetryPolicy{Replicas: 3}, params: sdk.Params{"fault": "kill-member"},
			err: []string{"members 0 to 3: plugin faulty: cycle 17: forecast: the process was ended by signal 9"}},
		{name: "it dies each time", policy: RetryPolicy{Retries: 2}, params: sdk.Params{"fault": "kill-member"},
			err: []string{"plugin faulty: cycle 17: forecast: the process was ended by signal 9"}, again: 2},
		{name: "too many", policy: RetryPolicy{Retries: 1, MaxFailed: 1}, params: sdk.Params{"fault": "kill"},
			err: []string{"member 1: plugin faulty: cycle 17: forecast: the process was ended by signal 9"}, again: 1},
		{name: "the one it dies of", policy: RetryPolicy{Replicas: 2, Retries: 1, MaxFailed: 1}, params: sdk.Params{"fault": "kill-member", "member": 7},
			listed: "[{7 the process was ended by signal 9 (killed) during the call false }]", again: 1},
		{name: "late", policy: RetryPolicy{Replicas: 2, Retries: 2, Timeout: 3 * time.Second}, params: sdk.Params{"fault": "hang"},
			err: []string{"members 0 to 4: plugin faulty: cycle 17: forecast: no answer within 3s"}},
		{name: "final", policy: RetryPolicy{Replicas: 3, Retries: 2}, params: sdk.Params{"fault": "dry"},
			listed: "[{3 the lake ran dry false } {4 the lake ran dry false }]"},
		{name: "not yet", policy: RetryPolicy{Retries: 1}, params: sdk.Params{"fault": "dry-twice"},
			listed: "[{3 the lake ran dry true }]", again: 1},
		{name: "a bug", policy: RetryPolicy{Retries: 2}, params: sdk.Params{"fault": "panic"}, err: []string{"boom"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.params["marker"] = marker(t)
			m, _ := replicatedModel(t, c.policy, c.params)
			_, failures, repeats, err := walk(t, m)
			if len(repeats) != c.again {
				t.Errorf("made again: got %+v, want %d", repeats, c.again)
			}
			if c.err == nil {
				if got := fmt.Sprint(failures); err != nil || got != c.listed {
					t.Errorf("got %s %v, want %s", got, err, c.listed)
				}
				return
			}
			for _, want := range c.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// as returns the program faulty in another role.
func as(t *testing.T, role string) *Program {
	t.Helper()
	p, err := Command("faulty", []string{"./faulty", role}, bin(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var lake = &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{3}, Unit: "1"}}}

// Predicted and simulated observations are the same, bit by bit, from any number of
// processes, even if one dies.
func TestOperatorInReplicas(t *testing.T) {
	t.Parallel()
	observe := func(k int, params sdk.Params) (*sdk.ObserveRequest, *sdk.ObserveResult, error) {
		p, err := newPool(t, Options{}).Plugin(t.Context(), as(t, "operator"), RetryPolicy{Timeout: time.Minute, Replicas: k, Retries: 1})
		if err != nil {
			t.Fatal(err)
		}
		o, err := p.NewOperator(t.Context(), sdk.OperatorConfig{Params: params, State: lake, Error: sdk.ErrorModel{Dist: "normal", SD: []float64{1}}})
		if err != nil {
			t.Fatal(err)
		}
		r := &sdk.ObserveRequest{
			Call: sdk.Call{Cycle: 17, Seed: rng.New(1)}, Ensemble: mat.NewDense(members, 3, nil),
			Predicted: mat.NewDense(members, 3, nil), Simulated: mat.NewDense(members, 3, nil),
		}
		for i := range members {
			r.Ensemble.SetRow(i, []float64{float64(i), 1, -1})
		}
		res, err := o.Observe(t.Context(), r)
		return r, res, err
	}
	want, _, err := observe(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= 3; k++ {
		got, res, err := observe(k, sdk.Params{"fault": "kill-once", "marker": marker(t)})
		if err != nil {
			t.Fatal(err)
		}
		if !mat.Equal(got.Predicted, want.Predicted) || !mat.Equal(got.Simulated, want.Simulated) || !slices.Equal(res.ErrorVariance, []float64{1, 1, 1}) {
			t.Errorf("%d replicas give something else", k)
		}
	}
	_, _, err = observe(2, sdk.Params{"fault": "uneven"})
	checkError(t, err, sdk.KindContract, "plugin faulty: cycle 17: observe: the error variance depends on the members")
}

// A filter that dies is started again.
func TestFilterIsReplaced(t *testing.T) {
	t.Parallel()
	p, err := newPool(t, Options{}).Plugin(t.Context(), as(t, "filter"), RetryPolicy{Timeout: time.Minute, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: sdk.Params{"fault": "kill-once", "marker": marker(t)}, State: lake,
		Observations: &sdk.ObservationSpace{Layout: lake}, Members: 2})
	if err != nil {
		t.Fatal(err)
	}
	var repeats []Repeat
	problem := &sdk.Problem{Call: sdk.Call{Cycle: 17}, Ensemble: mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6}), Observation: []float64{1, 2, 3},
		Carry: []byte{7}, Into: mat.NewDense(2, 3, nil)}
	a, err := f.Analyse(OnRepeat(t.Context(), func(r Repeat) { repeats = append(repeats, r) }), problem)
	if err != nil || !mat.Equal(problem.Into, problem.Ensemble) || !slices.Equal(a.Carry, []byte{7, 1}) {
		t.Errorf("got %v %v, %v", problem.Into, a, err)
	}
	if len(repeats) != 1 || repeats[0].Call != "analyse" || repeats[0].Members != 2 {
		t.Errorf("made again: %+v", repeats)
	}
}

// Several calls share a process that one of them kills each time: only that one
// fails, however few retries there are.
func TestInnocentCallsSurvive(t *testing.T) {
	t.Parallel()
	guilty, pool := replicatedModel(t, RetryPolicy{Retries: 1}, sdk.Params{"fault": "kill-member", "member": 3})
	p, err := pool.Plugin(t.Context(), faulty(t), RetryPolicy{Timeout: time.Minute, Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := undisturbed(t)
	var innocent []sdk.Model
	for range 4 { // all are configured before the process dies
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		innocent = append(innocent, m)
	}
	var wg sync.WaitGroup
	for _, m := range innocent {
		wg.Go(func() {
			if _, _, _, err := walk(t, guilty); sdk.KindOf(err) != sdk.KindCrash {
				t.Errorf("the guilty one: got %v, want a crash", err)
			}
		})
		wg.Go(func() {
			if got, _, _, err := walk(t, m); err != nil || !mat.Equal(got, want) {
				t.Errorf("an innocent one: %v", err)
			}
		})
	}
	wg.Wait()
}

// A call kills the process in which something else is being configured: that is
// configured again in the next process if retries are allowed.
func TestConfigureSurvives(t *testing.T) {
	t.Parallel()
	want := undisturbed(t)
	for _, retries := range []int{0, 1} {
		guilty, pool := replicatedModel(t, RetryPolicy{}, sdk.Params{"fault": "kill"})
		p, err := pool.Plugin(t.Context(), faulty(t), RetryPolicy{Timeout: time.Minute, Retries: retries})
		if err != nil {
			t.Fatal(err)
		}
		mark, killed := marker(t), make(chan error)
		go func() {
			for _, err := os.Stat(mark); err != nil; _, err = os.Stat(mark) {
				time.Sleep(10 * time.Millisecond)
			}
			killed <- forecast(t, t.Context(), guilty, 17)
		}()
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"fault": "hang-configure-once", "marker": mark}})
		checkError(t, <-killed, sdk.KindCrash, "cycle 17: forecast")
		if retries == 0 {
			checkError(t, err, sdk.KindCrash, "plugin faulty: configure: ")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _, err := walk(t, m); err != nil || !mat.Equal(got, want) {
			t.Errorf("after it was configured again: %v", err)
		}
	}
}

// A process keeps a limited number of configurations; one that was evicted is configured
// again when it is called.
func TestConfigurationsAreEvicted(t *testing.T) {
	t.Parallel()
	want := undisturbed(t)
	first, pool := replicatedModel(t, RetryPolicy{}, nil)
	p, err := pool.Plugin(t.Context(), faulty(t), RetryPolicy{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var last sdk.Model
	for i := range 3 * maxSessions {
		if last, err = p.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"fault": "count", "member": i}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, _, err := walk(t, first); err != nil || !mat.Equal(got, want) {
		t.Errorf("the first one: %v", err)
	}
	var count float64
	for range 100 { // garbage is collected with a delay
		res, err := last.Forecast(t.Context(), &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(2, 3, nil), Into: mat.NewDense(2, 3, nil)})
		if err != nil {
			t.Fatal(err)
		}
		if count = res.Metrics["configurations"]; count <= maxSessions {
			return
		}
	}
	t.Errorf("%g configurations are in the process, want at most %d", count, maxSessions)
}

// A program that was replaced on disk is not started again in the middle of a run.
func TestChangedProgramIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(bin(t), "faulty"))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "faulty")
	if err := os.WriteFile(copied, text, 0o700); err != nil {
		t.Fatal(err)
	}
	program, err := Path{dir}.Find("faulty")
	if err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, Options{})
	p, err := pool.Plugin(t.Context(), program, RetryPolicy{Timeout: time.Minute, Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"fault": "kill-once", "marker": marker(t)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(copied), os.WriteFile(copied, append(text, 0), 0o700)); err != nil {
		t.Fatal(err)
	}
	_, _, _, err = walk(t, m)
	checkError(t, err, sdk.KindPlugin, "plugin faulty: ", "has changed since the run began")
}

// A replica gets its share of the processors, a process alone all of them.
func TestShareOfProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "7")
	for n, want := range map[int]string{1: "GOMAXPROCS=7", 100: "GOMAXPROCS=1"} {
		s := newSlot(&Pool{}, &Program{}, n)
		env := environment(s.options.Env)
		slices.Reverse(env) // of two the last one counts
		i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
		if i < 0 || env[i] != want {
			t.Errorf("%d replicas: got %v, want %s", n, env, want)
		}
	}
}

// The share is one of all processors, also of a host that has one for the moment.
func TestShareOfProcessorsDuringSteps(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	steps := pace.StartSteps()
	steps.Ended()
	for deadline := time.Now().Add(time.Minute); runtime.GOMAXPROCS(0) != 1; steps.Ended() {
		if time.Now().After(deadline) {
			t.Fatal("a host with brief steps never has one processor")
		}
		time.Sleep(time.Millisecond)
	}
	s := newSlot(&Pool{}, &Program{}, 2)
	if !slices.Contains(s.options.Env, "GOMAXPROCS=2") {
		t.Errorf("got %v of 4 processors for one of 2 replicas", s.options.Env)
	}
}

// A call can be stopped while it waits to be repeated.
func TestStoppedBetweenAttempts(t *testing.T) {
	t.Parallel()
	m, _ := replicatedModel(t, RetryPolicy{Retries: 100}, sdk.Params{"fault": "kill-member"})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := forecast(t, ctx, m, 17)
	if err == nil || time.Since(start) > limit {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

// A process that ends in the middle of a call has failed, even if its exit code is 0.
func TestOrderlyEndHasAHint(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	m := configure(t, p, "hang", time.Minute)
	pid := pidOf(p)
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGTERM) })
	err := forecast(t, t.Context(), m, 17)
	checkError(t, err, sdk.KindCrash, "the process exited with code 0 during the call; a plugin exits like this when it is asked to end, for example by SIGTERM")
}
