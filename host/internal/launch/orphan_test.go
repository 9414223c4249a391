package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// hostToBeKilled is the main function of another host: it starts two plugins, prints
// where they are, keeps one busy, and waits to be killed.
func hostToBeKilled() {
	fault := os.Getenv("LAUNCH_TEST_HOST")
	pool, err := NewPool(Options{})
	if err != nil {
		panic(err)
	}
	program, err := Path{os.Getenv("LAUNCH_TEST_BIN")}.Find("faulty")
	if err != nil {
		panic(err)
	}
	p, err := pool.Start(context.Background(), program)
	if err != nil {
		panic(err)
	}
	m, err := p.Plugin(time.Hour).NewModel(context.Background(), sdk.ModelConfig{Params: sdk.Params{"fault": fault}})
	if err != nil {
		panic(err)
	}
	program.Command = append(program.Command, "another process")
	idle, err := pool.Start(context.Background(), program)
	if err != nil {
		panic(err)
	}
	fmt.Println(pidOf(p), pidOf(idle), pool.sockets)
	_, err = m.Forecast(context.Background(), &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 17}, Ensemble: mat.NewDense(4, 3, nil), Into: mat.NewDense(4, 3, nil),
	})
	if err != nil {
		panic(err)
	}
	select {}
}

// When the host is killed, nothing of its plugins is left, whatever they were doing.
func TestHostIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"none", "hang", "stop", "flood"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			host := exec.Command(self)
			host.Env = append(os.Environ(), "LAUNCH_TEST_HOST="+fault, "LAUNCH_TEST_BIN="+bin(t))
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			var busy, idle int
			var sockets string
			if _, err := fmt.Fscan(out, &busy, &idle, &sockets); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // until it is in the call
			if len(groupMembers(t, busy)) == 0 || len(groupMembers(t, idle)) == 0 {
				t.Error("the plugins are not running")
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			waitGone(t, busy)
			waitGone(t, idle)
			for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
				if _, err := os.Stat(sockets); os.IsNotExist(err) {
					return
				}
				if time.Now().After(deadline) {
					files, _ := filepath.Glob(sockets + "/*")
					t.Fatalf("%s is still there, with %v", sockets, files)
				}
			}
		})
	}
}
