package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/archive"
	"golang.org/x/term"
)

// column is a column of a table for people. It says what may happen to the column if the
// table is wider than the terminal.
type column struct {
	head  string
	right bool // of numbers, which are never broken
	drop  int  // columns are dropped in this order, from 1, all of one number together; 0: never
	last  bool // it is dropped only if the others are too wide even when they are folded
	fold  bool // long cells take several lines, before those of other columns do

	// style returns how a cell of a row, from 0, looks on a terminal that takes colours; nil: all
	// are plain. What it says must be in the text too.
	style func(row int, cell string, c colours) string
}

// statusStyle is the style of a status: one that is not good stands out.
func statusStyle(_ int, cell string, c colours) string {
	for _, bad := range []archive.Status{archive.Failed, archive.Diverged, archive.Interrupted, archive.Stopped} {
		if strings.Contains(cell, string(bad)) {
			return c.red
		}
	}
	return ""
}

// rowStyle makes the cell of one row bold; -1: of none.
func rowStyle(bold int) func(row int, cell string, c colours) string {
	return func(row int, _ string, c colours) string {
		if row == bold {
			return c.bold
		}
		return ""
	}
}

const (
	gap      = 2  // blanks between columns
	narrowed = 12 // the smallest width of a folded column
)

// printTable prints rows below the heads of their columns, or without heads if there are
// none. On a terminal no line is longer than the terminal is wide; the columns that are
// dropped for this are named.
func printTable(w io.Writer, columns []column, rows [][]string) error {
	for _, row := range rows {
		for k := range row {
			row[k] = oneLine(row[k])
		}
	}
	width := widthOf(w)
	text, left := layOut(columns, rows, width, coloursOf(w))
	if len(left) > 0 {
		text += fold(fmt.Sprintf("not shown at this width: %s\n", strings.Join(left, ", ")), width)
	}
	_, err := io.WriteString(w, text)
	return err
}

// widthOf returns the width of a terminal; 0 if w is not one, so that lines may have any
// length.
func widthOf(w io.Writer) int {
	f, ok := raw(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// layOut returns the lines of a table that fits into width, and the heads of the columns
// that are dropped for it; with width 0 anything fits.
func layOut(columns []column, rows [][]string, width int, c colours) (text string, left []string) {
	lines, first := rows, 0
	if slices.ContainsFunc(columns, func(c column) bool { return c.head != "" }) {
		heads := make([]string, len(columns))
		for k, c := range columns {
			heads[k] = c.head
		}
		lines, first = append([][]string{heads}, rows...), 1
	}
	widths := make([]int, len(columns)) // 0: dropped
	for _, line := range lines {
		for k, cell := range line {
			widths[k] = max(widths[k], utf8.RuneCountInString(cell))
		}
	}
	left = narrow(columns, widths, width)
	var b strings.Builder
	for i, line := range lines {
		styles := make([]string, len(columns))
		for k := range line {
			if style := columns[k].style; style != nil && i >= first {
				styles[k] = style(i-first, line[k], c)
			}
		}
		writeRow(&b, columns, widths, line, styles, c.off)
	}
	return b.String(), left
}

// narrow folds and drops columns until widths fit into width, and returns the heads of those
// that are dropped, whose widths are 0.
func narrow(columns []column, widths []int, width int) (left []string) {
	drop := func(next int) {
		var dropped []string
		for k, c := range columns {
			if c.drop == columns[next].drop && widths[k] > 0 {
				dropped, widths[k] = append(dropped, c.head), 0
			}
		}
		left = append(dropped, left...)
	}
	for full := slices.Clone(widths); width > 0 && total(widths) > width; {
		if k := nextToDrop(columns, widths, false); k >= 0 {
			drop(k)
		} else if k := nextToFold(columns, widths); k >= 0 {
			widths[k]--
		} else if k := nextToDrop(columns, widths, true); k >= 0 {
			drop(k)
			for k, n := range widths {
				if n > 0 { // there may be room for all of it again
					widths[k] = full[k]
				}
			}
		} else {
			break
		}
	}
	return left
}

// total returns the length of lines whose columns have these widths.
func total(widths []int) int {
	sum := -gap
	for _, n := range widths {
		if n > 0 {
			sum += n + gap
		}
	}
	return sum
}

// nextToDrop returns the first of the columns that are dropped next, with last also of those that
// are dropped only if folding is not enough; -1 if all must stay.
func nextToDrop(columns []column, widths []int, last bool) int {
	next := -1
	for k, c := range columns {
		if c.drop > 0 && (last || !c.last) && widths[k] > 0 && (next < 0 || c.drop < columns[next].drop) {
			next = k
		}
	}
	return next
}

// nextToFold returns the widest of the columns that fold, or else of those that are not
// numbers; -1 if all are as narrow as allowed.
func nextToFold(columns []column, widths []int) int {
	next := -1
	for k, c := range columns {
		if c.right || widths[k] <= narrowed {
			continue
		}
		if next < 0 || c.fold && !columns[next].fold || c.fold == columns[next].fold && widths[k] > widths[next] {
			next = k
		}
	}
	return next
}

// writeRow writes the lines of a row, whose cells have styles that end with off.
func writeRow(b *strings.Builder, columns []column, widths []int, row, styles []string, off string) {
	for again := true; again; {
		again = false
		line := ""
		rest := make([]string, len(row))
		for k, cell := range row {
			if widths[k] == 0 {
				continue
			}
			cell, rest[k] = cut(cell, widths[k])
			again = again || rest[k] != ""
			pad := strings.Repeat(" ", max(0, widths[k]-utf8.RuneCountInString(cell)))
			if styles[k] != "" && cell != "" {
				cell = styles[k] + cell + off
			}
			if columns[k].right {
				line += pad + cell
			} else {
				line += cell + pad
			}
			line += strings.Repeat(" ", gap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		row = rest
	}
}

// cut returns the beginning of text that fits into width, up to a blank if there is one,
// and the rest.
func cut(text string, width int) (first, rest string) {
	letters := []rune(text)
	if len(letters) <= width {
		return text, ""
	}
	at := width
	for k := width; k > 0; k-- {
		if letters[k] == ' ' {
			at = k
			break
		}
	}
	return strings.TrimRight(string(letters[:at]), " "), strings.TrimLeft(string(letters[at:]), " ")
}
