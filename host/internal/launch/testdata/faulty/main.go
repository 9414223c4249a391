// Faulty is a plugin made with the kit that misbehaves on request.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() {
	if len(os.Args) > 1 && os.Args[1] == "flood" {
		flood()
	}
	role := "model"
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "operator":
		serve.Main(sdk.OperatorPlugin(as("\"operator\"\nerrors = [\"normal\"]"), newOperator))
	case "filter":
		serve.Main(sdk.FilterPlugin(as(`"filter"`), newFilter))
	case "coupled":
		manifest += "[threading]\nindependent_members = false\n"
		fallthrough
	default:
		serve.Main(sdk.ModelPlugin(manifest, newModel))
	}
}

// as returns the manifest with another role.
func as(role string) string {
	return strings.Replace(manifest, "\"model\"\ncarries = true", role, 1)
}

type model struct {
	Fault  string `param:"fault"`
	Cycle  int    `param:"cycle"`
	Member int    `param:"member"`
	Marker string `param:"marker"`
}

// configurations is how many models there are in the process.
var configurations atomic.Int64

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	configurations.Add(1)
	runtime.AddCleanup(m, func(int) { configurations.Add(-1) }, 0)
	if m.Fault == "hang-configure-once" && m.first(m.Marker) {
		time.Sleep(time.Hour)
	}
	return m, nil
}

func (m *model) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{3}, Unit: "1"}}}
}

func (m *model) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	mine := holds(r.Call, rows, m.Member)
	if r.Cycle == m.Cycle {
		if err := m.misbehave(mine); err != nil {
			return nil, err
		}
	}
	result := &sdk.ForecastResult{Carry: make([][]byte, rows)}
	if m.Fault == "count" {
		runtime.GC()
		result.Metrics = map[string]float64{"configurations": float64(configurations.Load())}
	}
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		carried := 0.0 // the member's first value in the cycle before
		if r.Carry != nil {
			carried = math.Float64frombits(binary.LittleEndian.Uint64(r.Carry[i]))
		}
		for j := range n {
			r.Into.Set(i, j, r.Ensemble.At(i, j)+0.1*carried+noise.NormFloat64())
		}
		result.Carry[i] = binary.LittleEndian.AppendUint64(nil, math.Float64bits(r.Ensemble.At(i, 0)))
		if r.Cycle == m.Cycle {
			result.Failures = append(result.Failures, m.failures(r.Member(i), i)...)
		}
	}
	return result, nil
}

// holds reports whether a call of so many rows is for a member.
func holds(c sdk.Call, rows, member int) bool {
	for i := range rows {
		if c.Member(i) == member {
			return true
		}
	}
	return false
}

// failures lists row i, which is that of the member with a number, or not. What passes has passed when the marker is there;
// what takes two calls to pass leaves two markers.
func (m *model) failures(number, i int) []sdk.MemberFailure {
	failure := sdk.MemberFailure{Member: i, Reason: "the lake ran dry"}
	switch {
	case m.Fault == "dry" && (number == m.Member || number == m.Member+1):
	case m.Fault == "dry-once" && number == m.Member && m.first(m.Marker):
		failure.Retryable = true
	case m.Fault == "dry-twice" && number == m.Member && (m.first(m.Marker) || m.first(m.Marker+"2")):
		failure.Retryable = true
	default:
		return nil
	}
	return []sdk.MemberFailure{failure}
}

// first says whether this is the first time, of any process, and marks it.
func (m *model) first(marker string) bool {
	f, err := os.OpenFile(marker, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// misbehave does what it is to do; mine says whether the call is about the member
// that some faults are about.
func (m *model) misbehave(mine bool) error {
	complain("about to do it: " + m.Fault)
	switch m.Fault {
	case "hang-once":
		if mine && m.first(m.Marker) {
			time.Sleep(time.Hour)
		}
	case "kill-once":
		if mine && m.first(m.Marker) {
			signal(syscall.SIGKILL)
		}
	case "kill-member":
		if mine {
			signal(syscall.SIGKILL)
		}
	case "transient-once":
		if mine && m.first(m.Marker) {
			return sdk.Errorf(sdk.KindTransient, "license", "none is free")
		}
	case "error":
		return sdk.Errorf(sdk.KindDiverged, "x", "is beyond bounds")
	case "canceled":
		return fmt.Errorf("the inner solver: %w", context.Canceled)
	case "panic":
		panic("boom")
	case "panic-elsewhere":
		go panic("boom in the background")
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(0)
	case "exit-3":
		os.Exit(3)
	case "kill":
		signal(syscall.SIGKILL)
	case "stop":
		signal(syscall.SIGSTOP)
	case "hang":
		time.Sleep(time.Hour)
	case "flood":
		flood()
	case "children":
		leaveChildren()
	}
	return nil
}

// complain writes to file descriptor 2, as a C library would.
func complain(text string) { _, _ = syscall.Write(2, []byte(text+"\n")) }

func signal(s syscall.Signal) {
	_ = syscall.Kill(os.Getpid(), s)
	time.Sleep(time.Hour)
}

// flood fills standard output, by its name and by its number, with more than any
// pipe holds, and no newline.
func flood() {
	text := bytes.Repeat([]byte("x"), 300<<10)
	fmt.Print(string(text))
	_, _ = syscall.Write(1, text)
}

// leaveChildren ends the process while a child holds its standard error.
func leaveChildren() {
	cmd := exec.Command("sleep", "1000")
	cmd.Stderr = os.NewFile(2, "stderr")
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	os.Exit(4)
}

// operator observes all values, with noise, and misbehaves as model does. Its error
// variance is that of the member it is asked about first when that is its fault.
type operator struct {
	model
	state *sdk.Layout
}

func newOperator(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	o := &operator{state: c.State}
	c.Params.Decode(&o.model)
	return o, nil
}

func (o *operator) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: o.state, Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.ErrorVariance}}
}

func (o *operator) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	rows, n := r.Ensemble.Dims()
	if r.Cycle == o.Cycle {
		if err := o.misbehave(holds(r.Call, rows, o.Member)); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		for j := range n {
			r.Predicted.Set(i, j, r.Ensemble.At(i, j))
			r.Simulated.Set(i, j, r.Ensemble.At(i, j)+noise.NormFloat64())
		}
	}
	variance := slices.Repeat([]float64{1}, n)
	if o.Fault == "uneven" {
		variance[0] += float64(r.Member(0))
	}
	return &sdk.ObserveResult{ErrorVariance: variance}, nil
}

// filter keeps the forecast, and misbehaves as model does.
type filter struct{ model }

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{}
	c.Params.Decode(&f.model)
	return f, nil
}

func (f *filter) Needs() []sdk.Capability { return nil }

func (f *filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if p.Cycle == f.Cycle {
		if err := f.misbehave(true); err != nil {
			return nil, err
		}
	}
	p.Into.Copy(p.Ensemble)
	return &sdk.Analysis{Carry: append(p.Carry, 1)}, nil
}
