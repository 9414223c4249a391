package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"github.com/plume-da/plume/sdk/serve"
	"gonum.org/v1/gonum/mat"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The test program is plume on the node, the plugin, and a host that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("PLUME_TEST_CLUSTER") == "" {
		beat, silence, lease, patience = 200*time.Millisecond, 2*time.Second, 2*time.Second, 2*time.Second
	}
	switch {
	case len(os.Args) > 1 && os.Args[1] == "node-exec":
		os.Exit(Serve("1.0", os.Args[2:]))
	case len(os.Args) > 1 && os.Args[1] == "pond":
		serve.Main(sdk.ModelPlugin(pondManifest, newPond))
	case len(os.Args) > 2 && os.Args[1] == "sea":
		values, _ := strconv.Atoi(os.Args[2])
		model := sea{values: values}
		switch strings.Join(os.Args[3:], " ") {
		case "relayed":
			_ = os.Unsetenv(rpc.EnvConnections)
		case "sleeps":
			model.sleep = 10 * time.Millisecond
		}
		serve.Main(sdk.ModelPlugin(seaManifest, func(sdk.ModelConfig) (sdk.Model, error) { return model, nil }))
	case len(os.Args) > 3 && os.Args[1] == "echo":
		size, _ := strconv.Atoi(os.Args[2])
		if err := serveRaw(size, os.Args[3]); err != nil {
			panic(err)
		}
		os.Exit(0)
	case os.Getenv("REMOTE_TEST_HOST") != "":
		hostToBeKilled()
	}
	os.Exit(m.Run())
}

const pondManifest = `
name = "pond"
version = "0.1.0"
role = "model"
summary = "Adds one to the number of the member; in cycle 1 it waits, in cycle 2 it dies of member 7, in cycle 3 it dies once, in cycle 4 it takes 0.3 s for each"
`

// pond adds 1 to all values.
type pond struct{}

func newPond(sdk.ModelConfig) (sdk.Model, error) { return pond{}, nil }

func (pond) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}, Unit: "1"}}}
}

func (pond) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	fmt.Fprintf(os.Stderr, "GOMAXPROCS=%s COLOUR=%s SOCKETS=%s\n", os.Getenv("GOMAXPROCS"), os.Getenv("COLOUR"), os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
	switch r.Cycle {
	case 1:
		<-ctx.Done()
		return nil, ctx.Err()
	case 2:
		if rows, _ := r.Ensemble.Dims(); r.Member(0) <= 7 && 7 < r.Member(0)+rows {
			os.Exit(3)
		}
	case 3:
		if f, err := os.OpenFile(os.Getenv("MARKER"), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = f.Close()
			os.Exit(3)
		}
		time.Sleep(20 * time.Millisecond)
	case 4:
		rows, _ := r.Ensemble.Dims()
		time.Sleep(time.Duration(rows) * 300 * time.Millisecond)
	}
	r.Into.Apply(func(_, _ int, v float64) float64 { return v + 1 }, r.Ensemble)
	return &sdk.ForecastResult{}, nil
}

// attached is an executor whose launcher is a shell of this machine, which greets first.
func attached() *workflow.Executor {
	return &workflow.Executor{Commands: workflow.Commands{Start: []string{"sh", "-c", "echo welcome to the machine; exec {{.Shell}}"}}}
}

// submitted is one whose jobs run in the background.
func submitted(t testing.TB) *workflow.Executor {
	return &workflow.Executor{Shared: t.TempDir(), Commands: workflow.Commands{
		Submit: []string{"sh", "-c", `"{{.File}}" > "{{.Log}}" 2>&1 & echo "Job <$!> is submitted"`},
		ID:     `Job <(\d+)>`, Cancel: []string{"kill", "{{.ID}}"},
		Script: "#!/bin/sh\n{{.Shell}} || echo \"plume failed with code $?\"\n",
	}}
}

// both are the two ways to a node.
func both(t testing.TB) map[string]*workflow.Executor {
	return map[string]*workflow.Executor{"attached": attached(), "submitted": submitted(t)}
}

// newPool returns a pool and the program of a pond that site starts. Both are closed with
// the test.
func newPool(t testing.TB, site *workflow.Executor, log func(launch.Record)) (*launch.Pool, *launch.Program, *Executor) {
	t.Helper()
	e, err := New("lab", site)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := launch.NewPool(launch.Options{Log: log, StartTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(pool.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := launch.Command("pond", []string{self, "pond"}, ".")
	if err != nil {
		t.Fatal(err)
	}
	program.Executor, program.TCP = e, true
	return pool, program, e
}

// startPond starts a pond and returns it and its model, of which calls take 30 s at most.
func startPond(t *testing.T, site *workflow.Executor, log func(launch.Record)) (*launch.Process, sdk.Model) {
	t.Helper()
	pool, program, _ := newPool(t, site, log)
	p, err := pool.Start(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Plugin(30*time.Second).NewModel(t.Context(), sdk.ModelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return p, m
}

func forecast(ctx context.Context, m sdk.Model, cycle int) error {
	r := &sdk.ForecastRequest{Call: sdk.Call{Cycle: cycle}, To: 1, Ensemble: mat.NewDense(3, 2, nil), Into: mat.NewDense(3, 2, nil)}
	if _, err := m.Forecast(ctx, r); err != nil {
		return err
	}
	if sum := mat.Sum(r.Into); sum != 6 {
		return fmt.Errorf("got %v", r.Into.RawMatrix().Data)
	}
	return nil
}

// marked returns the processes of node-exec and of ponds that descend from this test's
// executor: those that have its number in their environment.
func marked(t *testing.T, mark string) []int {
	t.Helper()
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, e := range entries {
		if text, err := os.ReadFile(e); err == nil && strings.Contains(string(text), "COLOUR="+mark) {
			pid, _ := strconv.Atoi(strings.Split(e, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// A plugin runs on a node as here, and hears what the site says.
func TestRemote(t *testing.T) {
	t.Parallel()
	for name, site := range both(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site.Cores, site.Env = 3, []string{"COLOUR=" + name}
			lines := make(chan string, 100)
			p, m := startPond(t, site, func(r launch.Record) { lines <- r.Message })
			if err := forecast(t.Context(), m, 0); err != nil {
				t.Fatal(err)
			}
			host, _ := os.Hostname()
			if got := p.Place().Node; got != host {
				t.Errorf("it is on %q, want %q", got, host)
			}
			if numbered := regexp.MustCompile(`^[0-9]+$`).MatchString(p.Place().Job); numbered != (name == "submitted") {
				t.Errorf("its job is %q", p.Place().Job)
			}
			deadline := time.After(10 * time.Second)
			for want := "GOMAXPROCS=3 COLOUR=" + name + " SOCKETS="; ; {
				select {
				case line := <-lines:
					if strings.HasPrefix(line, want) {
						return
					}
				case <-deadline:
					t.Fatalf("no line %q", want)
				}
			}
		})
	}
}

// A call whose plugin, node or launcher ends says so at once and names the node.
func TestInjuries(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("it finds processes in /proc")
	}
	host, _ := os.Hostname()
	for i, c := range []struct {
		name   string
		injure func(t *testing.T, mark string)
		want   string // for both ways; %s is the node
		within time.Duration
	}{
		{"plugin is killed", func(t *testing.T, mark string) { signalTo(t, mark, "pond", syscall.SIGKILL) },
			`the process was ended by signal 9 \(killed\) on %s during the call`, 5 * time.Second},
		{"node-exec is killed", func(t *testing.T, mark string) { signalTo(t, mark, "node-exec", syscall.SIGKILL) },
			`the process was lost on %s: (sh was ended by signal 9|its connection ended).* during the call`, 5 * time.Second},
		{"job is cancelled", func(t *testing.T, mark string) { signalTo(t, mark, "node-exec", syscall.SIGTERM) },
			`the process was ended by its engine \(terminated\): its job was cancelled, or its time is up, on %s during the call`, 5 * time.Second},
		{"node is frozen", func(t *testing.T, mark string) { signalTo(t, mark, "node-exec", syscall.SIGSTOP) },
			`the process was lost with %s, of which nothing has been heard for 2s during the call`, 10 * time.Second},
	} {
		for way, site := range both(t) {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				mark := fmt.Sprintf("%s-%d-%d", way, os.Getpid(), i)
				site.Env = []string{"COLOUR=" + mark}
				// the launcher gets the mark from its own words, the plugin from env
				for _, words := range [][]string{site.Start, site.Submit} {
					if len(words) > 0 {
						words[2] = "export COLOUR=" + mark + "; " + words[2]
					}
				}
				_, m := startPond(t, site, nil)
				failed := make(chan error)
				go func() { failed <- forecast(t.Context(), m, 1) }()
				time.Sleep(300 * time.Millisecond) // until it is in the call
				start := time.Now()
				c.injure(t, mark)
				err := <-failed
				if took := time.Since(start); took > c.within {
					t.Errorf("it took %v", took)
				}
				want := regexp.MustCompile(fmt.Sprintf(c.want, regexp.QuoteMeta(host)))
				if sdk.KindOf(err) != sdk.KindCrash || !want.MatchString(fmt.Sprint(err)) {
					t.Errorf("got %v, want %v", err, want)
				}
				signalTo(t, mark, "node-exec", syscall.SIGCONT) // it finds that its host is gone
				nothingLeft(t, mark)
			})
		}
	}
}

// signalTo sends a signal to the marked processes that have word among their arguments.
func signalTo(t *testing.T, mark, word string, s syscall.Signal) {
	t.Helper()
	for _, pid := range marked(t, mark) {
		if isCalled(pid, word) {
			_ = syscall.Kill(pid, s)
		}
	}
}

// isCalled reports whether word is the first argument of a process, which is not a guard.
func isCalled(pid int, word string) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(string(text), "\x00")
	return len(args) > 1 && args[1] == word && !slices.Contains(args, "--guard")
}

// nothingLeft waits until no marked process is left.
func nothingLeft(t *testing.T, mark string, but ...int) {
	t.Helper()
	for deadline := time.Now().Add(10*time.Second + lease); ; time.Sleep(20 * time.Millisecond) {
		left := slices.DeleteFunc(marked(t, mark), func(pid int) bool { return slices.Contains(but, pid) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			out, _ := exec.Command("ps", "-A", "-o", "pid=,stat=,args=").Output()
			for line := range strings.Lines(string(out)) {
				if pid, _ := strconv.Atoi(strings.Fields(line)[0]); slices.Contains(left, pid) {
					t.Errorf("left: %s", line)
				}
			}
			return
		}
	}
}

// hostToBeKilled is the main function of another host, which is in a call when it is
// killed.
func hostToBeKilled() {
	site := &workflow.Executor{}
	switch os.Getenv("REMOTE_TEST_HOST") {
	case "attached":
		site = attached()
	case "submitted":
		site = submitted(hostDir{})
	case "queued":
		site = submitted(hostDir{})
		site.Submit[2] = `sleep 1000 > /dev/null 2>&1 & echo $! > pid.next; mv pid.next ../pid; echo "Job <$!> is submitted"`
	case "slurm":
		site = &workflow.Executor{Engine: "slurm", Shared: os.Getenv("REMOTE_TEST_DIR")}
	}
	e, err := New("lab", site)
	if err != nil {
		panic(err)
	}
	pool, err := launch.NewPool(launch.Options{})
	if err != nil {
		panic(err)
	}
	self, _ := os.Executable()
	program := &launch.Program{Name: "pond", Command: []string{self, "pond"}, Executor: e, TCP: true}
	site.Env = []string{"COLOUR=" + os.Getenv("COLOUR")}
	if program, err = launch.Command("pond", program.Command, "."); err != nil {
		panic(err)
	}
	program.Executor, program.TCP = e, true
	p, err := pool.Start(context.Background(), program)
	if err != nil {
		panic(err)
	}
	m, err := p.Plugin(time.Hour).NewModel(context.Background(), sdk.ModelConfig{})
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	panic(forecast(context.Background(), m, 1))
}

// hostDir gives the folder of the host's jobs.
type hostDir struct{ testing.TB }

func (hostDir) TempDir() string { return os.Getenv("REMOTE_TEST_DIR") }

// When the host is killed nothing is left on its nodes.
func TestHostIsKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("it finds processes in /proc")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"attached", "submitted"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			mark := fmt.Sprintf("killed-%s-%d", way, os.Getpid())
			host := exec.Command(self)
			host.Env = append(os.Environ(), "REMOTE_TEST_HOST="+way, "COLOUR="+mark, "REMOTE_TEST_DIR="+t.TempDir())
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			var word string
			if _, err := fmt.Fscan(out, &word); err != nil {
				t.Fatal(err)
			}
			if n := len(marked(t, mark)); n < 3 { // host, node-exec, pond
				t.Errorf("%d processes", n)
			}
			_ = host.Process.Kill()
			_ = host.Wait()
			nothingLeft(t, mark)
		})
	}
}

// A job that waits in a queue when its host is killed is cancelled.
func TestHostIsKilledInQueue(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	host := exec.Command(self)
	host.Env = append(os.Environ(), "REMOTE_TEST_HOST=queued", "REMOTE_TEST_DIR="+dir)
	host.Stderr = os.Stderr
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(dir, "pid")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		records, _ := filepath.Glob(filepath.Join(dir, "plume-*", "*"+recordExt))
		if _, err := os.Stat(pid); err == nil && len(records) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no job has been submitted")
		}
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	noProcess(t, pid)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, _ := filepath.Glob(filepath.Join(dir, "plume-*"))
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", left)
		}
	}
}

// The engine's words are in the error when a plugin is not started.
func TestRefused(t *testing.T) {
	t.Parallel()
	absent, numberless, silent := submitted(t), submitted(t), submitted(t)
	absent.Submit = []string{"/no/sub"}
	numberless.Submit = []string{"echo", "task 7 submitted"}
	silent.Submit = []string{"false"}
	late := submitted(t)
	late.Script = "#!/bin/sh\nsh -c 'echo no such machine >&2; exit 7' || echo \"plume failed with code $?\"\n# {{.Shell}}\n"
	refusing := submitted(t)
	refusing.Submit = []string{"sh", "-c", "echo invalid account >&2; exit 1"}
	for name, c := range map[string]struct {
		site *workflow.Executor
		want string
	}{
		"attached":  {&workflow.Executor{Commands: workflow.Commands{Start: []string{"sh", "-c", "echo invalid account >&2; exit 1"}}}, "plugin pond: executor lab did not start it: sh exited with code 1: invalid account"},
		"absent":    {&workflow.Executor{Plume: "/no/plume", Commands: attached().Commands}, "; /no/plume must be on the node"},
		"command":   {&workflow.Executor{Commands: workflow.Commands{Start: []string{"no-such-launcher"}}}, `plugin pond: executor lab: exec: "no-such-launcher": executable file not found in $PATH; load the module`},
		"submitted": {refusing, "plugin pond: executor lab: sh refused the job: exit status 1: invalid account"},
		"job fails": {late, "ended before it called back: no such machine; plume failed with code 7"},
		"no engine": {absent, "plugin pond: executor lab: fork/exec /no/sub: no such file or directory; load the module"},
		"no number": {numberless, `executor lab: echo printed no number of a job that "Job <(\\d+)>" matches: "task 7 submitted"; a job that`},
		"silent":    {silent, "false refused the job: exit status 1: it does not say why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, program, _ := newPool(t, c.site, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // who is not refused waits in a queue for ever
			defer cancel()
			_, err := pool.Start(ctx, program)
			if sdk.KindOf(err) != sdk.KindResource || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v (%v), want %q", err, sdk.KindOf(err), c.want)
			}
		})
	}
}

// What waits in a queue is cancelled when the pool is closed, whatever else the engine says
// when it takes the job.
func TestQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ job, answer, id string }{
		"sentence":          {"sleep 1000 > /dev/null 2>&1", `echo "Job <$!> is submitted"`, `Job <(\d+)>`},
		"warning":           {"sleep 1000 > /dev/null 2>&1", `echo "sub: warning: abc expires soon" >&2; echo $!`, ""},
		"output stays open": {"sleep 1000", "echo $!", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inQueue(t, c.job, c.answer, c.id)
		})
	}
}

// inQueue stops a pool whose engine runs job for ever and then answer.
func inQueue(t *testing.T, job, answer, id string) {
	site := submitted(t)
	site.ID = id
	site.Submit[2] = job + " & echo $! > " + site.Shared + "/pid; " + answer
	pool, program, _ := newPool(t, site, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	if _, err := pool.Start(ctx, program); sdk.KindOf(err) != sdk.KindCanceled {
		t.Errorf("got %v", err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	noProcess(t, filepath.Join(site.Shared, "pid")) // the job has been cancelled
}

// A plugin that is a part of plume does not run in another version of it.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	for name, site := range both(t) {
		for version, want := range map[string]string{
			"1.0": "<nil>",
			"2.0": "plume on .+ is 1.0, but 2.0 here; results could differ: install this version there",
		} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				pool, program, e := newPool(t, site, nil)
				e.Require(version)
				if _, err := pool.Start(t.Context(), program); !regexp.MustCompile(want).MatchString(fmt.Sprint(err)) {
					t.Errorf("got %v, want %q", err, want)
				}
			})
		}
	}
}

// Who waits while nothing runs is told what for, once.
func TestToldOfTheQueue(t *testing.T) {
	t.Parallel()
	full, stuck, hanging := submitted(t), submitted(t), attached()
	full.Submit[2] = `sleep 1000 > /dev/null 2>&1 & echo "Job <$!> is submitted"`
	stuck.Submit[2] = "sleep 1000"
	hanging.Start[2] = "sleep 1000 # {{.Shell}}"
	for name, c := range map[string]struct {
		site *workflow.Executor
		want string
	}{
		"full":    {full, `^executor lab: job \d+ waits to be started$`},
		"stuck":   {stuck, "^executor lab has not submitted a job yet: it waits for sh$"},
		"hanging": {hanging, "^executor lab has not started anything yet: it waits for sh$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, program, e := newPool(t, c.site, nil)
			told := make(chan string, 10)
			e.Tell(func(sentence string) { told <- sentence })
			ctx, cancel := context.WithTimeout(t.Context(), patience+time.Second)
			defer cancel()
			if _, err := pool.Start(ctx, program); err == nil {
				t.Error("it has started")
			}
			if got := <-told; !regexp.MustCompile(c.want).MatchString(got) || len(told) > 0 {
				t.Errorf("told %q and %d more, want %q", got, len(told), c.want)
			}
		})
	}
}

// While something runs nothing is said of the rest.
func TestRunning(t *testing.T) {
	t.Parallel()
	pool, program, e := newPool(t, submitted(t), nil)
	running := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.running + 10*len(e.queued)
	}
	if _, err := pool.Start(t.Context(), program); err != nil || running() != 1 {
		t.Fatalf("got %v and %d", err, running())
	}
	if err := pool.Close(); err != nil || running() != 0 {
		t.Errorf("got %v and %d", err, running())
	}
}

// A sentence does not name all jobs of a large run, and there is none while something runs.
func TestSentences(t *testing.T) {
	e := &Executor{name: "lab", recipe: &recipe{Commands: workflow.Commands{Submit: []string{"sub"}}}}
	for _, c := range []struct {
		jobs, running int
		want          string
	}{
		{0, 0, ""},
		{1, 0, "executor lab: job 10 waits to be started"},
		{3, 0, "executor lab: jobs 10, 11 and 12 wait to be started"},
		{6, 0, "executor lab: jobs 10, 11, 12, 13 and 2 more wait to be started"},
		{6, 1, ""},
	} {
		e.queued, e.running = nil, c.running
		for i := range c.jobs {
			e.queued = append(e.queued, &try{ID: strconv.Itoa(10 + i)})
		}
		if got := e.waiting(); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

// A submission that hangs ends with the run, with all that the command has started.
func TestSubmissionHangs(t *testing.T) {
	t.Parallel()
	site := submitted(t)
	site.Submit[2] = "sleep 1000 & echo $! > " + site.Shared + "/pid; wait"
	pool, program, _ := newPool(t, site, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	if _, err := pool.Start(ctx, program); sdk.KindOf(err) != sdk.KindCanceled {
		t.Errorf("got %v", err)
	}
	start := time.Now()
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v until it was closed", took)
	}
	noProcess(t, filepath.Join(site.Shared, "pid"))
}

// A submission is not killed in its midst: the job may be in the queue, and its number is
// needed to cancel it.
func TestStoppedDuringSubmission(t *testing.T) {
	t.Parallel()
	inQueue(t, "setsid sleep 1000 > /dev/null 2>&1", `sleep 1.5; echo "Job <$!> is submitted"`, `Job <(\d+)>`)
}

// A job that calls back when it has been given up is not kept waiting.
func TestLateCall(t *testing.T) {
	t.Parallel()
	site := submitted(t)
	kept := filepath.Join(site.Shared, "kept")
	site.Submit[2] = "cp *.join " + kept + "; echo 'Job <0> is submitted'"
	site.Cancel = []string{"true"}
	pool, program, _ := newPool(t, site, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	if _, err := pool.Start(ctx, program); sdk.KindOf(err) != sdk.KindCanceled {
		t.Errorf("got %v", err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	conn, err := join(kept)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end of the line", err)
	}
}

// The folder for the files of jobs is removed only if it is plume's own: it may be the
// user's, or a link to one.
func TestSharedFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	own, link := filepath.Join(home, ".plume"), filepath.Join(home, "jobs")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	use := func(shared string) {
		t.Helper()
		site := submitted(t)
		site.Shared = shared
		e, err := New("lab", site)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.openHub(); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	empty := func(folder string) {
		t.Helper()
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
	use("")
	if _, err := os.Lstat(own); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", own, err)
	}
	use(link)
	empty(link)
	if err := os.Rename(link, own); err != nil {
		t.Fatal(err)
	}
	use("")
	empty(own)
	site := t.TempDir()
	use(site)
	empty(site)
}

// A node passes on all that a plugin has written before it says how the plugin ended.
func TestLastLines(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command(self, "node-exec")
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	run := message{Run: &request{Protocol: protocol, Name: "pond", Command: []string{"/bin/sh", "-c", "seq 20000"}}}
	go func() { _ = (&sender{to: in}).send(run) }()
	out, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`"output":"20000".*\n(.*\n)*.*"exit":\{"What":"exited with code 0"`).Match(out) {
		t.Errorf("got %d bytes that end with %s", len(out), out[max(0, len(out)-300):])
	}
}

// A node passes on the beginning of a first line that does not end, of which the host says what is wrong, and then the rest of it
// in pieces.
func TestFirstLineThatDoesNotEnd(t *testing.T) {
	var out bytes.Buffer
	text := strings.Repeat("x", 100_000)
	(&node{host: &sender{to: &out, mark: mark}}).introduce(nil, &request{}, bufio.NewReader(strings.NewReader(text)))
	var first, rest string
	for line := range bytes.Lines(out.Bytes()) {
		switch m, ok := parse(line); {
		case !ok:
			t.Fatalf("got %s", line)
		case m.Output != nil:
			rest += *m.Output
		default:
			first += m.Handshake
		}
	}
	if first == "" || len(first) > 4096 || first+rest != text {
		t.Errorf("got a handshake of %d bytes and %d after it, want at most 4096 and the others", len(first), len(rest))
	}
}

// Of what commands and jobs print without end as much is read as matters: the beginning, which has the number of a job, or the end,
// which says why one failed.
func TestLongOutput(t *testing.T) {
	var said beginning
	piece := strings.Repeat("x", 300_000)
	for range 10 {
		if n, err := io.WriteString(&said, piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(said.text) != mostSaid {
		t.Errorf("%d bytes are kept, want %d", len(said.text), mostSaid)
	}
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("begin\n"+strings.Repeat(piece, 10)+"\n"+failed), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ending(log); err != nil || len(text) != mostSaid || lastLine(text) != failed {
		t.Errorf("got %d bytes, %v, want the last %d", len(text), err, mostSaid)
	}
}

// What the site says of the environment counts, more than what node-exec finds.
func TestEnvironment(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("SLURM_CPU_BIND", "none")
	e := &Executor{site: &workflow.Executor{Cores: 4, Env: []string{"GOMAXPROCS=2", "TMPDIR=/local"}}}
	r := e.request(&launch.Program{Command: []string{"pond"}}, []string{"LANG=C", "TMPDIR=/here", "GOMAXPROCS=64"})
	env := map[string]string{}
	for _, v := range environment(&r, "/sockets") { // the last of a name counts
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	for name, want := range map[string]string{"GOMAXPROCS": "2", "TMPDIR": "/local", "LANG": "C", "SLURM_CPU_BIND": "none", "PLUGIN_UNIX_SOCKET_DIR": "/sockets"} {
		if env[name] != want {
			t.Errorf("%s=%s, want %s", name, env[name], want)
		}
	}
}

// Nothing of a launcher is kept open when it has ended.
func TestPipesAreClosed(t *testing.T) {
	t.Parallel()
	e, err := New("lab", attached())
	if err != nil {
		t.Fatal(err)
	}
	started, err := e.Start(t.Context(), &launch.Program{Name: "pond", Command: []string{"/bin/sh", "-c", "exit 1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := started.(*child)
	for _, output := range []io.ReadCloser{c.Stdout(), c.Stderr()} {
		if _, err := io.Copy(io.Discard, output); err != nil {
			t.Error(err)
		}
	}
	c.Wait()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, pipe := range []io.Reader{c.line.out, c.line.also} {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := pipe.Read(nil); errors.Is(err, os.ErrClosed) {
				break
			}
			if time.Now().After(deadline) {
				t.Error("a pipe is open")
				break
			}
		}
	}
}

// A plugin that ends on its node before it is ready counts against the node.
func TestUnfitNode(t *testing.T) {
	t.Parallel()
	site := attached()
	site.Hosts = []string{"n1", "n2"}
	site.Start[2] = "export SLURMD_NODENAME={{.Host}} SLURM_NODE={{.Host}}; exec {{.Shell}}"
	_, program, e := newPool(t, site, nil)
	program.Command = append([]string{"/bin/sh", "-c", `test $SLURM_NODE != n2 && exec "$@"; echo no licence >&2; exit 1`, "sh"}, program.Command...)
	for _, works := range []bool{true, false, true, false, true, true} {
		pool, err := launch.NewPool(launch.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.Start(t.Context(), program)
		switch {
		case works && err != nil:
			t.Error(err)
		case works && p.Place().Node != "n1":
			t.Errorf("it is on %s", p.Place().Node)
		case !works && (sdk.KindOf(err) != sdk.KindCrash || !strings.Contains(err.Error(), "the process exited with code 1 on n2 before it was ready; the last line of its standard error: no licence")):
			t.Errorf("got %v", err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
	if bad := e.bad(); !slices.Equal(bad, []string{"n2"}) {
		t.Errorf("left out %v", bad)
	}
}

// noProcess waits until the process is gone whose number is in file.
func noProcess(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	for deadline := time.Now().Add(5 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is left", pid)
		}
	}
}

// Every engine asks for what the site says in its own words, and for nothing else.
func TestEngines(t *testing.T) {
	for _, name := range Engines() {
		var b strings.Builder
		for _, e := range []*workflow.Executor{
			{Engine: name},
			{Engine: name, Cores: 4, Memory: "10GB", Time: 90 * time.Minute, GPUs: 2, Args: []string{"--account=abc", "--quiet"}},
		} {
			r, err := newRecipe(e)
			if err != nil {
				t.Fatal(err)
			}
			try := &try{
				Name: "plume-1", Command: []string{"/opt/my plume", "node-exec"}, Args: e.Args, Cores: e.Cores,
				Memory: Memory(e.Memory.Bytes()), Time: Span(e.Time), GPUs: e.GPUs, ID: "17", File: "/home/me/1.sh", Log: "/home/me/1.log",
			}
			if e.Cores > 0 {
				try.Exclude, try.Host = "node7,node8", "node1"
			}
			for _, words := range [][]string{r.Start, r.Submit, r.Cancel} {
				if len(words) > 0 {
					fmt.Fprintf(&b, "%q\n", r.words(words, try))
				}
			}
			if r.Script != "" {
				b.WriteString(r.text(r.Script, try))
			}
			b.WriteString("\n")
		}
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != b.String() {
			t.Errorf("%s: got\n%s\nwant\n%s", name, b.String(), want)
		}
	}
}

// A site's own engine is a file; what is wrong with an executor is said before a run.
func TestRecipes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`start = ["mine", "{{with .Cores}}-c{{.}}{{end}}", "{{.Command}}"]`)
	r, err := newRecipe(&workflow.Executor{Engine: file})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.words(r.Start, &try{Command: []string{"a", "b c"}}); !slices.Equal(got, []string{"mine", "a", "b c"}) {
		t.Errorf("got %q", got)
	}
	for _, c := range []struct {
		text string
		site workflow.Executor
		want string
	}{
		{`begin = ["mine"]`, workflow.Executor{Engine: file}, "unknown key begin"},
		{`start = ["{{.Colour}}"]`, workflow.Executor{Engine: file}, "there is no .Colour; the reference"},
		{"submit = [\"mine\"]\ncancel = [\"x\"]\nscript = \"x\"\nid = 'job [0-9]+'", workflow.Executor{Engine: file}, `id "job [0-9]+" has no group`},
		{`start = ["{{.Cores"]`, workflow.Executor{Engine: file}, "unclosed action"},
		{`submit = ["mine"]`, workflow.Executor{Engine: file}, "submit needs script"},
		{"", workflow.Executor{Engine: "nqs"}, `there is no engine "nqs"`},
		{"", workflow.Executor{}, "neither an engine nor a command"},
		{"", workflow.Executor{Engine: "ssh"}, "it needs hosts"},
		{"", workflow.Executor{Engine: "slurm", Ports: "80"}, "ports must be FROM-TO"},
		{"", workflow.Executor{Engine: "slurm", Commands: workflow.Commands{Start: []string{"x"}}}, "an engine and commands of its own"},
	} {
		write(c.text)
		if _, err := New("lab", &c.site); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: got %v, want %q", c.text, c.site, err, c.want)
		}
	}
}

// A node where nothing starts, while something does on others, is left out.
func TestBadNodes(t *testing.T) {
	e := &Executor{nodes: map[string]*health{}, site: &workflow.Executor{Hosts: []string{"n1", "n2", "n3"}}}
	e.learn("n2", false)
	e.learn("n2", false)
	if bad := e.bad(); len(bad) > 0 {
		t.Errorf("left out %v, although nothing works anywhere", bad)
	}
	e.learn("n1", true)
	e.learn("n3", false)
	if bad := e.bad(); !slices.Equal(bad, []string{"n2"}) {
		t.Errorf("left out %v", bad)
	}
	var hosts []string
	for range 4 {
		hosts = append(hosts, e.newTry(&launch.Program{}).Host)
	}
	if want := []string{"n1", "n3", "n1", "n3"}; !slices.Equal(hosts, want) {
		t.Errorf("hosts %v, want %v", hosts, want)
	}
	e.learn("n2", true)
	if bad := e.bad(); len(bad) > 0 {
		t.Errorf("left out %v", bad)
	}
}

// What an engine says of a request that it can never grant is told from what may go away.
func TestPermanent(t *testing.T) {
	for engine, said := range map[string]struct{ never, maybe []string }{
		"slurm": {[]string{
			"sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
			"srun: error: Unable to allocate resources: Invalid partition name specified",
			"sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
			"sbatch: error: Batch job submission failed: User's group not permitted to use this partition",
			"sbatch: error: Batch job submission failed: Invalid qos specification",
			"sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification",
			"sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
			"sbatch: unrecognized option '--partitoin=x'\nTry \"sbatch --help\" for more information",
		}, []string{
			"sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
			"sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
			"sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
			"sbatch: error: Batch job submission failed: Requested node configuration is not available",
			"sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
			"srun: error: Unable to create step for job 7: Required node not available (down, drained or reserved)",
			"srun: error: node3: task 0: Exited with exit code 1",
			"plume: Invalid partition name specified",
		}},
		"pbs":         {[]string{"qsub: Unknown queue", "qsub: submit error (Unknown queue MSG=cannot locate queue)", "qsub: Unknown resource: mem2"}, []string{"qsub: Queue is not enabled", "Connection refused\nqsub: cannot connect to server pbs (errno=111)", "qsub: would exceed limit on resource njobs in queue work"}},
		"lsf":         {[]string{"nope: No such queue. Job not submitted.", "Error in rusage section. Job not submitted."}, []string{"Request from non-LSF host rejected", "LSF is down. Please wait ...", "Pending job threshold reached. Job not submitted."}},
		"grid-engine": {[]string{"Unable to run job: Job was rejected because job requests unknown queue \"nope\".\nExiting.", "Unable to run job: job rejected: the requested parallel environment \"smpp\" does not exist.\nExiting."}, []string{"error: commlib error: got select error (Connection refused)", "Unable to run job: job rejected: only 10 jobs are allowed per user (current job count: 10)."}},
		"flux":        {[]string{"flux-batch: ERROR: [Errno 22] Invalid queue 'nope' specified", "flux-batch: error: unrecognized arguments: --partition=x"}, []string{"flux-batch: ERROR: job submission to batch is disabled: maintenance", "flux-batch: ERROR: Unable to connect to Flux: broker socket not found"}},
		"hyperqueue":  {[]string{"error: unexpected argument '--partition' found"}, []string{"Error: Cannot connect to the server"}},
		"oar":         {[]string{"Unknown option: partition"}, []string{"[ADMISSION RULE] too many jobs", "Cannot connect to the database"}},
		"ssh":         {[]string{"command-line: line 0: Bad configuration option: batchmod", "unknown option -- z"}, []string{"ssh: connect to host n1 port 22: Connection refused", "ssh: Could not resolve hostname n1: Temporary failure in name resolution", "Host key verification failed."}},
	} {
		r, err := newRecipe(&workflow.Executor{Engine: engine})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range said.never {
			if line := r.hopeless(text); line == "" || !strings.Contains(text, line) || strings.Contains(line, "\n") {
				t.Errorf("%s: %q would come again, but %q was found", engine, text, line)
			}
		}
		for _, text := range said.maybe {
			if line := r.hopeless(text); line != "" {
				t.Errorf("%s: %q may go away, but %q was found", engine, text, line)
			}
		}
	}
	for _, name := range Engines() {
		if r, err := newRecipe(&workflow.Executor{Engine: name}); err != nil || len(r.permanent) == 0 {
			t.Errorf("%s: %v, no lines of permanent errors", name, err)
		}
	}
}

// An error of a start that would come again says so, and gives the line that says why.
func TestPermanentErrors(t *testing.T) {
	words := []string{"sh", "-c", "echo no queue called x >&2; echo bye >&2; exit 1"}
	for name, c := range map[string]struct {
		commands  workflow.Commands
		permanent bool
		want      string
	}{
		"attached":      {workflow.Commands{Start: words, Permanent: []string{"no queue"}}, true, ": no queue called x; correct what the engine is asked for"},
		"other words":   {workflow.Commands{Start: words, Permanent: []string{"no account"}}, false, "did not start it"},
		"no such words": {workflow.Commands{Start: []string{"no-such-launcher"}}, true, "executable file not found"},
		"submitted": {workflow.Commands{Submit: words, Script: "x", Cancel: []string{"true"}, Permanent: []string{"no queue"}}, true,
			"sh refused the job: exit status 1: no queue called x; correct what the engine is asked for"},
		"submitted, other words": {workflow.Commands{Submit: words, Script: "x", Cancel: []string{"true"}}, false, "sh refused the job: exit status 1: bye"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, program, _ := newPool(t, &workflow.Executor{Shared: t.TempDir(), Commands: c.commands}, nil)
			_, err := pool.Start(t.Context(), program)
			if errors.Is(err, launch.ErrPermanent) != c.permanent || sdk.KindOf(err) != sdk.KindResource || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v (permanent: %v), want %q", err, errors.Is(err, launch.ErrPermanent), c.want)
			}
		})
	}
}
