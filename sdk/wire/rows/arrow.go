package rows

import (
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/plume-da/plume/sdk/wire"
)

// Arrow returns a reader of an Arrow IPC file. It takes over f unless there is an error.
func Arrow(f *os.File) (*Reader, error) { return open(f, (*Reader).arrow) }

func (r *Reader) arrow() error {
	if err := wire.CheckFooter(r.file, r.size); err != nil {
		return err
	}
	in, err := ipc.NewFileReader(r.file, ipc.WithAllocator(wire.Bounded(r.size, wire.AnyPacking)))
	if err != nil {
		return err
	}
	for _, f := range in.Schema().Fields() {
		r.columns = append(r.columns, columnOf(f))
	}
	r.open = func(fields []int) (batches, error) { return &chosen{in: in, fields: fields}, nil }
	return nil
}

// chosen is the batches of an IPC file with some of its columns.
type chosen struct {
	in     *ipc.FileReader
	fields []int
	next   int
	record arrow.Record
	err    error
}

func (c *chosen) Next() bool {
	if c.next == c.in.NumRecords() {
		return false
	}
	whole, err := c.in.Record(c.next)
	if c.err = err; err != nil {
		return false
	}
	c.next++
	fields, arrays := make([]arrow.Field, len(c.fields)), make([]arrow.Array, len(c.fields))
	for i, k := range c.fields {
		fields[i], arrays[i] = whole.Schema().Field(k), whole.Column(k)
	}
	c.record = array.NewRecord(arrow.NewSchema(fields, nil), arrays, whole.NumRows())
	return true
}

func (c *chosen) Record() arrow.Record { return c.record }
func (c *chosen) Err() error           { return c.err }
