package tabular

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plume-da/plume/sdk/wire/rows"
	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

// textFile is a source of texts: a line of names, followed by rows of values.
type textFile struct {
	file    *os.File
	bytes   *budget
	reader  records
	skipped int // lines before the first that reader reads
	names   []rows.Column
	named   string // where they are
	columns []rows.Ref
	row     []string
	limit   *io.LimitedReader // nil: all of the file is read
	recoded bool              // the file is not in UTF-8
}

// text returns a function that opens text files of a format, whose usual form holds where
// the dialect says nothing.
func text(usual Dialect) opener {
	return func(f *os.File, d Dialect, bytes int64) (source, error) {
		d.Delimiter, d.Comment, d.SkipRows = cmp.Or(d.Delimiter, usual.Delimiter), cmp.Or(d.Comment, usual.Comment), cmp.Or(d.SkipRows, usual.SkipRows)
		t := &textFile{file: f, skipped: d.SkipLines}
		if bytes > 0 {
			t.limit = &io.LimitedReader{R: f, N: bytes}
			return t, t.open(t.limit, d)
		}
		return t, t.open(f, d)
	}
}

// character returns the only character of s, or 0 if s is empty.
func character(s string) rune {
	if s == "" {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func (t *textFile) open(in io.Reader, d Dialect) error {
	t.bytes = &budget{in: in, left: math.MaxInt} // lines to skip are not kept
	raw := bufio.NewReaderSize(t.bytes, 1<<16)
	lines, err := decoded(raw, 1<<16)
	if err != nil {
		return err
	}
	t.recoded = lines != raw
	for range d.SkipLines {
		if err := skipLine(lines); errors.Is(err, io.EOF) {
			return &Error{What: fmt.Sprintf("has no line of names after the %d lines to skip", d.SkipLines), Hint: "lower skip_lines"}
		} else if err != nil {
			return err
		}
	}
	t.reader = &words{in: lines, comment: d.Comment, columns: len(d.Names)}
	if d.Delimiter != " " {
		r := csv.NewReader(lines)
		r.Comma, r.Comment, r.ReuseRecord, r.FieldsPerRecord = character(d.Delimiter), character(d.Comment), true, len(d.Names)
		r.TrimLeadingSpace = !unicode.IsSpace(r.Comma) // before quotes
		t.reader = r
	}
	head := d.Names
	if t.named = "names"; head == nil {
		t.named = "the line of names"
		if head, err = t.read(); errors.Is(err, io.EOF) {
			return errors.New("is empty: there is no line of names")
		} else if err != nil {
			return t.misread(err)
		}
	}
	for _, name := range head {
		t.names = append(t.names, rows.Column{Name: strings.TrimSpace(strings.Clone(name))})
	}
	for range d.SkipRows {
		if _, err := t.read(); err != nil && !errors.Is(err, csv.ErrFieldCount) && !errors.Is(err, io.EOF) {
			return t.misread(err)
		}
	}
	return nil
}

// mostRow is how many bytes a row may have, with the comments before it. A quote without a second
// one would make a row of all that follows it. A variable for tests.
var mostRow = 64 << 20

// read returns the next row.
func (t *textFile) read() ([]string, error) {
	t.bytes.left = mostRow
	return t.reader.Read()
}

// budget is a reader that gives so many bytes at most, and then an error.
type budget struct {
	in   io.Reader
	left int
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, &Error{What: fmt.Sprintf("has a row of more than %d bytes", mostRow), Hint: "quotes come in pairs, and every row ends with a line break"}
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// below says which line after the first is that of the names: one that has a column called
// name.
func (t *textFile) below(name string) string {
	const most = 200
	if t.named == "names" { // there is none
		return ""
	}
	f, err := os.Open(t.file.Name())
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := decoded(io.LimitReader(f, int64(mostRow)), 1<<12)
	for number := 1; err == nil && number < most; number++ {
		var text string
		if text, err = r.ReadString('\n'); number < t.skipped+2 {
			continue
		}
		fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(";,\t|", r) })
		if slices.ContainsFunc(fields, func(f string) bool { return norm.NFC.String(strings.Trim(f, " \"\r\n")) == name }) {
			return fmt.Sprintf("line %d has it: write skip_lines = %d", number, number-1)
		}
	}
	return ""
}

func (t *textFile) Columns() []rows.Column { return t.names }

func (t *textFile) Select(refs []rows.Ref) error {
	t.columns = refs
	return nil
}

func (t *textFile) Next(cells []Cell) (bool, error) {
	var err error
	if t.row, err = t.read(); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, t.misread(err)
	}
	for i, ref := range t.columns {
		cells[i].Kind, cells[i].Text = Text, strings.TrimSpace(t.row[ref.Column]) // the other fields stay zero
	}
	return true, nil
}

// extend lets Next go on after so many bytes more. Text in UTF-16 and a file that had fewer bytes
// than were to be read cannot be read on.
func (t *textFile) extend(bytes int64) bool {
	if t.limit == nil || t.limit.N > 0 || t.recoded {
		return false
	}
	t.limit.N = bytes
	if _, ok := t.reader.(*csv.Reader); ok {
		t.skipped-- // it has counted the end as a line
	}
	return true
}

func (t *textFile) Close() error { return t.file.Close() }

func (t *textFile) Row() int {
	number, _ := t.reader.FieldPos(0)
	return t.skipped + number
}

func (t *textFile) At(column int) Place {
	number, from := t.reader.FieldPos(column)
	return t.place(number, from, len(t.row[column]))
}

// place returns the place of width bytes of a line, counted as the reader does.
func (t *textFile) place(number, from, width int) Place {
	number += t.skipped
	text := line(t.file.Name(), number)
	from = min(max(from-1, 0), len(text))
	return Place{Line: number, Text: valid(text), Before: utf8.RuneCountInString(text[:from]),
		Width: utf8.RuneCountInString(text[from:min(len(text), from+width)])}
}

// misread returns err with the place of the line that is wrong.
func (t *textFile) misread(err error) error {
	var e *csv.ParseError
	if !errors.As(err, &e) {
		return err
	}
	out := &Error{Place: t.place(e.Line, e.Column, 1), What: fmt.Sprintf("the line cannot be read: %v", e.Err), err: err,
		Hint: "every line must have as many columns as the first, and quotes come in pairs"}
	if errors.Is(err, csv.ErrFieldCount) {
		if r, ok := t.reader.(*csv.Reader); ok && r.Comma == ',' && len(t.row) > len(t.names) {
			out.Hint += "; a number with a comma in it has to be in quotes"
		}
		out.Width = utf8.RuneCountInString(out.Text)
		out.What = fmt.Sprintf("wrong number of columns: got %d, want %d as in %s", len(t.row), len(t.names), t.named)
	}
	return out
}

// decoded returns the text of f in UTF-8, without a byte order mark, through a buffer of
// size bytes. Text in UTF-16 is recognised by its mark.
func decoded(f io.Reader, size int) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(f, size)
	head, err := r.Peek(min(size, 1<<10))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, err = r.Discard(3)
		return r, err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return bufio.NewReaderSize(utf.UTF16(utf.LittleEndian, utf.ExpectBOM).NewDecoder().Reader(r), size), nil
	case bytes.IndexByte(head, 0) >= 0:
		return nil, &Error{What: "contains zero bytes, which UTF-8 text does not have", Hint: "save it as UTF-8; UTF-16 is read if it begins with a byte order mark"}
	case bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(bytes.TrimRight(head, "\r"), '\r') >= 0:
		return nil, &Error{What: "has lines that end in carriage returns alone", Hint: "convert it, for example with tr '\\r' '\\n' <old >new"}
	}
	return r, nil
}

// Head returns the first size bytes of the text of a file, in UTF-8; fewer if it is shorter.
func Head(path string, size int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := decoded(f, size)
	if err != nil {
		return nil, err
	}
	head, err := r.Peek(size)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

func skipLine(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// line returns a line of a text file, from 1; empty if it cannot be read.
func line(path string, number int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := decoded(f, 1<<12)
	if err != nil {
		return ""
	}
	for range number - 1 {
		if skipLine(r) != nil {
			return ""
		}
	}
	text, err := bufio.NewReader(io.LimitReader(r, int64(mostRow))).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return strings.TrimRight(text, "\r\n")
}

// valid returns text with every byte that is not UTF-8 replaced by one character.
func valid(text string) string {
	return strings.ReplaceAll(string([]rune(text)), string(utf8.RuneError), "?")
}
