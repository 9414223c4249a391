package obsnonlinear

import "math"

// function is a scalar function and its derivative.
type function struct {
	value, slope func(u float64) float64
}

// functions holds the functions by the value of the parameter operator. At 0, abs has the
// slope 0, one of its subgradients.
var functions = map[string]function{
	"identity": {func(u float64) float64 { return u }, func(float64) float64 { return 1 }},
	"abs":      {math.Abs, sign},
	"square":   {func(u float64) float64 { return u * u }, func(u float64) float64 { return 2 * u }},
	"cube":     {func(u float64) float64 { return u * u * u }, func(u float64) float64 { return 3 * u * u }},
	"exp":      {math.Exp, math.Exp},
	"log_abs":  {func(u float64) float64 { return math.Log(math.Abs(u)) }, func(u float64) float64 { return 1 / u }},
	"arctan":   {math.Atan, func(u float64) float64 { return 1 / (1 + u*u) }},
	"tanh":     {math.Tanh, func(u float64) float64 { t := math.Tanh(u); return 1 - t*t }},
}

func sign(u float64) float64 {
	switch {
	case u > 0:
		return 1
	case u < 0:
		return -1
	}
	return 0
}
