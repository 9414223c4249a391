package wire

import (
	"encoding/binary"
	"errors"
	"io"
)

// errSchema is the error of an Arrow schema that Arrow's readers must not see: they make
// room for as many columns and names as it announces.
var errSchema = errors.New("its schema is damaged")

// CheckFooter looks at what the footer of an Arrow IPC file of size bytes says of its
// columns, before Arrow's reader believes it.
func CheckFooter(f io.ReaderAt, size int64) error {
	const tail = 10 // the footer's length, and the magic number
	if size < 2*tail {
		return nil // Arrow's reader says so
	}
	var end [tail]byte
	if _, err := f.ReadAt(end[:], size-tail); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end[:4]))
	if n > size-tail {
		return errSchema
	}
	footer := make([]byte, n)
	if _, err := f.ReadAt(footer, size-tail-n); err != nil {
		return err
	}
	t, ok := root(footer)
	if !ok {
		return errSchema
	}
	schema, ok := t.child(footerSchema)
	if !ok {
		return errSchema
	}
	return announced(schema)
}

// CheckStream is [CheckFooter] for the stream of size bytes that starts at offset.
func CheckStream(f io.ReaderAt, offset, size int64) error {
	var start [8]byte
	if _, err := f.ReadAt(start[:], offset); err != nil {
		return err
	}
	n := int64(int32(binary.LittleEndian.Uint32(start[4:])))
	if binary.LittleEndian.Uint32(start[:4]) != 0xFFFFFFFF || n < 0 {
		return errSchema
	}
	if n > size-offset-8 {
		return io.ErrUnexpectedEOF // it was cut
	}
	header := make([]byte, n)
	if _, err := f.ReadAt(header, offset+8); err != nil {
		return err
	}
	m, err := parseMessage(header)
	if err != nil || m.kind != headerSchema {
		return errSchema
	}
	return announced(m.head)
}

// announced wants every list of a schema to lie inside its buffer, and no more columns,
// nested ones included, than there are bytes: tables may be shared, and then a short
// schema would be a large one.
func announced(schema table) error {
	left := len(schema.buf)
	var walk func(parent table, list, metadata, depth int) bool
	walk = func(parent table, list, metadata, depth int) bool {
		pos, n, ok := parent.vector(list, 4)
		if _, _, named := parent.vector(metadata, 4); !ok || !named || depth > maxNested {
			return false
		}
		if left -= n; left < 0 {
			return false
		}
		for i := range n {
			field, ok := parent.at(pos + 4*i)
			if !ok || !walk(field, fieldChildren, fieldMetadata, depth+1) {
				return false
			}
			kind, _ := field.number(fieldTypeType, 1)
			if t, ok := field.child(fieldType); ok && kind == typeUnion {
				if _, _, ok := t.vector(unionTypeIDs, 4); !ok {
					return false
				}
			}
		}
		return true
	}
	if !walk(schema, schemaFields, schemaMetadata, 0) {
		return errSchema
	}
	return nil
}

// maxNested bounds how deeply columns may be nested.
const maxNested = 64
