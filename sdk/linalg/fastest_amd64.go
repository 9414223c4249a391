//go:build amd64 && !noasm

package linalg

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd gen && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg linalg"

var foursAVX2 = fours{addDotAVX2, scaleAVX2, multiplyAVX2, invertAVX2, addScaledAVX2, subtractAllAVX2, updateMultiplyAVX2, addResolventsAVX2}

// available are the kernels that this processor has, the fastest last.
var available = func() []kernels {
	all := []kernels{portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, kernels{"AVX2", 8, productAVX2, exponentialsAVX2, foursAVX2})
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		all = append(all, kernels{"AVX-512", 16, productAVX512, exponentialsAVX512, foursAVX2})
	}
	return all
}()
