package remote

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// ponds is a pool of ponds with its executor.
type ponds struct {
	*launch.Pool
	executor *Executor
}

// Close closes both.
func (p ponds) Close() error { return errors.Join(p.Pool.Close(), p.executor.Close()) }

// startPonds returns a model in several replicas that site starts.
func startPonds(t *testing.T, site *workflow.Executor, policy launch.RetryPolicy) (ponds, sdk.Model) {
	t.Helper()
	pool, program, e := newPool(t, site, nil)
	policy.Timeout = 30 * time.Second
	p, err := pool.Plugin(t.Context(), program, policy)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return ponds{pool, e}, m
}

// forecastMany forecasts 40 members and checks each; those that failed are in the result.
func forecastMany(ctx context.Context, m sdk.Model, cycle int) (*sdk.ForecastResult, error) {
	const rows = 40
	r := &sdk.ForecastRequest{Call: sdk.Call{Cycle: cycle}, To: 1, Ensemble: mat.NewDense(rows, 2, nil), Into: mat.NewDense(rows, 2, nil)}
	for i := range rows {
		r.Ensemble.SetRow(i, []float64{float64(i), float64(-i)})
	}
	res, err := m.Forecast(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		failed := false
		for _, f := range res.Failures {
			failed = failed || f.Member == i
		}
		if row := r.Into.RawRowView(i); !failed && (row[0] != float64(i)+1 || row[1] != float64(-i)+1) {
			return nil, fmt.Errorf("member %d is %v", i, row)
		}
	}
	return res, nil
}

// Members that are lost with a replica are computed by another, and every member has one
// answer, its own.
func TestLostMembers(t *testing.T) {
	t.Parallel()
	for name, site := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site.Env = []string{"MARKER=" + filepath.Join(t.TempDir(), "died")}
			pool, m := startPonds(t, site, launch.RetryPolicy{Replicas: 3, Retries: 2})
			var mu sync.Mutex
			var repeats []launch.Repeat
			ctx := launch.OnRepeat(t.Context(), func(r launch.Repeat) {
				mu.Lock()
				defer mu.Unlock()
				repeats = append(repeats, r)
			})
			if _, err := forecastMany(ctx, m, 3); err != nil {
				t.Fatal(err)
			}
			if len(repeats) != 1 || repeats[0].Members == 0 || !strings.Contains(repeats[0].Reason, "the process exited with code 3 on ") {
				t.Errorf("repeated %+v", repeats)
			}
			calls, lost, busy := 0, 0, time.Duration(0)
			loads := pool.Loads()
			for _, l := range loads {
				calls, lost, busy = calls+l.Calls, lost+l.Lost, busy+l.Busy
			}
			if len(loads) != 3 || loads[0].Plugin != "pond" || loads[0].Node == "" && loads[1].Node == "" || calls != 20 || lost != 1 || busy < 200*time.Millisecond {
				t.Errorf("loads %+v", loads)
			}
		})
	}
}

// Of the members of a block the one is named that the process dies of. It is left out if
// that is allowed.
func TestPoison(t *testing.T) {
	t.Parallel()
	for _, allowed := range []int{0, 1} {
		_, m := startPonds(t, attached(), launch.RetryPolicy{Replicas: 2, Retries: 1, MaxFailed: allowed})
		res, err := forecastMany(t.Context(), m, 2)
		switch {
		case allowed == 0 && (sdk.KindOf(err) != sdk.KindCrash || !strings.HasPrefix(fmt.Sprint(err), "member 7: plugin pond: cycle 2: forecast: the process exited with code 3 on ")):
			t.Errorf("got %v", err)
		case allowed == 1 && (err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 7):
			t.Errorf("got %+v, %v", res, err)
		}
	}
}

// Replicas that wait for a place delay nothing.
func TestLateReplicas(t *testing.T) {
	t.Parallel()
	site := attached()
	site.Start[2] = "case {{.Name}} in *-[23]) sleep 1000;; esac; exec {{.Shell}}"
	start := time.Now()
	pool, m := startPonds(t, site, launch.RetryPolicy{Replicas: 3, Retries: 2})
	if _, err := forecastMany(t.Context(), m, 0); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if loads := pool.Loads(); len(loads) != 3 || loads[0].Calls+loads[1].Calls+loads[2].Calls != 19 {
		t.Errorf("loads %+v", loads)
	}
	if err := pool.Close(); err != nil { // gives up those that wait
		t.Error(err)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v until it was closed", took)
	}
}

// When no replica can be started again the error says why.
func TestNoReplicaLeft(t *testing.T) {
	t.Parallel()
	site := attached()
	site.Start[2] = "case {{.Name}} in *-[12]) exec {{.Shell}};; esac; echo the account has expired >&2; exit 1"
	_, m := startPonds(t, site, launch.RetryPolicy{Replicas: 2, Retries: 2})
	_, err := forecastMany(t.Context(), m, 2)
	if want := "executor lab did not start it: sh exited with code 1: the account has expired"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// Calls that share replicas go on with those that are left while a replacement waits for a
// place.
func TestReplacementWaits(t *testing.T) {
	t.Parallel()
	site := attached()
	site.Env = []string{"MARKER=" + filepath.Join(t.TempDir(), "died")}
	site.Start[2] = "case {{.Name}} in *-[12]) exec {{.Shell}};; esac; sleep 1000"
	_, m := startPonds(t, site, launch.RetryPolicy{Replicas: 2, Retries: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			if _, err := forecastMany(ctx, m, 3); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

// A node that does not have the network that the site names says so, of a plugin and of what is
// no plugin.
func TestNoSuchNetwork(t *testing.T) {
	t.Parallel()
	site := attached()
	site.Interface = "nowhere9"
	pool, program, e := newPool(t, site, nil)
	_, plugin := pool.Start(t.Context(), program)
	_, peer := launch.Connect(t.Context(), e, "pond", []string{"/bin/sh", "-c", "echo '1|1|unix|/pond|plume'; sleep 100"}, func(launch.Record) {})
	for who, err := range map[string]error{"plugin pond: the process": plugin, "pond:": peer} {
		want := who + " was ended because it cannot be reached on "
		if got := fmt.Sprint(err); !strings.HasPrefix(got, want) || !strings.Contains(got, `before it was ready; there is no network interface "nowhere9" on this machine`) {
			t.Errorf("got %s, want %s...", got, want)
		}
	}
}
