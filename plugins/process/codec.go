package process

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/number"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
)

// codec is a format of files. Its two directions are independent.
type codec interface {
	// encode writes the states of t.
	encode(w io.Writer, t *task) error
	// decode fills into, one row per member of t, with the results in a file. It accepts
	// the format that encode writes, and returns an error for anything else.
	decode(r io.Reader, t *task, into *mat.Dense) error
}

// codecOf returns the codec for states and the name of a file, or for the line of a server
// if it is empty, without what parameters say of texts.
func (m *model) codecOf(name string) codec {
	switch filepath.Ext(name) {
	case ".csv":
		return csvCodec{names: valueNames(m.layout.Prognostic())}
	case ".npy":
		return npyCodec{}
	case ".json":
		return jsonCodec{}
	case ".arrows":
		return arrowCodec{}
	case ".nc":
		return netcdfCodec{}
	}
	if name == "" {
		return jsonCodec{}
	}
	return textCodec{}
}

// textCodec makes files from a template, and reads numbers separated by white space: all,
// or those that a table picks.
type textCodec struct {
	template *template.Template
	table    *table // nil: all numbers
	last     bool   // of the last lines
}

func (c textCodec) encode(w io.Writer, t *task) error { return c.template.Execute(w, t.values()) }

func (c textCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	if c.table != nil {
		return c.table.decode(r, t, into)
	}
	text, err := readText(r, boundOf(mostText, into))
	if err != nil {
		return err
	}
	values := into.RawMatrix().Data
	lines := numbersIn(text)
	if c.last {
		lines = tail(lines, len(values))
	}
	k := 0
	for _, l := range lines {
		for _, f := range l.fields {
			v, err := parseNumber(f)
			if err != nil {
				if strings.Contains(f, ",") && strings.ContainsFunc(f, unicode.IsLetter) { // names
					return fmt.Errorf("line %d: %w; %s", l.line, err, commasHint)
				}
				return fmt.Errorf("line %d: %w; columns and names can be given in read", l.line, err)
			}
			if k < len(values) {
				values[k] = v
			}
			k++
		}
	}
	switch {
	case k > len(values) && c.last:
		return fmt.Errorf("its last lines hold %d numbers, want %d; columns can be given in read", k, len(values))
	case k > len(values):
		return fmt.Errorf("holds %d numbers, want %d; rows = \"last\" takes the last, and read gives columns", k, len(values))
	case k < len(values):
		return fmt.Errorf("holds %d numbers, want %d", k, len(values))
	}
	return nil
}

// numbersIn returns the lines of text that are not comments, split at blanks.
func numbersIn(text string) []record {
	var lines []record
	number := 0
	for line := range strings.Lines(text) {
		if number++; !isComment(strings.TrimSpace(line)) {
			lines = append(lines, record{line: number, fields: strings.Fields(line)})
		}
	}
	return lines
}

// tail returns the last lines that together have at least n fields.
func tail(lines []record, n int) []record {
	for i, l := range slices.Backward(lines) {
		if n -= len(l.fields); n <= 0 {
			return lines[i:]
		}
	}
	return lines
}

// arrowCodec writes and reads Arrow IPC streams like those between plume and its plugins;
// see package wire.
type arrowCodec struct{}

func (arrowCodec) encode(w io.Writer, t *task) error {
	e, err := wire.NewEncoder(t.layout.Prognostic(), wire.Double)
	if err != nil {
		return err
	}
	segments, _, err := e.Segments(mat.DenseCopyOf(t.states), nil)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if _, err := w.Write(s); err != nil {
			return err
		}
	}
	return nil
}

func (arrowCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	d := wire.NewDecoder(t.layout, wire.Double)
	d.Reset(into)
	if _, err := io.Copy(d, r); err != nil {
		return err
	}
	rows, err := d.Close()
	if want := into.RawMatrix().Rows; err == nil && rows != want {
		return fmt.Errorf("holds %d rows, want %d", rows, want)
	}
	return err
}

// valueNames returns the name of every value of l: that of its variable, followed
// by its indices in brackets.
func valueNames(l *sdk.Layout) []string {
	names := make([]string, 0, l.Size())
	for _, v := range l.Variables {
		names = appendNames(names, v.Name, v.Shape)
	}
	return names
}

func appendNames(names []string, prefix string, shape []int) []string {
	if len(shape) == 0 {
		return append(names, prefix)
	}
	for i := range shape[0] {
		names = appendNames(names, fmt.Sprintf("%s[%d]", prefix, i), shape[1:])
	}
	return names
}

func parseNumbers(dst []float64, fields []string) error {
	for i, f := range fields {
		v, err := parseNumber(f)
		if err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
		dst[i] = v
	}
	return nil
}

func parseNumber(text string) (float64, error) {
	v, err := number.Parse(strings.TrimSpace(text))
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("got %q, which is out of range", brief(text))
	case strings.Count(text, ",") == 1 && !strings.Contains(text, "."):
		if _, err := number.Parse(strings.Replace(strings.TrimSpace(text), ",", ".", 1)); err == nil {
			return 0, fmt.Errorf("got %q, want a number with a decimal point", brief(text))
		}
	}
	return 0, fmt.Errorf("got %q, want a number", brief(text))
}

// brieflyShown is how much a message shows of a text.
const brieflyShown = 200

// brief returns text, cut if it is long.
func brief(text string) string {
	if len(text) > brieflyShown {
		return text[:brieflyShown] + "..."
	}
	return text
}
