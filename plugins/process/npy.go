package process

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// npyCodec writes and reads numpy arrays of float64 (NEP 1, format 1.0 and later).
// The array of a single variable has its shape; the array of several variables holds all
// values in one dimension. In batch mode members are the first dimension.
type npyCodec struct{}

const npyMagic = "\x93NUMPY"

var npyHeader = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? *\}`)

func (npyCodec) encode(w io.Writer, t *task) error {
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': %s, }", tuple(npyShape(t, t.layout.Prognostic())))
	const fixed = len(npyMagic) + 4 // with version and length
	header += strings.Repeat(" ", 63-(fixed+len(header))%64) + "\n"
	b := bufio.NewWriter(w)
	text := append([]byte(npyMagic), 1, 0)
	text = binary.LittleEndian.AppendUint16(text, uint16(len(header)))
	_, _ = b.Write(append(text, header...)) // Flush returns the error
	for i := range t.seeds {
		for _, v := range t.states.RawRowView(i) {
			_, _ = b.Write(binary.LittleEndian.AppendUint64(b.AvailableBuffer(), math.Float64bits(v)))
		}
	}
	return b.Flush()
}

func (npyCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	in := bufio.NewReader(r)
	descr, order, shape, err := readNpyHeader(in)
	want := npyShape(t, t.layout)
	switch {
	case err != nil:
		return err
	case descr != "<f8":
		return fmt.Errorf("holds values of type %q, want \"<f8\"; save it with .astype(\"<f8\")", descr)
	case !slices.Equal(shape, want):
		return fmt.Errorf("has the shape %s, want %s", tuple(shape), tuple(want))
	case order != "False" && len(want) > 1:
		return fmt.Errorf("is in Fortran order; save it with numpy.ascontiguousarray")
	}
	bits := make([]byte, 8)
	values := into.RawMatrix().Data
	for k := range values {
		if _, err := io.ReadFull(in, bits); err != nil {
			return fmt.Errorf("ends after %d of %d values", k, len(values))
		}
		values[k] = math.Float64frombits(binary.LittleEndian.Uint64(bits))
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return fmt.Errorf("continues after its %d values", len(values))
	}
	return nil
}

// readNpyHeader returns what the header says; order is True or False.
func readNpyHeader(in io.Reader) (descr, order string, shape []int, err error) {
	start := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(in, start); err != nil || string(start[:len(npyMagic)]) != npyMagic {
		return "", "", nil, fmt.Errorf("is not a .npy file")
	}
	size := make([]byte, 2)
	if start[len(npyMagic)] > 1 {
		size = make([]byte, 4)
	}
	if _, err := io.ReadFull(in, size); err != nil {
		return "", "", nil, fmt.Errorf("ends in its header")
	}
	const most = 1 << 16 // numpy's own writes a hundred bytes
	length := binary.LittleEndian.Uint32(append(size, 0, 0))
	if length > most {
		return "", "", nil, fmt.Errorf("has a header of %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return "", "", nil, fmt.Errorf("ends in its header")
	}
	parts := npyHeader.FindSubmatch(text)
	if parts == nil {
		return "", "", nil, fmt.Errorf("has the header %q, which is not that of an array of numbers", brief(string(text)))
	}
	for _, k := range strings.FieldsFunc(string(parts[3]), func(c rune) bool { return c == ',' || c == ' ' }) {
		length, err := strconv.Atoi(k)
		if err != nil {
			return "", "", nil, fmt.Errorf("has the shape (%s)", parts[3])
		}
		shape = append(shape, length)
	}
	return string(parts[1]), string(parts[2]), shape, nil
}

// npyShape returns the shape of the array of values of l for t.
func npyShape(t *task, l *sdk.Layout) []int {
	shape := []int{l.Size()}
	if v := l.Variables; len(v) == 1 && len(v[0].Shape) > 0 {
		shape = v[0].Shape
	}
	if t.batch {
		shape = append([]int{len(t.seeds)}, shape...)
	}
	return shape
}

// tuple writes a shape as Python does.
func tuple(shape []int) string {
	if len(shape) == 1 {
		return fmt.Sprintf("(%d,)", shape[0])
	}
	return "(" + strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]") + ")"
}
