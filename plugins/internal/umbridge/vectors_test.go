package umbridge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestVectorsKeepEveryBit(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		x := math.Float64frombits(source.Uint64())
		if x-x != 0 {
			continue
		}
		text, err := json.Marshal(Vector{x, 1})
		if err != nil || !strings.HasSuffix(string(text), ",1.0]") {
			t.Fatalf("got %s, %v", text, err)
		}
		var got Vector
		if err := json.Unmarshal(text, &got); err != nil || len(got) != 2 || math.Float64bits(got[0]) != math.Float64bits(x) {
			t.Fatalf("%v is written as %s and read as %v: %v", x, text, got, err)
		}
	}
	if _, err := json.Marshal(Vector{0, math.NaN()}); err == nil {
		t.Error("NaN is written")
	}
}

func BenchmarkVector1000(b *testing.B) {
	v := make(Vector, 1000)
	for i := range v {
		v[i] = math.Sin(float64(i))
	}
	for b.Loop() {
		text, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		if err := json.Unmarshal(text, &v); err != nil {
			b.Fatal(err)
		}
	}
}
