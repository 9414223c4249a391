package tomltext

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
)

// maxNesting bounds parentheses, function calls and signs within each other.
const maxNesting = 100

// Fault says what is wrong with an expression, and at which byte.
type Fault struct {
	Offset int
	What   string
}

// Arithmetic returns the value of an expression of numbers, + - * / ( ), pi,
// sqrt, exp, log, sin and cos, with the usual precedence. A value that is not a
// finite number is a fault.
func Arithmetic(expression string) (float64, *Fault) {
	c := &calculator{text: expression}
	v := c.sum(0)
	c.space()
	if c.err == nil && c.pos < len(c.text) {
		c.fail(c.pos, "expected an operator, but found %s", c.found())
	}
	if c.err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		c.fail(0, "the result is %s, not a finite number", Show(v))
	}
	if c.err != nil {
		return 0, c.err
	}
	return v, nil
}

var functions = map[string]func(float64) float64{
	"sqrt": math.Sqrt, "exp": math.Exp, "log": math.Log, "sin": math.Sin, "cos": math.Cos,
}

type calculator struct {
	text string
	pos  int
	err  *Fault // the first
}

func (c *calculator) fail(offset int, format string, args ...any) float64 {
	if c.err == nil {
		c.err = &Fault{offset, fmt.Sprintf(format, args...)}
	}
	c.pos = len(c.text)
	return 0
}

func (c *calculator) space() {
	for c.pos < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.pos]) >= 0 {
		c.pos++
	}
}

// accept returns the next byte that is not a space and moves past it if it is one of
// bytes. Otherwise it returns 0.
func (c *calculator) accept(bytes string) byte {
	c.space()
	if c.pos < len(c.text) && strings.IndexByte(bytes, c.text[c.pos]) >= 0 {
		c.pos++
		return c.text[c.pos-1]
	}
	return 0
}

// found describes what stands at the current position.
func (c *calculator) found() string {
	if c.pos >= len(c.text) {
		return "the end"
	}
	if w := c.word(); w != "" {
		return "`" + w + "`"
	}
	r := []rune(c.text[c.pos:min(len(c.text), c.pos+4)])[0]
	return fmt.Sprintf("`%c`", r)
}

func (c *calculator) word() string {
	end := c.pos
	for end < len(c.text) && (isLetter(c.text[end]) || end > c.pos && isDigit(c.text[end])) {
		end++
	}
	return c.text[c.pos:end]
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' }
func isDigit(b byte) bool  { return b >= '0' && b <= '9' }

func (c *calculator) sum(depth int) float64 {
	v := c.product(depth)
	for {
		switch c.accept("+-") {
		case '+':
			v += c.product(depth)
		case '-':
			v -= c.product(depth)
		default:
			return v
		}
	}
}

func (c *calculator) product(depth int) float64 {
	v := c.factor(depth)
	for {
		switch c.accept("*/") {
		case '*':
			if c.pos < len(c.text) && c.text[c.pos] == '*' {
				return c.fail(c.pos-1, "there is no `**`: multiply, or use exp and log")
			}
			v *= c.factor(depth)
		case '/':
			v /= c.factor(depth)
		default:
			return v
		}
	}
}

func (c *calculator) factor(depth int) float64 {
	if depth > maxNesting {
		return c.fail(c.pos, "nests more than %d deep", maxNesting)
	}
	switch c.accept("+-(") {
	case '-':
		return -c.factor(depth + 1)
	case '+':
		return c.factor(depth + 1)
	case '(':
		return c.closed(c.pos-1, depth)
	}
	if c.pos < len(c.text) && (isDigit(c.text[c.pos]) || c.text[c.pos] == '.') {
		return c.number()
	}
	return c.named(depth)
}

// closed reads up to the parenthesis that closes the one at open.
func (c *calculator) closed(open, depth int) float64 {
	v := c.sum(depth + 1)
	if c.accept(")") == 0 {
		if c.pos < len(c.text) {
			return c.fail(c.pos, "expected an operator or `)`, but found %s", c.found())
		}
		return c.fail(open, "this `(` is not closed")
	}
	return v
}

func (c *calculator) named(depth int) float64 {
	start, name := c.pos, c.word()
	if name == "pi" {
		c.pos += len(name)
		return math.Pi
	}
	f := functions[name]
	if f == nil {
		return c.fail(start, "expected a number, but found %s", c.found())
	}
	c.pos += len(name)
	if c.accept("(") == 0 {
		return c.fail(start, "`%s` needs its argument in parentheses", name)
	}
	return f(c.closed(c.pos-1, depth))
}

func (c *calculator) number() float64 {
	start := c.pos
	digits := func() {
		for c.pos < len(c.text) && (isDigit(c.text[c.pos]) || c.text[c.pos] == '_') {
			c.pos++
		}
	}
	digits()
	if c.pos < len(c.text) && c.text[c.pos] == '.' {
		c.pos++
		digits()
	}
	if c.pos < len(c.text) && c.text[c.pos]|0x20 == 'e' {
		c.pos++
		if c.pos < len(c.text) && (c.text[c.pos] == '+' || c.text[c.pos] == '-') {
			c.pos++
		}
		digits()
	}
	literal := c.text[start:c.pos]
	v, err := strconv.ParseFloat(strings.ReplaceAll(literal, "_", ""), 64)
	if err != nil {
		return c.fail(start, "`%s` is not a number", diag.Shorten(literal))
	}
	return v
}
