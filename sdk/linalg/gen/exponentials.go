package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows of the table of constants, four equal numbers each; see exp.go.
const (
	rowLog2E = iota
	rowRound
	rowLn2High
	rowLn2Low
	rowLimit
	rowSeries
)

const (
	tableRow    = 4 * word
	seriesTerms = 12
)

// exponentials writes the kernel of the exponentials of numbers relative to the
// largest. Numbers are handled by eights, the last ones under a mask, and summed in
// eight lanes.
func exponentials(v vectors) {
	TEXT("exponentials"+v.name(), NOSPLIT, "func(w, offsets []float64, slope float64, table *[68]float64) float64")
	Pragma("noescape")
	Doc(fmt.Sprintf("exponentials%s is the kernel exponentials.", v.name()))
	e := &expKernel{vectors: v, w: Load(Param("w").Base(), GP64()), offsets: Load(Param("offsets").Base(), GP64()), table: Load(Param("table"), GP64())}
	n := Load(Param("w").Len(), GP64())
	e.eights, e.rest = GP64(), GP64()
	MOVQ(n, e.eights)
	SHRQ(U8(3), e.eights)
	MOVQ(n, e.rest)
	ANDQ(U8(7), e.rest)
	e.mask = v.maskOf(e.rest)
	largest := e.shift()
	sum := e.exponentiate(largest)
	Store(sum, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

type expKernel struct {
	vectors
	w, offsets, table, eights, rest reg.Register
	mask                            []reg.Register
}

// each8 writes body for every eight numbers, and with masks for those that are left.
// step moves pointers on.
func (e *expKernel) each8(id string, pointers []reg.Register, body func(masked bool)) {
	left := GP64()
	MOVQ(e.eights, left)
	TESTQ(left, left)
	JZ(LabelRef(id + "rest"))
	Label(id)
	body(false)
	for _, p := range pointers {
		ADDQ(U8(panelRow), p)
	}
	DECQ(left)
	JNZ(LabelRef(id))
	Label(id + "rest")
	TESTQ(e.rest, e.rest)
	JZ(LabelRef(id + "end"))
	body(true)
	Label(id + "end")
}

func (e *expKernel) load(masked bool, from reg.Register, part int, to reg.VecVirtual) {
	at := Mem{Base: from, Disp: part * e.bytes()}
	if masked {
		e.loadMasked(at, e.mask[part], to)
	} else {
		VMOVUPD(at, to)
	}
}

func (e *expKernel) store(masked bool, from reg.VecVirtual, to reg.Register, part int) {
	at := Mem{Base: to, Disp: part * e.bytes()}
	if masked {
		e.storeMasked(from, e.mask[part], at)
	} else {
		VMOVUPD(from, at)
	}
}

// shift writes the loop that sets w to slope w + offsets, and returns the largest of
// them in all lanes. VMAXPD gives its first operand here where one is NaN.
func (e *expKernel) shift() reg.VecVirtual {
	lowest := e.vector()
	bits, one := GP64(), XMM()
	MOVQ(U64(math.Float64bits(math.Inf(-1))), bits)
	VMOVQ(bits, one)
	VBROADCASTSD(one, lowest)
	slope := e.vector()
	VBROADCASTSD(argument("slope"), slope)
	largest := make([]reg.VecVirtual, e.each())
	for part := range largest {
		largest[part] = e.vector()
		VMOVAPD(lowest, largest[part])
	}
	w, offsets := GP64(), GP64()
	MOVQ(e.w, w)
	MOVQ(e.offsets, offsets)
	e.each8("shift", []reg.Register{w, offsets}, func(masked bool) {
		for part := range largest {
			x, offset := e.vector(), e.vector()
			e.load(masked, w, part, x)
			e.load(masked, offsets, part, offset)
			VFMADD213PD(offset, slope, x)
			e.store(masked, x, w, part)
			if masked {
				e.fill(e.mask[part], lowest, x)
			}
			VMAXPD(largest[part], x, largest[part])
		}
	})
	for part := 1; part < len(largest); part++ {
		VMAXPD(largest[0], largest[part], largest[0])
	}
	all := e.vector()
	VBROADCASTSD(fold(largest[0], func(ops ...Op) { VMAXPD(ops...) }), all)
	return all
}

// exponentiate writes the loop that sets w to exp(w - largest), and returns the sum.
func (e *expKernel) exponentiate(largest reg.VecVirtual) reg.Register {
	sum := make([]reg.VecVirtual, e.each())
	for part := range sum {
		sum[part] = e.vector()
		e.zero(sum[part])
	}
	constant := e.constants(e.table, tableRow, rowSeries+seriesTerms)
	w, zero := GP64(), e.vector()
	e.zero(zero)
	MOVQ(e.w, w)
	e.each8("exp", []reg.Register{w}, func(masked bool) {
		for part := range sum {
			x := e.vector()
			e.load(masked, w, part, x)
			VSUBPD(largest, x, x)
			y := e.exp(x, constant)
			if masked {
				e.fill(e.mask[part], zero, y)
			}
			e.store(masked, y, w, part)
			VADDPD(y, sum[part], sum[part])
		}
	})
	for part := 1; part < len(sum); part++ {
		VADDPD(sum[part], sum[0], sum[0])
	}
	return fold(sum[0], func(ops ...Op) { VADDPD(ops...) })
}

// exp writes the exponential of x. The low bits of shifted are the exponent of
// 2^k, biased.
func (e *expKernel) exp(x reg.VecVirtual, constant []Op) reg.VecVirtual {
	shifted, k, r, p := e.vector(), e.vector(), e.vector(), e.vector()
	VMOVAPD(x, shifted)
	VFMADD213PD(constant[rowRound], constant[rowLog2E], shifted)
	VSUBPD(constant[rowRound], shifted, k)
	VMOVAPD(x, r)
	VFNMADD231PD(constant[rowLn2High], k, r)
	VFNMADD231PD(constant[rowLn2Low], k, r)
	VMOVUPD(constant[rowSeries], p)
	for term := 1; term < seriesTerms; term++ {
		VFMADD213PD(constant[rowSeries+term], r, p)
	}
	VPSLLQ(U8(52), shifted, shifted)
	y := e.vector()
	e.unlessBelow(constant[rowLimit], x, shifted, p, y)
	return y
}

// fold returns the lanes of v folded to one by op, halves first.
func fold(v reg.VecVirtual, op func(...Op)) reg.Register {
	half := v
	if v.Size() == 64 {
		high, low := YMM(), YMM()
		VEXTRACTF64X4(U8(1), v, high)
		VEXTRACTF64X4(U8(0), v, low)
		op(high, low, low)
		half = low
	}
	high, low := XMM(), half.AsX()
	VEXTRACTF128(U8(1), half, high)
	op(high, low, low)
	VUNPCKHPD(low, low, high)
	op(high, low, low)
	return low
}
