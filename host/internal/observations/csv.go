package observations

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/sdk/wire/rows"
)

// source is a file with rows.
type source interface {
	Names() []string
	Select(columns []int) error
	Next(cells []rows.Cell) (bool, error)
	Close() error
}

// csvFile reads a text file with a line of names and a row of values below it. All
// cells are texts.
type csvFile struct {
	file    io.ReadCloser
	reader  *csv.Reader
	names   []string
	columns []int
	row     []string
}

var byteOrderMark = []byte("\ufeff")

func openCSV(path string, delimiter, comment string) (*csvFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return newCSV(f, delimiter, comment)
}

func newCSV(f io.ReadCloser, delimiter, comment string) (*csvFile, error) {
	buffer := bufio.NewReaderSize(f, 1<<16)
	if head, err := buffer.Peek(len(byteOrderMark)); err == nil && bytes.Equal(head, byteOrderMark) {
		_, _ = buffer.Discard(len(head)) // it was there
	}
	c := &csvFile{file: f, reader: csv.NewReader(buffer)}
	c.reader.Comma, _ = utf8.DecodeRuneInString(delimiter)
	if comment != "" {
		c.reader.Comment, _ = utf8.DecodeRuneInString(comment)
	}
	c.reader.ReuseRecord = true
	head, err := c.reader.Read()
	if errors.Is(err, io.EOF) {
		err = errors.New("is empty: there is no line of names")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for _, name := range head {
		c.names = append(c.names, strings.TrimSpace(strings.Clone(name)))
	}
	return c, nil
}

func (c *csvFile) Names() []string { return c.names }

func (c *csvFile) Select(columns []int) error {
	c.columns = columns
	return nil
}

func (c *csvFile) Next(cells []rows.Cell) (bool, error) {
	var err error
	if c.row, err = c.reader.Read(); err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	for i, k := range c.columns {
		cells[i] = rows.Cell{Kind: rows.Text, Text: strings.TrimSpace(c.row[k])}
	}
	return true, nil
}

func (c *csvFile) Close() error { return c.file.Close() }

// line returns the number of the current row's first line.
func (c *csvFile) line() int {
	line, _ := c.reader.FieldPos(0)
	return line
}

// field returns where field k of the current row is: line, and bytes of that line
// before it and of it.
func (c *csvFile) field(k int) (line, from, width int) {
	line, column := c.reader.FieldPos(k)
	return line, column - 1, len(c.row[k])
}

// lineOf returns a line of a file, from 1; empty when it cannot be read.
func lineOf(path string, number int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	r := bufio.NewReader(f)
	var text string
	for range number {
		if text, err = r.ReadString('\n'); err != nil && text == "" {
			return ""
		}
	}
	return strings.ToValidUTF8(strings.TrimRight(text, "\r\n"), "?")
}
