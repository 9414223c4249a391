package tomltext

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestArithmetic(t *testing.T) {
	for s, want := range map[string]float64{
		"8/3": 8.0 / 3, " 8 / 3 ": 8.0 / 3, "1+2*3": 7, "(1+2)*3": 9, "2-3-4": -5, "2/4/5": 0.1, "-2*-3": 6, "2--3": 5, "+-+4": -4,
		"1e3": 1000, "1E-3": 0.001, "1.5e+2": 150, ".5": 0.5, "5.": 5, "100_000": 1e5,
		"pi": math.Pi, "2*pi": 2 * math.Pi, "sqrt(2)": math.Sqrt2, "sqrt (4)": 2, "exp(1)": math.E, "log(8)/log(2)": 3, "sin(0)+cos(0)": 1,
		"sqrt(sqrt(16))": 2, "-(-(-1))": -1,
	} {
		got, err := Arithmetic(s)
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestArithmeticRefuses(t *testing.T) {
	for s, want := range map[string]Fault{
		"":             {0, "expected a number, but found the end"},
		"1+":           {2, "expected a number, but found the end"},
		"1 2":          {2, "expected an operator, but found `2`"},
		"2pi":          {1, "expected an operator, but found `pi`"},
		"2**3":         {1, "there is no `**`: multiply, or use exp and log"},
		"2^3":          {1, "expected an operator, but found `^`"},
		"(1":           {0, "this `(` is not closed"},
		"(1 é":         {3, "expected an operator or `)`, but found `é`"},
		"1)":           {1, "expected an operator, but found `)`"},
		"sqrt 2":       {0, "`sqrt` needs its argument in parentheses"},
		"sqrt()":       {5, "expected a number, but found `)`"},
		"rho":          {0, "expected a number, but found `rho`"},
		"os.Exit(1)":   {0, "expected a number, but found `os`"},
		"1e":           {0, "`1e` is not a number"},
		"1e999":        {0, "`1e999` is not a number"},
		"0x10":         {1, "expected an operator, but found `x10`"},
		"1/0":          {0, "the result is inf, not a finite number"},
		"1 + sqrt(-1)": {0, "the result is nan, not a finite number"},
		"=1":           {0, "expected a number, but found `=`"},
	} {
		v, err := Arithmetic(s)
		if err == nil || *err != want {
			t.Errorf("%q = %v, %+v; want %+v", s, v, err, want)
		}
	}
	for _, open := range []string{"(", "-", "sqrt(", "+(", "2*("} {
		if _, err := Arithmetic(strings.Repeat(open, 1e6) + "1"); err == nil || !strings.Contains(err.What, "deep") {
			t.Errorf("a million %q: %v", open, err)
		}
	}
}

// TestArithmeticRandom compares with Go's own arithmetic on random expressions:
// the same operations in the same order, so the same bits.
func TestArithmeticRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		s, want := expression(r, 5)
		got, err := Arithmetic(s)
		finite := !math.IsNaN(want) && !math.IsInf(want, 0)
		if finite && (err != nil || got != want) || !finite && err == nil {
			t.Fatalf("%s = %v, %v; want %v", s, got, err, want)
		}
	}
}

func expression(r *rand.Rand, depth int) (string, float64) {
	if depth == 0 {
		v := float64(r.IntN(100)) / 4
		return fmt.Sprint(v), v
	}
	a, x := expression(r, depth-1)
	b, y := expression(r, r.IntN(depth))
	switch r.IntN(6) {
	case 0:
		return "(" + a + ") + (" + b + ")", x + y
	case 1:
		return "(" + a + ")-(" + b + ")", x - y
	case 2:
		return "(" + a + ")* (" + b + ")", x * y
	case 3:
		return "(" + a + ") /(" + b + ")", x / y
	case 4:
		return "-(" + a + ")", -x
	default:
		return "sqrt(" + a + ")", math.Sqrt(x)
	}
}
