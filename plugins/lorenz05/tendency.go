package lorenz05

import "math"

// tendency is equation 14 of Lorenz (2005), with his letters:
//
//	dZ_n/dt = [X, X]_K,n + b² [Y, Y]_1,n + c [Y, X]_1,n - X_n - b Y_n + F
//	X_n = sum' (alpha - beta |i|) Z_n+i, i from -I to I        Y_n = Z_n - X_n
//	[X, Y]_K,n = sum' sum' (-X_n-2K-i Y_n-K-j + X_n-K+j-i Y_n+K+j) / K², i and j from -J to J
//
// J is K/2, rounded down, and sum' counts its first and last terms half, or for odd K whole.
// With W_n = sum' X_n-i / K (equation 10),
//
//	[X, X]_K,n = -W_n-2K W_n-K + sum' W_n-K+j X_n+K+j / K
//
// Cost: O(n I), independent of K.
func (m *model) tendency(dst []float64, _ float64, z []float64) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	s.split(z)
	s.average()
	k, at, y := m.Smoothing, s.margin, s.y
	for n := range dst {
		i := at + n
		dst[n] = s.flux[n] - s.w[i-2*k]*s.w[i-k] - s.x[i] + m.Forcing
	}
	if m.Separation == 1 {
		return // Y is 0
	}
	for n := range dst {
		i := at + n
		dst[n] += m.Short*m.Short*(y[i+1]-y[i-2])*y[i-1] + m.Coupling*(y[i-1]*s.x[i+1]-y[i-2]*s.x[i-1]) - m.Short*y[i]
	}
}

// scratch holds what the tendency computes on the way. The rings x, y and w have margins on both
// sides, which repeat the other end, so that loops need no modulo.
type scratch struct {
	smoothing, margin int
	weights           []float64 // of Z_n±i in X_n
	x, y, w           []float64
	product, flux     []float64
}

func newScratch(n, smoothing, separation int) *scratch {
	margin := max(3*smoothing, separation)
	ring := func() []float64 { return make([]float64, n+2*margin) }
	return &scratch{smoothing, margin, weights(separation), ring(), ring(), ring(), ring(), make([]float64, n)}
}

// weights returns those of the long waves, from equations 13a and 13b.
func weights(separation int) []float64 {
	i := float64(separation)
	alpha, beta := (3*i*i+3)/(2*i*i*i+4*i), (2*i*i+1)/(math.Pow(i, 4)+2*i*i)
	w := make([]float64, separation+1)
	for k := range w {
		w[k] = alpha - beta*float64(k)
	}
	w[separation] /= 2
	return w
}

// split writes the long and the short waves of z into x and y.
func (s *scratch) split(z []float64) {
	at, n := s.margin, len(z)
	if len(s.weights) == 2 { // I = 1: X is Z
		copy(s.x[at:], z)
		s.wrap(s.x, n)
		return
	}
	copy(s.y[at:], z)
	s.wrap(s.y, n)
	for j := range n {
		x := s.weights[0] * z[j]
		for i, w := range s.weights[1:] {
			x += w * (s.y[at+j-i-1] + s.y[at+j+i+1])
		}
		s.x[at+j] = x
	}
	for j := range z {
		s.y[at+j] -= s.x[at+j]
	}
	s.wrap(s.x, n)
	s.wrap(s.y, n)
}

// average writes W into w and its flux, the second sum of [X, X], into flux.
func (s *scratch) average() {
	k, at, n := s.smoothing, s.margin, len(s.flux)
	mean(s.w[at-2*k:at+n], s.x, at-2*k, k)
	j := k / 2
	for i := at - j; i < at+n+j; i++ {
		s.product[i] = s.w[i-k] * s.x[i+k]
	}
	mean(s.flux, s.product, at, k)
}

// mean writes sum' src_first+i+j / k, j from -k/2 to k/2, into dst_i.
func mean(dst, src []float64, first, k int) {
	if k == 1 {
		copy(dst, src[first:])
		return
	}
	j, ends := k/2, 0.0
	if k%2 == 0 {
		ends = 0.5
	}
	var sum float64
	for _, v := range src[first-j : first+j+1] {
		sum += v
	}
	for i := range dst {
		before, last := src[first+i-j], src[first+i+j]
		dst[i] = (sum - ends*(before+last)) / float64(k)
		if i+1 < len(dst) {
			sum += src[first+i+j+1] - before
		}
	}
}

// wrap fills the margins of a ring of n values.
func (s *scratch) wrap(ring []float64, n int) {
	m := s.margin
	copy(ring[:m], ring[n:])
	copy(ring[n+m:], ring[m:])
}
