package linalg

import (
	"math"
	"sync/atomic"
)

// Resolvents is the inverse square root of a matrix I + C as a weighted sum of resolvents,
//
//	(I + C)^(-1/2) = sum_j Weights_j (Shifts_j I + C)^(-1),  Shifts_j > 1
//
// It is immutable.
type Resolvents struct {
	Shifts, Weights []float64
}

// InverseRoot returns the resolvents for matrices I + C with eigenvalues from 1 to bound, which is at
// least 1 and should not be above 1e250. They give the root to rounding: with p terms the error is
// exp(-2 pi² p / (3 + log bound)), so there are 8 when the bound is 2 and 4 more when it is 10 times
// that. They are made once for every power of two, and their number is even. Source: Hale, Higham and
// Trefethen 2008, doi:10.1137/070700607, method 3.
func InverseRoot(bound float64) *Resolvents {
	_, exponent := math.Frexp(bound)
	if r := known[exponent].Load(); r != nil {
		return r
	}
	r := newResolvents(exponent)
	known[exponent].Store(r)
	return r
}

// known holds the resolvents of the bounds up to 2^exponent that have been asked for.
var known [1025]atomic.Pointer[Resolvents]

func newResolvents(exponent int) *Resolvents {
	terms := int(math.Ceil(37 * (3 + float64(exponent)*math.Ln2) / (2 * math.Pi * math.Pi)))
	terms += terms % 2
	r := &Resolvents{make([]float64, terms), make([]float64, terms)}
	root := math.Ldexp(1, -exponent/2) * []float64{1, math.Sqrt2 / 2}[exponent%2] // 1/sqrt(bound)
	e := newElliptic(root)
	for j := range terms / 2 {
		sn, cn, dn := e.at((float64(j) + 0.5) / float64(terms))
		r.set(j, e.quarter, cn, dn)
		r.set(terms-1-j, e.quarter, root*sn/dn, root/dn) // at the quarter period less that
	}
	return r
}

func (r *Resolvents) set(j int, quarter, cn, dn float64) {
	r.Shifts[j] = 1 / (cn * cn)
	r.Weights[j] = 2 * quarter / (math.Pi * float64(len(r.Weights))) * dn / (cn * cn)
}

// elliptic holds what Jacobi's elliptic functions of a modulus near 1 have in common
// for all arguments.
type elliptic struct {
	complement, modulus float64
	quarter             float64 // the quarter period
	scale               float64 // of the argument of theta functions, per quarter period
	nome                float64 // its logarithm, for the complement
}

// newElliptic takes the complementary modulus, in (0, 1).
func newElliptic(complement float64) *elliptic {
	e := &elliptic{complement: complement, modulus: math.Sqrt(1 - complement*complement)}
	e.quarter = math.Pi / 2 / geometricMean(complement)
	ratio := e.quarter * 2 / math.Pi * geometricMean(e.modulus)
	e.scale, e.nome = math.Pi/2*ratio, -math.Pi*ratio
	return e
}

// at returns sn, cn and dn at a fraction, up to 1/2, of the quarter period: Jacobi's
// imaginary transformation and theta functions of the complement, whose series
// converge the faster the nearer the modulus is to 1. Source: Whittaker and Watson 1927,
// sections 21.1 and 22.4.
func (e *elliptic) at(fraction float64) (sn, cn, dn float64) {
	v := fraction * e.scale
	theta1, theta2, theta3, theta4 := 0.0, 0.0, 1.0, 1.0 // the first two over nome^(1/4)
	sign := 1.0
	for n := 0.0; ; n++ {
		odd, even := n*(n+1)*e.nome, (n+1)*(n+1)*e.nome
		up, down := math.Exp(odd+(2*n+1)*v), math.Exp(odd-(2*n+1)*v)
		theta1 += sign * (up - down)
		theta2 += up + down
		term := math.Exp(even+2*(n+1)*v) + math.Exp(even-2*(n+1)*v)
		sign = -sign
		theta3 += term
		theta4 += sign * term
		if term < 0x1p-60 {
			break
		}
	}
	root := math.Sqrt(e.modulus)
	cn = theta4 / (theta2 * math.Exp(e.nome/4)) * math.Sqrt(e.complement) / root
	return theta1 / (root * theta2), cn, root * theta3 / theta4 * cn
}

// geometricMean returns the arithmetic-geometric mean of 1 and b in (0, 1].
func geometricMean(b float64) float64 {
	a := 1.0
	for a-b > 0x1p-51*a {
		a, b = (a+b)/2, math.Sqrt(a*b)
	}
	return a
}
