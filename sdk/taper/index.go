package taper

import (
	"cmp"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Neighbour is a point within the cutoff of a position.
type Neighbour struct {
	Index  int     // of the point
	Weight float64 // Gaspari and Cohn's correlation at its distance
}

// negligible is the weight below which a neighbour is dropped, as in DAPPER's local
// filters: it would cost as much as the others and change almost nothing. Beyond about
// 0.88 cutoff there are no neighbours.
const negligible = 1e-3

// Index finds the points near a position. It is immutable and safe for concurrent use.
//
// The points are sorted into a grid of cells, whose sides are about half the cutoff,
// or longer if the points are too sparse to fill so many cells.
type Index struct {
	cutoff float64
	axes   []axis
	points *mat.Dense // one row per point; on periodic axes moved into [0, period)
	order  []int      // points by cell, ascending within a cell
	start  []int      // points of cell c: order[start[c]:start[c+1]]
}

// axis is one axis of the grid of cells.
type axis struct {
	period float64 // 0: not periodic
	origin float64
	width  float64 // of a cell
	cells  int
}

// NewIndex returns an index of points for searches up to cutoff, which is in the unit of
// the coordinates. Any number of points may coincide. The distance is Euclidean, on a
// periodic axis the shortest way around. Errors: a cutoff that is not above 0 and finite,
// a point or period that is not finite, a period below 0. points is not modified. Cost:
// linear in the number of points, in time and memory.
func NewIndex(points *sdk.Coordinates, cutoff float64) (*Index, error) {
	if err := check(points, cutoff); err != nil {
		return nil, err
	}
	return newIndex(points, cutoff), nil
}

func check(points *sdk.Coordinates, cutoff float64) error {
	if !(cutoff > 0) || math.IsInf(cutoff, 1) {
		return sdk.Errorf(sdk.KindConfig, "cutoff", "got %v, want a finite distance above 0", cutoff)
	}
	if points == nil || points.Points == nil {
		return sdk.Errorf(sdk.KindConfig, "coordinates", "there are none, so localization is not possible")
	}
	count, _ := points.Points.Dims()
	return points.Check(count)
}

func newIndex(points *sdk.Coordinates, cutoff float64) *Index {
	x := &Index{cutoff: cutoff, points: mat.DenseCopyOf(points.Points)}
	for k, period := range points.Period {
		x.axes = append(x.axes, x.newAxis(k, period))
	}
	count, _ := x.points.Dims()
	x.limitCells(count)
	x.sort(count)
	return x
}

// within returns x with another cutoff and the same cells.
func (x *Index) within(cutoff float64) *Index {
	other := *x
	other.cutoff = cutoff
	return &other
}

// newAxis moves coordinate k of all points into the period and divides it into cells.
func (x *Index) newAxis(k int, period float64) axis {
	count, _ := x.points.Dims()
	low, high := math.Inf(1), math.Inf(-1)
	for i := range count {
		v := wrapped(x.points.At(i, k), period)
		x.points.Set(i, k, v)
		low, high = min(low, v), max(high, v)
	}
	if period > 0 {
		low, high = 0, period
	}
	cells := int(min(max(1, (high-low)/(x.cutoff/2)), float64(count)))
	return axis{period: period, origin: low, width: (high - low) / float64(cells), cells: cells}
}

// limitCells doubles the sides of cells until there are no more cells than points.
func (x *Index) limitCells(count int) {
	for {
		total, most := 1.0, 0
		for k, a := range x.axes {
			total *= float64(a.cells)
			if a.cells > x.axes[most].cells {
				most = k
			}
		}
		if total <= float64(count) {
			return
		}
		a := &x.axes[most]
		extent := a.width * float64(a.cells)
		a.cells = (a.cells + 1) / 2
		a.width = extent / float64(a.cells)
	}
}

// sort counts the points of every cell and sorts the points by cell.
func (x *Index) sort(count int) {
	total := 1
	for _, a := range x.axes {
		total *= a.cells
	}
	cell := make([]int, count)
	x.start = make([]int, total+1)
	for i := range count {
		for k, v := range x.points.RawRowView(i) {
			cell[i] = cell[i]*x.axes[k].cells + x.axes[k].clamped(v)
		}
		x.start[cell[i]+1]++
	}
	for c := range total {
		x.start[c+1] += x.start[c]
	}
	x.order = make([]int, count)
	next := slices.Clone(x.start)
	for i, c := range cell {
		x.order[next[c]] = i
		next[c]++
	}
}

// Near returns the points within the cutoff of position at, which has one value per axis.
// The points are ordered by index, each once and with the weight of its distance. Points
// with a weight below 1e-3 are omitted. The answer fills dst from its start; its memory is
// reused if it is large enough. A position that is not finite has no neighbours.
// Cost: linear in the number of points in cells that the cutoff touches, and
// k log k for the k that are returned.
func (x *Index) Near(dst []Neighbour, at []float64) []Neighbour {
	dst = x.search(dst[:0], at, 0, 0)
	sortByIndex(dst)
	return dst
}

func sortByIndex(near []Neighbour) {
	slices.SortFunc(near, func(a, b Neighbour) int { return cmp.Compare(a.Index, b.Index) })
}

// search visits the cells that the cutoff touches along axis k and the axes after it; cell
// is the number of the cell along the axes before it.
func (x *Index) search(dst []Neighbour, at []float64, k, cell int) []Neighbour {
	if k == len(x.axes) {
		return x.appendCell(dst, at, cell)
	}
	a := x.axes[k]
	from, to := a.touched(at[k], x.cutoff)
	for c := from; c < to; c++ {
		dst = x.search(dst, at, k+1, cell*a.cells+c%a.cells)
	}
	return dst
}

func (x *Index) appendCell(dst []Neighbour, at []float64, cell int) []Neighbour {
	for _, i := range x.order[x.start[cell]:x.start[cell+1]] {
		square := 0.0
		for k, v := range x.points.RawRowView(i) {
			d := sdk.Separation(v, at[k], x.axes[k].period)
			square += d * d
		}
		if square < x.cutoff*x.cutoff {
			if w := GaspariCohn(math.Sqrt(square), x.cutoff); w >= negligible {
				dst = append(dst, Neighbour{i, w})
			}
		}
	}
	return dst
}

// touched returns the cells, from <= c < to, that contain the points within cutoff of v.
// On a periodic axis numbers beyond the last cell continue with the first one.
func (a axis) touched(v, cutoff float64) (from, to int) {
	if a.period == 0 {
		if !(v+cutoff >= a.origin && v-cutoff <= a.origin+a.width*float64(a.cells)) {
			return 0, 0
		}
		return a.clamped(v - cutoff), a.clamped(v+cutoff) + 1
	}
	if 2*cutoff >= a.period {
		return 0, a.cells
	}
	v = wrapped(v, a.period)
	if math.IsNaN(v) {
		return 0, 0
	}
	from = a.clamped(wrapped(v-cutoff, a.period))
	to = a.clamped(wrapped(v+cutoff, a.period)) + 1
	if v-cutoff < 0 || v+cutoff >= a.period { // around the end
		to += a.cells
	}
	return from, min(to, from+a.cells)
}

// clamped returns the cell of v, or the last cell on its side if v is outside.
func (a axis) clamped(v float64) int {
	if a.width == 0 { // all points have one coordinate
		return 0
	}
	return int(min(max(0, (v-a.origin)/a.width), float64(a.cells-1)))
}

// wrapped returns v moved into [0, period), or v if period is 0.
func wrapped(v, period float64) float64 {
	if period == 0 {
		return v
	}
	v = math.Mod(v, period)
	if v < 0 {
		v += period
	}
	if v >= period { // the rounding of a tiny negative number
		return 0
	}
	return v
}
