// Package number reads numbers from text as programs in many languages write them, and
// writes numbers that all of them read.
package number

import (
	"errors"
	"math"
	"regexp"
	"strconv"
)

// ErrSyntax is the error of a text that is not a number.
var ErrSyntax = errors.New("not a number")

// fortran matches the numbers of Fortran programs that others cannot read: with D or Q for
// E, and, if the exponent has three digits, without a letter. They always have a point, so
// that dates, ranges and codes such as 12-105 or 1D2 do not match.
var fortran = regexp.MustCompile(`^([+-]?(?:\d+\.\d*|\.\d+))(?:[dDqQ]([+-]?\d+)|([+-]\d{3}))$`)

// Parse returns the number that text means: one that [strconv.ParseFloat] reads, or one in
// the style of Fortran, such as 0.105D+02 or 1.05+100. The error is [ErrSyntax], or
// [strconv.ErrRange] if the number is too large.
func Parse(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		parts := fortran.FindStringSubmatch(text)
		if parts == nil {
			return 0, ErrSyntax
		}
		v, err = strconv.ParseFloat(parts[1]+"e"+parts[2]+parts[3], 64)
	}
	if err != nil {
		return 0, strconv.ErrRange
	}
	return v, nil
}

// Append appends v to b with as many digits as are needed to read it back unchanged. It has
// an exponent only below 1e-6 and from 1e21 on, as in JSON: many programs read a whole number
// up to the first character that is not a digit, so that they would take 1e+06 for 1.
func Append(b []byte, v float64) []byte {
	format := byte('f')
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'g'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}
