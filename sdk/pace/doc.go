// Package pace adapts the processors and the memory that a process uses to its work. Go's
// own choices are made for a single program on a machine; an experiment consists of half a
// dozen small programs that call each other. It also waits in a way that bears suspension.
// Results never depend on it.
package pace
