package number

import (
	"errors"
	"math"
	"strconv"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]float64{
		"1.5": 1.5, "-3": -3, "1e3": 1000, "+.5": 0.5, "inf": math.Inf(1),
		"0.105000000000D+02": 10.5, "1.05d1": 10.5, "-.5D-1": -0.05, "+2.D0": 2, "1.5Q+03": 1500,
		"1.05+100": 1.05e100, "-0.25-101": -0.25e-101, ".5+100": 0.5e100, "1.0D-400": 0,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: got %g, %v, want %g", text, got, err, want)
		}
	}
	// texts that could be taken for numbers with a missing letter: dates, ranges, codes
	for _, text := range []string{"", "D", "1D2", "20d", "2026-105", "5-100", "1.05+10", "1.05+1000", "10.02-01-2026", "1.5D", "1.5D+", "D+02", ".D1", "1.5F2", "1,5D0", " 1.5D0", "1.5 D0", "1.5e"} {
		if got, err := Parse(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: got %g, %v, want ErrSyntax", text, got, err)
		}
	}
	for _, text := range []string{"1e400", "1.0D+400", "1.0+999"} {
		if got, err := Parse(text); !errors.Is(err, strconv.ErrRange) {
			t.Errorf("%q: got %g, %v, want ErrRange", text, got, err)
		}
	}
}

func TestAppend(t *testing.T) {
	for v, want := range map[float64]string{
		1e6: "1000000", -12345678: "-12345678", 1e15: "1000000000000000", 123456789.25: "123456789.25", 1e20: "100000000000000000000", 1e21: "1e+21",
		0: "0", math.Copysign(0, -1): "-0", 0.00001: "0.00001", 1e-7: "1e-07", 0.1: "0.1", math.Inf(1): "+Inf",
	} {
		if got := string(Append(nil, v)); got != want {
			t.Errorf("%g: got %s, want %s", v, got, want)
		}
	}
}

// Every finite number that Fortran writes in its styles is read back.
func FuzzParse(f *testing.F) {
	f.Add(10.5)
	f.Add(-1.05e100)
	f.Add(5e-324)
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		if got, err := Parse(string(Append(nil, v))); err != nil || got != v {
			t.Errorf("%s: got %g, %v, want %g", Append(nil, v), got, err, v)
		}
		text := strconv.FormatFloat(v, 'E', 17, 64)
		mantissa, exponent := text[:len(text)-len("E+00")], text[len(text)-len("+00"):]
		if mantissa[len(mantissa)-1] == 'E' || exponent[0] != '+' && exponent[0] != '-' { // three digits
			mantissa, exponent = text[:len(text)-len("E+000")], text[len(text)-len("+000"):]
			if got, err := Parse(mantissa + exponent); err != nil || got != v {
				t.Errorf("%s%s: got %g, %v, want %g", mantissa, exponent, got, err, v)
			}
		}
		if got, err := Parse(mantissa + "D" + exponent); err != nil || got != v {
			t.Errorf("%sD%s: got %g, %v, want %g", mantissa, exponent, got, err, v)
		}
	})
}
