// Package beside has what the measurements of plume next to other programs share.
package beside

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"gonum.org/v1/gonum/mat"
)

// Plugin starts a plugin, which plugin.CleanupClients ends.
func Plugin(cmd *exec.Cmd) (*sdk.Plugin, error) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  rpc.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{rpc.ProtocolVersion: {rpc.Name: &rpc.GoPlugin{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  rpc.DialOptions(),
		Cmd:              cmd,
		Logger:           hclog.NewNullLogger(),
		Stderr:           os.Stderr,
		Managed:          true,
	})
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	return rpc.Describe(context.Background(), protocol.(*plugin.GRPCClient).Conn)
}

// Rival is a process that does with an ensemble what plume does. It is asked line by line, and
// answers in JSON.
type Rival struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// Start starts a rival.
func Start(cmd *exec.Cmd) (*Rival, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Rival{cmd, in, json.NewDecoder(out)}, cmd.Start()
}

// Pid returns the number of the process.
func (r *Rival) Pid() int { return r.cmd.Process.Pid }

// Ask writes a line of words and reads the answer.
func (r *Rival) Ask(answer any, words ...any) error {
	if _, err := fmt.Fprintln(r.in, words...); err != nil {
		return err
	}
	return r.Answer(answer)
}

// Answer reads what the rival says by itself.
func (r *Rival) Answer(answer any) error { return r.out.Decode(answer) }

// Compare asks for the ensemble and says whether it is want, bit by bit.
func (r *Rival) Compare(want *mat.Dense) error {
	var got [][]float64
	if err := r.Ask(&got, "state"); err != nil {
		return err
	}
	members, _ := want.Dims()
	if len(got) != members {
		return fmt.Errorf("got %d members, want %d", len(got), members)
	}
	for i, row := range got {
		if !slices.Equal(row, want.RawRowView(i)) {
			return fmt.Errorf("member %d is %v, and %v through plume", i, row, want.RawRowView(i))
		}
	}
	return nil
}

// Stop ends the rival.
func (r *Rival) Stop() { _ = r.in.Close(); _ = r.cmd.Wait() }
