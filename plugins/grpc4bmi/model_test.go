package grpc4bmi

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

type params = sdk.Params

// servers returns the command that starts grpc4bmi's server with a class of testdata/plates.py.
func servers(t testing.TB, class string) []string {
	t.Helper()
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with grpc4bmi; make test sets it")
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return []string{python, "-m", "grpc4bmi.run_server", "--name", "plates." + class, "--path", dir}
}

// running returns the address of a server that the test has started.
func running(t testing.TB, class string) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	command := servers(t, class)
	cmd := exec.Command(command[0], append(command[1:], "--port", fmt.Sprint(port))...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s, err := connect(fmt.Sprintf("localhost:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.address
}

// made returns a configured model.
func made(given params, perMember ...string) (*model, error) {
	plugin, err := Plugin()
	if err != nil {
		return nil, err
	}
	full, err := plugin.Manifest.Resolve(given)
	if err != nil {
		return nil, err
	}
	m, err := newModel(sdk.ModelConfig{Params: full, PerMember: perMember})
	if err != nil {
		return nil, err
	}
	return m.(*model), nil
}

// newPools forgets all servers, as another process would.
func newPools(t testing.TB) {
	t.Helper()
	pools.Lock()
	defer pools.Unlock()
	for _, p := range pools.byKey {
		for _, s := range p.idle {
			s.end()
		}
	}
	pools.byKey = nil
}

// plate is the model of testdata/plates.py.
type plate struct{ temperature, below [6]float64 }

func newPlate() *plate {
	p := &plate{}
	for k := range p.below {
		p.below[k] = 1
	}
	return p
}

// hour updates the plate twice.
func (p *plate) hour(tau float64) {
	for range 2 {
		for k := range p.temperature {
			p.temperature[k] += 0.5 * p.below[k]
			p.below[k] -= 0.5 * p.temperature[k] / tau
		}
	}
}

// What a member does is what its model would do by itself, whichever server computes it: after a filter
// has moved it, for copies of members, in another process, with too few servers, and for a member
// that begins late.
func TestMembersGoOn(t *testing.T) {
	for name, given := range map[string]params{
		"servers":  {"command": servers(t, "Plate")},
		"few":      {"command": servers(t, "Plate"), "servers": 2, "parallel": 3},
		"restart":  {"command": servers(t, "Stubborn"), "restart": true},
		"somebody": {"addresses": []string{running(t, "Plate")}},
	} {
		t.Run(name, func(t *testing.T) {
			newPools(t)
			given["time_unit"], given["parameters"] = "hours", []string{"tau = 5"}
			m, err := made(given, "tau")
			if err != nil {
				t.Fatal(err)
			}
			taus := []float64{5, 4, 3, 5}
			plates, carry := []*plate{newPlate(), newPlate(), newPlate(), newPlate()}, [][]byte(nil)
			x := mat.NewDense(4, 6, nil)
			for cycle := range 6 {
				switch cycle {
				case 2:
					x.Set(1, 3, 8)
					plates[1].temperature[3] = 8
				case 3: // as where a filter resamples
					x.SetRow(2, x.RawRowView(1))
					carry[2] = carry[1]
					copied := *plates[1]
					plates[2] = &copied
				case 4:
					newPools(t)
					if m, err = made(given, "tau"); err != nil {
						t.Fatal(err)
					}
				case 5: // as for a member that is drawn again
					carry[3], plates[3] = nil, newPlate()
					for range cycle {
						plates[3].hour(5)
					}
					copy(x.RawRowView(3), plates[3].temperature[:])
				}
				r := &sdk.ForecastRequest{
					From: float64(cycle), To: float64(cycle + 1), Ensemble: x, Into: mat.NewDense(4, 6, nil), Carry: carry,
					Parameters: mat.NewDense(4, 1, taus),
				}
				res, err := m.Forecast(t.Context(), r)
				if err != nil || len(res.Failures) > 0 {
					t.Fatal(err, res)
				}
				x, carry = r.Into, res.Carry
				for i, p := range plates {
					p.hour(taus[i])
					if got := x.RawRowView(i); !slices.Equal(got, p.temperature[:]) {
						t.Fatalf("cycle %d, member %d: got %v, want %v", cycle, i, got, p.temperature)
					}
				}
			}
			if n := len(carry[0]); n > 1+(1+8*7+8)+6*17 {
				t.Errorf("the history of a member that no filter has moved has %d bytes", n)
			}
		})
	}
}

// Outputs are diagnostics: they are read after each forecast, also where a server repeats a history, and what
// the request has in their place is not set.
func TestOutputs(t *testing.T) {
	newPools(t)
	given := params{"command": servers(t, "Plate"), "outputs": []string{"Below"}, "time_unit": "hours"}
	m, err := made(given)
	if err != nil {
		t.Fatal(err)
	}
	if v := m.layout.Variables; len(v) != 2 || v[0].Diagnostic || !v[1].Diagnostic || v[1].Name != "below" || m.layout.Coordinates == nil {
		t.Fatal(v)
	}
	x, carry := mat.NewDense(2, 12, nil), [][]byte(nil)
	plates := []*plate{newPlate(), newPlate()}
	for cycle := range 4 {
		if cycle == 2 {
			newPools(t)
			if m, err = made(given); err != nil {
				t.Fatal(err)
			}
		}
		x.Set(1, 2, x.At(1, 2)+1)
		plates[1].temperature[2]++
		x.Set(0, 7, 1e5)
		r := &sdk.ForecastRequest{From: float64(cycle), To: float64(cycle + 1), Ensemble: x, Into: mat.NewDense(2, 12, nil), Carry: carry}
		res, err := m.Forecast(t.Context(), r)
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res)
		}
		x, carry = r.Into, res.Carry
		for i, p := range plates {
			p.hour(5)
			if got, want := x.RawRowView(i), slices.Concat(p.temperature[:], p.below[:]); !slices.Equal(got, want) {
				t.Fatalf("cycle %d, member %d: got %v, want %v", cycle, i, got, want)
			}
		}
	}
}

// Shapes, units, types and coordinates are those of the model.
func TestVariablesAreFound(t *testing.T) {
	newPools(t)
	for class, want := range map[string][]float64{
		"Plate": {0, 10, 0, 11, 0, 12, 2, 10, 2, 11, 2, 12},
		"Table": {5, 0, 5, 1, 5, 3, 7, 0, 7, 1, 7, 3},
		"Ring":  nil,
	} {
		m, err := made(params{"command": servers(t, class), "state": []string{"plate__temperature"}})
		if err != nil {
			t.Fatal(class, err)
		}
		v, c := m.layout.Variables[0], m.layout.Coordinates
		if v.Name != "plate__temperature" || v.Unit != "K" || m.step != 1800 || c == nil {
			t.Fatal(class, v, m.step, c)
		}
		if rows, _ := c.Points.Dims(); rows != 6 {
			t.Errorf("%s: got %d positions", class, rows)
		}
		for k, x := range want {
			if got := c.Points.At(k/2, k%2); got != x {
				t.Errorf("%s: coordinate %d of value %d is %g, want %g", class, k%2, k/2, got, x)
			}
		}
		if class == "Ring" {
			if got := c.Points.At(4, 1); got != math.Cos(4) {
				t.Errorf("x of value 4 is %g", got)
			}
			continue
		}
		if !slices.Equal(v.Shape, []int{2, 3}) || !slices.Equal(v.Dims, []string{"y", "x"}) {
			t.Error(class, v)
		}
	}
	m, err := made(params{"command": servers(t, "Plate"), "state": []string{"Plate__Temperature", "kind", "gain"}, "time_unit": "d"})
	if err != nil || m.layout.Size() != 8 || math.Abs(m.step-1.0/48) > 1e-12 {
		t.Fatal(err, m)
	}
	r := &sdk.ForecastRequest{To: 1.0 / 48, Ensemble: mat.NewDense(1, 8, []float64{0, 0, 0, 0, 0, 0, 2.4, 0.1}), Into: mat.NewDense(1, 8, nil)}
	res, err := m.Forecast(t.Context(), r)
	// whole numbers and single precision, as the model keeps them
	if got := r.Into.RawRowView(0); err != nil || len(res.Failures) > 0 || got[6] != 2 || got[7] != float64(float32(0.1)) || got[0] != 2*float64(float32(0.1)) {
		t.Error(err, res, got)
	}
}

// A float of Python has double precision.
func TestFloatsOfEightBytes(t *testing.T) {
	newPools(t)
	m, err := made(params{"command": servers(t, "Loose"), "state": []string{"plate__temperature"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.ForecastRequest{Ensemble: mat.NewDense(1, 6, []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}), Into: mat.NewDense(1, 6, nil)}
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 || !mat.Equal(r.Into, r.Ensemble) {
		t.Error(err, res, r.Into.RawRowView(0))
	}
}

func TestRefusals(t *testing.T) {
	newPools(t)
	plates := servers(t, "Plate")
	for _, c := range []struct {
		params params
		want   string
	}{
		{params{}, "command: want either command or addresses"},
		{params{"command": plates, "addresses": []string{"localhost:1"}}, "command: want either"},
		{params{"restart": true, "addresses": []string{"localhost:1"}}, "restart: is set, but servers at addresses are not started here"},
		{params{"command": []string{"sh", "-c", "echo loading; echo no such model >&2; exit 3"}}, `command: the server ended (exit status 3); it printed "no such model"`},
		{params{"command": []string{"./no-server"}}, "command: cannot be run: fork/exec ./no-server: no such file or directory"},
		{params{"command": plates, "state": []string{"warp"}}, "state: the model has no variable warp"},
		{params{"command": plates, "parameters": []string{"warp = 1"}}, "parameters: the model has no variable warp"},
		{params{"command": plates, "parameters": []string{"below = 1"}}, "parameters: the model gives below, but does not take it; it takes plate__temperature, tau"},
		{params{"command": plates, "state": []string{"kind"}, "parameters": []string{"plate__temperature = 1"}}, "has 6 values, want one"},
		{params{"command": plates, "outputs": []string{"warp"}}, "outputs: the model has no variable warp"},
		{params{"command": plates, "outputs": []string{"kind"}}, "outputs: the model has no variable kind"},
		{params{"command": plates, "outputs": []string{"plate__temperature"}}, "outputs: plate__temperature is a parameter or part of the state"},
		{params{"command": plates, "time_unit": "parsec"}, `time_unit: got "parsec"`},
		{params{"command": servers(t, "Table"), "time_unit": "d"}, `own unit of time is "fortnights"`},
		{params{"command": plates, "config": "none.txt"}, "initialize: "},
	} {
		_, err := made(c.params)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.params, err, c.want)
		}
	}
	m, err := made(params{"command": plates})
	if err != nil {
		t.Fatal(err)
	}
	r := &sdk.ForecastRequest{To: 1000, Ensemble: mat.NewDense(1, 6, nil), Into: mat.NewDense(1, 6, nil)}
	if _, err := m.Forecast(t.Context(), r); err == nil || !strings.Contains(err.Error(), "is 0.555556 time steps of the model") {
		t.Error(err)
	}
	r = &sdk.ForecastRequest{To: 1800, Ensemble: mat.NewDense(2, 6, nil), Into: mat.NewDense(2, 6, nil)}
	r.Ensemble.Set(1, 0, 1e7)
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 || !strings.Contains(res.Failures[0].Reason, "update: the plate has melted") {
		t.Error(err, res)
	}
	r.Ensemble.Set(1, 0, 0)
	r.Carry = [][]byte{nil, []byte("\x01\x01 too short")}
	if _, err := m.Forecast(t.Context(), r); err == nil || !strings.Contains(err.Error(), "carry: ends within an entry") {
		t.Error(err)
	}
	r.Carry[1] = []byte("\x07")
	if _, err := m.Forecast(t.Context(), r); err == nil || !strings.Contains(err.Error(), "carry: got version 7") {
		t.Error(err)
	}
}

// A server that dies is replaced when its member is computed again.
func TestAServerDies(t *testing.T) {
	newPools(t)
	m, err := made(params{"command": servers(t, "Plate"), "parallel": 1})
	if err != nil {
		t.Fatal(err)
	}
	forecast := func() *sdk.ForecastResult {
		r := &sdk.ForecastRequest{To: 1800, Ensemble: mat.NewDense(1, 6, nil), Into: mat.NewDense(1, 6, nil)}
		res, err := m.Forecast(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	s := m.pool.idle[0]
	s.own.Kill()
	<-s.own.ended
	if res := forecast(); len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "command: the server ended (signal: killed)") {
		t.Error(res)
	}
	if res := forecast(); len(res.Failures) > 0 {
		t.Error(res)
	}
}

// No server outlives the process that has started it, not even one that is killed.
// A server that has ended is not waited for, whoever else has its output.
func TestWhatAServerLeavesBehind(t *testing.T) {
	newPools(t)
	began := time.Now()
	_, err := made(params{"command": []string{"sh", "-c", "setsid sleep 20 & echo no model >&2; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), `ended (exit status 3); it printed "no model"`) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNoServerIsLeft(t *testing.T) {
	if os.Getenv("PLUME_TEST_START") != "" {
		if _, err := start(context.Background(), servers(t, "Plate"), ""); err != nil {
			t.Fatal(err)
		}
		fmt.Println("started")
		select {}
	}
	servers(t, "Plate")
	cmd := exec.Command(os.Args[0], "-test.run", t.Name())
	cmd.Env = append(os.Environ(), "PLUME_TEST_START=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(cmd.Process.Pid)).Output()
	left := strings.Fields(string(text)) // the server and the reaper
	if err != nil || len(left) != 2 {
		t.Skip("NOT TESTED: ps does not list children here: ", left, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for range 500 {
		left = slices.DeleteFunc(left, func(pid string) bool {
			number, err := strconv.Atoi(pid)
			return err != nil || syscall.Kill(number, 0) != nil
		})
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("processes %v are left", left)
}
