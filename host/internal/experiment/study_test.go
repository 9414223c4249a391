package experiment

import (
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

	"github.com/plume-da/plume/host/internal/plan"
)

var study = flag.String("study", "", "folder of measured.json, for what TestStudy finds")

// cluster is what a sweep on workers is simulated on. The queue of trials is that of a run, and the
// clock is that of testing/synctest. In place of workers there are waits.
type cluster struct {
	workers, trials, filters int     // trials of as many filters share a truth
	seconds                  float64 // of a trial, mean
	spread                   float64 // of the logarithm of that
	truth                    float64 // seconds of a processor of the host
	host                     float64 // seconds of processors of the host for a trial
	cores                    int     // of the host
	lost                     float64 // mean seconds until a worker is lost; 0: never
	starts                   float64 // of the engine, per second
}

// Of workers that are lost: seconds until that is noticed, and between checkpoints.
const silenceSeconds, checkpointSeconds = 15, 5

// found is what a simulation gives.
type found struct {
	took, ideal float64 // seconds
	lost        int
	busy        float64 // share of the time that the processors of the host are busy
	cpu         float64 // real seconds of processors that the queue and the simulation took for a trial
}

// station serves some at a time.
type station struct {
	places chan struct{}
	busy   atomic.Int64 // nanoseconds
}

func (s *station) serve(seconds float64) {
	s.places <- struct{}{}
	wait(seconds)
	<-s.places
	s.busy.Add(int64(seconds * 1e9))
}

func wait(seconds float64) { time.Sleep(time.Duration(seconds * 1e9)) }

// simulate runs the trials on workers that are all up.
func simulate(t *testing.T, c cluster) (f found) {
	t.Helper()
	before := ownCPU()
	synctest.Test(t, func(*testing.T) {
		work := emptySchedule(c.workers)
		left := make([]float64, c.trials) // seconds, of each trial
		for i := range left {
			z := rand.New(rand.NewPCG(1, uint64(i))).NormFloat64()
			left[i] = c.seconds * math.Exp(c.spread*z-c.spread*c.spread/2)
			f.ideal += left[i] / float64(c.workers)
			if i%c.filters == 0 {
				work.unmade = append(work.unmade, &scenario{})
			}
			sc := work.unmade[len(work.unmade)-1]
			sc.jobs = append(sc.jobs, job{scenario: sc, trial: &plan.Trial{Number: i}})
			sc.left++
		}
		host, engine := &station{places: make(chan struct{}, c.cores)}, &station{places: make(chan struct{}, 1)}
		var lost atomic.Int64
		var all sync.WaitGroup
		begun := time.Now()
		for range c.cores {
			all.Go(func() {
				for _, sc := work.next(false, true); sc != nil; _, sc = work.next(false, true) {
					host.serve(c.truth)
					work.made(sc, nil)
				}
			})
		}
		for number := range c.workers {
			all.Go(func() {
				random := rand.New(rand.NewPCG(2, uint64(number)))
				dies := math.Inf(1) // seconds from the start of all
				live := func() {
					if c.lost > 0 {
						dies = time.Since(begun).Seconds() + c.lost*random.ExpFloat64()
					}
				}
				live()
				for j, _ := work.next(true, false); j != nil; j, _ = work.next(true, false) {
					host.serve(c.host)
					seconds := &left[j.trial.Number]
					if runs := max(0, dies-time.Since(begun).Seconds()); runs < *seconds {
						wait(runs + silenceSeconds)
						*seconds -= math.Floor(runs/checkpointSeconds) * checkpointSeconds
						lost.Add(1)
						work.again(j)
						engine.serve(1 / c.starts)
						live()
						continue
					}
					wait(*seconds)
					work.ended(j)
				}
			})
		}
		all.Wait()
		f.took, f.lost = time.Since(begun).Seconds(), int(lost.Load())
		f.busy = float64(host.busy.Load()) / 1e9 / f.took / float64(c.cores)
	})
	f.cpu = (ownCPU() - before) / float64(c.trials)
	return f
}

func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// studied returns the cluster of the study: a host with 16 cores, an engine that starts as many steps a second as were
// measured, trials of 15 filters a truth, which takes a hundredth of a trial, as of 100 members one.
func studied(workers int, seconds, host float64) cluster {
	return cluster{workers: workers, trials: 4 * workers, filters: 15, seconds: seconds, spread: 0.5, truth: seconds / 100, host: host, cores: 16, starts: 32}
}

// The simulation runs every trial, and those of lost workers again from their checkpoints.
func TestSimulation(t *testing.T) {
	c := studied(600, 600, 0.03)
	f := simulate(t, c)
	if f.took < f.ideal || f.took > 3*f.ideal || f.lost != 0 {
		t.Errorf("took %.0f s, ideal %.0f s, %d lost", f.took, f.ideal, f.lost)
	}
	c.lost = 3600
	if g := simulate(t, c); g.lost < 10 || g.took < f.took || g.took > f.took+float64(g.lost)*(silenceSeconds+checkpointSeconds) {
		t.Errorf("took %.0f s with %d losses, %.0f s without", g.took, g.lost, f.took)
	}
}

// TestStudy writes what up to ten thousand workers give. make study runs it.
func TestStudy(t *testing.T) {
	if *study == "" {
		t.Skip("NOT RUN: make study runs it")
	}
	text, err := os.ReadFile(filepath.Join(*study, "measured.json"))
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		Trial float64 `json:"trial_cpu"`
	}
	if err := json.Unmarshal(text, &k); err != nil || k.Trial <= 0 {
		t.Fatalf("%+v, %v", k, err)
	}
	file, err := os.Create(filepath.Join(*study, "trials.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := csv.NewWriter(file)
	_ = w.Write([]string{"workers", "trials", "seconds", "spread", "lost", "took", "ideal", "losses", "host", "cpu"})
	for _, seconds := range []float64{10, 60, 600} {
		for _, spread := range []float64{0.1, 0.5} {
			for _, lost := range []float64{0, 86400} {
				for _, n := range []int{64, 1000, 10000} {
					c := studied(n, seconds, k.Trial)
					c.spread, c.lost = spread, lost
					f := simulate(t, c)
					row := []string{fmt.Sprint(n), fmt.Sprint(c.trials)}
					for _, v := range []float64{seconds, spread, lost, f.took, f.ideal, float64(f.lost), f.busy, f.cpu} {
						row = append(row, fmt.Sprintf("%.4g", v))
					}
					t.Log(row)
					_ = w.Write(row)
				}
			}
		}
	}
	if w.Flush(); w.Error() != nil {
		t.Error(w.Error())
	}
}
