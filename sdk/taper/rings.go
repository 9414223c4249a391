package taper

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Rings tells how correlations in an ensemble fall with distance. It holds pairs of state values of
// one variable, sorted by their distance into rings, each of which is sqrt(2) times as far as the one before. It
// is immutable and safe for concurrent use.
type Rings struct {
	values    []int      // of the state, that are in pairs
	pairs     [][][2]int // by ring; indices of values
	distances []float64  // their means
}

// A ring has pairs of up to ringCentres values with up to ringPartners others each, so that the cost of
// correlations does not grow with the state.
const ringCentres, ringPartners = 32, 8

// NewRings chooses the pairs, evenly over the state and in directions. They are a function of the layout
// alone, and the same in any unit of the coordinates. The layout must have coordinates. Cost: 64 n.
func NewRings(state *sdk.Layout) *Rings {
	points, period, variable := mat.DenseCopyOf(state.Coordinates.Points), state.Coordinates.Period, variables(state)
	n := len(variable)
	centres := make([]int, min(n, ringCentres))
	for k := range centres { // evenly, also where the values are in rows of one length
		const golden = 0.6180339887498949
		_, part := math.Modf(float64(k) * golden)
		centres[k] = int(part * float64(n))
		if n <= ringCentres {
			centres[k] = k
		}
	}
	apart := make([]float64, n)
	nearest := math.Inf(1)
	for _, i := range centres {
		distances(apart, points, period, i)
		for j, d := range apart {
			if d > 0 && variable[j] == variable[i] {
				nearest = min(nearest, d)
			}
		}
	}
	r := &Rings{}
	row := make(map[int]int)
	number := func(j int) int {
		k, found := row[j]
		if !found {
			k = len(r.values)
			row[j] = k
			r.values = append(r.values, j)
		}
		return k
	}
	var members [][]int
	for _, i := range centres {
		distances(apart, points, period, i)
		for k := range members {
			members[k] = members[k][:0]
		}
		for j, d := range apart {
			if !(d > 0) || variable[j] != variable[i] {
				continue
			}
			k := int(math.Round(2 * math.Log2(d/nearest)))
			for len(members) <= k {
				members = append(members, nil)
			}
			members[k] = append(members[k], j)
		}
		for len(r.pairs) < len(members) {
			r.pairs, r.distances = append(r.pairs, nil), append(r.distances, 0)
		}
		for k, found := range members {
			count := min(len(found), ringPartners)
			for t := range count {
				j := found[(2*t+1)*len(found)/(2*count)]
				r.pairs[k] = append(r.pairs[k], [2]int{number(i), number(j)})
				r.distances[k] += apart[j]
			}
		}
	}
	kept := 0
	for k, pairs := range r.pairs {
		if len(pairs) > 0 { // a grid has no pairs at some distances
			r.pairs[kept], r.distances[kept] = pairs, r.distances[k]/float64(len(pairs))
			kept++
		}
	}
	r.pairs, r.distances = r.pairs[:kept], r.distances[:kept]
	return r
}

// variables returns the number of the variable of each value.
func variables(state *sdk.Layout) []int {
	var of []int
	for k, v := range state.Variables {
		for range v.Size() {
			of = append(of, k)
		}
	}
	return of
}

// distances stores those of all points from point i on axes with periods.
func distances(dst []float64, points *mat.Dense, period []float64, i int) {
	from := points.RawRowView(i)
	for j := range dst {
		square := 0.0
		for k, v := range points.RawRowView(j) {
			d := sdk.Separation(v, from[k], period[k])
			square += d * d
		}
		dst[j] = math.Sqrt(square)
	}
}

// Distances returns the mean distance of the pairs of each ring, ascending. It must not be modified.
func (r *Rings) Distances() []float64 { return r.distances }

// Correlations returns the mean square of the sample correlations of each ring, in the order of
// [Rings.Distances]. Without correlation it is 1/(N-1) on average. Values without spread
// are left out; a ring that has no others is at 0. Cost: N for each of at most 256 pairs of a ring.
func (r *Rings) Correlations(e *mat.Dense) []float64 {
	members, _ := e.Dims()
	scores := mat.NewDense(len(r.values), members, nil)
	for i := range members {
		row := e.RawRowView(i)
		for k, j := range r.values {
			scores.Set(k, i, row[j])
		}
	}
	for k := range r.values {
		row := scores.RawRowView(k)
		floats.AddConst(-floats.Sum(row)/float64(members), row)
		if norm := floats.Norm(row, 2); norm > 0 {
			floats.Scale(1/norm, row)
		}
	}
	squares := make([]float64, len(r.pairs))
	for k, pairs := range r.pairs {
		count := 0.0
		for _, p := range pairs {
			a, b := scores.RawRowView(p[0]), scores.RawRowView(p[1])
			if floats.Norm(a, math.Inf(1)) > 0 && floats.Norm(b, math.Inf(1)) > 0 {
				c := floats.Dot(a, b)
				squares[k] += c * c
				count++
			}
		}
		if count > 0 {
			squares[k] /= count
		}
	}
	return squares
}
