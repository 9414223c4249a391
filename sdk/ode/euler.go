package ode

// Euler is the explicit Euler method, of order 1:
//
//	x(t + h) = x + h f(t, x)
//
// Cost: one tendency a step.
type Euler struct{ k []float64 }

// NewEuler returns an Euler stepper for n values.
func NewEuler(n int) *Euler { return &Euler{make([]float64, n)} }

// Step implements [Stepper].
func (e *Euler) Step(f Tendency, t, h float64, x []float64) {
	slopes := e.k[:len(x)]
	f(slopes, t, x)
	for i, k := range slopes {
		x[i] += h * k
	}
}
