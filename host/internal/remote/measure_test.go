package remote

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"gonum.org/v1/gonum/mat"
)

var measured = flag.String("measured", "", "file for what TestMeasured measures")

// measures are what TestMeasured measures, and what the study of ten thousand replicas is made
// of, see package launch.
type measures struct {
	Replicas      int     `json:"replicas"`
	Start         float64 `json:"start"`           // seconds until all of them are up
	StartCPU      float64 `json:"start_cpu"`       // seconds of processors of the host and its launcher, for each
	Call          float64 `json:"call"`            // seconds that a call of all of them takes
	Ideal         float64 `json:"ideal"`           // that the members alone would take
	HostMemory    float64 `json:"host_memory"`     // bytes of the host, for each
	LaunchMemory  float64 `json:"launcher_memory"` // bytes of the launcher of each, not shared with others
	Files         float64 `json:"files"`           // open files of the host, for each
	SmallHere     float64 `json:"small_here"`      // seconds of a call with 100 x 3 values
	Small         float64 `json:"small"`
	SmallRaw      float64 `json:"small_raw"`     // that the same bytes take through a TCP connection and back
	SmallCPU      float64 `json:"small_cpu"`     // of them of processors of the host
	Large         float64 `json:"large"`         // seconds of a call with 100 x 100,000 values
	LargeRaw      float64 `json:"large_raw"`     // that the same bytes take through a TCP connection and back
	LargeTLS      float64 `json:"large_tls"`     // and with TLS
	LargeRelayed  float64 `json:"large_relayed"` // of a call of a plugin that does not take connections
	LargeHere     float64 `json:"large_here"`    // of a call on this machine
	LargeCPU      float64 `json:"large_cpu"`     // of processors of the host
	BytesPerCPU   float64 `json:"bytes_per_cpu"`
	BytesPerSec   float64 `json:"bytes_per_second"` // in one direction
	SmallOverhead float64 `json:"small_ratio"`
	LargeOverhead float64 `json:"large_ratio"`
	Workers       int     `json:"workers"`    // on three nodes
	OneWorker     float64 `json:"one_worker"` // seconds that a sweep takes
	AllWorkers    float64 `json:"all_workers"`
	TrialCPU      float64 `json:"trial_cpu"` // of processors of the host, for each trial
	WorkersLoad   float64 `json:"workers_load"`
	Load          float64 `json:"load"` // of this machine for a minute before the calls
}

// TestMeasured measures what calls of plugins on other machines take. make bench-cluster
// runs it.
func TestMeasured(t *testing.T) {
	needs(t, "PLUME_TEST_CLUSTER")
	if *measured == "" {
		t.Skip("NOT TESTED: make bench-cluster runs it")
	}
	var m measures
	if text, err := os.ReadFile(*measured); err == nil { // parts that are not run keep what they have
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("replicas", func(t *testing.T) { m.replicas(t, 64) })
	t.Run("calls", func(t *testing.T) { m.calls(t) })
	t.Run("workers", func(t *testing.T) { m.workers(t, 6) })
	text, err := json.MarshalIndent(&m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if err := os.WriteFile(*measured, append(text, '\n'), 0o600); err != nil {
		t.Error(err)
	}
}

// loadBefore returns the load of this machine in the last minute.
func loadBefore(t *testing.T) (load float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	if err != nil {
		t.Fatal(err)
	}
	return load
}

// hostCPU returns the seconds of processors that this process and its launchers that have ended took.
func hostCPU() float64 {
	total := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		_ = syscall.Getrusage(who, &u) // never fails
		total += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return total
}

// launcherCPU returns the seconds of processors that the launchers that run took.
func launcherCPU() (seconds float64) {
	const tick = 100 // a second, on every Linux
	for _, pid := range children(os.Getpid()) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(after); len(f) > 12 {
			for _, word := range f[11:13] {
				n, _ := strconv.ParseFloat(word, 64)
				seconds += n / tick
			}
		}
	}
	return seconds
}

// resident returns the memory of processes that they share with no other.
func resident(pids ...int) float64 {
	total := 0.0
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(f[0], "Private_") {
				kB, _ := strconv.ParseFloat(f[1], 64)
				total += kB * 1024
			}
		}
	}
	return total
}

// children returns the processes that pid has started, and theirs.
func children(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), children(child)...)
			}
		}
	}
	return all
}

func openFiles() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// replicas starts n replicas of a model that takes 0.3 s for a member, and has them compute ten
// members each.
func (m *measures) replicas(t *testing.T, n int) {
	site := &workflow.Executor{Engine: "slurm", Cores: 1, Shared: shared(t)}
	debug.FreeOSMemory()
	memory, files, cpu, begun := resident(os.Getpid()), openFiles(), hostCPU(), time.Now()
	pool, model := startPonds(t, site, launch.RetryPolicy{Replicas: n, Retries: 3})
	waitUp(t, pool, n)
	m.Replicas, m.Start = n, time.Since(begun).Seconds()
	m.StartCPU = (hostCPU() + launcherCPU() - cpu) / float64(n)
	rows := 10 * n
	r := &sdk.ForecastRequest{Call: sdk.Call{Cycle: 4}, To: 1, Ensemble: mat.NewDense(rows, 2, nil), Into: mat.NewDense(rows, 2, nil)}
	m.Ideal = 3
	for round := range 3 { // the first configures them
		begun = time.Now()
		if _, err := model.Forecast(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun).Seconds(); round == 1 || round > 1 && took < m.Call {
			m.Call = took
		}
	}
	debug.FreeOSMemory()
	m.HostMemory = (resident(os.Getpid()) - memory) / float64(n)
	m.Files = float64(openFiles()-files) / float64(n)
	m.LaunchMemory = resident(children(os.Getpid())...) / float64(n)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%d replicas are up after %.2f s; %d members of 0.3 s take %.3f s, ideal %.1f s", n, m.Start, rows, m.Call, m.Ideal)
	if m.Start > 5 || m.Call > 1.1*m.Ideal {
		t.Error("the target is 5 s, and 1.1 times the ideal")
	}
}

// calls measures a small call here and there and a raw copy in turns, and the same for a large
// one, with TLS alone and with a plugin that does not take connections.
func (m *measures) calls(t *testing.T) {
	m.Load, m.SmallCPU, m.LargeCPU = loadBefore(t), 0, 0
	site := &workflow.Executor{Engine: "slurm", Cores: 2, Shared: shared(t)}
	double := sdk.ModelConfig{}
	here, there, bare := caller(t, site, double, false, 100, 3), caller(t, site, double, true, 100, 3), rawEcho(t, 8*100*3, "raw")
	var times [3][]float64
	for range 20 {
		for i, do := range []func(){here, there, bare} {
			cpu := hostCPU()
			for range 50 {
				begun := time.Now()
				do()
				times[i] = append(times[i], time.Since(begun).Seconds())
			}
			if i == 1 {
				m.SmallCPU += (hostCPU() - cpu) / 1000
			}
		}
	}
	m.SmallHere, m.Small, m.SmallRaw = median(times[0]), median(times[1]), median(times[2])
	m.SmallOverhead = m.Small / m.SmallHere

	const members, values, rounds = 100, 100_000, 15
	const size = 8 * members * values
	ways := []func(){
		caller(t, site, double, true, members, values), caller(t, site, double, false, members, values), caller(t, site, double, true, members, values, "relayed"),
		rawEcho(t, size, "raw"), rawEcho(t, size, "tls"),
	}
	large := make([][]float64, len(ways))
	for round := range rounds + 1 { // the first is a warm-up
		for i, do := range ways {
			cpu, begun := hostCPU(), time.Now()
			do()
			if round == 0 {
				continue
			}
			large[i] = append(large[i], time.Since(begun).Seconds())
			if i == 0 {
				m.LargeCPU += (hostCPU() - cpu) / rounds
			}
		}
	}
	for i, to := range []*float64{&m.Large, &m.LargeHere, &m.LargeRelayed, &m.LargeRaw, &m.LargeTLS} {
		*to = median(large[i])
	}
	m.LargeOverhead = m.Large / m.LargeRaw
	m.BytesPerSec, m.BytesPerCPU = 2*size/m.Large, 2*size/m.LargeCPU
	if m.SmallOverhead > 3 || m.LargeOverhead > 1.5 {
		t.Errorf("small calls take %.2f times those here, large ones %.2f times the raw copy; the targets are 3 and 1.5", m.SmallOverhead, m.LargeOverhead)
	}
}

// workers runs 48 trials, of two seconds in which a model sleeps, on one worker and on n: sleep is what machines
// without load compute at the same time.
func (m *measures) workers(t *testing.T, n int) {
	plume, dir := os.Getenv("PLUME_TEST_BIN"), shared(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"plume.toml": fmt.Sprintf("[executor.hpc]\nengine = \"slurm\"\ncores = 1\nplume = %q\nshared = %q\n", plume, dir),
		"sweep.toml": fmt.Sprintf(`format = 1
plugins = { sea = { command = [%q, "sea", "3", "sleeps"] } }
experiment = { name = "sweep", seed = 11 }
time = { cycles = 20, interval = 1.0 }
model = { plugin = "sea" }
truth = { init = { dist = "normal", mean = 1.0, sd = 0.1 } }
observations = { plugin = "obs-nonlinear", error = { sd = 0.5 } }
ensemble = { size = 10, init = { dist = "normal", around = "truth", sd = 0.5 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
`, self),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(workers int) (seconds float64, run string) {
		begun := time.Now()
		run = runPlume(t, nil, filepath.Join(dir, "sweep.toml"), "--sweep", "replicate=1..48", "--run-dir", dir, "--site", filepath.Join(dir, "plume.toml"),
			"--executor", "hpc", "--workers", strconv.Itoa(workers))
		return time.Since(begun).Seconds(), run
	}
	m.Workers, m.WorkersLoad = n, loadBefore(t)
	var one, all string
	m.OneWorker, one = sweep(1)
	cpu := hostCPU()
	m.AllWorkers, all = sweep(n)
	m.TrialCPU = (hostCPU() - cpu) / 48
	sameTables(t, one, all)
	if m.OneWorker < 0.8*float64(n)*m.AllWorkers {
		t.Errorf("%d workers are %.1f times as fast as one", n, m.OneWorker/m.AllWorkers)
	}
}

// TestMeasuredTable compares the table of bench/README.md with what was measured last.
func TestMeasuredTable(t *testing.T) {
	bench := filepath.Join("..", "..", "..", "bench")
	text, err := os.ReadFile(filepath.Join(bench, "cluster", "measured.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m measures
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	met := func(value, target float64) string {
		if value <= target {
			return "met"
		}
		return "missed"
	}
	var table strings.Builder
	row := func(format string, values ...any) { fmt.Fprintf(&table, "| "+format+" |\n", values...) }
	table.WriteString("| | target | measured | |\n|---|---|---|---|\n")
	row("%d replicas are up, 2 cores | 5 s | %.1f s | %s", m.Replicas, m.Start, met(m.Start, 5))
	row("%d members of 0.3 s on them | 1.1 of the ideal %.0f s | %.2f | %s", 10*m.Replicas, m.Ideal, m.Call/m.Ideal, met(m.Call, 1.1*m.Ideal))
	row("call with 100x3 | 3 times the local one | %.1f (%.2f ms) | %s", m.SmallOverhead, 1e3*m.Small, met(m.SmallOverhead, 3))
	row("call with 100x100000, 80 MB each way | 1.5 of raw TCP's time | %.1f (%.0f ms) | %s", m.LargeOverhead, 1e3*m.Large, met(m.LargeOverhead, 1.5))
	share := m.OneWorker / m.AllWorkers / float64(m.Workers)
	row("48 trials of 2 s on %d workers | 0.8 of %d times one worker | %.2f (%.0f s, %.0f s; load %.0f) | %s", m.Workers, m.Workers, share, m.AllWorkers, m.OneWorker, m.WorkersLoad, met(0.8, share))
	table.WriteString("\n80 MB there and back:\n\n<!-- checked: TestMeasuredTable -->\n| | ms | of raw TCP |\n|---|---|---|\n")
	for _, layer := range []struct {
		what    string
		seconds float64
	}{
		{"raw TCP", m.LargeRaw}, {"TLS alone", m.LargeTLS}, {"a call: TLS, HTTP/2, encoding and the model", m.Large},
		{"the same for a plugin that does not take the connection", m.LargeRelayed}, {"a call on this machine, through shared memory", m.LargeHere},
	} {
		row("%s | %.0f | %.1f", layer.what, 1e3*layer.seconds, layer.seconds/m.LargeRaw)
	}
	file := filepath.Join(bench, "README.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- checked: TestMeasuredTable -->\n", "\n"+fmt.Sprintf("One run at a load of %.0f", m.Load)
	before, rest, ok1 := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, "\nOne run at a load of ")
	_, after, ok3 := strings.Cut(after, " ")
	if !ok1 || !ok2 || !ok3 {
		t.Fatal("the page has no place for the table")
	}
	want := before + begin + table.String() + end + " " + after
	if *update {
		err = os.WriteFile(file, []byte(want), 0o600)
	} else if want != string(page) {
		err = errors.New("bench/README.md is not what was measured: run the test with -update")
	}
	if err != nil {
		t.Error(err)
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// caller returns a function that calls a model, which adds one to all values, where site says if
// away; how is "relayed" if it does not take connections.
func caller(t testing.TB, site *workflow.Executor, config sdk.ModelConfig, away bool, members, values int, how ...string) func() {
	pool, program, executor := newPool(t, site, nil)
	var err error
	if program, err = launch.Command("sea", append([]string{program.Command[0], "sea", strconv.Itoa(values)}, how...), "."); err != nil {
		t.Fatal(err)
	}
	if away {
		program.Executor, program.TCP = executor, true
	}
	p, err := pool.Plugin(t.Context(), program, launch.RetryPolicy{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := p.NewModel(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(members, values, nil), Into: mat.NewDense(members, values, nil)}
	r.Ensemble.Apply(func(i, j int, _ float64) float64 { return float64(i + j) }, r.Ensemble)
	return func() {
		if _, err := model.Forecast(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if last := r.Into.At(members-1, values-1); last != float64(members+values-1) {
			t.Fatalf("got %v", last)
		}
	}
}

// BenchmarkCalls makes calls of plugins of this process's machine, directly and as if they were on another, with states in
// double and in single precision. cpu-ms/op is the processor time of a call in all processes.
func BenchmarkCalls(b *testing.B) {
	for _, values := range []int{3, 100_000} {
		for _, away := range []bool{false, true} {
			for _, single := range []bool{false, true} {
				b.Run(fmt.Sprintf("100x%d/away=%v/float32=%v", values, away, single), func(b *testing.B) {
					do := caller(b, attached(), sdk.ModelConfig{Single: single}, away, 100, values)
					do()
					before := hostCPU() + launcherCPU()
					for b.Loop() {
						do()
					}
					b.ReportMetric(1e3*(hostCPU()+launcherCPU()-before)/float64(b.N), "cpu-ms/op")
				})
			}
		}
	}
}

// rawEcho returns a function that sends bytes through a TCP connection to a node, which returns
// them; how is "raw" or "tls".
func rawEcho(t *testing.T, size int, how string) func() {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	echo := exec.Command("srun", "--nodes=1", "--ntasks=1", "--exact", "--cpus-per-task=2", "--mem=0", self, "echo", strconv.Itoa(size), how)
	stdin, err1 := echo.StdinPipe()
	stdout, err2 := echo.StdoutPipe()
	echo.Stderr = os.Stderr
	if err := errors.Join(err1, err2, echo.Start()); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	if how == "tls" {
		conn, err = rpc.SecureClient(t.Context(), conn, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = errors.Join(conn.Close(), stdin.Close(), echo.Wait()) })
	out, in := make([]byte, size), make([]byte, size)
	return func() {
		go func() { _, _ = conn.Write(out) }()
		if _, err := io.ReadFull(conn, in); err != nil {
			t.Fatal(err)
		}
	}
}

// serveRaw is the node of rawEcho: it returns what one connection sends when it has all of
// it, as a plugin does.
func serveRaw(size int, how string) error {
	at, err := address(&request{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	if how == "tls" {
		pair, err := launch.SelfSigned(x509.ExtKeyUsageServerAuth)
		if err != nil {
			return err
		}
		if conn, err = rpc.SecureServer(context.Background(), conn, &tls.Config{Certificates: []tls.Certificate{pair}}); err != nil {
			return err
		}
	}
	all := make([]byte, size)
	echo := func() bool {
		_, err := io.ReadFull(conn, all)
		if err == nil {
			_, err = conn.Write(all)
		}
		return err == nil
	}
	for echo() { // until the host is gone
	}
	return nil
}

// sea is a model of many values that adds 1 to all of them. It may sleep for each member.
type sea struct {
	values int
	sleep  time.Duration
}

const seaManifest = `
name = "sea"
version = "0.1.0"
role = "model"
summary = "Adds one to all values"
`

func (s sea) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{s.values}, Dims: []string{"site"}, Unit: "1"}}}
}

func (s sea) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	x, y := r.Ensemble.RawMatrix().Data, r.Into.RawMatrix().Data
	time.Sleep(time.Duration(r.Ensemble.RawMatrix().Rows) * s.sleep)
	part := len(x)/runtime.GOMAXPROCS(0) + 1
	var all sync.WaitGroup
	for from := 0; from < len(x); from += part {
		all.Go(func() {
			for i := from; i < min(from+part, len(x)); i++ {
				y[i] = x[i] + 1
			}
		})
	}
	all.Wait()
	return &sdk.ForecastResult{}, nil
}
