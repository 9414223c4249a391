package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// four is the bytes of the numbers of four problems, one register of AVX2. Elements are
// handled unrolled at a time, then one by one.
const (
	four     = 4 * word
	unrolled = 4

	sliceHeader = 3 * word
)

// fours writes the kernels for four problems at a time.
func fours() {
	addDot()
	scale()
	multiply()
	invert()
	addScaled()
	subtractAll()
	updateMultiply()
	addResolvents()
}

// addDot writes the kernel of inner products, with one chain of sums for each element of a round.
func addDot() {
	TEXT("addDotAVX2", NOSPLIT, "func(sum *[4]float64, x, y [][4]float64)")
	Pragma("noescape")
	Doc("addDotAVX2 is the kernel addDot.")
	x, y := Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	sums := make([]reg.VecVirtual, unrolled)
	for k := range sums {
		sums[k] = YMM()
		VXORPD(sums[k], sums[k], sums[k])
	}
	sum := Mem{Base: Load(Param("sum"), GP64())}
	eachElement(Load(Param("x").Len(), GP64()), []reg.Register{x, y}, func(k int) {
		v := YMM()
		VMOVUPD(Mem{Base: x, Disp: k * four}, v)
		VFMADD231PD(Mem{Base: y, Disp: k * four}, v, sums[k])
	})
	VADDPD(sums[2], sums[0], sums[0])
	VADDPD(sums[3], sums[1], sums[1])
	VADDPD(sums[1], sums[0], sums[0])
	VADDPD(sum, sums[0], sums[0])
	VMOVUPD(sums[0], sum)
	VZEROUPPER()
	RET()
}

// scale writes the kernel of products with a factor.
func scale() {
	TEXT("scaleAVX2", NOSPLIT, "func(dst [][4]float64, s *[4]float64)")
	Pragma("noescape")
	Doc("scaleAVX2 is the kernel scale.")
	dst, factor := Load(Param("dst").Base(), GP64()), YMM()
	VMOVUPD(Mem{Base: Load(Param("s"), GP64())}, factor)
	eachElement(Load(Param("dst").Len(), GP64()), []reg.Register{dst}, func(k int) {
		v := YMM()
		VMULPD(Mem{Base: dst, Disp: k * four}, factor, v)
		VMOVUPD(v, Mem{Base: dst, Disp: k * four})
	})
	VZEROUPPER()
	RET()
}

// multiply writes the kernel of products of elements.
func multiply() {
	TEXT("multiplyAVX2", NOSPLIT, "func(dst, x, y [][4]float64)")
	Pragma("noescape")
	Doc("multiplyAVX2 is the kernel multiply.")
	dst, x, y := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64()), Load(Param("y").Base(), GP64())
	eachElement(Load(Param("dst").Len(), GP64()), []reg.Register{dst, x, y}, func(k int) {
		v := YMM()
		VMOVUPD(Mem{Base: x, Disp: k * four}, v)
		VMULPD(Mem{Base: y, Disp: k * four}, v, v)
		VMOVUPD(v, Mem{Base: dst, Disp: k * four})
	})
	VZEROUPPER()
	RET()
}

// invert writes the kernel of inverses of elements with a shift.
func invert() {
	TEXT("invertAVX2", NOSPLIT, "func(dst, x [][4]float64, s *[4]float64)")
	Pragma("noescape")
	Doc("invertAVX2 is the kernel invert.")
	dst, x := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64())
	shift, one := YMM(), YMM()
	VMOVUPD(Mem{Base: Load(Param("s"), GP64())}, shift)
	bits, low := GP64(), XMM()
	MOVQ(U64(math.Float64bits(1)), bits)
	VMOVQ(bits, low)
	VBROADCASTSD(low, one)
	eachElement(Load(Param("dst").Len(), GP64()), []reg.Register{dst, x}, func(k int) {
		v := YMM()
		VADDPD(Mem{Base: x, Disp: k * four}, shift, v)
		VDIVPD(v, one, v)
		VMOVUPD(v, Mem{Base: dst, Disp: k * four})
	})
	VZEROUPPER()
	RET()
}

// addScaled writes the kernel that adds a vector times a factor.
func addScaled() {
	TEXT("addScaledAVX2", NOSPLIT, "func(dst [][4]float64, s *[4]float64, x [][4]float64)")
	Pragma("noescape")
	Doc("addScaledAVX2 is the kernel addScaled.")
	dst, x, factor := Load(Param("dst").Base(), GP64()), Load(Param("x").Base(), GP64()), YMM()
	VMOVUPD(Mem{Base: Load(Param("s"), GP64())}, factor)
	eachElement(Load(Param("dst").Len(), GP64()), []reg.Register{dst, x}, func(k int) {
		v := YMM()
		VMOVUPD(Mem{Base: dst, Disp: k * four}, v)
		VFMADD231PD(Mem{Base: x, Disp: k * four}, factor, v)
		VMOVUPD(v, Mem{Base: dst, Disp: k * four})
	})
	VZEROUPPER()
	RET()
}

// subtractAll writes the kernel that takes many vectors, each times a factor, from one, of which a
// stretch is in registers while all pass.
func subtractAll() {
	TEXT("subtractAllAVX2", NOSPLIT, "func(dst, factors [][4]float64, rows [][][4]float64)")
	Pragma("noescape")
	Doc("subtractAllAVX2 is the kernel subtractAll.")
	dst, left := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	factors, rows, count := Load(Param("factors").Base(), GP64()), Load(Param("rows").Base(), GP64()), Load(Param("factors").Len(), GP64())
	at := GP64() // bytes of dst that are done
	XORQ(at, at)
	TESTQ(count, count)
	JZ(LabelRef("end"))
	for width := 8; width > 0; width-- {
		id := fmt.Sprint(width)
		Label("stretch" + id)
		CMPQ(left, U8(width))
		JL(LabelRef("less" + id))
		sums := make([]reg.VecVirtual, width)
		for e := range sums {
			sums[e] = YMM()
			VMOVUPD(Mem{Base: dst, Index: at, Scale: 1, Disp: e * four}, sums[e])
		}
		factor, row, term := GP64(), GP64(), GP64()
		MOVQ(factors, factor)
		MOVQ(rows, row)
		MOVQ(count, term)
		Label("term" + id)
		x, f := GP64(), YMM()
		MOVQ(Mem{Base: row}, x)
		VMOVUPD(Mem{Base: factor}, f)
		for e := range sums {
			VFNMADD231PD(Mem{Base: x, Index: at, Scale: 1, Disp: e * four}, f, sums[e])
		}
		ADDQ(U8(four), factor)
		ADDQ(U8(sliceHeader), row)
		DECQ(term)
		JNZ(LabelRef("term" + id))
		for e := range sums {
			VMOVUPD(sums[e], Mem{Base: dst, Index: at, Scale: 1, Disp: e * four})
		}
		ADDQ(I32(width*four), at)
		SUBQ(U8(width), left)
		JMP(LabelRef("stretch" + id))
		Label("less" + id)
	}
	Label("end")
	VZEROUPPER()
	RET()
}

// updateMultiply writes the kernel that passes over lower triangles, row after row.
func updateMultiply() {
	TEXT("updateMultiplyAVX2", NOSPLIT, "func(a, x, y, u, p [][4]float64)")
	Pragma("noescape")
	Doc("updateMultiplyAVX2 is the kernel updateMultiply.")
	load := func(name string) reg.Register { return Load(Param(name).Base(), GP64()) }
	k := &triangleKernel{a: load("a"), x: load("x"), y: load("y"), u: load("u"), p: load("p"), at: GP64()}
	rows, row, left := Load(Param("u").Len(), GP64()), GP64(), GP64() // row: the bytes of one before its diagonal
	XORQ(row, row)
	Label("row")
	TESTQ(rows, rows)
	JZ(LabelRef("end"))
	MOVQ(row, k.at)
	k.xj, k.yj, k.uj = k.load(k.x, 0), k.load(k.y, 0), k.load(k.u, 0)
	k.sums = make([]reg.VecVirtual, unrolled)
	for e := range k.sums {
		k.sums[e] = YMM()
		VXORPD(k.sums[e], k.sums[e], k.sums[e])
	}
	XORQ(k.at, k.at)
	MOVQ(row, left)
	SHRQ(U8(7), left)
	JZ(LabelRef("rest"))
	Label("round")
	for e := range unrolled {
		k.element(e, false)
	}
	ADDQ(I32(unrolled*four), k.at)
	DECQ(left)
	JNZ(LabelRef("round"))
	Label("rest")
	MOVQ(row, left)
	ANDQ(U32(unrolled*four-1), left)
	for e := range unrolled - 1 {
		CMPQ(left, U8(e*four))
		JE(LabelRef(fmt.Sprintf("diagonal%d", e)))
		k.element(e, false)
	}
	for e := unrolled - 1; e >= 0; e-- {
		Label(fmt.Sprintf("diagonal%d", e))
		k.element(e, true)
		if e > 0 {
			JMP(LabelRef("sum"))
		}
	}
	Label("sum")
	MOVQ(row, k.at)
	VADDPD(k.sums[2], k.sums[0], k.sums[0])
	VADDPD(k.sums[3], k.sums[1], k.sums[1])
	VADDPD(k.sums[1], k.sums[0], k.sums[0])
	VADDPD(Mem{Base: k.p, Index: k.at, Scale: 1}, k.sums[0], k.sums[0])
	VMOVUPD(k.sums[0], Mem{Base: k.p, Index: k.at, Scale: 1})
	ADDQ(row, k.a)
	ADDQ(U8(four), k.a)
	ADDQ(U8(four), row)
	DECQ(rows)
	JMP(LabelRef("row"))
	Label("end")
	VZEROUPPER()
	RET()
}

type triangleKernel struct {
	a, x, y, u, p, at reg.Register
	xj, yj, uj        reg.VecVirtual
	sums              []reg.VecVirtual
}

func (k *triangleKernel) load(from reg.Register, displacement int) reg.VecVirtual {
	v := YMM()
	VMOVUPD(Mem{Base: from, Index: k.at, Scale: 1, Disp: displacement}, v)
	return v
}

// element writes what is done with an element of a row.
func (k *triangleKernel) element(e int, diagonal bool) {
	in := func(base reg.Register) Mem { return Mem{Base: base, Index: k.at, Scale: 1, Disp: e * four} }
	v := k.load(k.a, e*four)
	VFNMADD231PD(in(k.y), k.xj, v)
	VFNMADD231PD(in(k.x), k.yj, v)
	VMOVUPD(v, in(k.a))
	VFMADD231PD(in(k.u), v, k.sums[e])
	if !diagonal {
		sum := k.load(k.p, e*four)
		VFMADD231PD(k.uj, v, sum)
		VMOVUPD(sum, in(k.p))
	}
}

// addResolvents writes the kernel that solves tridiagonal systems, for two shifts at a time: most of the time
// it waits for one over a pivot.
func addResolvents() {
	const pair = 2
	TEXT("addResolventsAVX2", NOSPLIT, "func(sum, weights, shifts, alpha, below, x, work [][4]float64)")
	Pragma("noescape")
	Doc("addResolventsAVX2 is the kernel addResolvents.")
	load := func(name string) reg.Register { return Load(Param(name).Base(), GP64()) }
	sum, alpha, below, x, work := load("sum"), load("alpha"), load("below"), load("x"), load("work")
	weights, shifts := load("weights"), load("shifts")
	pairs, n := Load(Param("weights").Len(), GP64()), Load(Param("sum").Len(), GP64())
	bytes, at := GP64(), GP64()
	MOVQ(n, bytes)
	SHLQ(U8(5), bytes)
	SHRQ(U8(1), pairs)
	JZ(LabelRef("end"))
	one, shift, right, inverse, ratio, y := YMM(), fourEach(pair), fourEach(pair), fourEach(pair), fourEach(pair), fourEach(pair)
	bits := GP64()
	MOVQ(U64(math.Float64bits(1)), bits)
	VMOVQ(bits, one.AsX())
	VBROADCASTSD(one.AsX(), one)
	Label("pair")
	for k := range pair {
		VMOVUPD(Mem{Base: shifts, Disp: k * four}, shift[k])
		VXORPD(right[k], right[k], right[k])
		VXORPD(inverse[k], inverse[k], inverse[k])
		VXORPD(ratio[k], ratio[k], ratio[k])
		VXORPD(y[k], y[k], y[k])
	}
	forth := GP64() // in work: for each row ratio and solution so far, for one shift and the other
	MOVQ(work, forth)
	XORQ(at, at)
	Label("down")
	offDiagonal, diagonal := YMM(), YMM()
	VMOVUPD(Mem{Base: below, Index: at, Scale: 1}, offDiagonal)
	VMOVUPD(Mem{Base: alpha, Index: at, Scale: 1}, diagonal)
	for k := range pair {
		pivot, side := YMM(), YMM()
		VMULPD(inverse[k], offDiagonal, ratio[k])
		VMOVUPD(ratio[k], Mem{Base: forth, Disp: 2 * k * four})
		VMOVUPD(Mem{Base: x, Index: at, Scale: 1}, side)
		VFNMADD231PD(right[k], ratio[k], side)
		VMOVAPD(side, right[k])
		VADDPD(shift[k], diagonal, pivot)
		VFNMADD231PD(offDiagonal, ratio[k], pivot)
		VDIVPD(pivot, one, inverse[k])
		VMULPD(inverse[k], right[k], side)
		VMOVUPD(side, Mem{Base: forth, Disp: (2*k + 1) * four})
	}
	ADDQ(I32(2*pair*four), forth)
	ADDQ(U8(four), at)
	CMPQ(at, bytes)
	JL(LabelRef("down"))
	weight := fourEach(pair)
	for k := range pair {
		VMOVUPD(Mem{Base: weights, Disp: k * four}, weight[k])
		VXORPD(ratio[k], ratio[k], ratio[k])
	}
	Label("up")
	SUBQ(I32(2*pair*four), forth)
	SUBQ(U8(four), at)
	total := YMM()
	VMOVUPD(Mem{Base: sum, Index: at, Scale: 1}, total)
	for k := range pair {
		solution := YMM()
		VMOVUPD(Mem{Base: forth, Disp: (2*k + 1) * four}, solution)
		VFNMADD231PD(y[k], ratio[k], solution)
		VMOVAPD(solution, y[k])
		VMOVUPD(Mem{Base: forth, Disp: 2 * k * four}, ratio[k])
		VFMADD231PD(y[k], weight[k], total)
	}
	VMOVUPD(total, Mem{Base: sum, Index: at, Scale: 1})
	TESTQ(at, at)
	JNZ(LabelRef("up"))
	ADDQ(I32(pair*four), shifts)
	ADDQ(I32(pair*four), weights)
	DECQ(pairs)
	JNZ(LabelRef("pair"))
	Label("end")
	VZEROUPPER()
	RET()
}

func fourEach(n int) []reg.VecVirtual {
	all := make([]reg.VecVirtual, n)
	for k := range all {
		all[k] = YMM()
	}
	return all
}

// eachElement writes the loop over n elements: body for the k-th of a round of unrolled ones,
// and with the same numbers for those that are left.
func eachElement(n reg.Register, pointers []reg.Register, body func(k int)) {
	rounds := GP64()
	MOVQ(n, rounds)
	SHRQ(U8(2), rounds)
	JZ(LabelRef("rest"))
	Label("round")
	for k := range unrolled {
		body(k)
	}
	for _, p := range pointers {
		ADDQ(I32(unrolled*four), p)
	}
	DECQ(rounds)
	JNZ(LabelRef("round"))
	Label("rest")
	for k := range unrolled - 1 {
		TESTQ(U32(unrolled-1), n)
		JZ(LabelRef("end"))
		body(k)
		DECQ(n)
	}
	Label("end")
}
