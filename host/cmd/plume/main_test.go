//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets this program be plume, which it holds.
func TestMain(m *testing.M) {
	if os.Getenv("PLUME_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// plume runs the program and returns its exit code and what it printed.
func plume(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, said strings.Builder
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "PLUME_TEST_MAIN=1", "PLUME_PLUGINS=")
	cmd.Stdout, cmd.Stderr = &out, &said
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// Every built-in plugin has the name it is held under.
func TestBuiltin(t *testing.T) {
	for name, plugin := range builtin {
		if p, err := plugin(); err != nil || p.Manifest.Name != name {
			t.Errorf("%s: got %+v, %v", name, p, err)
		}
	}
}

// Started by hand, a built-in plugin says what it is; any other is no command of plume.
func TestPluginByHand(t *testing.T) {
	for name, want := range map[string]string{
		"lorenz63": "lorenz63 0.1.0, a model plugin for plume\n",
		"list":     `plume has no command "plugin"; did you mean "plugins"?`,
	} {
		if code, out, said := plume(t, "plugin", name); code != 2 || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, output %q, said %q; want %q", name, code, out, said, want)
		}
	}
}
