// Command gen writes the kernels of package linalg for amd64: see "make kernels".
// It is a module of its own so that plume does not depend on the assembler's
// library.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// Bytes of a float64, and of a row of a panel, which has 8 columns.
const (
	word     = 8
	panelRow = 8 * word
)

func main() {
	ConstraintExpr("amd64,!noasm")
	tails()
	for _, v := range []vectors{avx2{}, avx512{}} {
		product(v)
		exponentials(v)
	}
	fours()
	Generate()
}

// tails writes the masks of AVX2: eight words of ones and eight of zeros, from which
// the words from 8 - k on select the first k of eight.
func tails() {
	GLOBL("tails", RODATA|NOPTR)
	for k := range 16 {
		DATA(k*word, I64(int64(min(0, k/8-1))))
	}
}

var tailsTable = NewDataAddr(Symbol{Name: "tails", Static: true}, 0)
