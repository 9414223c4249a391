// Command umbridge measures how long an ensemble of a Python model takes through a
// plugin in Python, beside UM-Bridge's own Python server with its own client and with
// plume's.
//
// The model is the same numpy code. In turns, so that whatever else the machine does
// meets all of them alike, each way takes some steps of its ensemble; in the end all
// have taken as many, and the ensembles must be the same, bit by bit.
//
// It ends with status 1 when the target is missed.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
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
	values  = 1000
	rounds  = 5
	steps   = 20 // of every round
	target  = 20 // plume's throughput in that of UM-Bridge's fastest way
)

// The ways of UM-Bridge's client, which client.py knows, and those of plume.
var ways = []string{"UM-Bridge's server and client, in turns", "UM-Bridge's server and client, 8 threads", "UM-Bridge's server and client, shared memory"}

const (
	own      = "plume's plugin in Python"
	inTurns  = "UM-Bridge's server and plume's umbridge, in turns"
	parallel = "UM-Bridge's server and plume's umbridge, parallel = 8"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "umbridge: want one argument, a python with plume and umbridge")
		os.Exit(2)
	}
	if err := measure(os.Args[1], "bench/umbridge"); err != nil {
		fmt.Fprintln(os.Stderr, "umbridge:", err)
		os.Exit(1)
	}
}

// measure runs all ways in turns and prints a table.
func measure(python, dir string) error {
	url, stop, err := serve(python, dir)
	if err != nil {
		return err
	}
	defer stop()
	took := map[string][]time.Duration{} // one round each
	clients := map[string]*beside.Rival{}
	for _, way := range ways {
		if clients[way], err = beside.Start(program(python, filepath.Join(dir, "client.py"), url, fmt.Sprint(members), way)); err != nil {
			return err
		}
		defer clients[way].Stop()
	}
	// go-plugin hands plugins our standard input. They get a pipe that ends when this
	// process does.
	stdin, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer held.Close()
	os.Stdin = stdin
	defer plugin.CleanupClients()
	plugins, err := startPlugins(python, dir, url)
	if err != nil {
		return err
	}
	for range rounds {
		for _, way := range ways {
			d, err := stepsOf(clients[way])
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			took[way] = append(took[way], d)
		}
		for way, p := range plugins {
			d, err := p.steps()
			if err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
			took[way] = append(took[way], d)
		}
	}
	for _, way := range ways {
		if err := clients[way].Compare(plugins[own].states()); err != nil {
			return fmt.Errorf("%s: %w", way, err)
		}
	}
	for way, p := range plugins {
		if !mat.Equal(p.states(), plugins[own].states()) {
			return fmt.Errorf("%s: another ensemble than through %s", way, own)
		}
	}
	return report(took)
}

// report prints the table and returns an error when the target is missed.
func report(took map[string][]time.Duration) error {
	fmt.Printf("%d members of a model of %d values, %d rounds of %d steps; medians\n\n", members, values, rounds, steps)
	fmt.Println("| | ms per step | members per second | relative to the last |\n|---|---|---|---|")
	plume := perStep(took[own])
	least := math.Inf(1)
	for _, way := range slices.Concat(ways, []string{inTurns, parallel, own}) {
		d := perStep(took[way])
		ratio := float64(d) / float64(plume)
		if slices.Contains(ways, way) {
			least = min(least, ratio)
		}
		fmt.Printf("| %s | %.3g | %.0f | %.3g |\n", way, d.Seconds()*1e3, members/d.Seconds(), ratio)
	}
	fmt.Printf("\n%s has %.3g times the throughput of the fastest of UM-Bridge's own ways; target: %d\n", own, least, target)
	if least < target {
		return errors.New("the target is missed")
	}
	return nil
}

// perStep returns the median round's time a step.
func perStep(took []time.Duration) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[len(took)/2] / steps
}

// serve starts UM-Bridge's server.
func serve(python, dir string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := program(python, filepath.Join(dir, "server.py"), fmt.Sprint(port))
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	url = fmt.Sprintf("http://localhost:%d", port)
	for range 300 {
		if r, err := http.Get(url + "/Info"); err == nil {
			r.Body.Close()
			return url, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("UM-Bridge's server does not answer")
}

// program is a command of UM-Bridge's, which warns of the memory it shares.
func program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PYTHONWARNINGS=ignore")
	cmd.Stderr = os.Stderr
	return cmd
}

// stepsOf has UM-Bridge's client take a round's steps.
func stepsOf(client *beside.Rival) (time.Duration, error) {
	var seconds float64
	err := client.Ask(&seconds, steps)
	return time.Duration(seconds * float64(time.Second)), err
}

// plumed is a plugin and its ensemble.
type plumed struct {
	model   sdk.Model
	request sdk.ForecastRequest
}

func startPlugins(python, dir, url string) (map[string]*plumed, error) {
	built, err := os.MkdirTemp("", "plume-umbridge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(built)
	client := filepath.Join(built, "umbridge")
	if text, err := exec.Command("go", "build", "-o", client, "./plugins/umbridge/cmd/umbridge").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the plugin: %w\n%s", err, text)
	}
	served := func(parallel int) sdk.Params {
		return sdk.Params{"url": url, "model": "lorenz96", "parallel": parallel}
	}
	plugins := map[string]*plumed{}
	for way, p := range map[string]struct {
		command []string
		params  sdk.Params
	}{
		own:      {[]string{python, filepath.Join(dir, "plugin.py")}, sdk.Params{}},
		inTurns:  {[]string{client}, served(1)},
		parallel: {[]string{client}, served(8)},
	} {
		if plugins[way], err = newPlugin(p.command, p.params); err != nil {
			return nil, fmt.Errorf("%s: %w", way, err)
		}
	}
	return plugins, nil
}

func newPlugin(command []string, params sdk.Params) (*plumed, error) {
	described, err := beside.Plugin(exec.Command(command[0], command[1:]...))
	if err != nil {
		return nil, err
	}
	p := &plumed{}
	if p.model, err = described.NewModel(context.Background(), sdk.ModelConfig{Params: params}); err != nil {
		return nil, err
	}
	start := mat.NewDense(members, values, nil)
	for i := range members {
		for j := range values {
			start.Set(i, j, float64((i*values+j)%97)/97*8)
		}
	}
	p.request = sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1)}, Ensemble: start, Into: mat.NewDense(members, values, nil)}
	return p, nil
}

// steps takes a round's steps, as the host does: a call each.
func (p *plumed) steps() (time.Duration, error) {
	start := time.Now()
	for range steps {
		r := &p.request
		r.Cycle++
		r.From, r.To = r.To, r.To+0.05
		res, err := p.model.Forecast(context.Background(), r)
		if err != nil {
			return 0, err
		}
		if len(res.Failures) > 0 {
			return 0, fmt.Errorf("member %d: %s", res.Failures[0].Member, res.Failures[0].Reason)
		}
		r.Ensemble, r.Into = r.Into, r.Ensemble
	}
	return time.Since(start), nil
}

func (p *plumed) states() *mat.Dense { return p.request.Ensemble }
