// Package wire moves matrices between processes as Arrow IPC streams.
//
// One matrix is one stream: a schema, record batches of a few rows, and an
// end-of-stream marker. A row is a member. The first column, member int32, is the
// row's index; then comes one column per variable of the layout, float64 for a
// scalar and FixedSizeList<float64>[k] otherwise, or float32 in their place ([Numbers]), with
// shape, dimension names and unit in the field's metadata. If a layout is a single variable of
// float64, the column's buffer is the matrix itself, in both directions, and nothing is transposed.
//
// Streams are written with Arrow's own library. They are read by [Decoder], which
// accepts exactly these layouts: a stream comes from another process, and bytes from
// another process must never crash this one.
package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/plume-da/plume/sdk"
)

// memberColumn is the name of the first column.
const memberColumn = "member"

// Field returns the Arrow field of a variable whose values are of a type.
func Field(v sdk.Variable, values arrow.DataType) arrow.Field {
	shape := make([]string, len(v.Shape))
	for i, k := range v.Shape {
		shape[i] = strconv.Itoa(k)
	}
	f := arrow.Field{
		Name: v.Name, Type: values, Nullable: true,
		Metadata: arrow.NewMetadata(
			[]string{"shape", "dims", "unit"},
			[]string{strings.Join(shape, ","), strings.Join(v.Dims, ","), v.Unit},
		),
	}
	if len(v.Shape) > 0 {
		f.Type = arrow.FixedSizeListOfField(int32(v.Size()), arrow.Field{Name: "item", Type: values, Nullable: true})
	}
	return f
}

func schemaOf(l *sdk.Layout, numbers Numbers) *arrow.Schema {
	fields := []arrow.Field{{Name: memberColumn, Type: arrow.PrimitiveTypes.Int32}}
	for _, v := range l.Variables {
		fields = append(fields, Field(v, numbers.kind()))
	}
	return arrow.NewSchema(fields, nil)
}

// widths returns the number of values of each variable of l.
func widths(l *sdk.Layout) []int {
	w := make([]int, len(l.Variables))
	for i, v := range l.Variables {
		w[i] = v.Size()
	}
	return w
}

func contract(format string, args ...any) error {
	return sdk.Errorf(sdk.KindContract, "arrow stream", "%s", fmt.Sprintf(format, args...))
}
