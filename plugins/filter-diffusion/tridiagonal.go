package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk/linalg"
)

// triangle holds the lower triangles of four symmetric matrices, row after row.
type triangle []linalg.Four

// ofOrder returns t with room for matrices of order n, and what is in it where it has that.
func (t triangle) ofOrder(n int) triangle { return triangle(resized(t, n*(n+1)/2)) }

// row returns row i up to the diagonal.
func (t triangle) row(i int) []linalg.Four { return t[i*(i+1)/2:][:i+1] }

// tridiagonal is four symmetric matrices A of one order, one in a lane, as Q T Q' with
// tridiagonal T. Buffers are reused.
type tridiagonal struct {
	a            triangle      // row i holds the vector u of the reflector I - scale_i u u' of the first i elements
	scale        []linalg.Four // 0 where there is nothing to reflect
	alpha, below []linalg.Four // the diagonal of T, and what is left of it; below[0] = 0

	product, before, ratio, right, sum []linalg.Four
	work                               []linalg.Four
	pair                               [][]linalg.Four
	poles
}

// reduce takes A, n x n, in a, which it overwrites. Reflectors take the rows from the last one on, of which
// each has a single element left of the diagonal then; what they do to the rows above is done together
// with the product that the next one needs (Golub and Van Loan 2013, Matrix Computations, section 8.3.1).
// Cost: 4/3 n³ a lane.
func (t *tridiagonal) reduce(a triangle, n int) {
	t.a = a
	for _, v := range []*[]linalg.Four{&t.scale, &t.alpha, &t.below, &t.product, &t.before, &t.ratio, &t.right} {
		*v = resized(*v, n)
	}
	t.sum, t.pair = resized(t.sum, 2), table(t.pair, 2, 0)
	clear(t.product)
	u := t.product // of the reflector before; with a product of 0 there is none
	for i := n - 1; i >= 0; i-- {
		row := a.row(i)
		t.sum[0], t.sum[1], t.pair[0], t.pair[1] = u[i], t.product[i], t.product, u
		linalg.SubtractAll(row, t.sum, t.pair)
		t.alpha[i], t.below[i], t.scale[i] = row[i], linalg.Four{}, linalg.Four{}
		if i == 1 {
			t.below[1] = row[0]
		}
		if i > 1 {
			reflector(row[:i], i-1, &t.below[i], &t.scale[i])
			t.product, t.before = t.before, t.product
			t.multiply(u, row[:i], &t.scale[i])
			u = row
		}
	}
}

// reflector turns x into the vector u of a reflector I - scale u u' that makes of x image times the
// unit vector of the element pivot.
func reflector(x []linalg.Four, pivot int, image, scale *linalg.Four) {
	*image = linalg.Four{}
	linalg.AddDot(image, x, x)
	for l, square := range image {
		image[l] = -math.Copysign(math.Sqrt(square), x[pivot][l])
		scale[l] = 0
		if half := square - x[pivot][l]*image[l]; half > 0 {
			scale[l] = 1 / half
		}
		x[pivot][l] -= image[l]
	}
}

// multiply brings the leading part of A, as large as u is, up to date with the last reflector and its product.
// Then it sets the product p of the next one, I - scale u u', with which A is to become A - u p' - p u'.
func (t *tridiagonal) multiply(last, u []linalg.Four, scale *linalg.Four) {
	p, sum := t.product[:len(u)], &t.sum[0]
	clear(p)
	linalg.UpdateMultiply(t.a, last, t.before, u, p)
	linalg.Scale(p, scale)
	*sum = linalg.Four{}
	linalg.AddDot(sum, p, u)
	for l, s := range scale {
		sum[l] *= -s / 2
	}
	linalg.AddScaled(p, sum, u)
}

// largest bounds the eigenvalues of the first n rows of T from above, by their sums.
func (t *tridiagonal) largest(n int) (bound linalg.Four) {
	for i := range n {
		for l := range bound {
			sum := math.Abs(t.alpha[i][l])
			if i > 0 {
				sum += math.Abs(t.below[i][l])
			}
			if i+1 < n {
				sum += math.Abs(t.below[i+1][l])
			}
			bound[l] = max(bound[l], sum)
		}
	}
	return bound
}

// lift adds what is rounding to the diagonals of matrices whose eigenvalues may be less than that. [tridiagonal.root] has poles
// near 0 on the other side, and rounding could make an eigenvalue one of them.
func (t *tridiagonal) lift(least *linalg.Four) {
	for l, bound := range t.largest(len(t.alpha)) {
		if least[l] >= roundOff*bound {
			continue
		}
		for i := range t.alpha {
			t.alpha[i][l] += roundOff * bound
		}
	}
}

// turn replaces x by Q' x, and turnBack by Q x.
func (t *tridiagonal) turn(x []linalg.Four) {
	for i := len(t.alpha) - 1; i > 1; i-- {
		t.reflect(x, i)
	}
}

func (t *tridiagonal) turnBack(x []linalg.Four) {
	for i := 2; i < len(t.alpha); i++ {
		t.reflect(x, i)
	}
}

func (t *tridiagonal) reflect(x []linalg.Four, i int) {
	u, sum := t.a.row(i)[:i], &t.sum[0]
	*sum = linalg.Four{}
	linalg.AddDot(sum, u, x)
	for l, s := range t.scale[i] {
		sum[l] *= -s
	}
	linalg.AddScaled(x[:i], sum, u)
}

// root replaces x by A^(1/2) x, where least is not above any eigenvalue of A: it is Q T times the sum of
// resolvents of T, see [poles], times Q' x. Cost: 4 n² a lane, and some n for every term.
func (t *tridiagonal) root(x []linalg.Four, least linalg.Four) {
	t.turn(x)
	bound := t.largest(len(x))
	t.between(&least, &bound)
	sum := t.product
	clear(sum)
	t.work = resized(t.work, 4*len(x))
	linalg.AddResolvents(sum, t.weights, t.shifts, t.alpha, t.below, x, t.work)
	n := len(x)
	for i := range x {
		alpha, below, at, x := &t.alpha[i], &t.below[i], &sum[i], &x[i]
		before, after, next := zero, zero, zero
		if i > 0 {
			before = &sum[i-1]
		}
		if i+1 < n {
			after, next = &sum[i+1], &t.below[i+1]
		}
		for l := range x {
			x[l] = below[l]*before[l] + alpha[l]*at[l] + next[l]*after[l]
		}
	}
	t.turnBack(x)
}

// poles are those of the inverse roots of four matrices, A^(-1/2) = sum_j weight_j (A + shift_j I)^-1.
type poles struct{ shifts, weights []linalg.Four }

// between sets the poles for eigenvalues from least to largest. It raises least to where largest makes them rounding. With
// A = least (I + C) they follow from those of [linalg.InverseRoot].
func (p *poles) between(least, largest *linalg.Four) {
	condition := 1.0
	for l, bound := range largest {
		least[l] = max(least[l], roundOff*bound)
		if least[l] > 0 {
			condition = max(condition, bound/least[l])
		}
	}
	resolvents := linalg.InverseRoot(condition)
	terms := len(resolvents.Shifts)
	p.shifts, p.weights = resized(p.shifts, terms), resized(p.weights, terms)
	for j, shift := range resolvents.Shifts {
		for l, v := range least {
			p.shifts[j][l], p.weights[j][l] = v*(shift-1), math.Sqrt(v)*resolvents.Weights[j]
		}
	}
}

// zero is what there is before the first row and after the last one.
var zero = &linalg.Four{}

// resized returns s with length n, and with what is in it where it is long enough.
func resized(s []linalg.Four, n int) []linalg.Four {
	if cap(s) < n {
		return make([]linalg.Four, n)
	}
	return s[:n]
}
