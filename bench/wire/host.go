package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/bench/internal/beside"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// answer is what a host process says after some calls.
type answer struct {
	Started    time.Duration   // from the start of the process to its manifest
	Took       []time.Duration // each call
	HostPeak   int64           // resident bytes; 0 where the system does not say
	PluginPeak int64
}

// serveHost is a host process: it starts the plugin and makes as many calls as
// each line of standard input says.
func serveHost(command []string, s size) error {
	pace.Heap() // as plume does
	commands := os.Stdin
	// go-plugin hands the plugin our standard input. It gets a pipe that ends when
	// this process does.
	stdin, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer held.Close()
	os.Stdin = stdin
	cmd := exec.Command(command[0], command[1:]...)
	defer plugin.CleanupClients()
	start := time.Now()
	p, err := beside.Plugin(cmd)
	if err != nil {
		return err
	}
	started := time.Since(start)
	model, err := p.NewModel(context.Background(), sdk.ModelConfig{Params: sdk.Params{"n": s.Values}, Step: 1})
	if err != nil {
		return err
	}
	b := newBox(model, s)
	if err := b.check(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for {
		var calls int
		if _, err := fmt.Fscanln(commands, &calls); err != nil {
			return ignore(err, io.EOF)
		}
		a := answer{Started: started}
		for range calls {
			took, err := b.call()
			if err != nil {
				return err
			}
			a.Took = append(a.Took, took)
		}
		a.HostPeak, a.PluginPeak = peak(os.Getpid()), peak(cmd.Process.Pid)
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// box is what a host calls a model with: two matrices, used again and again.
type box struct {
	model   sdk.Model
	request sdk.ForecastRequest
}

func newBox(model sdk.Model, s size) *box {
	b := &box{model, sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(1)}, To: 1,
		Ensemble: mat.NewDense(s.Members, s.Values, nil), Into: mat.NewDense(s.Members, s.Values, nil),
	}}
	for i := range b.request.Ensemble.RawMatrix().Data {
		b.request.Ensemble.RawMatrix().Data[i] = float64(i)
	}
	return b
}

func (b *box) call() (time.Duration, error) {
	start := time.Now()
	_, err := b.model.Forecast(context.Background(), &b.request)
	return time.Since(start), err
}

// check makes a call and looks at every value of the answer.
func (b *box) check() error {
	if _, err := b.call(); err != nil {
		return err
	}
	for i, y := range b.request.Into.RawMatrix().Data {
		if y != float64(i)+1 {
			return fmt.Errorf("value %d: the plugin made %v of %d", i, y, i)
		}
	}
	return nil
}

// peak returns the most memory a process has had resident, or 0 where the system
// does not say (it is read from Linux's /proc).
func peak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kibibytes int64
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kibibytes); err == nil {
			break
		}
	}
	return kibibytes << 10
}

// host is a host process as seen by the program that started it.
type host struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *json.Decoder
	last  answer
}

func startHost(s size, command ...string) (*host, error) {
	cmd, stdin, stdout, err := again(append([]string{"host", fmt.Sprint(s.Members), fmt.Sprint(s.Values)}, command...)...)
	if err != nil {
		return nil, err
	}
	return &host{cmd: cmd, stdin: stdin, out: json.NewDecoder(bufio.NewReader(stdout))}, nil
}

// calls makes calls and returns what each took.
func (h *host) calls(n int) ([]time.Duration, error) {
	if _, err := fmt.Fprintln(h.stdin, n); err != nil {
		return nil, err
	}
	h.last = answer{}
	if err := h.out.Decode(&h.last); err != nil {
		return nil, fmt.Errorf("the host process gave no answer: %w", err)
	}
	return h.last.Took, nil
}

func (h *host) stop() error {
	_ = h.stdin.Close()
	return h.cmd.Wait()
}
