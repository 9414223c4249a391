// Package table reads and writes the tables of a run as Arrow IPC files.
//
// A file has one record batch per [Writer.Append]. The buffers of columns that are Packed
// are compressed with LZ4, all others are stored uncompressed. While a file is being
// written it is called NAME.part and has no footer; it can then be read as an Arrow stream
// from byte 8, and a crash loses at most the batch being written. On [Writer.Close] it
// gets its footer and its name. The same rows give the same bytes.
package table

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire"
)

// Type is the type of a column.
type Type int

// The types of columns and the Go types of their values.
const (
	Int32   Type = iota // []int32
	Int64               // []int64
	Float64             // []float64
	Text                // []string
	Values              // Block: one variable of a layout
)

// Column is one column of a table.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
	Variable sdk.Variable // of type Values
	Single   bool         // of type Values: they are stored as float32, see [Writer.Beyond]
	Packed   bool         // its values repeat from row to row: they are compressed if that makes them shorter
	About    string       // description for documentation; not written
}

// Variables returns one column of type Values for every variable of l.
func Variables(l *sdk.Layout) []Column {
	var columns []Column
	for _, v := range l.Variables {
		columns = append(columns, Column{Name: v.Name, Type: Values, Nullable: true, Variable: v})
	}
	return columns
}

func (c Column) field() arrow.Field {
	switch c.Type {
	case Int32:
		return arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Int32, Nullable: c.Nullable}
	case Int64:
		return arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Int64, Nullable: c.Nullable}
	case Float64:
		return arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Float64, Nullable: c.Nullable}
	case Text:
		return arrow.Field{Name: c.Name, Type: arrow.BinaryTypes.String, Nullable: c.Nullable}
	case Values:
		if c.Single {
			return wire.Field(c.Variable, arrow.PrimitiveTypes.Float32)
		}
		return wire.Field(c.Variable, arrow.PrimitiveTypes.Float64)
	}
	panic(fmt.Sprintf("table: column %s has no type", c.Name))
}

// Nullable is a column in which some values are not applicable.
type Nullable[T int32 | int64 | float64 | string] struct {
	Values []T
	Valid  []bool
}
