package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"gonum.org/v1/gonum/mat"
)

// Rows reads parts of the variables of a complete table without the rest of it. It is safe for
// concurrent use.
type Rows struct {
	path    string
	file    *os.File
	widths  []int // values of each variable in a row
	batches []placed
}

// placed is where the values of a record batch are.
type placed struct {
	from, rows int     // the number of the first row, and how many there are
	values     []int64 // positions in the file, by variable
}

// OpenRows opens the table path, which was written with the given columns, none of them Packed, and
// without metadata. Cost: reads the metadata of each record batch.
func OpenRows(path string, columns []Column) (*Rows, error) {
	e, err := encodingFor(columns, nil)
	if err != nil {
		return nil, err
	}
	r := &Rows{path: path}
	if r.file, err = os.Open(path); err != nil {
		return nil, err
	}
	if err := r.place(e, columns); err != nil {
		r.file.Close()
		return nil, r.fault(err)
	}
	return r, nil
}

func (r *Rows) fault(err error) error { return fmt.Errorf("%s: %w", r.path, err) }

// place finds the values of all record batches.
func (r *Rows) place(e *encoding, columns []Column) error {
	start, text := make([]byte, len(e.start)), make([]byte, len(e.batch))
	if _, err := r.file.ReadAt(start, 0); err != nil {
		return err
	}
	if !bytes.Equal(start, e.start) {
		return ErrColumns
	}
	for _, c := range columns {
		if c.Type == Values {
			r.widths = append(r.widths, c.Variable.Size())
		}
	}
	from, at := 0, int64(len(start))
	for {
		if _, err := r.file.ReadAt(text[:metadataPrefix], at); err != nil {
			return err
		}
		if bytes.Equal(text[:metadataPrefix], endOfStream) {
			return nil
		}
		if _, err := r.file.ReadAt(text, at); err != nil {
			return err
		}
		metadata := text[metadataPrefix:]
		rows, body := binary.LittleEndian.Uint64(metadata[e.at.Rows:]), binary.LittleEndian.Uint64(metadata[e.at.Body:])
		if rows > math.MaxInt32 || body > math.MaxInt64/2 {
			return errDamaged
		}
		at += int64(len(text))
		r.batches = append(r.batches, placed{from, int(rows), e.valuesAt(columns, text, at)})
		from, at = from+int(rows), at+int64(body)
	}
}

// valuesAt returns where the values of the variables of a batch are, whose body begins at a position.
func (e *encoding) valuesAt(columns []Column, text []byte, body int64) (at []int64) {
	n := e.numbers(text)
	for i, f := range e.fields {
		if f.id == arrow.FIXED_SIZE_LIST {
			get(&n.buffers)
		}
		get(&n.buffers) // says which values are null
		values, _ := get(&n.buffers)
		if f.width == 0 {
			get(&n.buffers)
		}
		if columns[i].Type == Values {
			at = append(at, body+int64(values))
		}
	}
	return at
}

// Len returns the number of rows.
func (r *Rows) Len() int {
	if len(r.batches) == 0 {
		return 0
	}
	last := r.batches[len(r.batches)-1]
	return last.from + last.rows
}

// Read sets dst to rows from from on of the variables, next to one another, from value first on. What
// was written as null, see [Block], is NaN. It is an error if there are not as many rows.
func (r *Rows) Read(dst *mat.Dense, from, first int) error {
	rows, n := dst.Dims()
	for done := 0; done < rows; {
		b := r.batch(from + done)
		if b == nil {
			return r.fault(fmt.Errorf("got no row %d", from+done))
		}
		skip := from + done - b.from
		k := min(rows-done, b.rows-skip)
		if err := r.part(dst.Slice(done, done+k, 0, n).(*mat.Dense), b, skip, first); err != nil {
			return r.fault(err)
		}
		done += k
	}
	return nil
}

// batch returns the batch that has a row; nil if there is none.
func (r *Rows) batch(row int) *placed {
	low, high := 0, len(r.batches)
	for low < high {
		if middle := (low + high) / 2; r.batches[middle].from+r.batches[middle].rows <= row {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(r.batches) {
		return nil
	}
	return &r.batches[low]
}

// part reads rows of b after skip ones.
func (r *Rows) part(dst *mat.Dense, b *placed, skip, first int) error {
	rows, n := dst.Dims()
	before := 0 // values of the variables before this one
	for i, width := range r.widths {
		low, high := max(first, before), min(first+n, before+width)
		if low < high {
			to := dst.Slice(0, rows, low-first, high-first).(*mat.Dense)
			if err := r.variable(to, b.values[i]+8*int64(skip*width+low-before), width); err != nil {
				return err
			}
		}
		before += width
	}
	return nil
}

// variable reads values of a variable from a position on, whose rows are width values apart: all
// rows at once if these are next to one another.
func (r *Rows) variable(dst *mat.Dense, at int64, width int) error {
	rows, n := dst.Dims()
	if n < width {
		for i := range rows {
			if err := r.fill(dst.RawRowView(i), at+8*int64(i*width)); err != nil {
				return err
			}
		}
		return nil
	}
	if raw := dst.RawMatrix(); raw.Stride == n {
		return r.fill(raw.Data[:rows*n], at)
	}
	values := mat.NewDense(rows, n, nil)
	if err := r.fill(values.RawMatrix().Data, at); err != nil {
		return err
	}
	dst.Copy(values)
	return nil
}

func (r *Rows) fill(values []float64, at int64) error {
	_, err := r.file.ReadAt(arrow.Float64Traits.CastToBytes(values), at)
	return err
}

// Close closes the file.
func (r *Rows) Close() error { return r.file.Close() }
