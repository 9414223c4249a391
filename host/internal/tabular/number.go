package tabular

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/pattern"
	"github.com/plume-da/plume/sdk/number"
)

// Dialect is how a file is written. Its zero value fits most files.
type Dialect struct {
	Delimiter string   // between columns, one character, where a blank stands for any number of blanks; empty: that of the file's format
	Comment   string   // at the start of lines to skip, one character; empty: none
	Decimal   string   // before the fraction of a number; empty: a point
	Thousands string   // between groups of three digits; empty: nothing
	SkipLines int      // before the line of names
	SkipRows  int      // after it
	Names     []string // of the columns, if no line has them
	Missing   []string // texts, patterns of texts (see package pattern) and numbers that mean a missing value
}

// numbers reads numbers of one dialect.
type numbers struct {
	decimal, thousands string
	missing            *pattern.Set
	absent             []float64
}

// isAbsent reports whether v means a missing value.
func (n *numbers) isAbsent(v float64) bool { return len(n.absent) > 0 && slices.Contains(n.absent, v) }

// numbers returns the reader of numbers in the dialect. A number that means a missing value
// also does as a value of single precision, which is how many files store it.
func (d Dialect) numbers() (n numbers, err error) {
	n = numbers{decimal: d.Decimal, thousands: d.Thousands}
	if n.missing, err = pattern.New(d.Missing); err != nil {
		return n, &Error{What: fmt.Sprintf("cannot be read with this `missing`: %v", err), Hint: "fix the pattern"}
	}
	for _, text := range d.Missing {
		if v, err := n.parse(text); err == nil && !math.IsNaN(v) {
			n.absent = append(n.absent, v, float64(float32(v)))
		}
	}
	return n, nil
}

// Float returns the number that text means in the dialect.
func (d Dialect) Float(text string) (float64, error) {
	return (&numbers{decimal: d.Decimal, thousands: d.Thousands}).parse(text)
}

func (n *numbers) parse(text string) (float64, error) {
	if n.decimal == "" && n.thousands == "" {
		return number.Parse(text)
	}
	mark := n.decimal
	if mark == "" {
		mark = "."
	}
	whole, fraction, marked := strings.Cut(text, mark)
	whole, ok := n.ungrouped(whole)
	if !ok || strings.Contains(fraction, ".") || mark != "." && strings.Contains(whole, ".") {
		return 0, number.ErrSyntax
	}
	if marked {
		whole += "." + fraction
	}
	return number.Parse(whole)
}

// ungrouped returns digits without the separators of groups of three, and whether all
// separators are in the right places.
func (n *numbers) ungrouped(digits string) (string, bool) {
	if n.thousands == "" || !strings.Contains(digits, n.thousands) {
		return digits, true
	}
	groups := strings.Split(digits, n.thousands)
	first := strings.TrimLeft(groups[0], "+-")
	if first == "" || len(first) > 3 {
		return "", false
	}
	for _, g := range groups[1:] {
		if len(g) != 3 {
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

// others are other ways to write numbers, for hints.
var others = []Dialect{{Decimal: ","}, {Decimal: ",", Thousands: "."}, {Thousands: ","}, {Thousands: " "}, {Thousands: "'"}, {Decimal: ",", Thousands: " "}}

// hint says what to do about a text that is not a number.
func (n *numbers) hint(text string) string {
	usual := n.thousands == "" && (n.decimal == "" || n.decimal == ".")
	for _, d := range others {
		if v, err := d.Float(text); err != nil || math.IsNaN(v) || math.IsInf(v, 0) || !usual {
			continue
		}
		keys := fmt.Sprintf("decimal = %q", d.Decimal)
		if d.Decimal == "" {
			keys = fmt.Sprintf("thousands = %q", d.Thousands)
		} else if d.Thousands != "" {
			keys += fmt.Sprintf(" and thousands = %q", d.Thousands)
		}
		return "if it is a number, write " + keys
	}
	if _, err := number.Parse(text); err == nil && (n.decimal != "" || n.thousands != "") {
		return "if it is a number, fix it, or write other marks as decimal and thousands"
	}
	if mark := n.mark(text); mark != "" {
		return fmt.Sprintf("fix it; if numbers with this mark are not to be used, add the pattern '/.*%s/' to `missing`", regexp.QuoteMeta(mark))
	}
	return "fix it; if it means a missing value, add it to `missing`"
}

// mark returns what follows a number in a text, such as "*" in "57.1*"; it is empty if no
// number does, or more than a mark.
func (n *numbers) mark(text string) string {
	const most = 3
	rest := strings.TrimLeft(text, "+-0123456789.,eEdD")
	before := strings.TrimSpace(strings.TrimSuffix(text, rest))
	if _, err := n.parse(before); err != nil || len(rest) > most || strings.ContainsAny(rest, "0123456789") {
		return ""
	}
	return strings.TrimSpace(rest)
}
