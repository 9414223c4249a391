package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// product writes the kernel of a product: into rows x cols values of c go those of
// a b, or they are added to what is there. Every value is one chain of fused
// multiply-adds along depth, so that none depends on the sizes of the tiles.
func product(v vectors) {
	TEXT("product"+v.name(), NOSPLIT, "func(rows, cols, depth int, a []float64, lda int, panels, c []float64, ldc int, accumulate bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("product%s is the kernel product for at most %d columns.", v.name(), 8*v.panels()))
	k := &productKernel{
		vectors: v,
		rows:    Load(Param("rows"), GP64()),
		a:       Load(Param("a").Base(), GP64()), lda: bytes(Load(Param("lda"), GP64())),
		b: Load(Param("panels").Base(), GP64()),
		c: Load(Param("c").Base(), GP64()), ldc: bytes(Load(Param("ldc"), GP64())),
		mask: v.maskOf(Load(Param("cols"), GP64())),
	}
	for panels := v.panels(); panels > 0; panels-- {
		if panels > 1 {
			CMPQ(argument("cols"), U8(8*(panels-1)))
			JLE(LabelRef(fmt.Sprintf("panels%d", panels-1)))
		}
		for _, rows := range v.tiles() {
			k.tiles(panels, rows)
		}
		JMP(LabelRef("end"))
		if panels > 1 {
			Label(fmt.Sprintf("panels%d", panels-1))
		}
	}
	Label("end")
	VZEROUPPER()
	RET()
}

type productKernel struct {
	vectors
	rows, a, lda, b, c, ldc reg.Register
	mask                    []reg.Register
}

// tiles writes the loop over tiles of rows rows while as many are left.
func (k *productKernel) tiles(panels, rows int) {
	id := fmt.Sprintf("%dx%d", panels, rows)
	Label("tile" + id)
	CMPQ(k.rows, U8(rows))
	JL(LabelRef("less" + id))
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = make([]reg.VecVirtual, panels*k.each())
		for p := range acc[r] {
			acc[r][p] = k.vector()
		}
	}
	k.start(id, panels, acc)
	k.chain(id, panels, acc)
	k.finish(id, panels, acc)
	advance(k.a, k.lda, rows)
	advance(k.c, k.ldc, rows)
	SUBQ(U8(rows), k.rows)
	JMP(LabelRef("tile" + id))
	Label("less" + id)
}

// start writes the loading of the accumulators.
func (k *productKernel) start(id string, panels int, acc [][]reg.VecVirtual) {
	CMPB(argument("accumulate"), U8(0))
	JNE(LabelRef("add" + id))
	for _, row := range acc {
		for _, v := range row {
			k.zero(v)
		}
	}
	JMP(LabelRef("chain" + id))
	Label("add" + id)
	out := rowsAt(k.c, k.ldc, len(acc))
	for r, row := range acc {
		for p, v := range row {
			if p < (panels-1)*k.each() {
				VMOVUPD(out[r].Offset(p*k.bytes()), v)
			} else {
				k.loadMasked(out[r].Offset(p*k.bytes()), k.mask[p], v)
			}
		}
	}
}

// chain writes the loop along depth.
func (k *productKernel) chain(id string, panels int, acc [][]reg.VecVirtual) {
	Label("chain" + id)
	a, b, left := GP64(), make([]reg.Register, panels), GP64()
	MOVQ(k.a, a)
	in := rowsAt(a, k.lda, len(acc))
	MOVQ(argument("depth"), left)
	b[0] = GP64()
	MOVQ(k.b, b[0])
	for p := 1; p < panels; p++ {
		b[p] = GP64()
		MOVQ(argument("depth"), b[p])
		SHLQ(U8(6), b[p])
		ADDQ(b[p-1], b[p])
	}
	Label("step" + id)
	columns := make([]reg.VecVirtual, len(acc[0]))
	for p := range columns {
		columns[p] = k.vector()
		VMOVUPD(Mem{Base: b[p/k.each()], Disp: p % k.each() * k.bytes()}, columns[p])
	}
	for r, row := range acc {
		k.multiplyAdd(in[r], columns, row)
	}
	for _, base := range bases(in) {
		ADDQ(U8(word), base)
	}
	for _, panel := range b {
		ADDQ(U8(panelRow), panel)
	}
	DECQ(left)
	JNZ(LabelRef("step" + id))
}

// finish writes the storing of the accumulators.
func (k *productKernel) finish(id string, panels int, acc [][]reg.VecVirtual) {
	out := rowsAt(k.c, k.ldc, len(acc))
	CMPQ(argument("cols"), U8(8*panels))
	JNE(LabelRef("part" + id))
	for r, row := range acc {
		for p, v := range row {
			VMOVUPD(v, out[r].Offset(p*k.bytes()))
		}
	}
	JMP(LabelRef("stored" + id))
	Label("part" + id)
	for r, row := range acc {
		for p, v := range row {
			k.storeMasked(v, k.mask[p], out[r].Offset(p*k.bytes()))
		}
	}
	Label("stored" + id)
}

// argument returns where the argument of the given name lies.
func argument(name string) Mem {
	a, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return a.Addr
}

// bytes turns a stride in values into one in bytes.
func bytes(stride reg.Register) reg.Register {
	SHLQ(U8(3), stride)
	return stride
}

func advance(pointer, stride reg.Register, rows int) {
	for range rows {
		ADDQ(stride, pointer)
	}
}

// rowsAt returns the beginnings of rows rows of a matrix, of which base is the first,
// with one more register for every four rows.
func rowsAt(base, stride reg.Register, rows int) []Mem {
	var all []Mem
	triple := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, triple)
	}
	for r := 0; r < rows; r += 4 {
		if r > 0 {
			next := GP64()
			LEAQ(Mem{Base: base, Index: stride, Scale: 4}, next)
			base = next
		}
		four := []Mem{{Base: base}, {Base: base, Index: stride, Scale: 1}, {Base: base, Index: stride, Scale: 2}, {Base: base, Index: triple, Scale: 1}}
		all = append(all, four[:min(4, rows-r)]...)
	}
	return all
}

// bases returns the registers that rows are counted from.
func bases(rows []Mem) []reg.Register {
	var all []reg.Register
	for r := 0; r < len(rows); r += 4 {
		all = append(all, rows[r].Base)
	}
	return all
}
