package rng

import (
	"math"
	"testing"
)

// The numbers behind every published result: a change of the derivation changes
// all of them, so it must not happen unnoticed.
func TestDerivationIsFixed(t *testing.T) {
	s := New(42).Child("truth", 3)
	if want := (Seed{0xd5699fd496af4366, 0xed5770b8a8b5b29b}); s != want {
		t.Errorf("seed: got %#x, want %#x", s, want)
	}
	if got, want := s.Member(5).Uint64(), uint64(9657860584604845082); got != want {
		t.Errorf("first number of member 5: got %d, want %d", got, want)
	}
}

func TestPathsDiffer(t *testing.T) {
	root := New(1)
	seen := map[Seed]string{}
	for name, s := range map[string]Seed{
		"root": root, "other root": New(2), "a0": root.Child("a", 0), "a1": root.Child("a", 1),
		"b0": root.Child("b", 0), "a0a0": root.Child("a", 0).Child("a", 0), "minus": New(-1),
	} {
		if other, ok := seen[s]; ok {
			t.Errorf("%s and %s share a seed", name, other)
		}
		seen[s] = name
	}
}

// Streams of neighbouring members are uncorrelated: over n pairs the sample
// correlation of independent normals has standard error 1/sqrt(n); 4.5 of them
// are exceeded once in 1.5e5 trials.
func TestMembersAreIndependent(t *testing.T) {
	const n = 20000
	s := New(7)
	for _, lag := range []int{1, 2, 64} {
		var sum float64
		for i := range n {
			sum += s.Member(i).NormFloat64() * s.Member(i+lag).NormFloat64()
		}
		if r := sum / n; math.Abs(r) > 4.5/math.Sqrt(n) {
			t.Errorf("members %d apart correlate with %.4f", lag, r)
		}
	}
}

// First draws across members are standard normal: mean within 4.5/sqrt(n),
// variance within 4.5 sqrt(2/n) of 1.
func TestMomentsAcrossMembers(t *testing.T) {
	const n = 50000
	s := New(9).Child("x", 0)
	var sum, squares float64
	row := make([]float64, 2)
	for i := range n {
		Normals(s.Member(i), row)
		sum += row[1]
		squares += row[1] * row[1]
	}
	if mean := sum / n; math.Abs(mean) > 4.5/math.Sqrt(n) {
		t.Errorf("mean %.4f", mean)
	}
	if v := squares / n; math.Abs(v-1) > 4.5*math.Sqrt(2.0/n) {
		t.Errorf("variance %.4f", v)
	}
}

func BenchmarkMember(b *testing.B) {
	s := New(1)
	for i := range b.N {
		s.Member(i).NormFloat64()
	}
}
