package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The network sorts all sequences because it sorts those of zeros and ones (Knuth
// 1998, theorem Z).
func TestNetwork(t *testing.T) {
	for bits := range 1 << 8 {
		var k [8]uint64
		for i := range k {
			k[i] = uint64(bits >> i & 1)
		}
		if sortEight(&k); !slices.IsSorted(k[:]) {
			t.Fatalf("%08b: %v", bits, k)
		}
	}
}

func TestSort(t *testing.T) {
	random, s := rand.New(rand.NewPCG(1, 2)), &sorter{}
	special := []float64{math.Inf(1), math.Inf(-1), 0, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64}
	for n := range 300 {
		for _, ties := range []float64{1e-300, 1, 1000} { // many, some, none
			v := make([]float64, n)
			for i := range v {
				if v[i] = math.Round(random.NormFloat64()*ties) / ties; random.IntN(10) == 0 {
					v[i] = special[random.IntN(len(special))]
				}
			}
			want := slices.Sorted(slices.Values(v))
			if s.sort(v); !slices.Equal(v, want) {
				t.Fatalf("got %v, want %v", v, want)
			}
		}
	}
	v := []float64{1, math.NaN(), -3, math.Copysign(math.NaN(), -1), 2} // a NaN hides no number
	s.sort(v)
	v = slices.DeleteFunc(v, math.IsNaN)
	if !slices.Equal(v, []float64{-3, 1, 2}) {
		t.Errorf("beside NaNs: %v", v)
	}
}

func BenchmarkSort(b *testing.B) {
	random, s := rand.New(rand.NewPCG(1, 2)), &sorter{}
	for _, n := range []int{40, 1000} {
		all, v := make([]float64, 1024*n), make([]float64, n)
		for i := range all {
			all[i] = random.NormFloat64()
		}
		for name, sort := range map[string]func([]float64){"sorter": s.sort, "slices": slices.Sort[[]float64]} {
			b.Run(name, func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					copy(v, all[i%1024*n:])
					sort(v)
				}
			})
		}
	}
}
