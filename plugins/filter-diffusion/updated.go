package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk/linalg"
)

// updated is M of [quartet.mix] in four places with few components near by, as what it is made of: a diagonal
// and some rows. With Z = b S', B = b² I + s (2 I + Z Z') and u = sqrt(c) w
//
//	G^-1 = I + Z'Z,   M + s I = G (E + Z'B Z - u u') G,   E = diag(b² + s + c w),
//
// so that a resolvent takes inverses of order k and k + 1. With p = Z x, and with Y, the rows of Z and then u, for
// which B^-1 goes on with -1 and B^-1 p with 0,
//
//	H = B^-1 + Y E^-1 Y',   h = H^-1 (Y E^-1 x - B^-1 p),
//	(M + s I)^-1 x = E^-1 (x - Y'h) + Z'B^-1 (h + p),
//
// whose terms are no larger than x / s, however large Z is. Buffers are reused.
type updated struct {
	poles
	y        [][]linalg.Four
	gram     triangle      // Z Z'
	weighted []linalg.Four // c w

	square, scale, root  linalg.Four // b², what Z is times S', and sqrt(c)
	least, most, largest linalg.Four // between the first two are the eigenvalues of M, the last is the largest c w
	shift                linalg.Four

	diagonal     [][]linalg.Four // E^-1, one a pole
	inner, outer []triangle      // B^-1 and H^-1, one a pole
	products     [][]linalg.Four // of pairs of rows of Y, and then of a vector with each

	p, right, h, sum, column []linalg.Four
	factors                  [][]linalg.Four // of E^-1: a row of Y a row, and one for x
}

// keep stores S', which the rows begin with, and C.
func (u *updated) keep(rows [][]linalg.Four, c triangle, members int) {
	k := len(rows)
	u.y, u.gram = table(u.y, k+1, members), u.gram.ofOrder(k)
	for r, row := range rows {
		copy(u.y[r], row)
	}
	copy(u.gram, c)
}

// prepare takes b, the scale of the anomalies, c, w, and what no eigenvalue of M is below. Cost: k²/2 N a pole.
func (u *updated) prepare(b, scale, c *linalg.Four, w []linalg.Four, least *linalg.Four) {
	k, members := len(u.y)-1, len(w)
	u.weighted, u.least, u.largest = resized(u.weighted, members), *least, linalg.Four{}
	copy(u.weighted, w)
	linalg.Scale(u.weighted, c)
	for _, v := range u.weighted {
		raise(&u.largest, &v)
	}
	copy(u.y[k], w)
	for l, v := range b {
		u.square[l], u.scale[l], u.root[l] = v*v, v*scale[l], math.Sqrt(c[l])
		u.most[l] = v*v + u.largest[l]
	}
	for _, row := range u.y[:k] {
		linalg.Scale(row, &u.scale)
	}
	linalg.Scale(u.y[k], &u.root)
	for i := range u.gram {
		for l, v := range u.scale {
			u.gram[i][l] *= v * v
		}
	}
	u.between(&u.least, &u.most)
	u.pair(members)
	terms := len(u.shifts)
	u.diagonal = table(u.diagonal, terms, members)
	u.inner, u.outer = triangles(u.inner, terms, k), triangles(u.outer, terms, k+1)
	u.column = resized(u.column, k+1)
	for j := range u.shifts {
		u.invert(j)
	}
}

// pair sets the products of rows of Y.
func (u *updated) pair(members int) {
	rows := len(u.y)
	u.products = table(u.products, rows*(rows+1)/2+rows, members)
	i := 0
	for r, row := range u.y {
		for _, other := range u.y[:r+1] {
			linalg.Multiply(u.products[i], row, other)
			i++
		}
	}
}

// invert sets the inverses for pole j. Pivots that rounding makes smaller than they can be are what they are at least.
func (u *updated) invert(j int) {
	k := len(u.y) - 1
	inner, outer, e := u.inner[j], u.outer[j], u.diagonal[j]
	var least, last linalg.Four
	for l, s := range u.shifts[j] {
		u.shift[l] = u.square[l] + s
		least[l] = 1 / (u.square[l] + s*(1+u.square[l]/u.least[l]))
		last[l] = -u.shift[l] / (u.shift[l] + u.largest[l])
	}
	linalg.Invert(e, u.weighted, &u.shift)
	for i := range inner {
		for l, s := range u.shifts[j] {
			inner[i][l] = s * u.gram[i][l]
		}
	}
	for r := range k {
		pivot := &inner.row(r)[r]
		for l, s := range u.shifts[j] {
			pivot[l] += u.square[l] + 2*s
		}
	}
	for r := range k {
		raise(&inner.row(r)[r], &u.square)
		inner.sweep(k, r, u.column)
	}
	inner.negate()
	copy(outer, inner)
	clear(outer.row(k))
	outer.row(k)[k] = minusOnes
	for i, product := range u.products[:len(outer)] {
		linalg.AddDot(&outer[i], product, e)
	}
	for r := range k {
		raise(&outer.row(r)[r], &least)
		outer.sweep(k+1, r, u.column)
	}
	pivot := &outer.row(k)[k]
	for l, v := range last {
		pivot[l] = min(pivot[l], v)
	}
	outer.sweep(k+1, k, u.column)
	outer.negate()
}

// raise replaces the lanes of v that are below least by that.
func raise(v, least *linalg.Four) {
	for l, least := range least {
		v[l] = max(v[l], least)
	}
}

// negate turns A into -A.
func (t triangle) negate() {
	for i := range t {
		for l, v := range t[i] {
			t[i][l] = -v
		}
	}
}

var minusOnes = linalg.Four{-1, -1, -1, -1}

// inverseRoot replaces x by M^(-1/2) x. Cost: 2 k N a pole.
func (u *updated) inverseRoot(x []linalg.Four) {
	rows, terms := len(u.y), len(u.shifts)
	k, products := rows-1, u.products[len(u.products)-rows:]
	u.p, u.right, u.h, u.sum = resized(u.p, rows), resized(u.right, rows), resized(u.h, rows), resized(u.sum, k)
	u.factors = table(u.factors, rows+1, 0)
	for r := range u.factors {
		u.factors[r] = resized(u.factors[r], terms)
	}
	clear(u.p)
	for r, row := range u.y {
		linalg.Multiply(products[r], row, x)
		if r < k {
			linalg.AddDot(&u.p[r], row, x)
		}
	}
	clear(u.sum)
	for j := range u.weights {
		weight := &u.weights[j]
		clear(u.right)
		u.inner[j].addProduct(u.right[:k], &minusOnes, u.p)
		for r, product := range products {
			linalg.AddDot(&u.right[r], product, u.diagonal[j])
		}
		clear(u.h)
		u.outer[j].addProduct(u.h, weight, u.right)
		for r, h := range u.h {
			u.factors[r][j] = h
			for l, v := range u.p[r] {
				u.right[r][l] = h[l] + weight[l]*v
			}
		}
		for l, v := range weight {
			u.factors[rows][j][l] = -v
		}
		u.inner[j].addProduct(u.sum, &ones, u.right)
	}
	sum := products[0]
	clear(sum)
	linalg.SubtractAll(sum, u.factors[rows], u.diagonal)
	linalg.Multiply(x, x, sum)
	for r, row := range u.y {
		clear(sum)
		linalg.SubtractAll(sum, u.factors[r], u.diagonal)
		if r < k {
			for i := range sum {
				for l, s := range u.sum[r] {
					sum[i][l] += s
				}
			}
		}
		linalg.Multiply(sum, sum, row)
		linalg.AddScaled(x, &ones, sum)
	}
}

// addProduct adds s times A x to dst.
func (t triangle) addProduct(dst []linalg.Four, s *linalg.Four, x []linalg.Four) {
	for i := range dst {
		for j := range dst {
			a, v, sum := &t.row(max(i, j))[min(i, j)], &x[j], &dst[i]
			sum[0] += s[0] * a[0] * v[0]
			sum[1] += s[1] * a[1] * v[1]
			sum[2] += s[2] * a[2] * v[2]
			sum[3] += s[3] * a[3] * v[3]
		}
	}
}

// sweep takes A, of order n, one step nearer to -A^-1, which it is after one for every r. column has room for one. With
// the few rows that there are, loops over lanes are as fast as kernels.
func (t triangle) sweep(n, r int, column []linalg.Four) {
	column = column[:n]
	for i := range column {
		column[i] = t.row(max(i, r))[min(i, r)]
	}
	inverse := column[r]
	for l, pivot := range inverse {
		inverse[l] = 1 / pivot
	}
	for i := range column {
		if i == r {
			continue
		}
		factor := column[i]
		for l, v := range inverse {
			factor[l] *= v
		}
		row := t.row(i)
		for j := range row {
			a, c := &row[j], &column[j]
			a[0] -= factor[0] * c[0]
			a[1] -= factor[1] * c[1]
			a[2] -= factor[2] * c[2]
			a[3] -= factor[3] * c[3]
		}
	}
	for i := range column {
		at := &t.row(max(i, r))[min(i, r)]
		for l, v := range inverse {
			if at[l] = column[i][l] * v; i == r {
				at[l] = -v
			}
		}
	}
}

// triangles returns count of them for matrices of order n, those of t where it has them.
func triangles(t []triangle, count, n int) []triangle {
	for len(t) < count {
		t = append(t, nil)
	}
	for i := range t[:count] {
		t[i] = t[i].ofOrder(n)
	}
	return t[:count]
}
