package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// buildFaulty builds, once, a plugin that misbehaves, and returns its path.
var buildFaulty = sync.OnceValues(func() (string, error) { return goBuild(scratch, "../launch/testdata/faulty") })

// faultyWorkflow writes a workflow whose model is a random walk that misbehaves in
// cycle 4 for member 3, and returns its path. model goes into [model].
func faultyWorkflow(t *testing.T, model string) string {
	t.Helper()
	dir := t.TempDir()
	program, err := buildFaulty()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "workflow.toml")
	text := fmt.Sprintf(`format = 1
[experiment]
name = "faulty"
seed = 3
[time]
cycles = 6
interval = 1.0
[plugins]
faulty = { command = [%[1]q] }
coupled = { command = [%[1]q, "coupled"] }
[model]
plugin = "faulty"
params = { cycle = 4, member = 3, marker = %[2]q }
%[3]s
[truth]
init = [0.0, 0.0, 0.0]
[observations]
plugin = "obs-nonlinear"
params = { operator = "arctan" }
[observations.error]
sd = 0.5
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "stochastic"
plugin = "filter-enkf"
params = { scheme = "stochastic" }
[[filter]]
label = "particle"
plugin = "filter-pf"
params = { resampling = "systematic" }
[output]
ensemble = "both"
`, program, filepath.Join(dir, "marker"), model)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// plume runs the program and returns its exit code, its output and what it said.
func plume(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said strings.Builder
	code = Main(args, &out, &said)
	return code, strings.TrimSpace(out.String()), said.String()
}

// failuresOf returns the rows of the failures table of a run.
func failuresOf(t *testing.T, run string) []string {
	t.Helper()
	tab, err := table.Read(filepath.Join(run, "failures.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{}
	for i := range tab.Rows {
		rows = append(rows, fmt.Sprint(tab.Column("trial").([]int32)[i], " ", tab.Column("filter").([]string)[i], " ", tab.Column("cycle").([]int32)[i], " ",
			tab.Column("call").([]string)[i], " ", tab.Column("member").([]int32)[i], "+", tab.Column("members").([]int32)[i], " ",
			tab.Column("reason").([]string)[i], ": ", tab.Column("action").([]string)[i]))
	}
	return rows
}

// Plan says what would be done about failures.
func TestPlanShowsReplicas(t *testing.T) {
	t.Parallel()
	file := faultyWorkflow(t, "replicas = 2")
	for want, set := range map[string][]string{
		"faulty: x[3], 2 replicas, up to 2 retries\n":                            {},
		"faulty: x[3], 2 replicas, up to 2 retries and then 4 members dropped\n": {"--set", "model.on_failure=drop_member", "--set", "model.max_failed=4"},
		"faulty: x[3]\n": {"--set", "model.replicas=1"},
	} {
		if code, out, said := plume(t, append([]string{"plan", file}, set...)...); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want %q:\n%s%s", code, want, out, said)
		}
	}
}

// The same bytes whatever the number of replicas, and whether one of them is killed in
// the middle or not.
func TestReplicasInARun(t *testing.T) {
	t.Parallel()
	file := faultyWorkflow(t, "")
	run := func(set ...string) string {
		args := []string{"run", file, "--run-dir", t.TempDir()}
		for _, s := range set {
			args = append(args, "--set", s)
		}
		code, dir, said := plume(t, args...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", set, code, said)
		}
		return dir
	}
	one := run()
	if rows := failuresOf(t, one); len(rows) > 0 {
		t.Errorf("nothing failed, but %v", rows)
	}
	for _, set := range [][]string{
		{"model.replicas=2", "observations.replicas=3"},
		{"model.replicas=3", "model.params.fault=kill-once"},
		{"model.on_failure=retry", "model.params.fault=kill-once"},
	} {
		_ = os.Remove(filepath.Join(filepath.Dir(file), "marker"))
		other := run(set...)
		if code, out, said := plume(t, "verify", one, other); code != exitOK {
			t.Errorf("%v: %s%s", set, out, said)
		}
		rows := failuresOf(t, other)
		killed := strings.Contains(fmt.Sprint(set), "kill")
		if killed != (len(rows) > 0) {
			t.Errorf("%v: %v", set, rows)
		}
		guilty := 0
		for _, row := range rows { // a trial that shared the process is repeated too, wherever it was
			if !strings.HasSuffix(row, " (killed) during the call: repeated") && !strings.Contains(row, "the process is gone") {
				t.Errorf("%v: %s", set, row)
			}
			if strings.Contains(row, " 4 forecast ") {
				guilty++
			}
		}
		if killed && guilty == 0 {
			t.Errorf("%v: no call of cycle 4 among %v", set, rows)
		}
	}
}

// Members that cannot be forecast leave the ensemble of every trial, and the run says
// so.
func TestDroppedMembersInARun(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string][]string{
		"dry":         {"the lake ran dry", "3 4"},
		"kill-member": {"the process was ended by signal 9 (killed) during the call", "3"},
	} {
		file := faultyWorkflow(t, "on_failure = \"drop_member\"\nmax_failed = 2\nretries = 1\nreplicas = 2")
		code, run, said := plume(t, "run", file, "--run-dir", t.TempDir(), "--set", "model.params.fault="+fault)
		if code != exitOK {
			t.Fatalf("%s: exit code %d\n%s", fault, code, said)
		}
		var rows []string
		for i, label := range []string{"stochastic", "particle"} {
			for _, member := range strings.Fields(want[1]) {
				rows = append(rows, fmt.Sprintf("%d %s 4 forecast %s+1 %s: dropped", i+1, label, member, want[0]))
			}
		}
		got := slices.DeleteFunc(failuresOf(t, run), func(row string) bool { return strings.HasSuffix(row, ": repeated") })
		if !slices.Equal(got, rows) {
			t.Errorf("%s: got\n%s\nwant\n%s", fault, strings.Join(got, "\n"), strings.Join(rows, "\n"))
		}
		lost := len(strings.Fields(want[1]))
		tab, err := table.Read(filepath.Join(run, "ensemble", "trial=0002", "part-00000.arrow"))
		if err != nil {
			t.Fatal(err)
		}
		if rows := 2 * (3*10 + 3*(10-lost)); tab.Rows != rows { // both stages of three cycles before and three after
			t.Errorf("%s: %d rows of members, want %d", fault, tab.Rows, rows)
		}
	}
}

func TestTooManyFailedMembersInARun(t *testing.T) {
	t.Parallel()
	file := faultyWorkflow(t, "on_failure = \"drop_member\"\nmax_failed = 1")
	root := t.TempDir()
	code, _, said := plume(t, "run", file, "--run-dir", root, "--set", "model.params.fault=dry")
	if want := "cycle 4: forecast: 2 of 10 members failed, 2 in the trial so far, but at most max_failed = 1 may fail; member 3: the lake ran dry"; code != exitFailed ||
		!strings.Contains(said, want) {
		t.Errorf("exit code %d, want %q:\n%s", code, want, said)
	}
	runs, _ := filepath.Glob(filepath.Join(root, "faulty", "*"))
	if len(runs) != 1 {
		t.Fatalf("runs: %v", runs)
	}
	if got := failuresOf(t, runs[0]); len(got) != 4 || got[0] != "1 stochastic 4 forecast 3+1 the lake ran dry: ended" {
		t.Errorf("got %q", got)
	}
}

// Members that depend on each other cannot be distributed or dropped.
func TestCoupledMembersStayTogether(t *testing.T) {
	t.Parallel()
	file := faultyWorkflow(t, "on_failure = \"drop_member\"\nmax_failed = 1\nreplicas = 2")
	code, _, said := plume(t, "plan", file, "--set", "model.plugin=coupled")
	for _, want := range []string{
		"error[E310]: the members of `faulty` cannot be distributed over 2 processes",
		"error[E310]: members of `faulty` cannot be dropped",
		"= faulty computes members together (independent_members = false)",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if code != exitWorkflow {
		t.Errorf("exit code %d", code)
	}
	checkFormats(t, code, said, file, "--set", "model.plugin=coupled")
}
