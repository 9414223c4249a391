package launch

import "math"

// Room is how much memory this process and those that it starts may take. What is not
// limited, or not known, is +Inf.
type Room struct {
	All     float64 // in addition to what they hold now, all of them together
	Why     string  // what limits All, such as "the memory of this machine"
	Each    float64 // address space of each of them, with what it holds now, see [Held]
	WhyEach string  // likewise, of Each
}

// Machine returns how much memory is left for this process and those that it starts on this
// machine.
func Machine() Room {
	r := Room{All: math.Inf(1), Each: math.Inf(1)}
	r.measure()
	return r
}

// Held is the memory of a process now; 0 if it is not known.
type Held struct {
	Resident  float64 // bytes in memory
	Addresses float64 // bytes of address space, most of which are not in memory
}

// Self returns what this process holds.
func Self() Held { return heldBy("self") }

// measured is a [Child] on this machine.
type measured interface{ Held() Held }

// Held returns what the process holds; nothing for a plugin in this process.
func (p *Process) Held() Held {
	p.runner.mu.Lock()
	defer p.runner.mu.Unlock()
	if c, ok := p.runner.child.(measured); ok {
		return c.Held()
	}
	return Held{}
}

// Linked reports whether the plugin runs in this process.
func (p *Process) Linked() bool { return p.program.linked != nil }
