package tabular

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// records are the rows of a text file, as [csv.Reader] reads them. The row that Read returns is
// valid until the next call.
type records interface {
	Read() (row []string, err error)
	FieldPos(column int) (line, at int) // of that row; both from 1, at in bytes
}

// words are records whose columns have any number of blanks between them. A column in quotes
// may contain blanks. Empty lines are skipped, as are those that begin with comment.
type words struct {
	in      *bufio.Reader
	comment string // empty: none
	line    int
	columns int // of the first row
	row     []string
	at      []int
}

func (w *words) Read() ([]string, error) {
	for {
		text, err := w.in.ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || text == "") {
			return nil, err
		}
		w.line++
		if w.comment != "" && strings.HasPrefix(text, w.comment) {
			continue
		}
		if err := w.split(text); err != nil {
			return nil, err
		}
		switch {
		case len(w.row) == 0:
			continue
		case w.columns == 0:
			w.columns = len(w.row)
		case w.columns != len(w.row):
			return w.row, w.fault(1, csv.ErrFieldCount)
		}
		return w.row, nil
	}
}

func (w *words) split(text string) error {
	const blanks = " \t\r\n"
	w.row, w.at = w.row[:0], w.at[:0]
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], blanks))
		if at == len(text) {
			return nil
		}
		end := strings.IndexAny(text[at:], blanks)
		next := at + end
		switch {
		case text[at] == '"':
			at++
			end = strings.IndexByte(text[at:], '"')
			if next = at + end + 1; end < 0 {
				return w.fault(at, csv.ErrQuote)
			}
		case end < 0:
			end, next = len(text)-at, len(text)
		}
		w.row, w.at = append(w.row, text[at:at+end]), append(w.at, at+1)
		at = next
	}
}

func (w *words) fault(at int, err error) error {
	return &csv.ParseError{StartLine: w.line, Line: w.line, Column: at, Err: err}
}

func (w *words) FieldPos(column int) (line, at int) { return w.line, w.at[column] }
