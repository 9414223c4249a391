package table

import (
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Dates returns the date of a model time. An export with Dates has a column of dates after
// each column of model times: date after time, and valid_date after valid, which no other column
// of a table with times may be called. A nil Dates adds no columns.
type Dates func(t float64) time.Time

// dateNames are the names of the columns of dates by those of the columns of model times.
var dateNames = map[string]string{"time": "date", "valid": "valid_date"}

// isoMilliseconds is the layout of dates in text files. All have as many characters, because
// readers such as pandas take the format of a column from its first row.
const isoMilliseconds = "2006-01-02T15:04:05.000Z"

// shaped returns the reshaper for a layout with columns of dates; nil: there are none.
func shaped(s *arrow.Schema, layout Layout, dates Dates, asText bool) (*reshaper, error) {
	if dates == nil {
		return newReshaper(s, layout)
	}
	first := dated(s, dates, asText)
	then, err := newReshaper(first.schema, layout)
	if err != nil {
		return nil, err
	}
	return &reshaper{then.schema, func(r arrow.Record) arrow.Record { return then.batch(first.batch(r)) }}, nil
}

// dated returns the reshaper that adds the columns of dates: as texts, or as timestamps
// without a time zone, in UTC.
func dated(s *arrow.Schema, dates Dates, asText bool) *reshaper {
	kind := arrow.DataType(&arrow.TimestampType{Unit: arrow.Millisecond})
	if asText {
		kind = arrow.BinaryTypes.String
	}
	var fields []arrow.Field
	var sources []int // columns; those of dates follow their times
	isDate := map[int]bool{}
	for c, f := range s.Fields() {
		fields, sources = append(fields, f), append(sources, c)
		name, ok := dateNames[f.Name]
		if _, variable := shapeOf(f); !ok || variable || f.Type.ID() != arrow.FLOAT64 {
			continue
		}
		isDate[len(fields)] = true
		fields, sources = append(fields, arrow.Field{Name: name, Type: kind, Nullable: true}), append(sources, c)
	}
	m := s.Metadata()
	schema := arrow.NewSchema(fields, &m)
	return &reshaper{schema, func(r arrow.Record) arrow.Record {
		columns := make([]arrow.Array, len(sources))
		for k, from := range sources {
			if columns[k] = r.Column(from); isDate[k] {
				columns[k] = datesOf(columns[k].(*array.Float64), dates, kind)
			}
		}
		return array.NewRecord(schema, columns, r.NumRows())
	}}
}

// datesOf returns the dates of model times.
func datesOf(times *array.Float64, dates Dates, kind arrow.DataType) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, kind)
	defer b.Release()
	b.Reserve(times.Len())
	for i := range times.Len() {
		if times.IsNull(i) {
			b.AppendNull()
			continue
		}
		switch at := dates(times.Value(i)); b := b.(type) {
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(at.UnixMilli()))
		case *array.StringBuilder:
			b.Append(at.UTC().Format(isoMilliseconds))
		}
	}
	return b.NewArray()
}
