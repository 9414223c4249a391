package remote

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
)

// These tests need engines: make test-cluster sets them up and runs the tests. In
// make test they have nothing to do.

// needs returns the value of a variable of testdata/test-cluster.
func needs(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Skip("NOT TESTED: make test-cluster runs it on a real engine")
	}
	return value
}

// shared returns a folder that the nodes see.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("HOME"), "shared")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSlurm runs members on three nodes and injures them, as steps of an allocation if it is
// in one, and otherwise as jobs that call back.
func TestSlurm(t *testing.T) {
	cluster := needs(t, "PLUME_TEST_CLUSTER")
	do := func(args ...string) {
		t.Helper()
		command := exec.Command(cluster, args...)
		command.Env = append(os.Environ(), "COLOUR=") // not that of what must be gone
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	back := func(node string) {
		do("wait-node", node, "down")
		do("start-node", node)
		do("wait-node", node, "(idle|mix|alloc)")
	}
	inside := os.Getenv("SLURM_JOB_ID") != ""
	for _, c := range []struct {
		name   string
		injure func(mark string)
		mend   func()
		lost   bool          // calls are made again
		cut    bool          // off the network
		within time.Duration // ideal: 40 members of 0.3 s on 3 replicas, 4 s
	}{
		{name: "nothing", injure: func(string) {}, within: 10 * time.Second},
		{name: "a plugin is killed", injure: func(mark string) { killOne(t, mark, "pond") }, lost: true, within: 15 * time.Second},
		{name: "a node-exec is killed", injure: func(mark string) { killOne(t, mark, "node-exec") }, lost: true, within: 15 * time.Second},
		{name: "all plugins are killed", injure: func(mark string) { signalTo(t, mark, "pond", syscall.SIGKILL) }, lost: true, within: 20 * time.Second},
		{name: "a node is frozen", injure: func(string) { do("freeze-node", "node2") }, mend: func() { do("thaw-node", "node2"); do("wait-node", "node2", "(idle|mix|alloc)") }, lost: true, within: 40 * time.Second},
		{name: "a node is cut off", injure: func(string) { do("cut-node", "node3") }, mend: func() { do("mend-node", "node3"); do("wait-node", "node3", "(idle|mix|alloc)") }, lost: true, cut: true, within: 40 * time.Second},
		{name: "a node crashes", injure: func(string) { do("kill-node", "node2") }, mend: func() { back("node2") }, lost: true, within: 40 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(os.Getenv("SLURM_TEST_DIR"), "run", "isolated")); err != nil && c.cut {
				t.Skip("NOT TESTED: nodes have networks of their own only where this is root")
			}
			mark := fmt.Sprintf("slurm-%d-%s", os.Getpid(), strings.ReplaceAll(c.name, " ", "-"))
			t.Setenv("COLOUR", mark) // sbatch and srun pass it on to node-exec
			site := &workflow.Executor{Engine: "slurm", Cores: 4, Env: []string{"COLOUR=" + mark}, Shared: shared(t)}
			pool, m := startPonds(t, site, launch.RetryPolicy{Replicas: 3, Retries: 3})
			waitUp(t, pool, 3)
			ctx := context.Background()
			repeated := make(chan launch.Repeat, 100)
			ctx = launch.OnRepeat(ctx, func(r launch.Repeat) { repeated <- r })
			took := time.Duration(0) // the longest of the calls until one has begun after the injury
			for try := range 3 {     // a replica may have been idle when it was lost
				if try > 0 && c.mend != nil {
					c.mend()
				}
				injured := make(chan struct{})
				time.AfterFunc(time.Second, func() {
					c.injure(mark) // on a busy machine this takes seconds
					close(injured)
				})
				for last := false; !last; {
					select {
					case <-injured:
						last = true
					default:
					}
					start := time.Now()
					if _, err := forecastMany(ctx, m, 4); err != nil {
						t.Error(err)
					}
					took = max(took, time.Since(start))
				}
				if !c.lost || len(repeated) > 0 {
					break
				}
			}
			t.Logf("took %.1f s, %d calls made again", took.Seconds(), len(repeated))
			if took > c.within || c.lost != (len(repeated) > 0) {
				t.Errorf("took %v, %d calls made again", took, len(repeated))
			}
			nodes := map[string]bool{}
			for _, l := range pool.Loads() {
				nodes[l.Node] = true
			}
			if c.name == "nothing" && len(nodes) != 3 {
				t.Errorf("the replicas ran on %v", nodes)
			}
			if c.mend != nil {
				c.mend()
			}
			if err := pool.Close(); err != nil {
				t.Error(err)
			}
			nothingLeft(t, mark, os.Getpid())
			if !inside {
				noJobs(t)
			}
		})
	}
	t.Run("more replicas than places", func(t *testing.T) {
		site := &workflow.Executor{Engine: "slurm", Cores: 1, Shared: shared(t)}
		pool, m := startPonds(t, site, launch.RetryPolicy{Replicas: 20, Retries: 3})
		if _, err := forecastMany(t.Context(), m, 4); err != nil {
			t.Error(err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if !inside {
			noJobs(t)
		}
	})
	t.Run("what Slurm refuses", func(t *testing.T) {
		site := &workflow.Executor{Engine: "slurm", Args: []string{"--partition=nowhere"}, Shared: shared(t)}
		pool, program, _ := newPool(t, site, nil)
		if inside {
			site.Args = []string{"--cpus-per-task=100"}
		}
		_, err := pool.Start(t.Context(), program)
		if got := fmt.Sprint(err); !strings.Contains(got, "plugin pond: executor lab") || !strings.Contains(got, "error: ") {
			t.Errorf("got %v", err)
		}
		t.Log(err)
	})
	t.Run("the host is killed", func(t *testing.T) {
		killHosts(t, "slurm", 3)
		if !inside {
			noJobs(t)
		}
	})
	t.Run("the same bytes", func(t *testing.T) { sameBytes(t, cluster) })
}

// waitUp waits until n replicas have started.
func waitUp(t *testing.T, pool ponds, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		up := 0
		for _, l := range pool.Loads() {
			if l.Node != "" {
				up++
			}
		}
		if up == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d replicas are up", up, n)
		}
	}
}

// killOne kills one marked process.
func killOne(t *testing.T, mark, word string) {
	for _, pid := range marked(t, mark) {
		if isCalled(pid, word) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
	}
	t.Errorf("there is no %s", word)
}

// noJobs waits until Slurm has no job of this user.
func noJobs(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("squeue", "--noheader", "--me").CombinedOutput()
		if err == nil && strings.TrimSpace(string(out)) == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("jobs are left: %v\n%s", err, out)
			return
		}
	}
}

// killHosts kills a host at some moments and waits until nothing of it is left.
func killHosts(t *testing.T, way string, times int) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range times {
		mark := fmt.Sprintf("killed-%s-%d-%d", way, os.Getpid(), i)
		host := exec.Command(self)
		host.Env = append(os.Environ(), "REMOTE_TEST_HOST="+way, "COLOUR="+mark, "REMOTE_TEST_DIR="+shared(t))
		host.Stderr = os.Stderr
		if err := host.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+i*150) * time.Millisecond)
		_ = host.Process.Kill()
		_ = host.Wait()
		nothingLeft(t, mark)
	}
}

// sameBytes runs a workflow here and on the cluster, where a node crashes meanwhile, and
// compares the tables.
func sameBytes(t *testing.T, cluster string) {
	plume := os.Getenv("PLUME_TEST_BIN")
	dir := shared(t)
	file := filepath.Join(dir, "twin.toml")
	text := `format = 1
experiment = { name = "twin", seed = 11 }
time = { cycles = 1500, interval = 0.1 }
model = { plugin = "lorenz63", replicas = 3, timeout = "60s" }
truth = { init = { dist = "normal", mean = 1.0, sd = 0.1 }, noise = { sd = 0.01 } }
ensemble = { size = 60, init = { dist = "normal", around = "truth", sd = 0.5 } }
[observations]
plugin = "obs-nonlinear"
error = { sd = 0.5 }
[[filter]]
label = "etkf"
plugin = "filter-enkf"
params = { scheme = "etkf" }
[[filter]]
label = "joint"
plugin = "filter-diffusion"
`
	site := fmt.Sprintf("[executor.hpc]\nengine = \"slurm\"\ncores = 4\nplume = %q\nshared = %q\n", plume, dir)
	for name, content := range map[string]string{file: text, filepath.Join(dir, "plume.toml"): site} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{file, "--run-dir", dir, "--site", filepath.Join(dir, "plume.toml")}
	here := runPlume(t, nil, args...)
	there := runPlume(t, map[int]func(){10: func() { _ = exec.Command(cluster, "kill-node", "node3").Run() }}, append(args, "--executor", "hpc")...)
	info, err := os.ReadFile(filepath.Join(there, "run.json"))
	if lost := regexp.MustCompile(`"lost": [1-9]`); err != nil || !lost.Match(info) {
		t.Errorf("no call was lost with the node: %v", err)
	}
	sameTables(t, here, there)
	for _, args := range [][]string{{"wait-node", "node3", "down"}, {"start-node", "node3"}, {"wait-node", "node3", "(idle|mix|alloc)"}} {
		if out, err := exec.Command(cluster, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// runPlume runs a workflow and returns its run directory. It calls functions when a share of
// its cycles, in percent, has been run.
func runPlume(t *testing.T, at map[int]func(), args ...string) string {
	t.Helper()
	start := time.Now()
	command := exec.Command(os.Getenv("PLUME_TEST_BIN"), append([]string{"run", "--progress", "json"}, args...)...)
	var out, said strings.Builder
	command.Stdout = &out
	progress, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var injuries sync.WaitGroup
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		var now struct{ Progress struct{ Cycles, Done int } }
		if json.Unmarshal(lines.Bytes(), &now) != nil {
			said.WriteString(lines.Text() + "\n")
			continue
		}
		for share, injure := range at {
			if p := now.Progress; p.Done > 0 && 100*p.Done >= share*p.Cycles {
				delete(at, share)
				injuries.Go(injure)
			}
		}
	}
	injuries.Wait()
	const someFailed = 5
	if err := command.Wait(); err != nil && command.ProcessState.ExitCode() != someFailed {
		t.Fatalf("%v: %v\n%s", args, err, said.String())
	}
	usage := command.ProcessState
	t.Logf("%v: %.1f s, %.1f s of processors here\n%s", args, time.Since(start).Seconds(), (usage.UserTime() + usage.SystemTime()).Seconds(), said.String())
	return strings.TrimSpace(out.String())
}

// sameTables compares the files of two runs that must be the same.
func sameTables(t *testing.T, here, there string) {
	t.Helper()
	compared := 0
	err := filepath.WalkDir(here, func(path string, e os.DirEntry, err error) error {
		name, _ := filepath.Rel(here, path)
		if err != nil || e.IsDir() || name == "run.json" || name == "timings.arrow" || name == "failures.arrow" || strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".log") {
			return err
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(there, name))
		if err != nil || string(a) != string(b) {
			t.Errorf("%s differs: %v", name, err)
		}
		compared++
		return nil
	})
	if err != nil || compared < 5 {
		t.Errorf("compared %d files: %v", compared, err)
	}
}

// TestWorkers runs whole trials on six workers on three nodes, and meanwhile kills a worker,
// crashes a node, freezes another and restarts the controller. The workflow is where the nodes
// do not see it. PLUME_TEST_REPLICATES=24 makes 456 trials of it, and PLUME_TEST_HERE, a run of that
// on this machine, all of their 100 cycles.
func TestWorkers(t *testing.T) {
	cluster := needs(t, "PLUME_TEST_CLUSTER")
	do := func(args ...string) {
		command := exec.Command(cluster, args...)
		command.Env = append(os.Environ(), "COLOUR=")
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	plume, dir := os.Getenv("PLUME_TEST_BIN"), shared(t)
	file, root := filepath.Join(t.TempDir(), "paper.toml"), t.TempDir()
	text, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), "paper-lorenz63.toml"))
	if err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf("workers-%d", os.Getpid())
	t.Setenv("COLOUR", mark)
	site := fmt.Sprintf("[executor.hpc]\nengine = \"slurm\"\ncores = 2\nplume = %q\nshared = %q\nenv = [\"COLOUR=%s\"]\n", plume, dir, mark)
	for name, content := range map[string]string{file: string(text), filepath.Join(dir, "plume.toml"): site} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{file, "--sweep", "replicate=1.." + cmp.Or(os.Getenv("PLUME_TEST_REPLICATES"), "3"), "--run-dir", root, "--in-process"}
	here := os.Getenv("PLUME_TEST_HERE")
	if here == "" {
		args = append(args, "--profile", "short")
		here = runPlume(t, nil, args...)
	}
	there := runPlume(t, map[int]func(){
		10: func() { killOne(t, mark, "worker") },
		25: func() { do("kill-node", "node3") },
		40: func() { do("freeze-node", "node2") },
		60: func() { do("restart-controller") },
	}, append(args, "--executor", "hpc", "--workers", "6", "--site", filepath.Join(dir, "plume.toml"))...)
	do("thaw-node", "node2")
	sameTables(t, here, there)
	var info struct{ Replicas []struct{ Calls, Lost int } }
	if text, err = os.ReadFile(filepath.Join(there, "run.json")); err == nil {
		err = json.Unmarshal(text, &info)
	}
	lost := 0
	for _, r := range info.Replicas {
		lost += r.Lost
	}
	if t.Logf("%d workers were lost", lost); err != nil || lost == 0 { // 5 on a machine with nothing else to do
		t.Errorf("%d workers were lost: %v", lost, err)
	}
	nothingLeft(t, mark, os.Getpid())
	do("wait-node", "node3", "down")
	do("start-node", "node3")
	do("wait-node", "node3", "(idle|mix|alloc)")
	do("wait-node", "node2", "(idle|mix|alloc)")
	noJobs(t)
	if left, _ := filepath.Glob(filepath.Join(dir, "plume-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// HyperQueue is an engine that is described in the site file alone.
func TestHyperQueue(t *testing.T) {
	hq := needs(t, "PLUME_TEST_HQ")
	site := &workflow.Executor{Shared: shared(t), Commands: workflow.Commands{
		Submit: append(strings.Fields(hq), "submit", "{{.File}}"), Cancel: []string{"true"}, // its Python package cannot cancel
		Script: "#!/bin/sh\n{{.Shell}} > {{.Log}} 2>&1 || echo \"plume failed with code $?\" >> {{.Log}}\n",
	}}
	onEngine(t, site)
}

func TestSSH(t *testing.T) {
	options := needs(t, "PLUME_TEST_SSH")
	onEngine(t, &workflow.Executor{Engine: "ssh", Hosts: []string{"127.0.0.1", "localhost"}, Args: strings.Fields(options)})
}

// onEngine runs members on an engine, kills one plugin, and looks for what is left.
func onEngine(t *testing.T, site *workflow.Executor) {
	mark := fmt.Sprintf("engine-%d-%s", os.Getpid(), t.Name())
	site.Env = []string{"COLOUR=" + mark}
	pool, m := startPonds(t, site, launch.RetryPolicy{Replicas: 3, Retries: 3})
	waitUp(t, pool, 3)
	time.AfterFunc(time.Second, func() { killOne(t, mark, "pond") })
	if _, err := forecastMany(t.Context(), m, 4); err != nil {
		t.Error(err)
	}
	lost := 0
	for _, l := range pool.Loads() {
		lost += l.Lost
	}
	if lost != 1 {
		t.Errorf("loads %+v", pool.Loads())
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	nothingLeft(t, mark)
}
