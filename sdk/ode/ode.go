// Package ode integrates ordinary differential equations, one state at a time
// with [RK4] and [Euler], and whole ensembles with [Simulator].
package ode

import (
	"math"

	"github.com/plume-da/plume/sdk"
)

// Tendency writes dx/dt at time t and state x into dst. It keeps no reference to
// its arguments and does not modify x.
type Tendency func(dst []float64, t float64, x []float64)

// Stepper advances a state by one step. A Stepper holds scratch memory, so only one
// goroutine at a time may use it.
type Stepper interface {
	// Step replaces x, the state at time t, by the state at t + h.
	Step(f Tendency, t, h float64, x []float64)
}

// Steps is [sdk.WholeSteps] with an error if the number is not whole.
func Steps(interval, step float64) (int, error) {
	if !(step > 0) || !(interval >= 0) || math.IsInf(interval, 0) {
		return 0, sdk.Errorf(sdk.KindConfig, "step", "got a step of %g for an interval of %g, want a step > 0 and an interval >= 0", step, interval)
	}
	steps, whole := sdk.WholeSteps(interval, step)
	if !whole {
		return 0, sdk.Errorf(sdk.KindConfig, "step", "the interval %g is %.6g steps of %g, want a whole number", interval, interval/step, step).
			WithHint("the nearest step that fits is %.6g", interval/float64(steps))
	}
	return steps, nil
}
