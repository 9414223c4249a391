package linalg

import (
	"math"
	"slices"
)

// ql is a tridiagonal matrix that becomes diagonal by the implicit QL method, and the rows that are rotated with it.
// Its numbers are zero or between 1e-122 and 1e153, so that no square is lost. It does what gonum's Dsteqr does, with the same
// bits, but rotates eigenvectors as rows, whose elements are next to each other; BenchmarkEigen says what that saves. Source:
// dsteqr of LAPACK 3.7.
type ql struct {
	d, e []float64
	rows [][]float64
	left int // iterations
}

const (
	unitRoundOff = 0x1p-53
	leastNormal  = 0x1p-1022
)

// solve makes one block after the other diagonal, where the matrix splits.
func (t *ql) solve() bool {
	n := len(t.d)
	for from := 0; from < n; {
		to := from
		for to < n-1 && !(math.Abs(t.e[to]) <= math.Sqrt(math.Abs(t.d[to]))*math.Sqrt(math.Abs(t.d[to+1]))*unitRoundOff) {
			to++
		}
		block := &ql{t.d[from : to+1], t.e[from:to], t.rows[from : to+1], t.left}
		if !block.converge() {
			return false
		}
		t.left = block.left
		if to < n-1 {
			t.e[to] = 0
		}
		from = to + 1
	}
	return true
}

// converge makes a matrix that does not split diagonal, from the end whose element is smaller.
func (t *ql) converge() bool {
	last := len(t.d) - 1
	if last == 0 {
		return true
	}
	mirrored := math.Abs(t.d[last]) < math.Abs(t.d[0])
	if mirrored {
		t.mirror()
		defer t.mirror()
	}
	for l := 0; l <= last; {
		m := l
		for m < last && t.e[m]*t.e[m] > unitRoundOff*unitRoundOff*math.Abs(t.d[m])*math.Abs(t.d[m+1])+leastNormal {
			m++
		}
		if m < last {
			t.e[m] = 0
		}
		switch {
		case m == l:
			l++
		case m == l+1:
			t.two(l, mirrored)
			l += 2
		case t.left == 0:
			return false
		default:
			t.left--
			t.iterate(l, m)
		}
	}
	return true
}

func (t *ql) mirror() {
	slices.Reverse(t.d)
	slices.Reverse(t.e)
	slices.Reverse(t.rows)
}

// two makes elements k and k+1 diagonal, which are a block.
func (t *ql) two(k int, mirrored bool) {
	i, j := k, k+1
	if mirrored {
		i, j = j, i
	}
	var c, s float64
	t.d[i], t.d[j], c, s = routines.Dlaev2(t.d[i], t.e[k], t.d[j])
	rotate(t.rows[i], t.rows[j], c, -s)
	t.e[k] = 0
}

// iterate does one iteration on elements l to m.
func (t *ql) iterate(l, m int) {
	d, e := t.d, t.e
	g := (d[l+1] - d[l]) / (2 * e[l])
	g = d[m] - d[l] + e[l]/(g+math.Copysign(routines.Dlapy2(g, 1), g))
	c, s, p := 1.0, 1.0, 0.0
	for i := m - 1; i >= l; i-- {
		f, b := s*e[i], c*e[i]
		var r float64
		c, s, r = routines.Dlartg(g, f)
		if i != m-1 {
			e[i+1] = r
		}
		g = d[i+1] - p
		r = (d[i]-g)*s + 2*c*b
		p = s * r
		d[i+1] = g + p
		g = c*r - b
		rotate(t.rows[i], t.rows[i+1], c, s)
	}
	d[l] -= p
	e[l] = g
}

// rotate replaces x and y by c x - s y and c y + s x.
func rotate(x, y []float64, c, s float64) {
	if c == 1 && s == 0 {
		return
	}
	y = y[:len(x)]
	for i, v := range x {
		w := y[i]
		x[i], y[i] = c*v-s*w, c*w+s*v
	}
}

// sort brings the elements of the diagonal, and the rows, into ascending order.
func (t *ql) sort() {
	for i := range t.d {
		k := i
		for j := i + 1; j < len(t.d); j++ {
			if t.d[j] < t.d[k] {
				k = j
			}
		}
		t.d[i], t.d[k] = t.d[k], t.d[i]
		t.rows[i], t.rows[k] = t.rows[k], t.rows[i]
	}
}
