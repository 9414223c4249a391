package process

import (
	"encoding/csv"
	"io"

	"github.com/plume-da/plume/sdk/number"
	"gonum.org/v1/gonum/mat"
)

// csvCodec writes a header with the names of the values and one line per member, and reads
// a table. Numbers have as many digits as are needed to read them back unchanged.
type csvCodec struct {
	names []string
	table *table
}

func (c csvCodec) encode(w io.Writer, t *task) error {
	out := csv.NewWriter(w)
	if err := out.Write(c.names); err != nil {
		return err
	}
	fields := make([]string, len(c.names))
	for i := range t.seeds {
		for j, v := range t.states.RawRowView(i) {
			fields[j] = string(number.Append(nil, v))
		}
		if err := out.Write(fields); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (c csvCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	return c.table.decode(r, t, into)
}
