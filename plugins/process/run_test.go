package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// One member and one batch of the same program give the same numbers: those of
// the exact solution of x' = -x, y' = -2 y over the interval, to the 17 digits awk
// prints and the few roundings of its exp.
func TestModesAgree(t *testing.T) {
	const program = `awk -F, 'NR == 1 {print} NR > 1 {printf "%.17g,%.17g\n", $1*exp(-{{.interval}}), $2*exp(-2*{{.interval}})}' {{.input}} > {{.output}}`
	single := configured(t, scalars(params{"command": shell(program)}))
	batch := configured(t, scalars(params{"command": shell(program), "mode": "batch"}))
	a, b := request(single, 5), request(batch, 5)
	for m, r := range map[*model]*sdk.ForecastRequest{single: a, batch: b} {
		if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
			t.Fatal(res, err)
		}
	}
	if !mat.Equal(a.Into, b.Into) {
		t.Errorf("got %v and %v", mat.Formatted(a.Into), mat.Formatted(b.Into))
	}
	for i := range 5 {
		for j, factor := range []float64{0.6065306597126334, 0.36787944117144233} { // exp(-0.5), exp(-1)
			want := a.Ensemble.At(i, j) * factor
			if got := a.Into.At(i, j); got < want-4e-16*max(want, -want) || got > want+4e-16*max(want, -want) {
				t.Errorf("member %d, value %d: got %v, want %v", i, j, got, want)
			}
		}
	}
}

// A command sees its arguments, its environment and the linked files, and works
// in an empty directory of its own.
func TestWhatACommandSees(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nls > seen.txt; pwd >> seen.txt; cat grid.txt >> seen.txt; echo $1 $2 $LEVEL $PLUGIN_X >> seen.txt; cp state.csv result.csv\n"
	for name, text := range map[string]string{"sim.sh": script, "grid.txt": "the grid\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PLUGIN_X", "of the plugin alone")
	m, err := configureIn(dir, scalars(params{"command": []string{"./sim.sh", "{{.from}}-{{.to}}", "{{.cycle}}"}, "files": []string{"grid.txt"},
		"env": []string{"LEVEL=member {{.member}}"}, "keep": "all", "work_dir": "work"}))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := m.Forecast(t.Context(), request(m, 2)); err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	for _, member := range []string{"member00040", "member00041"} {
		path := left(t, m)[member+"/seen.txt"]
		text, err := os.ReadFile(path)
		want := fmt.Sprintf("grid.txt\nseen.txt\nstate.csv\nstderr.txt\nstdout.txt\n%s\nthe grid\n1-1.5 7 member %s\n",
			filepath.Dir(path), strings.TrimPrefix(member, "member000"))
		if err != nil || string(text) != want || !strings.HasPrefix(path, filepath.Join(dir, "work", "plume-process-cycle00007-")) {
			t.Errorf("%s: got %s, want %s: %v", path, text, want, err)
		}
	}
}

// What a failed member is reported with, and which of its files stay.
func TestFailedMembers(t *testing.T) {
	const half = `if [ {{.member}} = 41 ]; then echo warming up; seq 7 >&2; %s; fi; cp state.csv result.csv`
	for _, tt := range []struct {
		name, end, want string
		retryable       bool
	}{
		{"exit code", "exit 3", `exited with code 3; it printed "3 | 4 | 5 | 6 | 7"`, false},
		{"signal", "kill -SEGV $$", "was ended by signal 11 (segmentation fault)", true},
		{"no result", "touch made; exit 0", "left no result.csv: it left made; it printed", false},
		{"printed result", "exit 0", `output = "stdout.txt" takes what it prints`, false},
		{"bad result", "echo x,y > result.csv; exit 0", "left an invalid result.csv: holds 0 rows", false},
		{"timeout", "sleep 100", "was ended after 1 s", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, keep := range []string{"failed", "none", "all"} {
				m := configured(t, scalars(params{"command": shell(fmt.Sprintf(half, tt.end)), "timeout": 1.0, "keep": keep}))
				r := request(m, 3)
				res, err := m.Forecast(t.Context(), r)
				if err != nil || len(res.Failures) != 1 {
					t.Fatalf("got %+v, %v", res, err)
				}
				f := res.Failures[0]
				if f.Member != 1 || f.Retryable != tt.retryable || !strings.Contains(f.Reason, tt.want) || !strings.HasPrefix(f.Reason, `"sh -c if [ 41 = 41 ]`) {
					t.Errorf("got %+v", f)
				}
				for _, i := range []int{0, 2} {
					if r.Into.At(i, 1) != r.Ensemble.At(i, 1) {
						t.Errorf("member %d got %v", i, r.Into.RawRowView(i))
					}
				}
				checkKept(t, m, keep, f.Reason)
			}
		})
	}
}

func checkKept(t *testing.T, m *model, keep, reason string) {
	t.Helper()
	files := left(t, m)
	_, failed := files["member00041/stderr.txt"]
	_, other := files["member00040/state.csv"]
	if failed != (keep != "none") || other != (keep == "all") {
		t.Errorf("keep = %s leaves %v", keep, files)
	}
	if named := strings.Contains(reason, "; files in "+filepath.Dir(files["member00041/stderr.txt"])); failed && !named {
		t.Errorf("%q does not say where %v are", reason, files)
	}
	if keep == "none" && strings.Contains(reason, "files in") {
		t.Errorf("%q names files that are gone", reason)
	}
}

// What a program prints is shown if it is text, from the first character that was not cut.
func TestLastLines(t *testing.T) {
	for text, want := range map[string]string{
		"one\n\x1b[31mtwo\x1b[0m\n\n":        "one [31mtwo[0m",
		strings.Repeat("grün\n", 2000):       "grün grün grün grün grün",
		"x" + strings.Repeat("ü", 2500):      strings.Repeat("ü", 2047),
		"in Latin-1: gr\xfcn":                "in Latin-1: gr\ufffdn",
		strings.Repeat("\x00\x01AB", 70_000): "binary data, in stderr.txt",
		strings.Repeat("\xff\xfeAB", 70_000): "binary data, in stderr.txt",
	} {
		path := filepath.Join(t.TempDir(), stderrFile)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(lastLines(path), " "); !strings.HasSuffix(got, want) || len(got) > 4096 {
			t.Errorf("%.20q: got %.80q, want %.80q", text, got, want)
		}
	}
}

// A file that a program does not find, but that is next to the workflow, is missing from files.
func TestFilesNextToTheWorkflow(t *testing.T) {
	for _, mode := range []string{"member", "batch", "server"} {
		for script, want := range map[string]string{
			"awk -f steps.awk state.csv":            "; steps.awk is next to the workflow: name it in files",
			"echo cannot open data.txt >&2; exit 1": "; data.txt is next to the workflow: name it in files",
			"awk -f linked.awk":                     "",
			"cat nowhere.txt":                       "",
		} {
			dir := t.TempDir()
			for _, name := range []string{"steps.awk", "data.txt", "linked.awk"} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			m, err := configureIn(dir, scalars(params{"command": shell(script), "mode": mode, "files": []string{"linked.awk"}, "work_dir": filepath.Join(dir, "work")}))
			if err != nil {
				t.Fatal(err)
			}
			res, err := m.Forecast(t.Context(), request(m, 2))
			said := fmt.Sprint(err)
			if err == nil && len(res.Failures) > 0 {
				said = res.Failures[0].Reason
			}
			if !strings.HasSuffix(said, want) || want == "" && strings.Contains(said, "is next to") {
				t.Errorf("%s, %s: got %s, want %q", mode, script, said, want)
			}
		}
	}
}

// In batch mode a failure is the error of the call.
func TestFailedBatch(t *testing.T) {
	m := configured(t, scalars(params{"command": shell("echo no licence >&2; exit 9"), "mode": "batch"}))
	_, err := m.Forecast(t.Context(), request(m, 3))
	var e *sdk.Error
	if !errors.As(err, &e) || e.Kind != sdk.KindExternal || e.ExitCode == nil || *e.ExitCode != 9 || e.Stderr != "no licence" ||
		!strings.HasPrefix(err.Error(), `members 40 to 42: "sh -c echo no licence`) || !strings.Contains(err.Error(), "exited with code 9; files in "+m.WorkDir) {
		t.Errorf("got %+v", err)
	}
}

func TestExitCodes(t *testing.T) {
	command := shell("cp state.csv result.csv; exit {{.member}}")
	m := configured(t, scalars(params{"command": command, "exit_codes": []int64{40, 41}}))
	res, err := m.Forecast(t.Context(), request(m, 3))
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 2 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A timeout that is longer than Go can count is none.
func TestLongTimeout(t *testing.T) {
	m := configured(t, scalars(params{"command": shell("cp state.csv result.csv"), "timeout": 1e12}))
	if res, err := m.Forecast(t.Context(), request(m, 2)); err != nil || len(res.Failures) > 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A run that fails twice and then succeeds needs two retries; each starts in an
// empty directory. The program counts its runs beside its working directory.
func TestRetries(t *testing.T) {
	const program = `[ -e rubbish ] && exit 7; touch rubbish; echo run >> ../count-{{.member}}; [ $(wc -l < ../count-{{.member}}) = 3 ] && cp state.csv result.csv`
	for retries, failures := range map[int]int{0: 2, 1: 2, 2: 0, 5: 0} {
		m := configured(t, scalars(params{"command": shell(program), "retries": retries, "keep": "none"}))
		r := request(m, 2)
		res, err := m.Forecast(t.Context(), r)
		if err != nil || len(res.Failures) != failures {
			t.Fatalf("%d retries: got %+v, %v", retries, res, err)
		}
		if failures == 0 && !mat.Equal(r.Into, r.Ensemble) {
			t.Errorf("got %v", mat.Formatted(r.Into))
		}
		for name, path := range left(t, m) {
			text, err := os.ReadFile(path)
			if want := strings.Repeat("run\n", min(retries, 2)+1); err != nil || string(text) != want {
				t.Errorf("%d retries: %s: got %q, want %q", retries, name, text, want)
			}
		}
	}
}

// No more runs at a time than asked for, and as many where there is enough to do:
// every run waits until it has seen so many others.
func TestParallel(t *testing.T) {
	const program = `touch ../here-{{.member}}; n=0; while [ $n -lt 200 ]; do
		now=$(ls .. | grep -c here); [ $now -gt 3 ] && exit 1; [ $now = 3 ] && touch ../seen; [ -e ../seen ] && break; n=$((n+1)); sleep 0.01; done
		[ -e ../seen ] && cp state.csv result.csv; rm ../here-{{.member}}`
	m := configured(t, scalars(params{"command": shell(program), "parallel": 3, "retries": 0, "keep": "none"}))
	if res, err := m.Forecast(t.Context(), request(m, 9)); err != nil || len(res.Failures) > 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A command that is given up takes all it has started with it, and so does one
// that leaves something behind in the background.
func TestNoGrandchildIsLeft(t *testing.T) {
	for name, program := range map[string]string{
		"timeout":    "sleep 1001 & echo $! > ../pid; wait",
		"canceled":   "sleep 1002 & echo $! > ../pid; wait",
		"background": "sleep 1003 & echo $! > ../pid; cp state.csv result.csv",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := scalars(params{"command": shell(program), "keep": "none"})
			if name == "timeout" {
				p["timeout"] = 0.5
			}
			m := configured(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			pid := make(chan int, 1)
			go func() {
				pid <- waitForPid(m.WorkDir + "/*/pid")
				if name == "canceled" {
					cancel()
				}
			}()
			_, err := m.Forecast(ctx, request(m, 1))
			if name == "canceled" != errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			checkGone(t, <-pid)
		})
	}
}

// A command that leaves its process group ends with its timeout, too.
func TestCommandThatLeavesItsGroup(t *testing.T) {
	m := configured(t, serving(t, "leaves at once", params{"mode": "member", "timeout": 1.0, "keep": "none"}))
	res, err := m.Forecast(t.Context(), request(m, 1))
	if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "was ended after 1 s") {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A script without a first line that names its interpreter is one for the shell, as in a terminal.
func TestScriptWithoutInterpreter(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sim"), []byte("[ $1 -gt 40 ] && exit 3\ncp state.csv result.csv\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := configureIn(dir, scalars(params{"command": []string{"./sim", "{{.member}}"}, "work_dir": "work"}))
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Forecast(t.Context(), request(m, 2))
	if err != nil || len(res.Failures) != 1 || !strings.HasPrefix(res.Failures[0].Reason, `"./sim 41" exited with code 3`) {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A call that reaches its deadline ends, says how far it has come, and keeps the files of
// what was running.
func TestDeadline(t *testing.T) {
	for name, tt := range map[string]struct{ program, want, kept string }{
		"none": {"echo busy; sleep 1004", `no answer within 2s: 0 of 4 runs of "sh" have ended, 2 at a time; timeout in [model] is for all of them`, "/stdout.txt"},
		"some": {"mkdir ../first || mkdir ../second || sleep 1004; sleep 0.2; cp state.csv result.csv", `no answer within 2s: 2 of 4 runs of "sh" have ended`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := configured(t, scalars(params{"command": shell(tt.program), "parallel": 2}))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := m.Forecast(ctx, request(m, 4))
			if !errors.Is(err, context.DeadlineExceeded) || sdk.KindOf(err) != sdk.KindDeadline || !strings.Contains(err.Error(), tt.want) || ctx.Err() != nil {
				t.Errorf("got %v, want %s; the time was over: %v", err, tt.want, ctx.Err())
			}
			if files := fmt.Sprint(left(t, m)); !strings.Contains(files, tt.kept) {
				t.Errorf("got %v, want %s", files, tt.kept)
			}
		})
	}
}

// The timeout that is proposed is enough for all runs, with a margin of half.
func TestProposedTimeout(t *testing.T) {
	for _, tt := range []struct {
		runs, parallel, ended int
		took                  time.Duration
		want                  string
	}{
		{20, 2, 12, 96 * time.Second, `12 of 20 runs of "sim" have ended, 2 at a time; a run takes about 8s: timeout in [model], which is for all of them, should be at least "2m0s"`},
		{20, 1, 7, 56 * time.Second, `should be at least "4m0s"`},
		{1, 2, 1, 30 * time.Second, `should be at least "45s"`},
		{1000, 4, 3, 30 * time.Millisecond, `a run takes about 10ms: timeout in [model], which is for all of them, should be at least "3.8s"`},
	} {
		p := &progress{m: &model{Command: []string{"sim"}, Parallel: tt.parallel}, runs: tt.runs, ended: tt.ended, took: tt.took}
		if got := p.late(time.Minute).Error(); !strings.Contains(got, tt.want) {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	silent := &progress{m: &model{Command: []string{"sim"}, Mode: "server", Parallel: 2}, runs: 4}
	if got := silent.late(time.Minute).Error(); !strings.Contains(got, `0 of 4 runs of "sim" have ended, 2 at a time; it must flush after each answer`) {
		t.Errorf("no server has answered: got %s", got)
	}
}

// Calls that take long say how far they have come, more and more rarely.
func TestAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		p := &progress{m: &model{Command: []string{"sim"}, Parallel: 2}, runs: 20}
		stop := p.announce(&said, 3, firstWord)
		time.Sleep(15 * time.Second)
		for range 4 {
			ended := p.begin()
			time.Sleep(2 * time.Second)
			ended()
		}
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		time.Sleep(time.Hour)
		want := `cycle 3, after 10s: 0 of 20 runs of "sim" have ended, 2 at a time; timeout in [model] is for all of them, timeout in [model.params] for one
cycle 3, after 20s: 2 of 20 runs of "sim" have ended, 2 at a time; a run takes about 2s: timeout in [model], which is for all of them, should be at least "30s"
cycle 3, after 40s: 4 of 20 runs of "sim" have ended, 2 at a time; a run takes about 2s: timeout in [model], which is for all of them, should be at least "30s"
cycle 3, after 1m20s: 4 of 20`
		if got := said.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 4 {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// A process has one processor until its calls are known to need more, which is when models
// are configured.
func TestRunsUseAllProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := configured(t, scalars(params{"command": []string{"true"}}))
	if m.Parallel != processors {
		t.Errorf("got %d runs at a time, want %d", m.Parallel, processors)
	}
}

// A program that changes a linked file changes it for all members: an error. A copy it may
// change, and a linked directory it may add files to.
func TestFilesThatChange(t *testing.T) {
	const answer = "; cp state.csv result.csv"
	for name, tt := range map[string]struct{ program, key, want string }{
		"appended":       {"echo '# x' >> restart.dat", "files", "restart.dat has changed while the model ran: by sh, whose link leads to it"},
		"same size":      {"echo new > restart.dat", "files", "restart.dat has changed"},
		"in a directory": {"echo more >> mesh/grid.dat", "files", "mesh/grid.dat has changed"},
		"removed":        {"rm mesh/grid.dat", "files", "mesh/grid.dat has been removed"},
		"not changed":    {"cat restart.dat mesh/grid.dat", "files", ""},
		"link replaced":  {"rm restart.dat; echo mine > restart.dat", "files", ""},
		"cache":          {"mkdir -p mesh/cache; echo x > mesh/cache/a", "files", ""},
		"copied":         {"[ $(cat restart.dat) = old ] || exit 3; [ $(cat mesh/grid.dat) = grid ] || exit 4; echo new > restart.dat; echo more >> mesh/grid.dat", "copies", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			texts := map[string]string{"restart.dat": "old\n", "mesh/grid.dat": "grid\n"}
			if err := os.Mkdir(filepath.Join(dir, "mesh"), 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range texts {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				before := time.Now().Add(-time.Hour)
				if err := os.Chtimes(filepath.Join(dir, file), before, before); err != nil {
					t.Fatal(err)
				}
			}
			m, err := configureIn(dir, scalars(params{"command": shell(tt.program + answer), tt.key: []string{"restart.dat", "mesh"}, "keep": "none", "work_dir": "work"}))
			if err != nil {
				t.Fatal(err)
			}
			res, err := m.Forecast(t.Context(), request(m, 3))
			if tt.want != "" {
				if sdk.KindOf(err) != sdk.KindExternal || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "in copies instead") {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || len(res.Failures) > 0 {
				t.Fatalf("got %v, %v", res, err)
			}
			for file, want := range texts {
				if text, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(text) != want {
					t.Errorf("%s holds %q: %v", file, text, err)
				}
			}
		})
	}
}

// pluginToBeKilled forecasts with a command that takes for ever.
func pluginToBeKilled() {
	m, err := configureIn("/", scalars(params{"command": shell("sleep 1005 & echo $! > ../pid; wait"), "work_dir": os.Getenv("PROCESS_TEST_PLUGIN")}))
	if err != nil {
		panic(err)
	}
	_, err = m.Forecast(context.Background(), request(m, 2))
	panic(fmt.Sprint("the forecast ended: ", err))
}

// When the plugin is killed its commands end.
func TestPluginIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PROCESS_TEST_PLUGIN="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := waitForPid(dir + "/*/pid")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	checkGone(t, pid)
}

// waitForPid returns the process number in the first file that matches pattern,
// which a command is about to write; 0 when it does not.
func waitForPid(pattern string) int {
	for range 1000 {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			text, _ := os.ReadFile(f)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				return pid
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

// checkGone wants process pid to have ended, or to end soon.
func checkGone(t *testing.T, pid int) {
	t.Helper()
	if pid == 0 {
		t.Fatal("the command never started")
	}
	for range 500 {
		if !alive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d is still there", pid)
}

// alive says whether a process exists and is more than an entry in the table that
// nobody has read, which Linux calls Z.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(text), ") Z ")
}

func TestBackwardsInTime(t *testing.T) {
	m := configured(t, scalars(params{"command": []string{"true"}}))
	r := request(m, 1)
	r.To = 0
	if _, err := m.Forecast(t.Context(), r); sdk.KindOf(err) != sdk.KindConfig {
		t.Errorf("got %v", err)
	}
}

// What one run of a command costs, next to fork and exec of the same command with the same files.
// Both take turns, so that the ratio means something on a machine that has other work.
func BenchmarkRun(b *testing.B) {
	m := configured(b, scalars(params{"command": []string{"cp", "state.csv", "result.csv"}}))
	r, top := request(m, 1), b.TempDir()
	var ours, bare []float64
	for b.Loop() {
		start := time.Now()
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		if err := bareRun(top, "cp", "state.csv", "result.csv"); err != nil {
			b.Fatal(err)
		}
		ours, bare = append(ours, between.Sub(start).Seconds()), append(bare, time.Since(between).Seconds())
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.ReportMetric(1e3*ours[len(ours)/2], "ms")
	b.ReportMetric(1e3*bare[len(bare)/2], "ms-bare")
	b.ReportMetric(ours[len(ours)/2]/bare[len(bare)/2], "ratio")
}

// bareRun runs a command in a directory of its own with a state, keeps what it prints, and reads the result.
func bareRun(top, program string, arguments ...string) error {
	dir, err := os.MkdirTemp(top, "run-")
	if err != nil {
		return err
	}
	cmd := exec.Command(program, arguments...)
	cmd.Dir = dir
	for name, to := range map[string]*io.Writer{stdoutFile: &cmd.Stdout, stderrFile: &cmd.Stderr} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		defer f.Close()
		*to = f
	}
	if err := os.WriteFile(filepath.Join(dir, "state.csv"), []byte("x,y\n1,2\n"), 0o600); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return err
	}
	if _, err := os.ReadFile(filepath.Join(dir, "result.csv")); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
