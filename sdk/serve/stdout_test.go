//go:build unix

package serve

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/rpc"
)

func TestMain(m *testing.M) {
	if os.Getenv("SERVE_TEST_PLUGIN") != "" {
		fmt.Println("printed by the plugin")
		child := exec.Command("env")
		child.Stdout = os.Stdout
		if err := child.Run(); err != nil {
			panic(err)
		}
		_, _ = handshakeOut.WriteString("handshake\n")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// In a process that a host has started, standard output is kept for the handshake, and
// what the process starts is no plugin.
func TestStandardOutput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cookie := rpc.Handshake.MagicCookieKey + "=" + rpc.Handshake.MagicCookieValue
	var stdout, stderr strings.Builder
	plugin := exec.Command(self)
	plugin.Env = append(os.Environ(), "SERVE_TEST_PLUGIN=1", cookie)
	plugin.Stdout, plugin.Stderr = &stdout, &stderr
	if err := plugin.Run(); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "handshake\n" {
		t.Errorf("standard output has %q", stdout.String())
	}
	if said := stderr.String(); !strings.Contains(said, "printed by the plugin\n") || !strings.Contains(said, "SERVE_TEST_PLUGIN=1\n") || strings.Contains(said, cookie) {
		t.Errorf("standard error has\n%s", said)
	}
}
