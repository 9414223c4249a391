package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is an instruction set. Eight float64 are handled together on all of them,
// in each() registers of bytes() bytes.
type vectors interface {
	name() string
	each() int
	bytes() int
	panels() int  // of a tile
	tiles() []int // rows of a tile, in falling order
	vector() reg.VecVirtual
	zero(v reg.VecVirtual)

	// maskOf returns masks of the first cols columns of the panels of a tile, one for
	// every register.
	maskOf(cols reg.Register) []reg.Register
	loadMasked(from Mem, mask reg.Register, to reg.VecVirtual)
	storeMasked(from reg.VecVirtual, mask reg.Register, to Mem)

	// multiplyAdd adds the product of the number at a with columns to acc.
	multiplyAdd(a Mem, columns, acc []reg.VecVirtual)

	// fill copies what v lacks under mask from other.
	fill(mask reg.Register, other, v reg.VecVirtual)

	// constants returns the rows of a table, those that have to be in registers there.
	constants(table reg.Register, bytes, rows int) []Op

	// unlessBelow sets product to x y, and to 0 where value is below limit.
	unlessBelow(limit Op, value, x, y, product reg.VecVirtual)
}

type avx2 struct{}

func (avx2) name() string           { return "AVX2" }
func (avx2) each() int              { return 2 }
func (avx2) bytes() int             { return 32 }
func (avx2) panels() int            { return 1 }
func (avx2) tiles() []int           { return []int{4, 1} }
func (avx2) vector() reg.VecVirtual { return YMM() }
func (avx2) zero(v reg.VecVirtual)  { VXORPD(v, v, v) }

func (avx2) maskOf(cols reg.Register) []reg.Register {
	at, left := GP64(), GP64()
	LEAQ(tailsTable, at)
	MOVQ(U32(8), left)
	SUBQ(cols, left)
	low, high := YMM(), YMM()
	VMOVUPD(Mem{Base: at, Index: left, Scale: word}, low)
	VMOVUPD(Mem{Base: at, Index: left, Scale: word, Disp: 32}, high)
	return []reg.Register{low, high}
}

func (avx2) loadMasked(from Mem, mask reg.Register, to reg.VecVirtual) { VMASKMOVPD(from, mask, to) }

func (avx2) storeMasked(from reg.VecVirtual, mask reg.Register, to Mem) { VMASKMOVPD(from, mask, to) }

func (avx2) multiplyAdd(a Mem, columns, acc []reg.VecVirtual) {
	number := YMM()
	VBROADCASTSD(a, number)
	for p, column := range columns {
		VFMADD231PD(column, number, acc[p])
	}
}

func (avx2) fill(mask reg.Register, other, v reg.VecVirtual) { VBLENDVPD(mask, v, other, v) }

func (avx2) constants(table reg.Register, bytes, rows int) []Op {
	all := make([]Op, rows)
	for row := range all {
		at := Mem{Base: table, Disp: row * bytes}
		all[row] = at
		if row == rowLog2E || row == rowRound {
			v := YMM()
			VMOVUPD(at, v)
			all[row] = v
		}
	}
	return all
}

func (avx2) unlessBelow(limit Op, value, x, y, product reg.VecVirtual) {
	keep := YMM()
	VCMPPD(notLess, limit, value, keep)
	VMULPD(x, y, product)
	VANDPD(keep, product, product)
}

type avx512 struct{}

func (avx512) name() string           { return "AVX512" }
func (avx512) each() int              { return 1 }
func (avx512) bytes() int             { return 64 }
func (avx512) panels() int            { return 2 }
func (avx512) tiles() []int           { return []int{8, 4, 1} }
func (avx512) vector() reg.VecVirtual { return ZMM() }
func (avx512) zero(v reg.VecVirtual)  { VPXORQ(v, v, v) }

func (avx512) maskOf(cols reg.Register) []reg.Register {
	bits := GP64()
	MOVQ(cols, reg.RCX)
	MOVQ(U32(1), bits)
	SHLQ(reg.CL, bits)
	DECQ(bits)
	first, second := K(), K()
	KMOVW(bits.As32(), first)
	SHRQ(U8(8), bits)
	KMOVW(bits.As32(), second)
	return []reg.Register{first, second}
}

func (avx512) loadMasked(from Mem, mask reg.Register, to reg.VecVirtual) { VMOVUPD_Z(from, mask, to) }

func (avx512) storeMasked(from reg.VecVirtual, mask reg.Register, to Mem) { VMOVUPD(from, mask, to) }

func (avx512) multiplyAdd(a Mem, columns, acc []reg.VecVirtual) {
	if len(columns) == 1 {
		VFMADD231PD_BCST(a, columns[0], acc[0])
		return
	}
	number := ZMM()
	VBROADCASTSD(a, number)
	for p, column := range columns {
		VFMADD231PD(column, number, acc[p])
	}
}

func (avx512) fill(mask reg.Register, other, v reg.VecVirtual) { VBLENDMPD(v, other, mask, v) }

func (avx512) constants(table reg.Register, bytes, rows int) []Op {
	all := make([]Op, rows)
	for row := range all {
		v := ZMM()
		VBROADCASTSD(Mem{Base: table, Disp: row * bytes}, v)
		all[row] = v
	}
	return all
}

func (avx512) unlessBelow(limit Op, value, x, y, product reg.VecVirtual) {
	keep := K()
	VCMPPD(notLess, limit, value, keep)
	VMULPD_Z(x, y, keep, product)
}

// notLess is the predicate NLT_UQ, which holds for NaN.
const notLess = U8(0x15)
