// Package taper has the parts of localization: a correlation that is 0 beyond a finite
// distance, and a search for the points within it.
package taper

// GaspariCohn returns the correlation at distance (at least 0) that is 0 from
// cutoff (above 0) on: with c = cutoff/2 and z = distance/c
//
//	1 - 5/3 z² + 5/8 z³ + 1/2 z⁴ - 1/4 z⁵                       0 <= z <= 1
//	4 - 5z + 5/3 z² + 5/8 z³ - 1/2 z⁴ + 1/12 z⁵ - 2/(3z)        1 <= z <= 2
//
// It falls from 1 through 5/24 at c, is twice continuously differentiable and is a
// covariance in up to three dimensions.
// The second branch is computed as (2 - z)⁴ (2z² + 4z - 1) / (24z), which is the same
// and does not cancel near the cutoff.
//
// Source: Gaspari and Cohn 1999, doi:10.1002/qj.49712555417, equation 4.10.
func GaspariCohn(distance, cutoff float64) float64 {
	z := distance / (cutoff / 2)
	switch {
	case z >= 2:
		return 0
	case z >= 1:
		rest := (2 - z) * (2 - z)
		return rest * rest * (z*(2*z+4) - 1) / (24 * z)
	default:
		return 1 + z*z*(-5.0/3+z*(5.0/8+z*(0.5-z/4)))
	}
}
