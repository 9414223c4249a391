package launch

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

var study = flag.String("study", "", "folder of measured.json, for what TestStudy finds")

// cluster is what a call of a model is simulated on. Queue, slots, sessions and repeats are
// those of the pool, and the clock is that of testing/synctest. In place of processes and
// connections there are waits, each at a station that serves those who come in turn: the
// processors of the host, its network in each direction, and the engine.
type cluster struct {
	replicas, members int
	seconds           float64 // of a member, mean
	spread            float64 // of the logarithm of that
	values            float64 // of a member
	cores             int     // of the host
	link              float64 // bytes per second of the host's network in one direction
	lost              float64 // mean seconds until a replica is lost; 0: never
	silence           float64 // seconds until that is noticed
	starts            float64 // of the engine, per second
	share             int     // of a replica, in so many tasks; 0: what the pool does
	last              bool    // what was lost comes last
}

// costs are what has been measured.
type costs struct {
	Call  float64 `json:"small_cpu"`     // seconds of processors of the host, for a call
	Bytes float64 `json:"bytes_per_cpu"` // of calls, for a second of them
	Start float64 `json:"start_cpu"`
}

// found is what a simulation gives.
type found struct {
	up, took, ideal float64 // seconds: until all are up, and of a call then
	calls, lost     int
	host, out       float64 // share of the time that the processors of the host and its network are busy
	cpu             float64 // real seconds of processors that the pool and the simulation took for a task
}

// station serves some at a time.
type station struct {
	places chan struct{}
	busy   atomic.Int64 // nanoseconds
}

func newStation(places int) *station { return &station{places: make(chan struct{}, places)} }

func (s *station) serve(seconds float64) {
	s.places <- struct{}{}
	wait(seconds)
	<-s.places
	s.busy.Add(int64(seconds * 1e9))
}

func wait(seconds float64) { time.Sleep(time.Duration(seconds * 1e9)) }

// simulation is one of a cluster.
type simulation struct {
	cluster
	costs
	pool                  *Pool
	program               *Program
	slots                 []*slot
	host, out, in, engine *station
	up                    sync.WaitGroup
	calls, lost           atomic.Int64
}

// start has a replica start in a slot, in place of one that was lost.
func (s *simulation) start(number, generation int) {
	now := &start{done: make(chan struct{})}
	s.pool.mu.Lock()
	s.slots[number].now = now
	s.pool.mu.Unlock()
	s.up.Go(func() {
		s.engine.serve(1 / s.starts)
		s.host.serve(s.Start)
		r := &replica{simulation: s, number: number, generation: generation, dies: math.Inf(1), born: time.Now()}
		if s.cluster.lost > 0 {
			r.dies = s.cluster.lost * rand.New(rand.NewPCG(uint64(number), uint64(generation))).ExpFloat64()
		}
		plugin := &sdk.Plugin{Manifest: s.program.linked.Manifest, NewModel: func(context.Context, sdk.ModelConfig) (sdk.Model, error) { return r, nil }}
		now.process = &Process{program: s.program, runner: newChildRunner(s.program, &tail{}), plugin: plugin, cutLifeline: func() {}}
		close(now.done)
	})
}

// replica is a model in a process that does not exist.
type replica struct {
	*simulation
	number, generation int
	born               time.Time
	dies               float64 // seconds after that
}

func (*replica) Layout() *sdk.Layout { return lake }

// Forecast implements [sdk.Model].
func (r *replica) Forecast(_ context.Context, q *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows := q.Ensemble.RawMatrix().Rows
	bytes := 8 * r.values * float64(rows)
	r.calls.Add(1)
	r.host.serve(r.Call/2 + bytes/r.Bytes)
	r.out.serve(bytes / r.link)
	takes := 0.0
	for i := range rows {
		takes += r.takes(q.Member(i))
	}
	if left := r.dies - time.Since(r.born).Seconds(); takes > left {
		wait(max(0, left) + r.silence)
		r.simulation.lost.Add(1)
		r.start(r.number, r.generation+1)
		return nil, sdk.Errorf(sdk.KindCrash, "plugin sea", "was lost")
	}
	wait(takes)
	r.in.serve(bytes / r.link)
	r.host.serve(r.Call/2 + bytes/r.Bytes)
	return &sdk.ForecastResult{}, nil
}

// takes returns the seconds that a member takes, the same wherever it is computed.
func (c *cluster) takes(member int) float64 {
	z := rand.New(rand.NewPCG(1, uint64(member))).NormFloat64()
	return c.seconds * math.Exp(c.spread*z-c.spread*c.spread/2)
}

// simulate starts the replicas and, when all are up, makes a call.
func simulate(t *testing.T, c cluster, k costs) (f found) {
	t.Helper()
	before := ownCPU()
	synctest.Test(t, func(t *testing.T) {
		pool, err := NewPool(Options{})
		if err != nil {
			t.Fatal(err)
		}
		plugin, err := sdk.ModelPlugin("name = \"sea\"\nversion = \"0.1.0\"\nrole = \"model\"\nsummary = \"s\"\nthreading = { independent_members = true, concurrent_calls = true }\n", nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &simulation{cluster: c, costs: k, pool: pool, program: &Program{Name: "sea", Command: []string{"sea"}, Executor: Here, linked: plugin}}
		s.host, s.out, s.in, s.engine = newStation(c.cores), newStation(1), newStation(1), newStation(1)
		s.slots = pool.slotsOf(s.program, c.replicas)
		begun := time.Now()
		for i := range s.slots {
			s.start(i, 0)
		}
		s.up.Wait()
		f.up = time.Since(begun).Seconds()
		model, err := replicas{slots: s.slots, policy: RetryPolicy{Retries: 3, Timeout: 1000 * time.Hour}, threading: plugin.Manifest.Threading}.newModel(t.Context(), sdk.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.members {
			f.ideal += c.takes(i) / float64(c.replicas)
		}
		r := &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(c.members, 3, nil), Into: mat.NewDense(c.members, 3, nil)}
		s.host.busy.Store(0)
		begun = time.Now()
		if c.share == 0 && !c.last {
			_, err = model.Forecast(t.Context(), r)
		} else {
			err = s.forecast(t.Context(), model.(*models), r)
		}
		f.took = time.Since(begun).Seconds()
		if err != nil {
			t.Error(err)
		}
		f.calls, f.lost = int(s.calls.Load()), int(s.lost.Load())
		f.host = float64(s.host.busy.Load()) / 1e9 / f.took / float64(c.cores)
		f.out = float64(s.out.busy.Load()) / 1e9 / f.took
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	f.cpu = (ownCPU() - before) / float64(f.calls)
	return f
}

// forecast is what models do, with tasks of another size or in another order.
func (s *simulation) forecast(ctx context.Context, m *models, r *sdk.ForecastRequest) error {
	tasks := m.tasksOf(s.members)
	if s.share > 0 {
		tasks = nil
		size := max(1, s.members/s.replicas/s.share)
		for from := 0; from < s.members; from += size {
			tasks = append(tasks, task{block: block{from, min(s.members, from+size)}})
		}
	}
	q := newQueue(tasks, len(s.slots))
	inside, stop := context.WithCancel(ctx)
	defer stop()
	carry := make([][]byte, s.members)
	var workers sync.WaitGroup
	for i, slot := range s.slots {
		workers.Go(func() {
			slot.work(inside, q, func(t task) ([]task, error) {
				f := &forecasting{ctx: inside, models: m, session: m.sessions[i], request: r, carry: carry}
				_, err := f.call(t.block, attempts{made: t.made, most: t.made + 1})
				if err == nil {
					return nil, nil
				}
				again, err := m.replicas.again(inside, t, repeatOf(r.Call, "forecast", t.block), err)
				if s.last {
					q.change(func() { q.tasks, q.left = append(q.tasks, again...), q.left+len(again) })
					again = nil
				}
				return again, err
			})
			if q.isOver() {
				stop()
			}
		})
	}
	workers.Wait()
	return q.err
}

func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// node is the host of the study: 16 cores, 25 Gbit/s, and an engine that starts as many steps a
// second as were measured.
var node = cluster{cores: 16, link: 25e9 / 8, starts: 32, seconds: 10, spread: 0.1}

// The simulation has the order and the sizes of the pool, and loses no member.
func TestSimulation(t *testing.T) {
	k := costs{Call: 100e-6, Bytes: 1e9, Start: 4e-3}
	c := node
	c.replicas, c.members, c.values = 50, 800, 1000
	of := simulate(t, c, k)
	c.share = lastTasks
	if single := simulate(t, c, k); single.calls != c.members || of.calls < 250 || of.calls > 400 || of.took > 1.05*single.took {
		t.Errorf("the pool takes %.2f s in %d calls, single members %.2f s in %d", of.took, of.calls, single.took, single.calls)
	}
	if of.took < of.ideal || of.took > 1.1*of.ideal {
		t.Errorf("%.1f s, ideal %.1f s", of.took, of.ideal)
	}
	c.lost, c.share = 600, 0
	if f := simulate(t, c, k); f.lost < 5 || f.took < of.took {
		t.Errorf("%d lost, %.1f s", f.lost, f.took)
	}
	c.lost, c.values = 0, 1e8 // 640 GB each way at 3.1 GB/s
	if f := simulate(t, c, k); f.took < 8*800e8/c.link || f.out < 0.5 {
		t.Errorf("%.1f s, network busy %.2f", f.took, f.out)
	}
}

// TestStudy writes what up to ten thousand replicas give. make study runs it.
func TestStudy(t *testing.T) {
	if *study == "" {
		t.Skip("NOT RUN: make study runs it")
	}
	text, err := os.ReadFile(filepath.Join(*study, "measured.json"))
	if err != nil {
		t.Fatal(err)
	}
	var k costs
	if err := json.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(*study, "study.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := csv.NewWriter(file)
	_ = w.Write([]string{"part", "replicas", "members", "seconds", "spread", "values", "lost", "silence", "starts", "share", "last", "up", "took", "ideal", "calls", "losses", "host", "network", "cpu"})
	run := func(part string, c cluster) {
		f := simulate(t, c, k)
		row := []string{part}
		for _, v := range []any{c.replicas, c.members, c.seconds, c.spread, c.values, c.lost, c.silence, c.starts, c.share, c.last, f.up, f.took, f.ideal, f.calls, f.lost, f.host, f.out, f.cpu} {
			if x, ok := v.(float64); ok {
				v = fmt.Sprintf("%.4g", x)
			}
			row = append(row, fmt.Sprint(v))
		}
		t.Log(row)
		if err := w.Write(row); err != nil {
			t.Error(err)
		}
		w.Flush()
	}
	for _, spread := range []float64{0.1, 0.5} { // the queue
		for _, lost := range []float64{0, 3600} {
			for _, share := range []int{0, 1, 2, 4, 8, 16} {
				c := node
				c.replicas, c.members, c.spread, c.lost, c.share, c.silence = 1000, 16000, spread, lost, share, 15
				run("queue", c)
				if lost > 0 {
					c.last = true
					run("queue", c)
				}
			}
		}
	}
	for _, seconds := range []float64{0.3, 10, 600} { // the host
		for _, values := range []float64{3, 1e5, 1e7} {
			for _, n := range []int{64, 250, 1000, 4000, 10000} {
				c := node
				c.replicas, c.members, c.seconds, c.values = n, 4*n, seconds, values
				run("host", c)
			}
		}
	}
	for _, n := range []int{64, 1000, 10000} { // losses
		for _, lost := range []float64{86400, 30 * 86400} {
			c := node
			c.replicas, c.members, c.seconds, c.lost, c.silence, c.values = n, 4*n, 600, lost, 15, 1e5
			run("losses", c)
		}
	}
}
