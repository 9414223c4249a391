// Package process tests the programs in the folders beside it, and what plume says
// and does when a program goes wrong.
package process

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/examples/internal/examplestest"
	"gonum.org/v1/gonum/stat"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// run runs a workflow below dir and returns the run's directory.
func run(t *testing.T, dir, workflow string, more ...string) string {
	t.Helper()
	return examplestest.Run(t, plume, filepath.Join(dir, workflow), more...)
}

// compile makes the program of a folder, or skips the test where there is no
// compiler and none is required.
func compile(t *testing.T, compiler, dir, source string, more ...string) {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		if os.Getenv("PLUME_COMPILERS") == "required" {
			t.Fatalf("%v, but PLUME_COMPILERS = required", err)
		}
		t.Skipf("NOT TESTED: %s: %v; install it to run this test", source, err)
	}
	cmd := exec.Command(compiler, append([]string{"-O2", "-Wall", "-Werror", "-ffp-contract=off", "-o", strings.TrimSuffix(source, filepath.Ext(source)), source}, more...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// numbers returns the true trajectory and the analysis ensembles of a run.
func numbers(t *testing.T, dir string) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{}
	for what, part := range map[string]string{"truth": "truth/replicate=001", "analysis": "ensemble/trial=0001"} {
		tab := examplestest.Table(t, dir, part, "part-00000.arrow")
		for _, v := range []string{"x", "y", "z"} {
			all[what+" "+v] = tab.Column(v).([]float64)
		}
	}
	return all
}

// distance returns the largest difference of two runs.
func distance(t *testing.T, a, b map[string][]float64) float64 {
	t.Helper()
	largest := 0.0
	for name, values := range a {
		if len(values) == 0 || len(values) != len(b[name]) {
			t.Fatalf("%s: %d and %d values", name, len(values), len(b[name]))
		}
		for i, v := range values {
			largest = max(largest, math.Abs(v-b[name][i]))
		}
	}
	return largest
}

// The same experiment with the model as plume's plugin and as a program gives the
// same truth and the same analyses, to rounding.
//
// How far rounding may carry is measured, not guessed: rho is changed by one part in
// 1e8, which changes the tendency by 28e-8 |x|, and the experiment answers with some
// change of its numbers. A Runge-Kutta step rounds its result four times at most beyond
// what the tendencies lose, by 2^-53 |x| each, over a step of 0.01: as much as a change of
// the tendency by 400 x 2^-53 |x|, or of rho by 14 x 2^-53. The four tendencies round less.
// So programs may differ by 100 x 2^-53 / 1e-8 of the measured change at most.
func TestTwins(t *testing.T) {
	want := numbers(t, run(t, ".", "lorenz63.toml"))
	const change = 1e-8
	answer := distance(t, want, numbers(t, run(t, ".", "lorenz63.toml", "--set", "model.params.rho="+strconv.FormatFloat(28*(1+change), 'g', -1, 64))))
	tolerance := answer * 100 * 0x1p-53 / change
	if answer < 1e-8 || tolerance > 1e-8 {
		t.Fatalf("rho + 1e-8 changes the numbers by %g, which gives a tolerance of %g: too much or too little to mean anything", answer, tolerance)
	}
	for _, tt := range []struct {
		folder  string
		compile func(t *testing.T, dir string)
	}{
		{"c", func(t *testing.T, dir string) { compile(t, "gcc", dir, "lorenz63.c", "-lm") }},
		{"fortran", func(t *testing.T, dir string) { compile(t, "gfortran", dir, "lorenz63.f90") }},
		{"python", func(*testing.T, string) {}},
		{"python-server", func(*testing.T, string) {}},
		{"r-server", func(t *testing.T, _ string) { need(t, "Rscript") }},
		{"julia-server", func(t *testing.T, _ string) { need(t, "julia") }},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(tt.folder)); err != nil {
				t.Fatal(err)
			}
			tt.compile(t, dir)
			got := distance(t, want, numbers(t, run(t, dir, "lorenz63.toml")))
			if got > tolerance {
				t.Errorf("the largest difference is %g, want at most %g", got, tolerance)
			}
			t.Logf("the largest difference is %g; tolerance %.2g", got, tolerance)
		})
	}
}

// need skips a test where there is no program of that name.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("NOT TESTED: %v; install it to run this test", err)
	}
}

// failing writes a copy of the C workflow with a command of its own.
func failing(t *testing.T, script string) (dir string) {
	t.Helper()
	text, err := os.ReadFile("c/lorenz63.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	command := fmt.Sprintf("command = [\"sh\", \"-c\", %q]\nwork_dir = \".\"", script)
	changed := regexp.MustCompile(`(?m)^command .*$`).ReplaceAllLiteralString(string(text), command)
	if changed == string(text) {
		t.Fatal("the workflow has no command to replace")
	}
	if err := os.WriteFile(filepath.Join(dir, "failing.toml"), []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What the user reads when a program fails says which member it was, what ran, how it
// ended, what it printed and where its files are, which are there.
func TestFailingProgram(t *testing.T) {
	dir := failing(t, "echo the matrix is singular >&2; exit 3")
	cmd := exec.Command(plume, "run", "--run-dir", t.TempDir(), filepath.Join(dir, "failing.toml"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got %v: %s", err, out)
	}
	for _, want := range []string{"member 0: ", "sh -c echo the matrix", "exited with code 3", "the matrix is singular", "files in " + dir} {
		if !strings.Contains(string(out), want) {
			t.Errorf("plume does not say %q:\n%s", want, out)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "plume-process-cycle00000-*", "member00000", "stderr.txt")); len(kept) != 1 {
		t.Errorf("got %v", kept)
	}
}

// A member whose program fails leaves the ensemble where the workflow says so, and the
// run goes on with the others and says why.
func TestFailingMemberIsDropped(t *testing.T) {
	dir := failing(t, "if [ {{.member}}.{{.cycle}} = 3.2 ]; then echo the lake ran dry >&2; exit 3; fi; cp {{.input}} {{.output}}")
	dir = run(t, dir, "failing.toml", "--set", "model.on_failure=drop_member", "--set", "model.max_failed=1")
	tab := examplestest.Table(t, dir, "failures.arrow")
	if tab.Rows != 1 || tab.Column("cycle").([]int32)[0] != 2 || tab.Column("member").([]int32)[0] != 3 || tab.Column("action").([]string)[0] != "dropped" ||
		!strings.Contains(tab.Column("reason").([]string)[0], "the lake ran dry") {
		t.Errorf("got %v", tab.Columns)
	}
	if x := numbers(t, dir)["analysis x"]; len(x) != 20+9*19 {
		t.Errorf("%d members in 10 cycles, want %d", len(x), 20+9*19)
	}
}

// A program finds the files of its member by the number that the member has had since the start,
// whatever others have been dropped, processes share the members, or the window is run again; and
// in a run that is resumed. Here the state of a member is its number, which the filter, with these
// errors of the observations, does not change: a program that got another number ends with an error.
func TestMembersKeepTheirNumbers(t *testing.T) {
	const workflow = `format = 1
[experiment]
name = "numbers"
seed = 1
[time]
cycles   = 5
interval = 1.0
[model]
plugin     = "process"
on_failure = "drop_member"
max_failed = 1
[model.params]
command   = ["sh", "check.sh", "{{.member}}", "{{.cycle}}", "{{.input}}", "{{.output}}"]
copies    = ["check.sh"]
variables = ["x", "y"]
[truth]
init = [0.0, 0.0]
[observations]
plugin = "obs-nonlinear"
error  = { sd = 1e6 }
[ensemble]
size = 7
init = { dist = "samples", file = "members.csv" }
[[filter]]
label  = "etkf"
plugin = "filter-enkf"
`
	const check = `member=$1 cycle=$2
[ -e DIR/wait ] && [ $member.$cycle = 5.4 ] && exit 9
[ $member.$cycle = 6.1 ] && echo 1 >> DIR/seen
[ $member.$cycle = 2.2 ] && exit 3
LC_ALL=C awk -F, -v member=$member 'NR == 2 && ($1 < member - 0.4 || $1 > member + 0.4) { exit 1 }' $3 || exit 4
[ $member.$cycle = 6.5 ] && echo $member >> DIR/seen
cp $3 $4
`
	for name, more := range map[string][]string{
		"one process":  nil,
		"replicas":     {"--set", "model.replicas=3"},
		"a window":     {"--set", "filter.etkf.window={ length = 2 }"},
		"whole record": {"--set", "filter.etkf.window={ length = \"all\", passes = 2 }"},
		"resumed":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			seen, wait := filepath.Join(dir, "seen"), filepath.Join(dir, "wait")
			members := "x,y\n"
			for i := range 7 {
				members += fmt.Sprintf("%d,%d\n", i, i*i)
			}
			files := map[string]string{"numbers.toml": workflow, "check.sh": strings.ReplaceAll(check, "DIR", dir), "members.csv": members}
			if name == "resumed" {
				files["wait"] = ""
			}
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var where string
			if name == "resumed" {
				out, err := exec.Command(plume, "run", "--checkpoint", "1ns", "--run-dir", t.TempDir(), filepath.Join(dir, "numbers.toml")).Output()
				if err == nil {
					t.Fatal("the run has not failed in cycle 4")
				}
				if err := os.Remove(wait); err != nil {
					t.Fatal(err)
				}
				where = strings.TrimSpace(string(out))
				if out, err := exec.Command(plume, "resume", "--retry-failed", where).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			} else {
				where = run(t, dir, "numbers.toml", more...)
			}
			tab := examplestest.Table(t, where, "failures.arrow")
			if tab.Rows == 0 || tab.Column("cycle").([]int32)[0] != 2 || tab.Column("member").([]int32)[0] != 2 || tab.Column("action").([]string)[0] != "dropped" {
				t.Errorf("failures: %v", tab.Columns)
			}
			if text, err := os.ReadFile(seen); err != nil || !strings.Contains(string(text), "\n6\n") || name == "resumed" && string(text) != "1\n6\n" {
				t.Errorf("the last member in the first and the last cycle: %q, %v", text, err)
			}
		})
	}
}

// When plume is killed, so are the programs its plugins run.
func TestNoProgramOutlivesPlume(t *testing.T) {
	dir := failing(t, "sleep 1006 & echo $! > ../pid; wait")
	cmd := exec.Command(plume, "run", "--run-dir", t.TempDir(), filepath.Join(dir, "failing.toml"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for range 1000 {
		files, _ := filepath.Glob(filepath.Join(dir, "*", "pid"))
		if len(files) == 1 {
			text, _ := os.ReadFile(files[0])
			if pid, _ = strconv.Atoi(strings.TrimSpace(string(text))); pid != 0 {
				break
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if pid == 0 {
		t.Fatal("the program never started")
	}
	for range 1000 {
		if gone(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d is still there", pid)
}

// gone says whether a process is no more, or no more than an entry in the table that
// nobody has read.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

// built returns a copy of the folder with the program that has a restart file.
func built(t *testing.T) (dir string) {
	dir = copyOf(t, "restart")
	compile(t, "gfortran", dir, "column.f90")
	return dir
}

// Programs whose restart files hold more than the state recover a parameter: the truth is within four
// standard deviations of the estimate, and at least five away from the middle of where it began.
func TestRestartFiles(t *testing.T) {
	for _, tt := range []struct {
		folder, workflow, parameter string
		truth, prior                float64
		need                        func(t *testing.T) (dir string)
	}{
		{"binary, in Fortran", "column.toml", "kappa", 1.2, 2.5, built},
		{"text, with files of PEST", "marsh.toml", "release", 0.3, 0.6, func(t *testing.T) string { return copyOf(t, "pest") }},
		{"netCDF, in Python", "soil.toml", "kappa", 1.2, 2.5, func(t *testing.T) string {
			if python := os.Getenv("PLUME_PYTHON"); python != "" {
				t.Setenv("PATH", filepath.Dir(python)+":"+os.Getenv("PATH"))
			}
			if out, err := exec.Command("python3", "-c", "import scipy").CombinedOutput(); err != nil {
				t.Skipf("NOT TESTED: %v: %s; PLUME_PYTHON names a python with scipy", err, out)
			}
			return copyOf(t, "netcdf")
		}},
	} {
		t.Run(tt.folder, func(t *testing.T) {
			tab := examplestest.Table(t, run(t, tt.need(t), tt.workflow), "ensemble/trial=0001/part-00000.arrow")
			all := tab.Column(tt.parameter).([]float64)
			mean, sd := stat.MeanStdDev(all[len(all)-20:], nil) // of the last analysis, or most of it
			t.Logf("%s is %.4f with a standard deviation of %.4f", tt.parameter, mean, sd)
			if math.Abs(mean-tt.truth) > 4*sd || math.Abs(tt.prior-mean) < 5*sd {
				t.Errorf("%s is %g with a standard deviation of %g, want %g", tt.parameter, mean, sd, tt.truth)
			}
		})
	}
}

// copyOf returns a copy of a folder.
func copyOf(t *testing.T, folder string) string {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A run that is killed again and again, at any moment, and resumed has the bytes of one that was
// not: the files that members carry are in checkpoints.
func TestKilledWithRestartFiles(t *testing.T) {
	kills, cycles := 3, "time.cycles=20"
	if long := os.Getenv("PLUME_STOPS"); long != "" {
		var err error
		if kills, err = strconv.Atoi(long); err != nil {
			t.Fatal(err)
		}
		cycles = "time.cycles=60"
	}
	dir := built(t)
	want := run(t, dir, "column.toml", "--set", cycles, "--set", "time.burn_in=5")
	random, killed := rand.New(rand.NewPCG(1, uint64(kills))), 0
	runs := t.TempDir()
	command := []string{"run", "--run-dir", runs, "--checkpoint", "100ms", filepath.Join(dir, "column.toml"), "--set", cycles, "--set", "time.burn_in=5"}
	for {
		cmd := exec.Command(plume, command...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		pause := time.Hour
		if killed < kills {
			pause = time.Duration(100+random.IntN(1500)) * time.Millisecond
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(pause):
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			t.Logf("killed: %v", <-ended)
			killed++
		}
		found, err := filepath.Glob(filepath.Join(runs, "*", "*"))
		if err != nil || len(found) > 1 {
			t.Fatal(found, err)
		}
		if len(found) == 0 {
			continue // nothing was begun
		}
		if cmd.ProcessState.Success() {
			t.Logf("killed %d times", killed)
			if out, err := exec.Command(plume, "verify", want, found[0]).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			return
		}
		if _, err := os.Stat(filepath.Join(found[0], "run.json")); err == nil {
			command = []string{"resume", "--checkpoint", "100ms", found[0]}
		} else if err := os.RemoveAll(filepath.Dir(found[0])); err != nil {
			t.Fatal(err)
		}
	}
}
