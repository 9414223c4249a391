package tabular

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Dialect is how a file is written. Its zero value fits most files.
type Dialect struct {
	Delimiter string   // between columns, one character; empty: that of the file's format
	Comment   string   // at the start of lines to skip, one character; empty: none
	Decimal   string   // before the fraction of a number; empty: a point
	Thousands string   // between groups of three digits; empty: nothing
	SkipLines int      // before the line of names
	SkipRows  int      // after it
	Missing   []string // texts or numbers that mean a missing value
}

// numbers reads numbers of one dialect.
type numbers struct {
	decimal, thousands string
	missing            map[string]bool
	lengths            uint64 // bit n: one of missing has n bytes, which saves most look-ups
	absent             []float64
}

// isMissing reports whether text means a missing value.
func (n *numbers) isMissing(text string) bool {
	return n.lengths&(1<<(len(text)%64)) != 0 && n.missing[text]
}

// isAbsent reports whether v means a missing value.
func (n *numbers) isAbsent(v float64) bool { return len(n.absent) > 0 && slices.Contains(n.absent, v) }

func (d Dialect) numbers() numbers {
	n := numbers{decimal: d.Decimal, thousands: d.Thousands, missing: map[string]bool{}}
	for _, text := range d.Missing {
		n.missing[text] = true
		n.lengths |= 1 << (len(text) % 64)
		if v, err := n.parse(text); err == nil && !math.IsNaN(v) {
			n.absent = append(n.absent, v)
		}
	}
	return n
}

// Float returns the number that text means in the dialect.
func (d Dialect) Float(text string) (float64, error) {
	return (&numbers{decimal: d.Decimal, thousands: d.Thousands}).parse(text)
}

var errNumber = errors.New("not a number")

func (n *numbers) parse(text string) (float64, error) {
	if n.decimal == "" && n.thousands == "" {
		return strconv.ParseFloat(text, 64)
	}
	mark := n.decimal
	if mark == "" {
		mark = "."
	}
	whole, fraction, marked := strings.Cut(text, mark)
	whole, ok := n.ungrouped(whole)
	if !ok || strings.Contains(fraction, ".") || mark != "." && strings.Contains(whole, ".") {
		return 0, errNumber
	}
	if marked {
		whole += "." + fraction
	}
	return strconv.ParseFloat(whole, 64)
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
var others = []Dialect{{Decimal: ","}, {Decimal: ",", Thousands: "."}, {Thousands: ","}, {Thousands: " "}}

// hint says what to do about a text that is not a number.
func (n *numbers) hint(text string) string {
	for _, d := range others {
		if v, err := d.Float(text); err != nil || math.IsNaN(v) || math.IsInf(v, 0) || n.decimal != "" || n.thousands != "" {
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
	return "fix it; if it means a missing value, add it to `missing`"
}
