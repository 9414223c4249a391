// Command fmu measures how long a step of 100 members of an FMU takes through plume, next to
// fmpy alone.
//
// The FMU is the same, and so are the members: fmpy alone has an instance of it for each, does a
// step with it and reads its outputs. Through plume all members are in one call of a plugin, which
// also returns what the FMU serialises of each. In turns, so that whatever else the machine does
// meets both alike, each takes some steps; in the end the outputs must be the same, bit by bit.
// Processor time is that of all threads, through plume those of this process and of the plugin,
// from /proc.
//
// It ends with status 1 when the ratio of processor times misses the target for members that are
// changed before each step, as filters do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/bench/internal/beside"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

const (
	members = 100
	rounds  = 15
	steps   = 20 // of every round
	target  = 3  // plume's processor time in that of fmpy alone
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "fmu: want one argument, a python with plume, fmpy and pythonfmu")
		os.Exit(2)
	}
	if err := measure(os.Args[1], "bench/fmu"); err != nil {
		fmt.Fprintln(os.Stderr, "fmu:", err)
		os.Exit(1)
	}
}

// measure takes turns, prints a table, and returns an error when the target is missed.
func measure(python, dir string) error {
	folder, err := os.MkdirTemp("", "plume-fmu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	theirs, err := newAlone(python, filepath.Join(dir, "alone.py"), folder)
	if err != nil {
		return err
	}
	defer theirs.Stop()
	// go-plugin hands plugins our standard input. They get a pipe that ends when this
	// process does.
	stdin, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer held.Close()
	os.Stdin = stdin
	defer plugin.CleanupClients()
	ours, err := newPlumed(python, filepath.Join(folder, "Hares.fmu"))
	if err != nil {
		return err
	}
	fmt.Printf("%d members, %d rounds of %d steps; for a step of a member\n\n", members, rounds, steps)
	fmt.Println("| | fmpy alone, µs | plume, µs | ratio | of processor time |\n|---|---|---|---|---|")
	var missed error
	for moved, what := range []string{"members go on as they are", "all variables are changed before each step"} {
		m, err := turns(theirs, ours, moved)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %.1f | %.1f | %.2f | %.2f |\n", what, m[0], m[1], m[2], m[3])
		if moved == 1 && m[3] > target {
			missed = fmt.Errorf("a step takes more than %d times that of fmpy alone", target)
		}
	}
	return errors.Join(theirs.Compare(ours.request.Ensemble), missed)
}

// turns returns the times of a step of one member, alone and through plume, in µs, their ratio,
// and that of processor times. The first two are medians over rounds; of processor times it is
// the round that was disturbed least.
func turns(theirs *beside.Rival, ours *plumed, moved int) (times [4]float64, err error) {
	var measured [4][]float64
	for range rounds {
		a, err := clocked(func() error { return theirs.Ask(new(int), steps, moved) }, theirs.Pid())
		if err != nil {
			return times, err
		}
		b, err := clocked(func() error { return ours.steps(moved) }, os.Getpid(), ours.pid)
		if err != nil {
			return times, err
		}
		const each = 1e6 / (members * steps)
		for i, v := range [4]float64{a.wall * each, b.wall * each, a.processor, b.processor} {
			measured[i] = append(measured[i], v)
		}
	}
	for _, vs := range measured {
		slices.Sort(vs)
	}
	alone, through := measured[0][rounds/2], measured[1][rounds/2]
	return [4]float64{alone, through, through / alone, measured[3][0] / measured[2][0]}, nil
}

// took are seconds.
type took struct{ wall, processor float64 }

// clocked returns what a function takes, with the processor time of processes.
func clocked(f func() error, pids ...int) (took, error) {
	before, start := processor(pids), time.Now()
	err := f()
	return took{time.Since(start).Seconds(), processor(pids) - before}, err
}

// processor returns the seconds for which the threads of processes have run.
func processor(pids []int) (seconds float64) {
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			var ns float64
			_, _ = fmt.Sscan(string(text), &ns)
			seconds += ns / 1e9
		}
	}
	return seconds
}

// newAlone starts fmpy, and returns when its members are there.
func newAlone(python, program, folder string) (*beside.Rival, error) {
	a, err := beside.Start(exec.Command(python, program, folder, fmt.Sprint(members)))
	if err != nil {
		return nil, err
	}
	if err := a.Answer(new(int)); err != nil {
		a.Stop()
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return a, nil
}

// plumed is the plugin fmi and its ensemble.
type plumed struct {
	pid     int
	model   sdk.Model
	request sdk.ForecastRequest
}

func newPlumed(python, fmu string) (*plumed, error) {
	cmd := exec.Command(python, "-m", "plume.fmi")
	described, err := beside.Plugin(cmd)
	if err != nil {
		return nil, err
	}
	p := &plumed{pid: cmd.Process.Pid}
	if p.model, err = described.NewModel(context.Background(), sdk.ModelConfig{Params: sdk.Params{"fmu": fmu}}); err != nil {
		return nil, err
	}
	start := mat.NewDense(members, 2, nil)
	for i := range members {
		start.SetRow(i, []float64{2 + float64(i)/members, 1 - 0.5*float64(i)/members})
	}
	p.request = sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1)}, Ensemble: start, Into: mat.NewDense(members, 2, nil)}
	return p, nil
}

// steps takes a round's steps, as the host does: a call each.
func (p *plumed) steps(moved int) error {
	for range steps {
		r := &p.request
		r.Cycle++
		r.From, r.To = r.To, r.To+0.5
		if moved == 1 {
			r.Ensemble.Scale(0.999, r.Ensemble)
		}
		res, err := p.model.Forecast(context.Background(), r)
		if err != nil {
			return err
		}
		if len(res.Failures) > 0 {
			return fmt.Errorf("member %d: %s", res.Failures[0].Member, res.Failures[0].Reason)
		}
		r.Ensemble, r.Into, r.Carry = r.Into, r.Ensemble, res.Carry
	}
	return nil
}
