// Package linalg has linear algebra for filters: products, exponentials and loops over four problems
// at a time that use the processor's vector instructions, with the same bits on every processor, and
// inverse roots as sums of resolvents.
package linalg

import (
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// Factor is a matrix stored as the right factor of many products. It is immutable.
type Factor struct {
	depth, columns int
	panels         []float64 // blocks of depthBlock rows, in panels
}

const (
	// panelColumns is the width of a panel: numbers that a kernel handles at once.
	panelColumns = 8

	// A block of depthBlock x columnBlock of the right factor is laid out at a time;
	// it stays in a cache of a megabyte while rowBlock rows at a time of the left factor,
	// which stay in that cache too, pass its panels.
	depthBlock  = 256
	columnBlock = 256
	rowBlock    = 64
)

// NewFactor returns b stored as a right factor. Memory: that of b, with the number of
// columns rounded up to a multiple of 8.
func NewFactor(b mat.Matrix) *Factor {
	depth, columns := b.Dims()
	f := &Factor{depth, columns, make([]float64, depth*roundUp(columns))}
	at := f.panels
	for k := 0; k < depth; k += depthBlock {
		next := min(depth, k+depthBlock)
		layOut(at, b, k, next, 0, columns)
		at = at[(next-k)*roundUp(columns):]
	}
	return f
}

// MulTo sets dst to a times the factor. dst must not overlap a; it is allocated if it is
// empty. For bits and cost see [Mul].
func (f *Factor) MulTo(dst, a *mat.Dense) {
	rows, depth := a.Dims()
	fit(dst, rows, f.columns, depth, f.depth)
	at := f.panels
	for k := 0; k < depth; k += depthBlock {
		next := min(depth, k+depthBlock)
		passPanels(dst, a, at, k, next, 0, f.columns)
		at = at[(next-k)*roundUp(f.columns):]
	}
}

// Mul sets dst to the product a b. dst must not overlap either; it is allocated if it is
// empty. Every number of it is a chain of fused multiply-adds,
//
//	dst_ij = fma(a_im, b_mj, ... fma(a_i1, b_1j, fma(a_i0, b_0j, 0)) ... ),
//
// for any processor and any division of a product among several calls by rows and
// columns. It runs on one processor: callers divide the work.
//
// Cost: rows x depth x columns multiply-adds, and two passes over b.
func Mul(dst *mat.Dense, a, b mat.Matrix) {
	rows, depth := a.Dims()
	rowsOfB, columns := b.Dims()
	fit(dst, rows, columns, depth, rowsOfB)
	left, ok := a.(*mat.Dense)
	if !ok {
		left = mat.DenseCopyOf(a)
	}
	panels := laidOut.Get().(*[]float64)
	defer laidOut.Put(panels)
	size := min(depth, depthBlock) * roundUp(min(columns, columnBlock))
	*panels = slices.Grow((*panels)[:0], size)[:size]
	for k := 0; k < depth; k += depthBlock {
		for j := 0; j < columns; j += columnBlock {
			nextK, nextJ := min(depth, k+depthBlock), min(columns, j+columnBlock)
			layOut(*panels, b, k, nextK, j, nextJ)
			passPanels(dst, left, *panels, k, nextK, j, nextJ)
		}
	}
}

// laidOut is the memory of panels, at most half a megabyte each.
var laidOut = sync.Pool{New: func() any { return new([]float64) }}

func fit(dst *mat.Dense, rows, columns, depth, rowsOfB int) {
	if depth != rowsOfB {
		panic(mat.ErrShape)
	}
	if dst.IsEmpty() {
		dst.ReuseAs(rows, columns)
	}
	if r, c := dst.Dims(); r != rows || c != columns {
		panic(mat.ErrShape)
	}
}

// passPanels adds the contribution of rows first to next-1 of the right factor, stored in
// panels, to columns from to to-1 of dst. The first rows overwrite dst.
func passPanels(dst, a *mat.Dense, panels []float64, first, next, from, to int) {
	out, left := dst.RawMatrix(), a.RawMatrix()
	depth := next - first
	for i := 0; i < out.Rows; i += rowBlock {
		rows := min(rowBlock, out.Rows-i)
		for j := from; j < to; j += fastest.columns {
			fastest.product(rows, min(fastest.columns, to-j), depth, left.Data[i*left.Stride+first:], left.Stride,
				panels[(j-from)*depth:], out.Data[i*out.Stride+j:], out.Stride, first > 0)
		}
	}
}

// layOut writes rows first to next-1 and columns from to to-1 of b into panels, with zeros
// after the last column.
func layOut(panels []float64, b mat.Matrix, first, next, from, to int) {
	depth := next - first
	clear(panels[depth*((to-from)/panelColumns*panelColumns) : depth*roundUp(to-from)])
	if t, ok := b.(mat.Transpose); ok {
		if below, ok := t.Matrix.(*mat.Dense); ok {
			raw := below.RawMatrix()
			for j := from; j < to; j++ {
				panel := panels[(j-from)/panelColumns*panelColumns*depth+(j-from)%panelColumns:]
				for k, v := range raw.Data[j*raw.Stride+first : j*raw.Stride+next] {
					panel[k*panelColumns] = v
				}
			}
			return
		}
	}
	dense, ok := b.(*mat.Dense)
	if !ok {
		dense = mat.DenseCopyOf(b)
	}
	raw := dense.RawMatrix()
	for j := from; j < to; j += panelColumns {
		panel, width := panels[(j-from)*depth:], min(panelColumns, to-j)
		for k := first; k < next; k++ {
			copy(panel[(k-first)*panelColumns:], raw.Data[k*raw.Stride+j:k*raw.Stride+j+width])
		}
	}
}

func roundUp(columns int) int { return (columns + panelColumns - 1) / panelColumns * panelColumns }
