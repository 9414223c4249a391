package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// scratch is a directory for what tests leave, removed at the end.
var scratch string

// buildPlugins builds the plugins of testdata, once, and returns their directory.
var buildPlugins = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "bin")
	out, err := exec.Command("go", "build", "-o", dir+"/", "./testdata/faulty", "./testdata/raw").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the plugins of testdata: %w\n%s", err, out)
	}
	return dir, nil
})

// bin returns the directory of the plugins of testdata.
func bin(t testing.TB) string {
	t.Helper()
	dir, err := buildPlugins()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMain(m *testing.M) {
	if os.Getenv("LAUNCH_TEST_HOST") != "" {
		hostToBeKilled()
		return
	}
	os.Exit(testMain(m))
}

// testMain checks that no test leaves a socket.
func testMain(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "launch"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(scratch)
	os.Setenv("TMPDIR", scratch)
	code := m.Run()
	if left, _ := filepath.Glob(filepath.Join(scratch, "plume-*")); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "directories of sockets were left behind: %v\n", left)
		return 1
	}
	return code
}

// pidOf returns the number of the process that p is on this machine.
func pidOf(p *Process) int { return p.runner.child.(*localChild).process.Pid }

// limit is how long any fault may take to become an error.
const limit = 5 * time.Second

// newPool returns a pool that is closed with the test, in time, leaving nothing.
func newPool(t *testing.T, o Options) *Pool {
	t.Helper()
	pool, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		start := time.Now()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > limit {
			t.Errorf("closing took %v", took)
		}
		if _, err := os.Stat(pool.sockets); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", pool.sockets, err)
		}
	})
	return pool
}

// begin starts program in a pool of its own; its process group must be gone
// when the test has ended.
func begin(t *testing.T, program *Program, o Options) *Process {
	t.Helper()
	var p *Process
	t.Cleanup(func() {
		if p != nil {
			waitGone(t, pidOf(p))
		}
	})
	pool := newPool(t, o)
	p, err := pool.Start(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func faulty(t *testing.T) *Program {
	t.Helper()
	p, err := Path{bin(t)}.Find("faulty")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func raw(t *testing.T, mode string) *Program {
	t.Helper()
	p, err := Command("raw", []string{"./raw", mode}, bin(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// configure returns a model of p that does fault in cycle 17.
func configure(t *testing.T, p *Process, fault string, timeout time.Duration) sdk.Model {
	t.Helper()
	params := sdk.Params{}
	if fault != "" {
		params["fault"] = fault
	}
	m, err := p.Plugin(timeout).NewModel(t.Context(), sdk.ModelConfig{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forecast makes one call for four members. The test fails if it does not return in time.
func forecast(t *testing.T, ctx context.Context, m sdk.Model, cycle int) error {
	t.Helper()
	start := time.Now()
	_, err := m.Forecast(ctx, &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: cycle}, From: 0, To: 1,
		Ensemble: mat.NewDense(4, 3, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), Into: mat.NewDense(4, 3, nil),
	})
	if took := time.Since(start); took > limit {
		t.Errorf("the call took %v", took)
	}
	return err
}

// waitGone waits until no process of the group is left. Zombies do not count: they only
// have to be reaped.
func waitGone(t *testing.T, group int) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if len(groupMembers(t, group)) == 0 {
			return
		}
	}
	t.Errorf("processes of group %d are left:\n%s", group, strings.Join(groupMembers(t, group), "\n"))
}

func groupMembers(t *testing.T, group int) []string {
	t.Helper()
	if syscall.Kill(-group, 0) == syscall.ESRCH {
		return nil
	}
	out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		f := strings.Fields(line)
		return len(f) < 2 || f[0] != strconv.Itoa(group) || strings.HasPrefix(f[1], "Z")
	})
}
