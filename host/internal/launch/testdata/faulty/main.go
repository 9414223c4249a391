// Faulty is a plugin made with the kit that misbehaves on request.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
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
	serve.Main(sdk.ModelPlugin(manifest, newModel))
}

type model struct {
	Fault string `param:"fault"`
	Cycle int    `param:"cycle"`
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	return m, nil
}

func (m *model) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{3}, Unit: "1"}}}
}

func (m *model) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.Cycle == m.Cycle {
		if err := m.misbehave(); err != nil {
			return nil, err
		}
	}
	r.Into.Copy(r.Ensemble)
	return &sdk.ForecastResult{}, nil
}

func (m *model) misbehave() error {
	complain("about to do it: " + m.Fault)
	switch m.Fault {
	case "error":
		return sdk.Errorf(sdk.KindDiverged, "x", "is beyond bounds")
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
