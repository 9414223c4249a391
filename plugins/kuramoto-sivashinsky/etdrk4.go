package kuramotosivashinsky

import (
	"math"
	"math/cmplx"

	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/ode"
	"gonum.org/v1/gonum/dsp/fourier"
)

// scheme is the exponential time differencing scheme of order 4 of Cox and Matthews
// (2002, doi:10.1006/jcph.2002.6995, equations 26 to 29) in the form of Kassam and Trefethen
// (2005, doi:10.1137/S1064827502410633, section 2). With v the Fourier
// coefficients of u, L the growth rates and N(v) those of -u u_x, a step of h is
//
//	a = exp(hL/2) v + q N(v)        b = exp(hL/2) v + q N(a)
//	c = exp(hL/2) a + q (2 N(b) - N(v))
//	v(t + h) = exp(hL) v + f1 N(v) + f2 2 (N(a) + N(b)) + f3 N(c)
//
// A scheme is read only, and all steppers share it.
type scheme struct {
	n int

	// By wavenumber, from 0 to n/2.
	whole, half, q, f1, f2, f3 []float64
	slope                      []complex128 // -ik/2, the factor of the coefficients of u² in those of -u u_x
}

// contour is the number of points on the upper half of a circle of radius 1 around hL over
// which functions of hL are averaged. Near hL = 0 their formulas cancel, and the average
// of an analytic function is its value at the centre. The rule converges exponentially;
// 32 points give all digits.
const contour = 32

// newScheme returns the scheme of n grid points for steps of h. Cost: 32 n complex
// exponentials, on all processors.
func newScheme(n int, length, h float64) *scheme {
	modes := n/2 + 1
	s := &scheme{n: n, slope: make([]complex128, modes)}
	for _, v := range []*[]float64{&s.whole, &s.half, &s.q, &s.f1, &s.f2, &s.f3} {
		*v = make([]float64, modes)
	}
	var circle [contour]complex128
	for i := range circle {
		circle[i] = cmplx.Exp(complex(0, math.Pi*(float64(i)+0.5)/contour))
	}
	ensemble.InBlocks(modes, 256, func() func(from, to int) {
		return func(from, to int) {
			for j := from; j < to; j++ {
				s.mode(j, length, h, circle[:])
			}
		}
	})
	return s
}

// mode sets the coefficients of wavenumber j.
func (s *scheme) mode(j int, length, h float64, circle []complex128) {
	k := 2 * math.Pi * float64(j) / length
	if 2*j < s.n { // the derivative of the shortest wave is 0 at all grid points
		s.slope[j] = complex(0, -k/2)
	}
	l := h * growth(k)
	s.whole[j], s.half[j] = math.Exp(l), math.Exp(l/2)
	for _, c := range circle {
		z := complex(l, 0) + c
		e, z3 := cmplx.Exp(z), z*z*z*contour
		s.q[j] += h * real((cmplx.Exp(z/2)-1)/(z*contour))
		s.f1[j] += h * real((-4-z+e*(4-3*z+z*z))/z3)
		s.f2[j] += h * real((2+z+e*(z-2))/z3)
		s.f3[j] += h * real((-4-3*z-z*z+e*(4-z))/z3)
	}
}

// stepper advances one state at a time.
type stepper struct {
	*scheme
	fft                  *fourier.FFT
	u                    []float64
	v, a, b, nv, na, nbc []complex128
}

func (s *scheme) stepper() *stepper {
	modes := s.n/2 + 1
	m := make([]complex128, 6*modes)
	part := func(k int) []complex128 { return m[k*modes : (k+1)*modes : (k+1)*modes] }
	return &stepper{s, fourier.NewFFT(s.n), make([]float64, s.n), part(0), part(1), part(2), part(3), part(4), part(5)}
}

// Step implements [ode.Stepper]. The tendency and the step are those of the scheme.
func (s *stepper) Step(_ ode.Tendency, _, _ float64, x []float64) {
	s.fft.Coefficients(s.v, x)
	s.advection(s.nv, x, 1)
	for j, v := range s.v {
		s.a[j] = times(s.half[j], v) + times(s.q[j], s.nv[j])
	}
	s.nonlinear(s.na, s.a)
	for j, v := range s.v {
		s.b[j] = times(s.half[j], v) + times(s.q[j], s.na[j])
	}
	s.nonlinear(s.nbc, s.b)
	for j, nb := range s.nbc {
		s.a[j] = times(s.half[j], s.a[j]) + times(s.q[j], 2*nb-s.nv[j])
		s.na[j] += nb
	}
	s.nonlinear(s.nbc, s.a)
	for j, v := range s.v {
		v = times(s.whole[j], v) + times(s.f1[j], s.nv[j]) + times(2*s.f2[j], s.na[j]) + times(s.f3[j], s.nbc[j])
		s.v[j] = times(1/float64(s.n), v)
	}
	s.fft.Sequence(x, s.v)
}

// nonlinear writes the coefficients of -u u_x into dst, where v are those of u.
func (s *stepper) nonlinear(dst, v []complex128) {
	s.fft.Sequence(s.u, v) // n times u
	s.advection(dst, s.u, 1/float64(s.n))
}

// advection writes the coefficients of -u u_x into dst, where u is scale times x.
func (s *stepper) advection(dst []complex128, x []float64, scale float64) {
	for i, u := range x {
		s.u[i] = scale * u * scale * u
	}
	s.fft.Coefficients(dst, s.u)
	for j, w := range s.slope {
		dst[j] *= w
	}
}

func times(a float64, z complex128) complex128 { return complex(a*real(z), a*imag(z)) }
