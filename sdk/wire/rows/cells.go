package rows

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// cellsOf is the cells of one column of a batch.
type cellsOf struct {
	array arrow.Array
	value func(row int) Cell // for a cell that is not null
}

func (c *cellsOf) at(row int) Cell {
	if c.array.IsNull(row) {
		return Cell{}
	}
	return c.value(row)
}

// cellsIn returns the cells of a column or, for lists, those at item.
func cellsIn(a arrow.Array, item int) (cellsOf, error) {
	list, ok := a.(*array.FixedSizeList)
	if !ok {
		value, err := reading(a)
		return cellsOf{a, value}, err
	}
	value, err := reading(list.ListValues())
	items := cellsOf{list.ListValues(), value}
	return cellsOf{a, func(row int) Cell {
		first, _ := list.ValueOffsets(row)
		return items.at(int(first) + item)
	}}, err
}

// unread returns the error of a type that is not supported.
func unread(t arrow.DataType) error {
	e := &UnsupportedError{What: fmt.Sprintf("is of type %s, which does not hold numbers, texts or times", t), Hint: "choose another column, or write it as numbers or texts"}
	if _, ok := t.(arrow.NestedType); ok {
		e.Hint = "write a column for each value, or lists of the type fixed_size_list"
	}
	return e
}

// reading returns a function that reads a value of a that is not null.
func reading(a arrow.Array) (func(row int) Cell, error) {
	switch a := a.(type) {
	case *array.Float64:
		return numbers(a.Value), nil
	case *array.Float32:
		return numbers(a.Value), nil
	case *array.Int64:
		return numbers(a.Value), nil
	case *array.Int32:
		return numbers(a.Value), nil
	case *array.Int16:
		return numbers(a.Value), nil
	case *array.Int8:
		return numbers(a.Value), nil
	case *array.Uint64:
		return numbers(a.Value), nil
	case *array.Uint32:
		return numbers(a.Value), nil
	case *array.Uint16:
		return numbers(a.Value), nil
	case *array.Uint8:
		return numbers(a.Value), nil
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(row int) Cell { return Cell{Kind: Number, Number: a.Value(row).ToFloat64(scale)} }, nil
	case *array.Boolean:
		return func(row int) Cell {
			if a.Value(row) {
				return Cell{Kind: Number, Number: 1}
			}
			return Cell{Kind: Number}
		}, nil
	case *array.String:
		return texts(a.Value), nil
	case *array.LargeString:
		return texts(a.Value), nil
	case *array.StringView:
		return texts(a.Value), nil
	case *array.Date32:
		return times(Wall, func(row int) time.Time { return a.Value(row).ToTime() }), nil
	case *array.Date64:
		return times(Wall, func(row int) time.Time { return a.Value(row).ToTime() }), nil
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		kind := Instant
		if t.TimeZone == "" {
			kind = Wall
		}
		return times(kind, func(row int) time.Time { return a.Value(row).ToTime(t.Unit) }), nil
	case *array.Time32:
		unit := a.DataType().(*arrow.Time32Type).Unit
		return clocks(func(row int) time.Time { return a.Value(row).ToTime(unit) }), nil
	case *array.Time64:
		unit := a.DataType().(*arrow.Time64Type).Unit
		return clocks(func(row int) time.Time { return a.Value(row).ToTime(unit) }), nil
	case *array.Null:
		return func(int) Cell { return Cell{} }, nil
	case *array.Dictionary:
		inner, err := reading(a.Dictionary())
		return func(row int) Cell { return inner(a.GetValueIndex(row)) }, err
	}
	return nil, unread(a.DataType())
}

func numbers[T float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](value func(int) T) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: Number, Number: float64(value(row))} }
}

// texts copies each text, so that it does not keep its batch in memory.
func texts(value func(int) string) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: Text, Text: strings.Clone(value(row))} }
}

func times(kind Kind, value func(int) time.Time) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: kind, Time: value(row).UTC()} }
}

// clocks reads times of day, as texts.
func clocks(value func(int) time.Time) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: Text, Text: value(row).UTC().Format("15:04:05.999999999")} }
}
