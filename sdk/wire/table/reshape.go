package table

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Layout says how variables are arranged in an export; in the files of a run they are lists.
type Layout string

// The layouts of exports.
const (
	Native Layout = "native" // as stored: one column of lists per variable
	Wide   Layout = "wide"   // one column per value: u_0, u_1, or u_0_0 for two dimensions
	Tidy   Layout = "tidy"   // one row per value: columns variable, index and value
	Tensor Layout = "tensor" // native, with columns marked as arrow.fixed_shape_tensor
)

// reshaper turns record batches of one schema into batches of another.
type reshaper struct {
	schema *arrow.Schema
	batch  func(arrow.Record) arrow.Record
}

func newReshaper(s *arrow.Schema, layout Layout) (*reshaper, error) {
	switch layout {
	case Native:
		return &reshaper{s, func(r arrow.Record) arrow.Record { return r }}, nil
	case Wide:
		return wide(s), nil
	case Tidy:
		return tidy(s), nil
	case Tensor:
		return tensor(s)
	}
	return nil, fmt.Errorf("layout: got %q, want %s, %s, %s or %s", layout, Native, Wide, Tidy, Tensor)
}

// shapeOf returns the shape of a variable, which is empty for a scalar, or false if a column
// is not a variable.
func shapeOf(f arrow.Field) ([]int, bool) {
	text, ok := f.Metadata.GetValue("shape")
	if !ok {
		return nil, false
	}
	var shape []int
	for _, k := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(k)
		if err != nil {
			return nil, false
		}
		shape = append(shape, n)
	}
	return shape, true
}

// indices returns the row-major index i of a shape as text, _1_0.
func indices(shape []int, i int) string {
	text := ""
	for k := len(shape) - 1; k >= 0; k-- {
		text = "_" + strconv.Itoa(i%shape[k]) + text
		i /= shape[k]
	}
	return text
}

// every returns value i of every list, null if the list or the value is. An array of
// numbers counts as one of lists with one value.
func every(lists arrow.Array, i int) arrow.Array {
	items, list := lists, (*array.FixedSizeList)(nil)
	if l, ok := lists.(*array.FixedSizeList); ok {
		items, list = l.ListValues(), l
	}
	if numbers, ok := items.(*array.Float32); ok {
		return picked(array.NewFloat32Builder(memory.DefaultAllocator), lists, numbers, list, i)
	}
	return picked(array.NewFloat64Builder(memory.DefaultAllocator), lists, items.(*array.Float64), list, i)
}

// builder makes an array of float32 or float64.
type builder[T float32 | float64] interface {
	array.Builder
	Append(T)
}

// picked appends to b, which it releases, value i of every list, or of every row if list is nil.
func picked[T float32 | float64, A floats[T]](b builder[T], lists arrow.Array, numbers A, list *array.FixedSizeList, i int) arrow.Array {
	defer b.Release()
	b.Reserve(lists.Len())
	for row := range lists.Len() {
		k := row
		if list != nil {
			from, _ := list.ValueOffsets(row)
			k = int(from) + i
		}
		if lists.IsNull(row) || numbers.IsNull(k) {
			b.AppendNull()
		} else {
			b.Append(numbers.Value(k))
		}
	}
	return b.NewArray()
}

func wide(s *arrow.Schema) *reshaper {
	type source struct{ column, index int }
	var fields []arrow.Field
	var sources []source
	for c, f := range s.Fields() {
		list, ok := f.Type.(*arrow.FixedSizeListType)
		if !ok {
			fields, sources = append(fields, f), append(sources, source{c, -1})
			continue
		}
		shape, _ := shapeOf(f)
		unit, _ := f.Metadata.GetValue("unit")
		for i := range int(list.Len()) {
			fields = append(fields, arrow.Field{Name: f.Name + indices(shape, i), Type: list.Elem(), Nullable: true,
				Metadata: arrow.NewMetadata([]string{"shape", "dims", "unit"}, []string{"", "", unit})})
			sources = append(sources, source{c, i})
		}
	}
	m := s.Metadata()
	schema := arrow.NewSchema(fields, &m)
	return &reshaper{schema, func(r arrow.Record) arrow.Record {
		columns := make([]arrow.Array, len(sources))
		for k, from := range sources {
			columns[k] = r.Column(from.column)
			if from.index >= 0 {
				columns[k] = every(columns[k], from.index)
			}
		}
		return array.NewRecord(schema, columns, r.NumRows())
	}}
}

func tidy(s *arrow.Schema) *reshaper {
	var fields []arrow.Field
	var keys, variables []int
	for c, f := range s.Fields() {
		if _, ok := shapeOf(f); ok {
			variables = append(variables, c)
		} else {
			keys, fields = append(keys, c), append(fields, f)
		}
	}
	if len(variables) == 0 {
		return &reshaper{s, func(r arrow.Record) arrow.Record { return r }} // it is already tidy
	}
	fields = append(fields, arrow.Field{Name: "variable", Type: arrow.BinaryTypes.String}, arrow.Field{Name: "index", Type: arrow.PrimitiveTypes.Int32},
		arrow.Field{Name: "value", Type: elementOf(s.Field(variables[0]).Type), Nullable: true})
	m := s.Metadata()
	schema := arrow.NewSchema(fields, &m)
	return &reshaper{schema, func(r arrow.Record) arrow.Record {
		names, indexes := array.NewStringBuilder(memory.DefaultAllocator), array.NewInt32Builder(memory.DefaultAllocator)
		var values []arrow.Array
		rows := int(r.NumRows())
		for _, c := range variables { // variable by variable, value by value, row by row
			width := 1
			if list, ok := r.Column(c).DataType().(*arrow.FixedSizeListType); ok {
				width = int(list.Len())
			}
			for i := range width {
				names.AppendValues(slices.Repeat([]string{s.Field(c).Name}, rows), nil)
				indexes.AppendValues(slices.Repeat([]int32{int32(i)}, rows), nil)
				values = append(values, every(r.Column(c), i))
			}
		}
		columns := make([]arrow.Array, 0, len(fields))
		for _, c := range keys {
			columns = append(columns, concatenated(slices.Repeat([]arrow.Array{r.Column(c)}, len(values))))
		}
		columns = append(columns, names.NewArray(), indexes.NewArray(), concatenated(values))
		return array.NewRecord(schema, columns, int64(rows*len(values)))
	}}
}

// elementOf returns the type of the values of a variable; those of one table have the same.
func elementOf(t arrow.DataType) arrow.DataType {
	if list, ok := t.(*arrow.FixedSizeListType); ok {
		return list.Elem()
	}
	return t
}

// concatenated joins arrays of one type, which cannot fail.
func concatenated(arrays []arrow.Array) arrow.Array {
	a, err := array.Concatenate(arrays, memory.DefaultAllocator)
	if err != nil {
		panic(fmt.Sprintf("table: %v", err))
	}
	return a
}

// tensor adds the name of Arrow's extension type to the metadata of the columns of lists.
// https://arrow.apache.org/docs/format/CanonicalExtensions.html#fixed-shape-tensor
func tensor(s *arrow.Schema) (*reshaper, error) {
	fields := slices.Clone(s.Fields())
	for c, f := range fields {
		if _, ok := f.Type.(*arrow.FixedSizeListType); !ok {
			continue
		}
		shape, _ := shapeOf(f)
		dims, _ := f.Metadata.GetValue("dims")
		description := struct {
			Shape []int    `json:"shape"`
			Dims  []string `json:"dim_names,omitempty"`
		}{Shape: shape}
		if dims != "" {
			description.Dims = strings.Split(dims, ",")
		}
		text, err := json.Marshal(description)
		if err != nil {
			return nil, err
		}
		fields[c].Metadata = arrow.NewMetadata(append(slices.Clone(f.Metadata.Keys()), "ARROW:extension:name", "ARROW:extension:metadata"),
			append(slices.Clone(f.Metadata.Values()), "arrow.fixed_shape_tensor", string(text)))
	}
	m := s.Metadata()
	schema := arrow.NewSchema(fields, &m)
	return &reshaper{schema, func(r arrow.Record) arrow.Record { return array.NewRecord(schema, r.Columns(), r.NumRows()) }}, nil
}
