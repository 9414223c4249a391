package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
)

// The codes of findings about what a run needs.
const (
	codeMemory diag.Code = "E330"
	codeDisk   diag.Code = "E331"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codeMemory, Means: "a run needs more memory than there is", Remedy: "run fewer trials at a time with --workers, lower the number of members or of state values, or use a larger machine"},
		{Code: codeDisk, Means: "a run stores more than the disk has room for", Remedy: "store less, see [output], or choose another disk with --run-dir"},
	}
}

// Memory is an estimate of the most memory that a run holds at one time, in bytes.
type Memory struct {
	Workers int            `json:"workers"` // trials at a time
	Host    float64        `json:"host"`
	Plugins []PluginMemory `json:"plugins"` // in processes of their own, in the order in which they were needed
}

// PluginMemory is the memory of a plugin.
type PluginMemory struct {
	Plugin    string  `json:"plugin"`
	Processes int     `json:"processes"`
	Bytes     float64 `json:"bytes"` // of each process

	held launch.Held // by the first process now
}

// Total returns the memory of all processes together.
func (m *Memory) Total() float64 {
	total := m.Host
	for _, p := range m.Plugins {
		total += p.Bytes * float64(p.Processes)
	}
	return total
}

// String lists the processes and their memory.
func (m *Memory) String() string { return strings.Join(m.List(), ", ") }

// List returns each process with its memory, such as "plume 78.0 MB".
func (m *Memory) List() []string {
	parts := []string{"plume " + Bytes(m.Host)}
	for _, p := range m.Plugins {
		part := p.Plugin + " " + Bytes(p.Bytes)
		if p.Processes > 1 {
			part = fmt.Sprintf("%s %d x %s", p.Plugin, p.Processes, Bytes(p.Bytes))
		}
		parts = append(parts, part)
	}
	return parts
}

// mostGarbage is what a process whose heap is not large may allocate between two
// collections, see package pace.
const mostGarbage = 32 << 20

// unknownHeld is what a plugin holds before the first call where that is not known.
const unknownHeld = 32 << 20

// Memory estimates the memory of a run with some trials at a time; 0: one per processor. It
// adds up the matrices that are there at the same time and what the processes hold now. What
// a plugin needs for its own work is what its manifest says. What is on other machines does
// not count: if workers there run the trials, what is here are the truths and references that
// are being made, and connections.
func (e *Experiment) Memory(workers int) *Memory {
	trials, _ := e.Sweep.Size()
	most := trials
	if e.remote > 0 {
		most = len(e.Sweep.Scenarios)
	}
	return e.memory(min(e.workers(workers), most), trials, e.remote)
}

// workerMemory estimates the memory of a worker on another machine, with its plugins.
func (e *Experiment) workerMemory() *Memory {
	m := e.memory(1, 1, 0)
	m.Host += linkBytes
	return m
}

// linkBytes is the memory of a connection between plume and a worker: pieces of files on their way,
// and their encoded forms.
const linkBytes = 1e6

// memory estimates the memory of a process of plume, and of those that it starts, with so many of its
// trials at a time; if remote > 0, with as many truths, and its trials on so many workers elsewhere.
func (e *Experiment) memory(atOnce, trials, remote int) *Memory {
	m := &Memory{Workers: atOnce}
	var hosts []float64
	calls, processes := map[string][]float64{}, map[string]int{}
	garbage := map[string]float64{} // by plugin
	shared := 0.0
	count := func(p *plan.Plan, t *plan.Trial, writing float64) {
		of := p.Memory(t)
		held, model := e.carrying(p, t)
		hosts = append(hosts, of.Host+held+writing)
		for name, c := range of.Plugins {
			bytes := c.Matrices + c.Work
			if name == p.ModelCalls.Plugin {
				bytes += model
			}
			calls[name] = append(calls[name], bytes)
			garbage[name] = max(garbage[name], min(mostGarbage, c.Work*float64(p.Clock.Cycles)))
		}
		for _, c := range append(slices.Clone(p.StreamCalls), p.ModelCalls, t.Calls) {
			processes[c.Plugin] = max(processes[c.Plugin], c.Processes)
		}
	}
	for _, planned := range e.Sweep.Scenarios {
		for _, p := range planned.Plans {
			shared = max(shared, p.SharedMemory())
			for i := range p.Trials {
				if remote > 0 {
					break
				}
				count(p, &p.Trials[i], archive.WritingBytes(e.keepOf(p, &p.Trials[i]), p, &p.Trials[i]))
			}
			if p.Reference != nil {
				count(p, p.Reference, 0)
			}
		}
	}
	all, cycles := e.Sweep.Size()
	const trialBytes, cycleBytes = 31e3, 64 // of scores, kept until the end of the run, and of baselines, while they are computed
	host := largest(hosts, m.Workers) + shared*float64(min(m.Workers, len(e.Sweep.Scenarios))) +
		trialBytes*float64(trials) + cycleBytes*float64(cycles)/float64(all)*float64(m.Workers) + linkBytes*float64(remote)
	for _, p := range e.plugins {
		name := e.names[p]
		atOnce := m.Workers
		if !p.Manifest().Threading.ConcurrentCalls {
			atOnce = 1
		}
		bytes := largest(calls[name], atOnce)
		if p.Linked() {
			host += bytes
			continue
		}
		if e.away[p] {
			continue
		}
		held := p.Held()
		m.Plugins = append(m.Plugins, PluginMemory{name, max(1, processes[name]), cmp.Or(held.Resident, unknownHeld) + withGarbage(bytes, garbage[name]), held})
	}
	m.Host = launch.Self().Resident + withGarbage(host, mostGarbage)
	return m
}

// RunElsewhere says that the trials will run on so many workers on other machines: what is here are
// the truths and references that are being made, and connections.
func (e *Experiment) RunElsewhere(workers int) {
	trials, _ := e.Sweep.Size()
	e.remote = min(trials, workers)
}

// carrying returns the bytes that t takes for what members carry, in this process, which has it at
// each time of a window, before and after a forecast, and in each process of the model, which has
// it before and after. Nothing is known before trials are tried.
func (e *Experiment) carrying(p *plan.Plan, t *plan.Trial) (host, model float64) {
	times := 2.0
	if w := t.Window; w != nil {
		times += float64(w.Length)
		if w.Whole {
			times = 2 * float64(p.Clock.Cycles)
		}
	}
	return times * e.carried, 2 * e.carried / float64(p.ModelCalls.Processes)
}

// withGarbage adds to bytes that are in use those that wait to be collected: garbage, or a
// twentieth if that is more.
func withGarbage(bytes, garbage float64) float64 { return bytes + max(0.05*bytes, garbage) }

// largest returns the sum of the n largest values.
func largest(values []float64, n int) float64 {
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	sum := 0.0
	for _, v := range values[:min(n, len(values))] {
		sum += v
	}
	return sum
}

// beyond is more memory than any machine can address.
const beyond = 1 << 47

// fitting returns the memory of a run with so many trials at a time; 0: as many as fit into
// room, up to one per processor. It says why it is more than room; "" if it is not.
func (e *Experiment) fitting(workers int, room launch.Room) (m *Memory, why string) {
	m = e.Memory(workers)
	for why = m.tooLarge(room); why != "" && workers == 0 && m.Workers > 1; why = m.tooLarge(room) {
		m = e.Memory(m.Workers - 1)
	}
	return m, why
}

// checkRoom returns the memory that a run needs, and an error with a finding if it is not
// there.
func (e *Experiment) checkRoom(workers int) (*Memory, error) {
	m, why := e.fitting(workers, launch.Machine())
	if why == "" {
		return m, nil
	}
	var found diag.Findings
	t := e.Sweep.Scenarios[0].Plans[0]
	d := found.Add(codeMemory, e.Workflow.At("ensemble", "size"), "the run needs about %s of memory, but %s", Bytes(m.Total()), why).
		WithLabel("members of %d values", t.State.Size()).WithNote("estimated: %s, with %s at a time", m, e.atOnceText(m.Workers))
	if one, why := e.fitting(1, launch.Machine()); m.Workers > 1 && why == "" {
		d.WithHelp("--workers 1 needs %s; --accept-size runs it all the same", Bytes(one.Total()))
	} else {
		d.WithHelp("lower the number of members or of state values, or use a machine with more memory; --accept-size runs it all the same")
	}
	return m, &FindingsError{found}
}

// atOnceText says what so many workers here do at a time.
func (e *Experiment) atOnceText(n int) string {
	what := "trial"
	if e.remote > 0 {
		what = "truth"
	}
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// tooLarge says why m is more than room; "" if it is not.
func (m *Memory) tooLarge(room launch.Room) string {
	self := launch.Self()
	more := m.Host - self.Resident
	for _, p := range m.Plugins {
		more += p.Bytes*float64(p.Processes) - p.held.Resident
	}
	if most := min(room.All, beyond); more > most {
		if math.IsInf(room.All, 1) {
			return "no machine has as much"
		}
		return fmt.Sprintf("%s leaves %s", room.Why, Bytes(most))
	}
	for _, p := range append([]PluginMemory{{Plugin: "plume", Bytes: m.Host, held: self}}, m.Plugins...) {
		if grown := p.held.Addresses + addresses*(p.Bytes-p.held.Resident); grown > room.Each {
			return fmt.Sprintf("%s is %s, and %s needs %s of it", room.WhyEach, Bytes(room.Each), p.Plugin, Bytes(grown))
		}
	}
	return ""
}

// addresses is how much address space a process takes for a byte of memory: gaps are left
// between large matrices.
const addresses = 1.3

// Bytes writes a number of bytes, such as "12.5 MB".
func Bytes(bytes float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}} {
		if bytes >= unit.size {
			return fmt.Sprintf("%.1f %s", bytes/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.0f kB", bytes/1e3)
}

// checkDisk returns a finding if dir has no room for what a run stores.
func (e *Experiment) checkDisk(dir string, workers int) error {
	need := e.stores() + e.passing(e.workers(workers))
	free, err := archive.Free(dir)
	if known := err == nil; !known || need <= free {
		return nil
	}
	at := e.Workflow.At("output", "ensemble")
	var found diag.Findings
	d := found.Add(codeDisk, at, "the run stores about %s, but the disk of %s has %s left", Bytes(need), dir, Bytes(free))
	if less := e.savings(); len(less) > 0 {
		d.WithHelp("it would store %s", savingsText(less))
	}
	d.WithHelp("run fewer cycles, or choose another disk with --run-dir; --accept-size runs it all the same")
	return &FindingsError{found}
}
