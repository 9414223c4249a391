package ode

// RK4 is the classical Runge-Kutta method of order 4 (Kutta 1901; Hairer, Norsett
// and Wanner 1993, doi:10.1007/978-3-540-78862-1, table II.1.2):
//
//	k1 = f(t, x)                    k2 = f(t + h/2, x + h/2 k1)
//	k3 = f(t + h/2, x + h/2 k2)     k4 = f(t + h, x + h k3)
//	x(t + h) = x + h/6 (k1 + 2 k2 + 2 k3 + k4)
//
// Cost: four tendencies a step.
type RK4 struct{ k1, k2, k3, k4, y []float64 }

// NewRK4 returns an RK4 stepper for n values.
func NewRK4(n int) *RK4 {
	m := make([]float64, 5*n)
	return &RK4{m[:n:n], m[n : 2*n : 2*n], m[2*n : 3*n : 3*n], m[3*n : 4*n : 4*n], m[4*n:]}
}

// Step implements [Stepper].
func (r *RK4) Step(f Tendency, t, h float64, x []float64) {
	k1, k2, k3, k4, y := r.k1[:len(x)], r.k2[:len(x)], r.k3[:len(x)], r.k4[:len(x)], r.y[:len(x)]
	half, sixth := h/2, h/6
	f(k1, t, x)
	for i := range y {
		y[i] = x[i] + half*k1[i]
	}
	f(k2, t+half, y)
	for i := range y {
		y[i] = x[i] + half*k2[i]
	}
	f(k3, t+half, y)
	for i := range y {
		y[i] = x[i] + h*k3[i]
	}
	f(k4, t+h, y)
	for i := range x {
		x[i] += sixth * (k1[i] + 2*(k2[i]+k3[i]) + k4[i])
	}
}
