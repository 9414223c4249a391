package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// What is wanted of a plugin in Python.
const (
	maxStart = 1.5 // s
	maxCall  = 1.5 // ms at the small size
	minRate  = 0.5 // throughput at the large size, of the same plugin's in Go
)

var (
	pythonSmall = size{Members: 100, Values: 3, Rounds: 9, Calls: 200}
	pythonLarge = size{Members: 100, Values: 100_000, Rounds: 11, Calls: 3}
)

// turns is what one plugin took.
type turns struct {
	command             []string
	start, small, large []time.Duration
	host                *host // for the large size
	pluginPeak          int64
}

// measurePython measures a plugin in Python and the same one in Go in turns, and
// prints a table.
func measurePython(python string) error {
	dir, err := os.MkdirTemp("", "plume-wire-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(dir)
	if err != nil {
		return err
	}
	version, err := exec.Command(python, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s: %w", python, err)
	}
	inGo, inPython := &turns{command: []string{program}}, &turns{command: []string{python, "bench/wire/plugin/plugin.py"}}
	if err := alternate(inGo, inPython); err != nil {
		return err
	}
	fmt.Printf("%s%s\n", version, load())
	fmt.Println("           start, ms   100x3, ms   100x100000, ms      MB/s   peak RSS of the plugin, payloads")
	for _, row := range []struct {
		name string
		t    *turns
	}{{"Go", inGo}, {"Python", inPython}} {
		t := row.t
		fmt.Printf("%-8s %11.0f %11.3f %16.1f %9.0f %11.2f\n", row.name, 1e3*median(t.start), 1e3*median(t.small), 1e3*median(t.large),
			t.rate(), float64(t.pluginPeak)/pythonLarge.payload())
	}
	fmt.Printf("\nMedians of %d starts, %d and %d calls. Python's throughput is %.2f of Go's.\n",
		len(inGo.start), len(inGo.small), len(inGo.large), inPython.rate()/inGo.rate())
	return errors.Join(
		atMost("a start takes %.2f s, want %.1f", median(inPython.start), maxStart),
		atMost("a small call takes %.2f ms, want %.1f", 1e3*median(inPython.small), maxCall),
		atMost("Go's throughput is %.2f times Python's, want %.1f", inGo.rate()/inPython.rate(), 1/minRate))
}

func atMost(what string, got, want float64) error {
	if got <= want {
		return nil
	}
	return fmt.Errorf("target missed: "+what, got, want)
}

// alternate starts and calls all plugins in turns, so that whatever else the machine
// does meets all of them alike.
func alternate(plugins ...*turns) (err error) {
	for _, t := range plugins {
		if t.host, err = startHost(pythonLarge, t.command...); err != nil {
			return err
		}
		if _, err := t.host.calls(2); err != nil { // a warm-up
			return err
		}
	}
	for round := range max(pythonSmall.Rounds, pythonLarge.Rounds) {
		for _, t := range plugins {
			if round < pythonSmall.Rounds {
				if err := t.smallRound(); err != nil {
					return err
				}
			}
			took, err := t.host.calls(pythonLarge.Calls)
			if err != nil {
				return err
			}
			t.large = append(t.large, took...)
		}
	}
	for _, t := range plugins {
		t.pluginPeak = t.host.last.PluginPeak
		if err := t.host.stop(); err != nil {
			return err
		}
	}
	return nil
}

// smallRound starts a plugin and makes small calls.
func (t *turns) smallRound() error {
	h, err := startHost(pythonSmall, t.command...)
	if err != nil {
		return err
	}
	if _, err := h.calls(20); err != nil { // a warm-up
		return err
	}
	took, err := h.calls(pythonSmall.Calls)
	if err != nil {
		return err
	}
	t.start, t.small = append(t.start, h.last.Started), append(t.small, took...)
	return h.stop()
}

// rate returns the throughput at the large size in MB/s.
func (t *turns) rate() float64 { return 2 * pythonLarge.payload() / 1e6 / median(t.large) }

// load says how busy the machine has been, where the system does.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return "load average of the last minutes: " + strings.Join(strings.Fields(string(b))[:3], ", ") + "\n"
}
