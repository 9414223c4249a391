package process

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/template"

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

// codecOf returns the codec for states of layout l and the name of a file; text is the
// template of an input of any other format.
func codecOf(name string, l *sdk.Layout, text *template.Template) codec {
	switch filepath.Ext(name) {
	case ".csv":
		return csvCodec{valueNames(l)}
	case ".npy":
		return npyCodec{}
	case ".json":
		return jsonCodec{}
	case ".arrows":
		return arrowCodec{}
	}
	return textCodec{text}
}

// textCodec makes files from a template and reads numbers separated by white space.
type textCodec struct{ template *template.Template }

func (c textCodec) encode(w io.Writer, t *task) error { return c.template.Execute(w, t.values()) }

func (c textCodec) decode(r io.Reader, _ *task, into *mat.Dense) error {
	values := into.RawMatrix().Data
	words := bufio.NewScanner(r)
	words.Split(bufio.ScanWords)
	k := 0
	for ; words.Scan(); k++ {
		if k == len(values) {
			return fmt.Errorf("holds more than %d numbers", len(values))
		}
		v, err := parseNumber(words.Text())
		if err != nil {
			return fmt.Errorf("number %d: %w", k+1, err)
		}
		values[k] = v
	}
	if err := words.Err(); err != nil {
		return err
	}
	if k < len(values) {
		return fmt.Errorf("holds %d numbers, want %d", k, len(values))
	}
	return nil
}

// arrowCodec writes and reads Arrow IPC streams like those between plume and its plugins;
// see package wire.
type arrowCodec struct{}

func (arrowCodec) encode(w io.Writer, t *task) error {
	e, err := wire.NewEncoder(t.layout)
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
	d := wire.NewDecoder(t.layout)
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
			return fmt.Errorf("value %d: %w", i+1, err)
		}
		dst[i] = v
	}
	return nil
}

func parseNumber(text string) (float64, error) {
	v, err := number.Parse(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("got %q, want a number", brief(text))
	}
	return v, nil
}

// brief returns text, cut if it is long.
func brief(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
