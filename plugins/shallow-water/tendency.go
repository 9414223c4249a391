package shallowwater

// tendency writes the time derivatives of h, u and v in the differences of Sadourny (1975, the
// scheme that conserves energy). With U and V the fluxes of mass, q the potential vorticity at the corners
// of cells, B = h + (u² + v²)/2 at their centres, and bars for the means of two neighbours,
//
//	h_t = -dx U - dy V        u_t = + mean_y(q mean_x V) - dx B        v_t = - mean_x(q mean_y U) - dy B
//
// Without viscosity and relaxation, sum h and sum (h² + mean_x(h) u² + mean_y(h) v²)/2 are conserved.
func (m *model) tendency(dst []float64, _ float64, state []float64) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	size := m.Rows * m.Columns
	h, u, v := state[:size], state[size:2*size], state[2*size:]
	m.diagnose(s, h, u, v)
	dh, du, dv := dst[:size], dst[size:2*size], dst[2*size:]
	rate := 0.0
	if m.Relaxation > 0 {
		rate = 1 / m.Relaxation
	}
	m.rows(func(j, row, south, north int) {
		jet := m.Jet * m.profile[j]
		for i := range m.Columns {
			w, e := m.west[i], m.east[i]
			at := row + i
			dh[at] = s.u[at] - s.u[row+e] + s.v[at] - s.v[north+i]
			du[at] = (s.q[at]*(s.v[at]+s.v[row+w])+s.q[north+i]*(s.v[north+i]+s.v[north+w]))/4 - s.b[at] + s.b[row+w] +
				m.Viscosity*(u[row+w]+u[row+e]+u[south+i]+u[north+i]-4*u[at]) + rate*(jet-u[at])
			dv[at] = -(s.q[at]*(s.u[at]+s.u[south+i])+s.q[row+e]*(s.u[row+e]+s.u[south+e]))/4 - s.b[at] + s.b[south+i] +
				m.Viscosity*(v[row+w]+v[row+e]+v[south+i]+v[north+i]-4*v[at]) - rate*v[at]
		}
	})
}

// scratch holds U, V, q and B.
type scratch struct{ u, v, q, b []float64 }

func newScratch(size int) *scratch {
	m := make([]float64, 4*size)
	return &scratch{m[:size], m[size : 2*size], m[2*size : 3*size], m[3*size:]}
}

func (m *model) diagnose(s *scratch, h, u, v []float64) {
	m.rows(func(_, row, south, north int) {
		for i := range m.Columns {
			w, e := m.west[i], m.east[i]
			at := row + i
			s.u[at] = (h[at] + h[row+w]) / 2 * u[at]
			s.v[at] = (h[at] + h[south+i]) / 2 * v[at]
			s.q[at] = 4 * (m.Coriolis + v[at] - v[row+w] - u[at] + u[south+i]) / (h[at] + h[row+w] + h[south+i] + h[south+w])
			s.b[at] = h[at] + (u[at]*u[at]+u[row+e]*u[row+e]+v[at]*v[at]+v[north+i]*v[north+i])/4
		}
	})
}

// rows calls do for every row j, with the indices of its first value and of those of the rows
// to the south and to the north.
func (m *model) rows(do func(j, row, south, north int)) {
	for j := range m.Rows {
		do(j, j*m.Columns, (j+m.Rows-1)%m.Rows*m.Columns, (j+1)%m.Rows*m.Columns)
	}
}
