package process

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"gonum.org/v1/gonum/mat"
)

// csvCodec writes and reads a header with the names of the values and one line per
// member. Numbers have as many digits as are needed to read them back unchanged.
type csvCodec struct{ names []string }

func (c csvCodec) encode(w io.Writer, t *task) error {
	out := csv.NewWriter(w)
	if err := out.Write(c.names); err != nil {
		return err
	}
	fields := make([]string, len(c.names))
	for i := range t.seeds {
		for j, v := range t.states.RawRowView(i) {
			fields[j] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		if err := out.Write(fields); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (c csvCodec) decode(r io.Reader, _ *task, into *mat.Dense) error {
	in := csv.NewReader(r)
	in.ReuseRecord, in.TrimLeadingSpace = true, true
	if err := readHeader(in, c.names); err != nil {
		return err
	}
	rows := into.RawMatrix().Rows
	for i := range rows {
		fields, err := in.Read()
		if err == io.EOF {
			return fmt.Errorf("holds %d lines below its header, want %d", i, rows)
		}
		if err != nil {
			return err
		}
		if err := parseNumbers(into.RawRowView(i), fields); err != nil {
			return fmt.Errorf("line %d: %w", i+2, err)
		}
	}
	if _, err := in.Read(); err != io.EOF {
		return fmt.Errorf("holds more than %d lines below its header", rows)
	}
	return nil
}

// readHeader reads the first line, which must hold names; every later line then
// has as many fields.
func readHeader(in *csv.Reader, names []string) error {
	header, err := in.Read()
	if err == io.EOF {
		return fmt.Errorf("is empty")
	}
	if err != nil {
		return err
	}
	if len(header) != len(names) {
		return fmt.Errorf("header: got %d names, want %d, such as %s", len(header), len(names), names[0])
	}
	for j, name := range names {
		if header[j] != name {
			return fmt.Errorf("header: got %q, want %s", brief(header[j]), name)
		}
	}
	return nil
}
